-- Forgets what a deleted customer's calls say about it. Cancellations stay: Stripe must still receive
-- them, and they hold no personal data. A call in work is skipped, whose lock lib/outbox/calls.c
-- takes: it forgets its own parameters when it ends.
--
-- $1 customer

WITH locked AS MATERIALIZED (
  SELECT classid::bigint << 32 | objid::bigint AS key FROM pg_locks
  WHERE locktype = 'advisory' AND objsubid = 1),

idle AS (
  SELECT call_id FROM stripe_calls
  WHERE customer_id = $1 AND state IN ('pending', 'parked')
  AND (kind IN ('customer_update', 'checkout') OR kind = 'customer_create' AND state = 'parked')
  AND NOT EXISTS (SELECT FROM locked WHERE key = hashtextextended('stripe-call:' || call_id, 0))
  FOR UPDATE SKIP LOCKED),

dropped AS (
  DELETE FROM stripe_calls WHERE call_id IN (SELECT call_id FROM idle))

UPDATE stripe_calls SET parameters = '', error_message = NULL
WHERE customer_id = $1 AND state IN ('done', 'failed')
AND (parameters <> '' OR error_message IS NOT NULL)
