-- Has events sent to an endpoint again. Tells how many it read, how many of them the endpoint gets, and behind
-- which place the rest begins. The events of a range are taken in the order of their time, so that an index leads
-- to them; one that is not due yet has not been sent yet either.
--
-- $1 endpoint  $2 one event, or NULL  $3, $4 a range of time  $5, $6 behind this time and number, or NULL and 0
-- $7 now

WITH endpoint AS MATERIALIZED (
  SELECT endpoint_id, types FROM webhook_endpoints WHERE endpoint_id = $1 AND state <> 'deleted'),

-- The end of the range and the types are looked at behind the limit, so that the planner, which knows none of
-- the values, reads the index in order and stops.
page AS MATERIALIZED (
  SELECT v.position, v.number, v.event_id, v.type, v.created_at,
    e.types IS NULL OR v.type = ANY (e.types) AS wanted
  FROM endpoint e CROSS JOIN LATERAL (
    SELECT position, number, event_id, type, created_at FROM events
    WHERE $2::uuid IS NULL AND created_at >= $3::timestamptz
      AND (created_at, number) > (COALESCE($5::timestamptz, $3::timestamptz), $6::bigint)
      AND position < (SELECT event_horizon())
    ORDER BY created_at, number LIMIT 1000) AS v
  WHERE v.created_at < $4::timestamptz
  UNION ALL
  SELECT position, number, event_id, type, created_at, true FROM events
  WHERE event_id = $2::uuid AND EXISTS (SELECT FROM endpoint)),

stored AS (
  INSERT INTO webhook_deliveries AS d (endpoint_id, event_id, type, position, number, event_at, state,
    due_at, created_at)
  SELECT $1, event_id, type, position, number, created_at, 'pending', $7::timestamptz, $7::timestamptz
  FROM page WHERE wanted ORDER BY event_id
  ON CONFLICT (endpoint_id, event_id) DO UPDATE SET state = 'pending', attempts = 0,
    due_at = excluded.due_at
  WHERE d.state <> 'pending' OR d.due_at > excluded.due_at + interval '30 seconds')

SELECT count(*) AS read, count(*) FILTER (WHERE wanted) AS events, max(created_at) AS at,
  COALESCE((SELECT number FROM page ORDER BY created_at DESC, number DESC LIMIT 1), 0) AS number
FROM page
