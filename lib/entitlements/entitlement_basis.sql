-- Reads all that a customer's entitlements depend on: its newest subscription and what changes it.
--
-- $1 customer  $2 now

SELECT c.customer_id, c.deleted_at IS NOT NULL AS deleted,
  s.stripe_subscription_id AS "subscription.stripe_subscription_id",
  s.plan AS "subscription.plan", s.status AS "subscription.status",
  s.trial_ends_at AS "subscription.trial_ends_at",
  s.current_period_ends_at AS "subscription.current_period_ends_at",
  s.past_due_since AS "subscription.past_due_since",
  s.cancel_at_period_end AS "subscription.cancel_at_period_end",
  s.cancel_at AS "subscription.cancel_at",
  s.pause_resumes_at AS "subscription.pause_resumes_at",
  s.pause_ends_access_at AS "subscription.pause_ends_access_at",
  s.hold_reason AS "subscription.hold_reason",
  s.hold_ends_access_at AS "subscription.hold_ends_access_at",
  s.price_ends_access_at AS "subscription.price_ends_access_at",
  COALESCE(s.bought_at, s.created_at) AS "subscription.bought_at",
  COALESCE(s.quantity, 1) AS "subscription.quantity", s.addons::text AS "subscription.addons",
  s.contract_id AS "subscription.contract_id", s.starts_at AS "subscription.starts_at",
  s.ends_at AS "subscription.ends_at",
  s.contract_terms::text AS "terms.contract", c.override_terms::text AS "terms.overrides"
FROM customers c
LEFT JOIN LATERAL (
  SELECT stripe_subscription_id, plan, status, trial_ends_at, current_period_ends_at,
    past_due_since, cancel_at_period_end, cancel_at, pause_resumes_at, pause_ends_access_at,
    hold_reason, hold_ends_access_at, price_ends_access_at, bought_at, created_at, quantity, addons,
    contract_id, starts_at, ends_at, contract_terms
  FROM subscriptions WHERE customer_id = c.customer_id
  ORDER BY superseded, subscription_order(subscriptions, $2), subscription_id DESC
  LIMIT 1) s ON true
WHERE c.customer_id = $1
