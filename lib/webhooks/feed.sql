-- Copies the events that an endpoint wants from the log into rows of its own, and moves its cursor, in one
-- statement. Tells how many events it read. Another process that feeds the endpoint at the same time
-- leaves nothing to do. Deliveries that others store do not wait for the lock.
--
-- $1 endpoint  $2 now  $3 the most pending rows that it may have

WITH endpoint AS MATERIALIZED (
  SELECT endpoint_id, position, number, types FROM webhook_endpoints
  WHERE endpoint_id = $1 AND state = 'enabled' FOR NO KEY UPDATE SKIP LOCKED),

room AS MATERIALIZED (
  SELECT greatest($3::bigint - count(*), 0) AS free FROM (
    SELECT FROM webhook_deliveries WHERE endpoint_id = $1 AND state = 'pending' LIMIT $3::bigint) AS p),

-- With the inner limit the planner knows that few rows are read.
page AS MATERIALIZED (
  SELECT v.position, v.number, v.event_id, v.type, v.created_at FROM endpoint e
  CROSS JOIN LATERAL (
    SELECT position, number, event_id, type, created_at FROM events
    WHERE (position, number) > (e.position, e.number) AND position < (SELECT event_horizon())
    ORDER BY position, number LIMIT 500) AS v
  ORDER BY v.position, v.number LIMIT (SELECT free FROM room)),

copied AS (
  INSERT INTO webhook_deliveries (endpoint_id, event_id, type, position, number, event_at, state, due_at,
    created_at)
  SELECT e.endpoint_id, p.event_id, p.type, p.position, p.number, p.created_at, 'pending',
    $2::timestamptz, $2::timestamptz
  FROM endpoint e CROSS JOIN page p
  WHERE e.types IS NULL OR p.type = ANY (e.types)
  ORDER BY p.position, p.number
  ON CONFLICT DO NOTHING),

moved AS (
  UPDATE webhook_endpoints w SET position = last.position, number = last.number
  FROM (SELECT position, number FROM page ORDER BY position DESC, number DESC LIMIT 1) AS last
  WHERE w.endpoint_id = $1)

SELECT count(*) AS events FROM page
