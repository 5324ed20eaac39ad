-- A page of limits of which at least $1 percent are in use, the highest share first, behind the place $2,
-- $3, $4 (percent, customer, limit); $5 is how many. First come the rows of the place's own share, then
-- the lower ones: each is a range of the index.

WITH page AS (
  (SELECT l.customer_id, c.company_name, c.email, l.name, l.used, l.max, l.percent, l.measured_at
   FROM usage_limit_levels l JOIN customers c ON c.customer_id = l.customer_id AND c.deleted_at IS NULL
   WHERE l.percent = $2::bigint AND (l.customer_id, l.name) > ($3::text, $4::text)
   ORDER BY l.customer_id, l.name LIMIT $5::bigint)
  UNION ALL
  (SELECT l.customer_id, c.company_name, c.email, l.name, l.used, l.max, l.percent, l.measured_at
   FROM usage_limit_levels l JOIN customers c ON c.customer_id = l.customer_id AND c.deleted_at IS NULL
   WHERE l.percent >= $1::bigint AND l.percent < COALESCE($2::bigint, 9223372036854775807)
   ORDER BY l.percent DESC, l.customer_id, l.name LIMIT $5::bigint))

SELECT customer_id, company_name, email, name AS limit, used::text AS used, max, percent, measured_at
FROM page ORDER BY percent DESC, customer_id, name LIMIT $5::bigint
