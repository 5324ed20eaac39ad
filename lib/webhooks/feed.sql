-- Copies the events that an endpoint wants from the log into rows of its own, and moves its cursor, in one
-- statement. Tells how many events it read. Another process that feeds the endpoint at the same time
-- leaves nothing to do. Deliveries that others store do not wait for the lock.
--
-- $1 endpoint  $2 now  $3 the most pending rows that it may have  $4 the most of a customer that were never sent
--
-- The cursor passes further events of a customer: they are its backlog, which backlog.sql copies.

WITH endpoint AS MATERIALIZED (
  SELECT endpoint_id, position, number, types FROM webhook_endpoints
  WHERE endpoint_id = $1 AND state = 'enabled' FOR NO KEY UPDATE SKIP LOCKED),

waiting AS MATERIALIZED (
  SELECT customer_id, attempts FROM webhook_deliveries
  WHERE endpoint_id = $1 AND state = 'pending' LIMIT $3::bigint),

-- Failed ones wait for their next attempt and keep nothing busy, but with them a customer has three shares at most.
share AS MATERIALIZED (
  SELECT customer_id, least($4::bigint - count(*) FILTER (WHERE attempts = 0), 3 * $4::bigint - count(*)) AS room
  FROM waiting GROUP BY customer_id),

-- With the inner limit the planner knows that few rows are read.
log AS MATERIALIZED (
  SELECT v.position, v.number, v.event_id, v.type, v.created_at, v.customer_id,
    e.types IS NULL OR v.type = ANY (e.types) AS is_wanted
  FROM endpoint e CROSS JOIN LATERAL (
    SELECT position, number, event_id, type, created_at, customer_id FROM events
    WHERE (position, number) > (e.position, e.number) AND position < (SELECT event_horizon())
    ORDER BY position, number LIMIT 500) AS v
  WHERE (SELECT count(*) FROM waiting) < $3::bigint),

judged AS MATERIALIZED (
  SELECT l.position, l.number, l.event_id, l.type, l.created_at, l.customer_id, l.is_wanted,
    l.is_wanted AND l.customer_id IS NOT NULL AND (b.customer_id IS NOT NULL
      OR count(*) FILTER (WHERE l.is_wanted) OVER (PARTITION BY l.customer_id ORDER BY l.position, l.number)
      > COALESCE(s.room, $4::bigint)) AS is_left
  FROM log l LEFT JOIN share s ON s.customer_id = l.customer_id
  LEFT JOIN webhook_backlogs b ON b.endpoint_id = $1 AND b.customer_id = l.customer_id),

page AS MATERIALIZED (
  SELECT position, number, event_id, type, created_at, customer_id, is_wanted, is_left FROM (
    SELECT position, number, event_id, type, created_at, customer_id, is_wanted, is_left,
      count(*) FILTER (WHERE is_wanted AND NOT is_left) OVER (ORDER BY position, number) AS place
    FROM judged) AS j
  WHERE place <= $3::bigint - (SELECT count(*) FROM waiting)),

copied AS (
  INSERT INTO webhook_deliveries (endpoint_id, event_id, type, position, number, event_at, state, due_at,
    created_at, customer_id)
  SELECT $1, event_id, type, position, number, created_at, 'pending', $2::timestamptz, $2::timestamptz,
    customer_id
  FROM page WHERE is_wanted AND NOT is_left
  ORDER BY position, number
  ON CONFLICT DO NOTHING),

-- Also of customers that have a backlog: it may have ended a moment ago.
left_behind AS (
  INSERT INTO webhook_backlogs (endpoint_id, customer_id, position, number)
  SELECT DISTINCT ON (customer_id) $1, customer_id, position, number - 1 FROM page WHERE is_left
  ORDER BY customer_id, position, number
  ON CONFLICT DO NOTHING),

moved AS (
  UPDATE webhook_endpoints w SET position = last.position, number = last.number
  FROM (SELECT position, number FROM page ORDER BY position DESC, number DESC LIMIT 1) AS last
  WHERE w.endpoint_id = $1)

SELECT count(*) AS events FROM page
