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
  v.features::text AS "terms.contract_features", v.limits::text AS "terms.contract_limits",
  v.overage::text AS "terms.contract_overage",
  o.features::text AS "terms.override_features", o.limits::text AS "terms.override_limits",
  o.expires_at AS "terms.override_ends_at"
FROM customers c
LEFT JOIN LATERAL (
  SELECT stripe_subscription_id, plan, status, trial_ends_at, current_period_ends_at,
    past_due_since, cancel_at_period_end, cancel_at, pause_resumes_at, pause_ends_access_at,
    hold_reason, hold_ends_access_at, price_ends_access_at, bought_at, created_at, quantity, addons,
    contract_id, starts_at, ends_at
  FROM subscriptions WHERE customer_id = c.customer_id
  ORDER BY superseded, subscription_order(subscriptions, $2), subscription_id DESC
  LIMIT 1) s ON true
LEFT JOIN contracts d ON d.contract_id = s.contract_id
LEFT JOIN contract_versions v ON v.contract_id = d.contract_id AND v.version = d.version
LEFT JOIN overrides o ON o.customer_id = c.customer_id
WHERE c.customer_id = $1
