-- Has events sent to an endpoint again. Tells how many, and behind which place the rest begins.
--
-- $1 endpoint  $2 one event, or NULL  $3, $4 a range of time  $5, $6 behind this place  $7 now

WITH endpoint AS MATERIALIZED (
  SELECT endpoint_id, types FROM webhook_endpoints WHERE endpoint_id = $1 AND state <> 'deleted'),

page AS MATERIALIZED (
  SELECT v.position, v.number, v.event_id, v.type, v.created_at FROM endpoint e
  CROSS JOIN LATERAL (
    SELECT position, number, event_id, type, created_at FROM events
    WHERE $2::uuid IS NULL AND (position, number) > ($5::bigint, $6::bigint)
      AND position < (SELECT event_horizon())
      AND created_at >= $3::timestamptz AND created_at < $4::timestamptz
      AND (e.types IS NULL OR type = ANY (e.types))
    ORDER BY position, number LIMIT 1000) AS v
  UNION ALL
  SELECT position, number, event_id, type, created_at FROM events
  WHERE event_id = $2::uuid AND EXISTS (SELECT FROM endpoint)),

stored AS (
  INSERT INTO webhook_deliveries AS d (endpoint_id, event_id, type, position, number, event_at, state,
    due_at, created_at)
  SELECT $1, event_id, type, position, number, created_at, 'pending', $7::timestamptz, $7::timestamptz
  FROM page ORDER BY event_id
  ON CONFLICT (endpoint_id, event_id) DO UPDATE SET state = 'pending', attempts = 0,
    due_at = excluded.due_at
  WHERE d.state <> 'pending' OR d.due_at > excluded.due_at + interval '30 seconds')

SELECT count(*) AS events, COALESCE(max(position), 0) AS position,
  COALESCE((SELECT number FROM page ORDER BY position DESC, number DESC LIMIT 1), 0) AS number
FROM page
