-- Ends the trials that are over, writes each to the audit trail, and returns them.
--
-- $1 now  $2 how many at most  $3 actor  $4 request

WITH due AS (
  SELECT subscription_id FROM subscriptions
  WHERE status = 'trialing' AND stripe_subscription_id IS NULL AND contract_id IS NULL
    AND trial_ends_at <= $1
  ORDER BY trial_ends_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED),

ended AS (
  UPDATE subscriptions s SET status = 'canceled', version = version + 1, updated_at = $1
  FROM due WHERE s.subscription_id = due.subscription_id
  RETURNING
    s.subscription_id, s.customer_id, s.stripe_subscription_id, s.plan, s.status, s.trial_ends_at,
    s.current_period_ends_at, s.past_due_since, s.cancel_at_period_end, s.cancel_at, s.canceled_at,
    s.ended_at, s.stripe_price_id, COALESCE(s.quantity, 1) AS quantity, s.addons::text AS addons,
    s.interval, s.interval_count, s.currency, s.scheduled_plan, s.scheduled_quantity,
    s.scheduled_addons::text AS scheduled_addons, s.pause_behavior, s.pause_resumes_at,
    s.pause_ends_access_at, s.hold_reason, s.hold_ends_access_at, s.price_ends_access_at,
    COALESCE(s.bought_at, s.created_at) AS bought_at, s.contract_id, s.starts_at, s.ends_at, s.version,
    s.created_at, s.updated_at,
    jsonb_build_object('plan', s.plan, 'status', s.status, 'trial_ends_at',
    to_char(s.trial_ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) AS present),

audited AS (
  INSERT INTO audit_log (actor, action, customer_id, request_id, value_before, value_after)
  SELECT $3, 'trial_expired', customer_id, $4, present || '{"status": "trialing"}', present FROM ended)

SELECT
  subscription_id, customer_id, stripe_subscription_id, plan, status, trial_ends_at,
  current_period_ends_at, past_due_since, cancel_at_period_end, cancel_at, canceled_at,
  ended_at, stripe_price_id, quantity, addons,
  interval, interval_count, currency, scheduled_plan, scheduled_quantity,
  scheduled_addons, pause_behavior, pause_resumes_at,
  pause_ends_access_at, hold_reason, hold_ends_access_at, price_ends_access_at,
  bought_at, contract_id, starts_at, ends_at, version,
  created_at, updated_at
FROM ended
