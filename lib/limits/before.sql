-- How much a customer uses now, for one of whom not all is counted in the sums of customers since
-- migration 022: from the sums of its instances.
--
-- $1 customer  $2 now

SELECT c.customer_id, s.plan AS "subscription.plan", s.status AS "subscription.status",
  s.trial_ends_at AS "subscription.trial_ends_at",
  COALESCE(s.bought_at, s.created_at) AS "subscription.bought_at",
  COALESCE(s.quantity, 1) AS "subscription.quantity", s.addons::text AS "subscription.addons",
  s.contract_id AS "subscription.contract_id",
  s.contract_terms::text AS "terms.contract", c.override_terms::text AS "terms.overrides",
  f.active_devices AS "levels.active_devices", f.instances AS "levels.instances",
  f.others AS "levels.non_production",
  u.month AS "levels.month", n.newest AS "levels.newest",
  $2::timestamptz AS "levels.counted_until", true AS "levels.counted"
FROM customers c
LEFT JOIN LATERAL (
  SELECT plan, status, trial_ends_at, bought_at, created_at, quantity, addons, contract_id,
    contract_terms
  FROM subscriptions
  WHERE customer_id = c.customer_id
  ORDER BY superseded, subscription_order(subscriptions, $2),
    subscription_id DESC LIMIT 1) s ON true
CROSS JOIN LATERAL (
  SELECT COALESCE(sum(active_devices), 0)::bigint AS active_devices, count(*) AS instances,
    count(*) FILTER (WHERE kind <> 'production') AS others
  FROM instances WHERE customer_id = c.customer_id AND lease_expires_at > $2::timestamptz) f
CROSS JOIN LATERAL (
  SELECT jsonb_object_agg(g.metric, g.total)::text AS newest FROM (
    SELECT v.key AS metric, sum(v.value::numeric)::text AS total
    FROM instances i, jsonb_each_text(i.metrics) v
    WHERE i.customer_id = c.customer_id AND i.lease_expires_at > $2::timestamptz
    GROUP BY v.key) g) n
CROSS JOIN LATERAL (
  SELECT jsonb_object_agg(g.metric, g.total)::text AS month FROM (
    SELECT metric, sum(total)::text AS total FROM (
      SELECT metric, total FROM usage_daily_metrics
      WHERE customer_id = c.customer_id
        AND day >= date_trunc('month', $2::timestamptz AT TIME ZONE 'UTC')
      UNION ALL
      SELECT v.key, v.value::numeric FROM usage_pending p, jsonb_each_text(p.metrics) v
      WHERE p.customer_id = c.customer_id
        AND p.day >= date_trunc('month', $2::timestamptz AT TIME ZONE 'UTC')) AS parts
    GROUP BY metric) g) u
WHERE c.customer_id = $1 AND c.deleted_at IS NULL
