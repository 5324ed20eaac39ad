-- Some further customers who had instances before migration 022, and perhaps were never folded since.
-- NULL: there are none.
--
-- $1 at most

WITH RECURSIVE next AS (
  SELECT folded_until AS customer_id FROM usage_backfill WHERE folded_until IS NOT NULL
  UNION ALL
  SELECT i.customer_id FROM next CROSS JOIN LATERAL (
    SELECT customer_id FROM instances WHERE customer_id > next.customer_id
    ORDER BY customer_id LIMIT 1) i),

-- The first row is where the last step ended.
picked AS MATERIALIZED (SELECT customer_id FROM next OFFSET 1 LIMIT $1::bigint),

made AS (
  INSERT INTO usage_fleets (customer_id) SELECT customer_id FROM picked
  ORDER BY customer_id ON CONFLICT DO NOTHING)

SELECT array_agg(customer_id) AS customers FROM picked
