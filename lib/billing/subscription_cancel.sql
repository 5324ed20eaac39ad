-- Cancels a customer's subscriptions. The newest row gets another version even when it is over, so
-- that no licence is stored that is being issued from it. A contract is over for good, whatever Stripe tells
-- about it later.
--
-- $1 customer  $2 now

UPDATE subscriptions SET
  version = version + 1,
  cancel_at_period_end = cancel_at_period_end AND status IN ('canceled', 'incomplete_expired'),
  scheduled_plan = NULL,
  status = CASE WHEN status IN ('canceled', 'incomplete_expired') THEN status ELSE 'canceled' END,
  ended_at = CASE WHEN contract_id IS NULL OR status IN ('canceled', 'incomplete_expired')
    THEN ended_at ELSE $2 END,
  ends_at = CASE WHEN contract_id IS NULL OR status IN ('canceled', 'incomplete_expired')
    THEN ends_at ELSE LEAST(ends_at, $2::timestamptz) END,
  updated_at = CASE WHEN status IN ('canceled', 'incomplete_expired') THEN updated_at ELSE $2 END
WHERE customer_id = $1 AND (status NOT IN ('canceled', 'incomplete_expired')
  OR subscription_id = (SELECT subscription_id FROM subscriptions WHERE customer_id = $1
    ORDER BY superseded, subscription_order(subscriptions, $2),
    subscription_id DESC LIMIT 1))
