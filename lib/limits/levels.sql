-- How much a customer uses now, and its newest subscription: what is folded and what is pending.
--
-- $1 customer  $2 now  $3 at most so many pending

WITH queue AS MATERIALIZED (
  SELECT instance_id, day, metrics, received_at FROM usage_pending WHERE customer_id = $1
  ORDER BY pending_id LIMIT $3::bigint),

-- Sorted by an expression, as PostgreSQL would else look through the ended leases of all customers.
ended AS MATERIALIZED (
  SELECT instance_id, check_at FROM usage_fleet_instances
  WHERE customer_id = $1 AND check_at <= $2::timestamptz
  ORDER BY check_at + interval '0' LIMIT $3::bigint),

folded AS MATERIALIZED (
  SELECT instances, active_devices, metrics FROM usage_fleets
  WHERE customer_id = $1 AND counted),

-- Instances that are not in the folded sums as they are now, and their shares of then and now. OFFSET
-- makes PostgreSQL look each of them up: there are few, whatever it estimates.
moved AS MATERIALIZED (
  SELECT i.active_devices, i.metrics, i.lease_expires_at > $2::timestamptz AS in_use,
    w.active_devices AS was_devices, w.metrics AS was_metrics, w.instance_id IS NOT NULL AS was_in_use,
    i.kind <> 'production' AS is_other, w.kind <> 'production' AS was_other
  FROM (
    SELECT instance_id FROM queue
    UNION SELECT instance_id FROM ended) c
  CROSS JOIN LATERAL (
    SELECT active_devices, metrics, kind, lease_expires_at FROM instances
    WHERE customer_id = $1 AND instance_id = c.instance_id OFFSET 0) i
  LEFT JOIN LATERAL (
    SELECT active_devices, metrics, kind, instance_id FROM usage_fleet_instances
    WHERE customer_id = $1 AND instance_id = c.instance_id OFFSET 0) w ON true),

newest AS (
  SELECT v.key AS metric, v.value::numeric AS value FROM folded, jsonb_each_text(metrics) v
  UNION ALL
  SELECT v.key, v.value::numeric FROM moved, jsonb_each_text(metrics) v WHERE in_use
  UNION ALL
  SELECT v.key, -v.value::numeric FROM moved, jsonb_each_text(was_metrics) v),

used AS (
  SELECT metric, total FROM usage_metric_sums
  WHERE customer_id = $1 AND unit = 'month' AND parts > 0
    AND starts_on >= date_trunc('month', $2::timestamptz AT TIME ZONE 'UTC')
  UNION ALL
  SELECT v.key, v.value::numeric FROM queue q, jsonb_each_text(q.metrics) v
  WHERE q.day >= date_trunc('month', $2::timestamptz AT TIME ZONE 'UTC'))

SELECT c.customer_id, s.plan AS "subscription.plan", s.status AS "subscription.status",
  s.trial_ends_at AS "subscription.trial_ends_at",
  COALESCE(s.bought_at, s.created_at) AS "subscription.bought_at",
  COALESCE(s.quantity, 1) AS "subscription.quantity", s.addons::text AS "subscription.addons",
  s.contract_id AS "subscription.contract_id",
  s.contract_terms::text AS "terms.contract", c.override_terms::text AS "terms.overrides",
  COALESCE(f.active_devices, 0) + m.active_devices AS "levels.active_devices",
  COALESCE(f.instances, 0) + m.instances AS "levels.instances",
  (SELECT count(*) FROM usage_fleet_instances WHERE customer_id = $1 AND kind <> 'production')
    + m.others AS "levels.non_production",
  (SELECT jsonb_object_agg(g.metric, g.total)::text FROM (
    SELECT metric, sum(total)::text AS total FROM used GROUP BY metric) g) AS "levels.month",
  (SELECT jsonb_object_agg(g.metric, g.total)::text FROM (
    SELECT metric, sum(value)::text AS total FROM newest GROUP BY metric) g) AS "levels.newest",
  least($2::timestamptz,
    (SELECT CASE WHEN count(*) >= $3::bigint THEN min(received_at) END FROM queue),
    (SELECT CASE WHEN count(*) >= $3::bigint THEN max(check_at) END FROM ended))
    AS "levels.counted_until",
  (SELECT done OR $1 < customer_id FROM usage_backfill) AS "levels.counted"
FROM customers c
LEFT JOIN LATERAL (
  SELECT plan, status, trial_ends_at, bought_at, created_at, quantity, addons, contract_id,
    contract_terms
  FROM subscriptions
  WHERE customer_id = c.customer_id
  ORDER BY superseded, subscription_order(subscriptions, $2),
    subscription_id DESC LIMIT 1) s ON true
LEFT JOIN folded f ON true
CROSS JOIN (
  SELECT COALESCE(sum(CASE WHEN in_use THEN active_devices ELSE 0 END
      - COALESCE(was_devices, 0)), 0)::bigint AS active_devices,
    COALESCE(sum(in_use::int - was_in_use::int), 0)::bigint AS instances,
    COALESCE(sum((in_use AND is_other)::int - COALESCE(was_other, false)::int), 0)::bigint AS others
  FROM moved) m
WHERE c.customer_id = $1 AND c.deleted_at IS NULL
