-- A page of movements of a month ($1), of one kind ($2), plan ($3, after it or before it) and currency
-- ($4), or of all, the newest first, before the movement $5. $6 is how many. The page of each kind comes
-- from its index, so that the length of the month does not matter.

SELECT m.movement_id::text AS id, m.happened_at, m.customer_id, c.company_name, c.email, m.kind, m.currency,
  trim_scale(m.amount)::text AS amount, trim_scale(m.mrr_before)::text AS before,
  trim_scale(m.mrr)::text AS after, m.plan_before, m.plan
FROM unnest(CASE WHEN $2::text IS NULL THEN ARRAY['opening', 'new', 'expansion', 'contraction', 'churn',
  'reactivation'] ELSE ARRAY[$2::text] END) AS k (kind)
CROSS JOIN LATERAL (SELECT movement_id, happened_at, customer_id, r.kind, currency, amount, mrr_before, mrr,
    plan_before, plan
  FROM revenue_movements r
  WHERE r.month = $1::date AND r.kind = k.kind
    AND ($3::text IS NULL OR r.plan = $3 OR r.plan_before = $3)
    AND ($4::text IS NULL OR r.currency = $4)
    AND r.movement_id < COALESCE($5::bigint, 9223372036854775807)
  ORDER BY r.movement_id DESC LIMIT $6::bigint) m
JOIN customers c ON c.customer_id = m.customer_id
ORDER BY m.movement_id DESC LIMIT $6::bigint
