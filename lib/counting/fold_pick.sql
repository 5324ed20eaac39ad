-- The customers of which something is pending, at most so many, from one on and then from the first
-- on; and those whose instances' leases have ended. Customers that were never folded get their rows
-- in usage_fleets.
--
-- $1 customer to begin with  $2 at most  $3 now

-- UNION ends the circle when it comes to its beginning.
WITH RECURSIVE circle AS (
  SELECT COALESCE((SELECT min(customer_id) FROM usage_pending WHERE customer_id >= $1),
    (SELECT min(customer_id) FROM usage_pending)) AS customer_id
  UNION
  SELECT COALESCE((SELECT min(customer_id) FROM usage_pending WHERE customer_id > c.customer_id),
    (SELECT min(customer_id) FROM usage_pending))
  FROM circle c),

pending AS MATERIALIZED (
  SELECT customer_id FROM circle WHERE customer_id IS NOT NULL LIMIT $2::bigint),

picked AS MATERIALIZED (
  SELECT customer_id FROM pending
  UNION
  (SELECT customer_id FROM usage_fleet_instances WHERE check_at <= $3::timestamptz
   ORDER BY check_at LIMIT $2::bigint)),

made AS (
  INSERT INTO usage_fleets (customer_id)
  SELECT customer_id FROM picked p
  WHERE NOT EXISTS (SELECT FROM usage_fleets f WHERE f.customer_id = p.customer_id)
  ORDER BY customer_id
  ON CONFLICT DO NOTHING)

SELECT array_agg(customer_id) AS customers FROM picked
