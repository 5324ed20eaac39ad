-- A page of limits of which at least $1 percent are in use, the highest share first, behind the place $2,
-- $3, $4 (percent, customer, limit); $5 is how many.

SELECT l.customer_id, c.company_name, c.email, l.name AS limit, l.used::text AS used, l.max, l.percent,
  l.measured_at
FROM usage_limit_levels l JOIN customers c ON c.customer_id = l.customer_id AND c.deleted_at IS NULL
WHERE l.percent >= $1::bigint
  AND ($2::bigint IS NULL OR l.percent <= $2::bigint)
  AND ($2::bigint IS NULL OR l.percent < $2::bigint OR (l.customer_id, l.name) > ($3::text, $4::text))
ORDER BY l.percent DESC, l.customer_id, l.name LIMIT $5::bigint
