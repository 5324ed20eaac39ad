-- Whether cancellations of a subscription are pending or parked. Each state has an index of its own.
--
-- $1 subscription at Stripe

SELECT
  EXISTS (SELECT FROM stripe_calls WHERE subject = $1 AND kind = 'subscription_cancel'
    AND state = 'pending') AS pending,
  EXISTS (SELECT FROM stripe_calls WHERE subject = $1 AND kind = 'subscription_cancel'
    AND state = 'parked') AS parked
