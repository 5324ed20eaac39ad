-- Writes down the outcomes of attempts. A delivery that another process has finished meanwhile stays so. One
-- that failed at a URL which the endpoint has no more is due at the new one; a test is sent once. An answer to
-- an event of a customer that is deleted is not kept: it may repeat the customer's data. Deliveries are locked
-- in the order in which webhook_answers_forget() locks them.
--
-- $1 [{endpoint_id, row_id, url, customer_id, state, due_at, attempted_at, status, took_ms, reason, answer}]
-- $2 now

WITH answered AS MATERIALIZED (
  SELECT a.endpoint_id, a.row_id, a.customer_id, a.state, a.due_at, a.attempted_at, a.status, a.took_ms,
    a.reason, a.answer, COALESCE(a.url <> e.url, false) AS moved
  FROM jsonb_to_recordset($1::jsonb) AS a (endpoint_id text, row_id uuid, url text, customer_id text,
    state text, due_at timestamptz, attempted_at timestamptz, status bigint, took_ms bigint, reason text,
    answer text)
  LEFT JOIN webhook_endpoints e ON e.endpoint_id = a.endpoint_id),

locked AS MATERIALIZED (
  SELECT d.endpoint_id, d.event_id FROM answered r
  JOIN webhook_deliveries d ON d.endpoint_id = r.endpoint_id AND d.event_id = r.row_id
  WHERE d.state = 'pending' ORDER BY d.endpoint_id, d.event_id FOR UPDATE OF d)

UPDATE webhook_deliveries d SET state = CASE WHEN r.moved THEN 'pending' ELSE r.state END,
  attempts = d.attempts + 1,
  due_at = CASE WHEN r.moved THEN $2::timestamptz ELSE COALESCE(r.due_at, d.due_at) END,
  attempted_at = r.attempted_at, status = r.status, took_ms = r.took_ms, reason = r.reason,
  answer = CASE WHEN r.answer IS NOT NULL AND (
    SELECT deleted_at FROM customers WHERE customer_id = r.customer_id) IS NULL THEN r.answer END
FROM locked l JOIN answered r ON r.endpoint_id = l.endpoint_id AND r.row_id = l.event_id
WHERE d.endpoint_id = l.endpoint_id AND d.event_id = l.event_id AND d.state = 'pending'
