-- Everything that the answer to a request for a licence depends on: one row, each part NULL
-- where there is none.
--
-- $1 digest of the caller's key, or NULL  $2 customer  $3 now

SELECT k.key_id AS "key.key_id", k.customer_id AS "key.customer_id", k.role AS "key.role",
  k.digest AS "key.digest", k.scopes AS "key.scopes",
  (COALESCE(k.last_used_at >= current_date, false)
    AND (k.file_key IS NOT NULL OR k.customer_id IS NULL)) AS "key.used_today",
  k.revoked_at AS "key.revoked_at",
  c.customer_id AS "customer.customer_id", c.email AS "customer.email",
  c.company_name AS "customer.company_name",
  s.subscription_id AS "subscription.subscription_id",
  s.customer_id AS "subscription.customer_id",
  s.stripe_subscription_id AS "subscription.stripe_subscription_id",
  s.plan AS "subscription.plan", s.status AS "subscription.status",
  s.trial_ends_at AS "subscription.trial_ends_at",
  s.current_period_ends_at AS "subscription.current_period_ends_at",
  s.past_due_since AS "subscription.past_due_since",
  s.period_unpaid_from AS "subscription.period_unpaid_from",
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
  s.ends_at AS "subscription.ends_at", s.version AS "subscription.version",
  s.contract_terms::text AS "terms.contract", c.override_terms::text AS "terms.overrides",
  l.jti AS "newest.jti", l.fingerprint AS "newest.fingerprint", l.token AS "newest.token",
  l.issued_at AS "newest.issued_at", l.expires_at AS "newest.expires_at"
FROM (SELECT) AS one
LEFT JOIN api_keys k ON k.digest = $1
LEFT JOIN customers c ON c.customer_id = $2 AND c.deleted_at IS NULL
LEFT JOIN LATERAL (
  SELECT jti, fingerprint, token, issued_at, expires_at
  FROM licenses WHERE customer_id = c.customer_id AND instance_id IS NULL
  ORDER BY license_id DESC LIMIT 1) l ON true
LEFT JOIN LATERAL (
  SELECT subscription_id, customer_id, stripe_subscription_id, plan, status, trial_ends_at,
    current_period_ends_at, past_due_since, period_unpaid_from, cancel_at_period_end, cancel_at,
    pause_resumes_at, pause_ends_access_at, hold_reason, hold_ends_access_at,
    price_ends_access_at, bought_at, created_at, quantity, addons, contract_id, starts_at,
    ends_at, version, contract_terms
  FROM subscriptions WHERE customer_id = c.customer_id
  ORDER BY superseded, subscription_order(subscriptions, $3), subscription_id DESC
  LIMIT 1) s ON true
