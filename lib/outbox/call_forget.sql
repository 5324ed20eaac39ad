-- Forgets what a deleted customer's calls say about it. Cancellations stay: Stripe must still receive
-- them, and they hold no personal data. A call that is locked is skipped: it forgets its own
-- parameters when it ends.
--
-- $1 customer

WITH idle AS (
  SELECT call_id FROM stripe_calls
  WHERE customer_id = $1 AND state IN ('pending', 'parked')
  AND (kind IN ('customer_update', 'checkout') OR kind = 'customer_create' AND state = 'parked')
  FOR UPDATE SKIP LOCKED),

dropped AS (
  DELETE FROM stripe_calls WHERE call_id IN (SELECT call_id FROM idle))

UPDATE stripe_calls SET parameters = '', error_message = NULL
WHERE customer_id = $1 AND state IN ('done', 'failed')
AND (parameters <> '' OR error_message IS NOT NULL)
