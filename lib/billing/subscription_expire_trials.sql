-- Ends the trials that are over, and writes each to the audit log.
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
  RETURNING s.customer_id, jsonb_build_object('plan', s.plan, 'status', s.status, 'trial_ends_at',
    to_char(s.trial_ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) AS present)

INSERT INTO audit_log (actor, action, customer_id, request_id, value_before, value_after)
SELECT $3, 'trial_expired', customer_id, $4, present || '{"status": "trialing"}', present FROM ended
