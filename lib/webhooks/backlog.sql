-- Copies events of customers that have a backlog at an endpoint, as feed.sql copies others. Tells how many it
-- read. Half of the room that failed rows leave is kept for other customers.
--
-- $1 endpoint  $2 now  $3 the most pending rows that it may have  $4 the most of a customer that were never sent
-- $5 at most so many customers, those that wait the longest
--
-- Nothing is done unless the endpoint's cursor, once locked, is that of this statement's snapshot: the
-- snapshot has all events up to it. What another process has copied meanwhile has its row already.

WITH endpoint AS MATERIALIZED (
  SELECT endpoint_id, position, number, types FROM webhook_endpoints
  WHERE endpoint_id = $1 AND state = 'enabled' FOR NO KEY UPDATE SKIP LOCKED),

waiting AS MATERIALIZED (
  SELECT customer_id, attempts FROM webhook_deliveries
  WHERE endpoint_id = $1 AND state = 'pending' LIMIT $3::bigint),

room AS MATERIALIZED (
  SELECT ($3::bigint - count(*) FILTER (WHERE attempts > 0)) / 2 - count(*) FILTER (WHERE attempts = 0) AS events
  FROM waiting),

present AS MATERIALIZED (
  SELECT e.position, e.number, e.types FROM endpoint e JOIN webhook_endpoints s
    ON s.endpoint_id = e.endpoint_id AND s.position = e.position AND s.number = e.number
  WHERE (SELECT events FROM room) > 0),

-- As in feed.sql.
share AS MATERIALIZED (
  SELECT customer_id, least($4::bigint - count(*) FILTER (WHERE attempts = 0), 3 * $4::bigint - count(*)) AS room
  FROM waiting GROUP BY customer_id),

backlog AS MATERIALIZED (
  SELECT b.customer_id, b.position, b.number,
    least(COALESCE(s.room, $4::bigint), (SELECT events FROM room)) AS most
  FROM webhook_backlogs b LEFT JOIN share s ON s.customer_id = b.customer_id
  WHERE b.endpoint_id = $1 AND COALESCE(s.room, $4::bigint) > 0 AND EXISTS (SELECT FROM present)
  ORDER BY b.position, b.number LIMIT $5::bigint),

found AS MATERIALIZED (
  SELECT b.customer_id, b.position AS since, b.number AS since_number, v.position, v.number, v.event_id, v.type,
    v.created_at, p.types IS NULL OR v.type = ANY (p.types) AS is_wanted,
    row_number() OVER (PARTITION BY b.customer_id ORDER BY v.position, v.number) AS place
  FROM present p CROSS JOIN backlog b CROSS JOIN LATERAL (
    SELECT position, number, event_id, type, created_at FROM events
    WHERE customer_id = b.customer_id AND (position, number) > (b.position, b.number)
      AND (position, number) <= (p.position, p.number)
    ORDER BY position, number LIMIT b.most) AS v),

-- The customers take turns. With less room than customers, the oldest backlogs come first.
page AS MATERIALIZED (
  SELECT customer_id, position, number, event_id, type, created_at, is_wanted FROM found
  ORDER BY place, since, since_number, customer_id
  LIMIT (SELECT greatest(events, 0) FROM room)),

copied AS (
  INSERT INTO webhook_deliveries (endpoint_id, event_id, type, position, number, event_at, state, due_at,
    created_at, customer_id)
  SELECT $1, event_id, type, position, number, created_at, 'pending', $2::timestamptz, $2::timestamptz,
    customer_id
  FROM page WHERE is_wanted
  ORDER BY position, number
  ON CONFLICT DO NOTHING),

reached AS MATERIALIZED (
  SELECT b.customer_id, l.position, l.number,
    COALESCE(f.events, 0) < b.most AND COALESCE(f.events, 0) = COALESCE(l.events, 0) AS is_over
  FROM present CROSS JOIN backlog b
  LEFT JOIN (SELECT customer_id, count(*) AS events FROM found GROUP BY customer_id) f
    ON f.customer_id = b.customer_id
  LEFT JOIN (
    SELECT DISTINCT ON (customer_id) customer_id, position, number,
      count(*) OVER (PARTITION BY customer_id) AS events
    FROM page ORDER BY customer_id, position DESC, number DESC) l ON l.customer_id = b.customer_id),

ended AS (
  DELETE FROM webhook_backlogs b USING reached r
  WHERE b.endpoint_id = $1 AND b.customer_id = r.customer_id AND r.is_over),

moved AS (
  UPDATE webhook_backlogs b SET position = r.position, number = r.number FROM reached r
  WHERE b.endpoint_id = $1 AND b.customer_id = r.customer_id AND NOT r.is_over AND r.position IS NOT NULL)

SELECT count(*) AS events FROM page
