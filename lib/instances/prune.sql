-- Looks at the next instances by their key, and deletes those whose lease ended long ago. One row: how many
-- were deleted. At the end it begins anew.
--
-- $1 now  $2 days since the end of the lease  $3 at most so many are looked at
--
-- A report or an activation that has the row locked keeps it; one that comes a moment later makes the row
-- anew. Kinds other than production come from activations, and reports could not restore them.

WITH place AS MATERIALIZED (
  SELECT customer_id, instance_id FROM instance_pruning FOR UPDATE SKIP LOCKED),

-- When the service's clock is ahead, the database's counts.
clock AS MATERIALIZED (
  SELECT least($1::timestamptz, now()) AS now,
    least($1::timestamptz, now()) - $2::bigint * interval '24 hours' AS cutoff),

page AS MATERIALIZED (
  SELECT i.customer_id, i.instance_id, i.lease_expires_at
  FROM place p CROSS JOIN LATERAL (
    SELECT customer_id, instance_id, lease_expires_at FROM instances
    WHERE (customer_id, instance_id) > (p.customer_id, p.instance_id)
    ORDER BY customer_id, instance_id LIMIT $3::bigint) i),

-- Deleted customers activate nothing again. OFFSET makes PostgreSQL look each of them up: there are few,
-- whatever it estimates.
old AS MATERIALIZED (
  SELECT i.customer_id, i.instance_id
  FROM clock t CROSS JOIN page p CROSS JOIN LATERAL (
    SELECT customer_id, instance_id FROM instances o
    WHERE o.customer_id = p.customer_id AND o.instance_id = p.instance_id
      AND o.lease_expires_at < t.cutoff AND (o.kind = 'production' OR EXISTS (
        SELECT FROM customers c WHERE c.customer_id = o.customer_id AND c.deleted_at IS NOT NULL))
    FOR UPDATE SKIP LOCKED) i
  WHERE p.lease_expires_at < t.cutoff
    AND NOT EXISTS (SELECT FROM usage_fleet_instances f
      WHERE f.customer_id = p.customer_id AND f.instance_id = p.instance_id OFFSET 0)
    AND NOT EXISTS (SELECT FROM license_requests r JOIN licenses l ON l.jti = r.jti
      WHERE r.customer_id = p.customer_id AND r.instance_id = p.instance_id
        AND l.revoked_at IS NULL AND l.expires_at > t.now OFFSET 0)),

gone AS (
  DELETE FROM instances i USING old o
  WHERE i.customer_id = o.customer_id AND i.instance_id = o.instance_id
  RETURNING i.customer_id, i.instance_id),

-- The key of its first activation: when it comes back, it is told as activated again.
forgotten AS (
  DELETE FROM event_keys k USING gone g
  WHERE k.customer_id = g.customer_id AND k.key = 'instance.activated ' || g.instance_id || ' '),

moved AS (
  UPDATE instance_pruning SET customer_id = COALESCE(l.customer_id, ''), instance_id = COALESCE(l.instance_id, '')
  FROM (SELECT FROM place) AS locked
  LEFT JOIN (
    SELECT customer_id, instance_id FROM page ORDER BY customer_id DESC, instance_id DESC LIMIT 1) l ON true)

SELECT count(*) AS instances FROM gone
