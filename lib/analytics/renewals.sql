-- A page of what renews or ends until $2, after the present time $1, behind the place $3, $4; $5 is how
-- many. Contracts end; a subscription renews unless its end is scheduled.

SELECT s.subscription_id::text AS id, COALESCE(s.ends_at, s.current_period_ends_at) AS at, s.customer_id,
  c.company_name, c.email, CASE WHEN s.contract_id IS NULL THEN 'subscription' ELSE 'contract' END AS kind,
  s.plan, s.contract_id IS NOT NULL OR s.cancel_at_period_end OR s.cancel_at IS NOT NULL AS ends,
  v.currency, trim_scale(v.mrr)::text AS mrr
FROM subscriptions s JOIN customers c ON c.customer_id = s.customer_id AND c.deleted_at IS NULL
LEFT JOIN LATERAL (SELECT currency, mrr FROM revenue_values
  WHERE customer_id = s.customer_id AND mrr > 0 LIMIT 1) v ON true
WHERE NOT s.superseded AND s.status IN ('active', 'past_due')
  AND (s.contract_id IS NOT NULL OR s.interval = 'year' OR (s.interval = 'month' AND s.interval_count >= 3))
  AND COALESCE(s.ends_at, s.current_period_ends_at) > $1::timestamptz
  AND COALESCE(s.ends_at, s.current_period_ends_at) <= $2::timestamptz
  AND (COALESCE(s.ends_at, s.current_period_ends_at), s.subscription_id)
    > (COALESCE($3::timestamptz, $1::timestamptz), COALESCE($4::bigint, 9223372036854775807))
ORDER BY COALESCE(s.ends_at, s.current_period_ends_at), s.subscription_id LIMIT $5::bigint
