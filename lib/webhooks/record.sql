-- Writes down the outcomes of attempts. A delivery that another process has finished meanwhile stays so.
--
-- $1 [{endpoint_id, row_id, state, due_at, attempted_at, status, took_ms, reason, answer}]

UPDATE webhook_deliveries d SET state = r.state, attempts = d.attempts + 1,
  due_at = COALESCE(r.due_at, d.due_at), attempted_at = r.attempted_at, status = r.status,
  took_ms = r.took_ms, reason = r.reason, answer = r.answer
FROM jsonb_to_recordset($1::jsonb) AS r (endpoint_id text, row_id uuid, state text, due_at timestamptz,
  attempted_at timestamptz, status bigint, took_ms bigint, reason text, answer text)
WHERE d.endpoint_id = r.endpoint_id AND d.event_id = r.row_id AND d.state = 'pending'
