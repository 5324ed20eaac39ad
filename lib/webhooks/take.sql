-- Takes due deliveries for this process: until their lease is over no other process takes them. The body
-- is made of the event as it is now; an event that is no longer kept has no data. An endpoint whose URL was
-- changed, or that was disabled, since this process looked at it takes nothing until the next look.
--
-- $1 [{endpoint_id, url, want}]  $2 now  $3 the end of the lease

WITH wanted AS MATERIALIZED (
  SELECT e.endpoint_id, x.want
  FROM jsonb_to_recordset($1::jsonb) AS x (endpoint_id text, url text, want bigint)
  JOIN webhook_endpoints e ON e.endpoint_id = x.endpoint_id AND e.url = x.url AND e.state = 'enabled'),

picked AS MATERIALIZED (
  SELECT d.endpoint_id, d.event_id FROM wanted w
  CROSS JOIN LATERAL (
    SELECT endpoint_id, event_id FROM webhook_deliveries
    WHERE endpoint_id = w.endpoint_id AND state = 'pending' AND due_at <= $2::timestamptz
    ORDER BY due_at, position, number LIMIT w.want FOR UPDATE SKIP LOCKED) AS d),

taken AS (
  UPDATE webhook_deliveries d SET due_at = $3::timestamptz FROM picked p
  WHERE d.endpoint_id = p.endpoint_id AND d.event_id = p.event_id
  RETURNING d.endpoint_id, d.event_id, d.type, d.position, d.number, d.event_at, d.attempts)

SELECT t.endpoint_id, t.event_id::text AS row_id,
  'evt_' || replace(t.event_id::text, '-', '') AS event_id, t.type, t.attempts, t.event_at,
  t.position IS NULL AS test, v.customer_id, COALESCE(v.sequence, 0) AS sequence, v.data
FROM taken t
LEFT JOIN LATERAL (
  SELECT customer_id, sequence, data::text AS data FROM events
  WHERE position = t.position AND number = t.number AND created_at = t.event_at LIMIT 1) AS v ON true
ORDER BY t.endpoint_id, t.position, t.number
