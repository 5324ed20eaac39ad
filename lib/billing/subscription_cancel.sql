-- Cancels a customer's subscriptions. The newest row gets another version even when it is over, so
-- that no licence is stored that is being issued from it. A contract is over for good, whatever Stripe tells
-- about it later. Those that end now are updated now.
--
-- $1 customer  $2 now

UPDATE subscriptions s SET
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
RETURNING
  s.subscription_id, s.customer_id, s.stripe_subscription_id, s.plan, s.status, s.trial_ends_at,
  s.current_period_ends_at, s.past_due_since, s.cancel_at_period_end, s.cancel_at, s.canceled_at,
  s.ended_at, s.stripe_price_id, COALESCE(s.quantity, 1) AS quantity, s.addons::text AS addons,
  s.interval, s.interval_count, s.currency, s.scheduled_plan, s.scheduled_quantity,
  s.scheduled_addons::text AS scheduled_addons, s.pause_behavior, s.pause_resumes_at,
  s.pause_ends_access_at, s.hold_reason, s.hold_ends_access_at, s.price_ends_access_at,
  COALESCE(s.bought_at, s.created_at) AS bought_at, s.contract_id, s.starts_at, s.ends_at, s.version,
  s.created_at, s.updated_at
