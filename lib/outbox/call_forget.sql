-- Forgets what a deleted customer's calls say about it. Cancellations stay: Stripe must still receive
-- them, and they hold no personal data. A call in work is skipped, whose lock lib/outbox/calls.c
-- takes: it forgets its own parameters when it ends. The locks of pending calls are held until the
-- deletion commits, so that no process sends what is deleted. A parked call is not in work.
--
-- $1 customer

WITH idle AS (
  SELECT call_id FROM stripe_calls
  WHERE customer_id = $1
  AND CASE
    WHEN state = 'parked' THEN kind IN ('customer_update', 'checkout', 'customer_create')
    WHEN state = 'pending' AND kind IN ('customer_update', 'checkout')
      THEN pg_try_advisory_xact_lock(hashtextextended('stripe-call:' || call_id, 0))
    END
  FOR UPDATE SKIP LOCKED),

dropped AS (
  DELETE FROM stripe_calls WHERE call_id IN (SELECT call_id FROM idle))

UPDATE stripe_calls SET parameters = '', error_message = NULL
WHERE customer_id = $1 AND state IN ('done', 'failed')
AND (parameters <> '' OR error_message IS NOT NULL)
