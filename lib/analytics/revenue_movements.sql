-- A page of movements of a month ($1), of one kind ($2), plan ($3, after it or before it) and currency
-- ($4), or of all, the newest first, before the movement $5. $6 is how many.

SELECT m.movement_id::text AS id, m.happened_at, m.customer_id, c.company_name, c.email, m.kind, m.currency,
  trim_scale(m.amount)::text AS amount, trim_scale(m.mrr_before)::text AS before,
  trim_scale(m.mrr)::text AS after, m.plan_before, m.plan
FROM revenue_movements m JOIN customers c ON c.customer_id = m.customer_id
WHERE m.month = $1::date AND ($2::text IS NULL OR m.kind = $2)
  AND ($3::text IS NULL OR m.plan = $3 OR m.plan_before = $3)
  AND ($4::text IS NULL OR m.currency = $4) AND ($5::bigint IS NULL OR m.movement_id < $5)
ORDER BY m.movement_id DESC LIMIT $6::bigint
