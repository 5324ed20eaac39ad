-- Stores one report with all that follows from it, if the caller's key may, and reads the
-- customer's levels of use.
--
-- $1 digest of the key  $2 customer  $3 instance  $4 active devices  $5 total devices  $6 metrics
-- $7 reported_at  $8 report_id or NULL  $9 now  $10 end of the lease
--
-- Every part sees the rows as they were before, and what other parts return. All statements
-- take locks in one order: report ids, instances, days, metrics. batch.sql counts reports by
-- the same rules.

WITH caller AS MATERIALIZED (
  SELECT k.key_id, k.customer_id AS key_customer_id, k.role, k.digest, k.scopes,
    (COALESCE(k.last_used_at >= current_date, false)
      AND (k.file_key IS NOT NULL OR k.customer_id IS NULL)) AS used_today, k.revoked_at,
    c.customer_id
  FROM (SELECT) AS one
  LEFT JOIN api_keys k ON k.digest = $1
  LEFT JOIN customers c ON c.customer_id = $2 AND c.deleted_at IS NULL),

allowed AS MATERIALIZED (
  SELECT customer_id, nextval('usage_ids') AS usage_id FROM caller
  WHERE customer_id IS NOT NULL AND key_id IS NOT NULL AND revoked_at IS NULL
    AND (role = 'owner' OR (key_customer_id = customer_id AND 'usage' = ANY (scopes)))),

named AS (
  INSERT INTO usage_report_ids (customer_id, report_id, usage_id, reported_at)
  SELECT customer_id, $8, usage_id, $7::timestamptz FROM allowed WHERE $8::text IS NOT NULL
  ON CONFLICT DO NOTHING RETURNING usage_id),

fresh AS MATERIALIZED (
  SELECT customer_id, usage_id, ($7::timestamptz AT TIME ZONE 'UTC')::date AS day
  FROM allowed WHERE $8::text IS NULL OR EXISTS (SELECT FROM named)),

stored AS (
  INSERT INTO usage_reports (usage_id, customer_id, instance_id, active_devices, total_devices,
    metrics, reported_at, received_at, report_id)
  SELECT usage_id, customer_id, $3, $4::bigint, $5::bigint, $6::jsonb, $7::timestamptz,
    $9::timestamptz, $8
  FROM fresh),

-- A late report shows that its instance was there, not what it has now. It does not take up
-- again what was released since.
seen AS (
  INSERT INTO instances AS i (customer_id, instance_id, first_seen_at, last_seen_at,
    lease_expires_at, latest_usage_id, latest_reported_at, active_devices, total_devices, metrics)
  SELECT customer_id, $3, least($7::timestamptz, $9::timestamptz),
    least($7::timestamptz, $9::timestamptz), $10::timestamptz, usage_id, $7::timestamptz,
    $4::bigint, $5::bigint, $6::jsonb
  FROM fresh
  ON CONFLICT (customer_id, instance_id) DO UPDATE SET
    first_seen_at = least(i.first_seen_at, EXCLUDED.first_seen_at),
    last_seen_at = greatest(i.last_seen_at, EXCLUDED.last_seen_at),
    lease_expires_at = CASE WHEN EXCLUDED.last_seen_at <= i.released_at THEN i.lease_expires_at
      ELSE greatest(i.lease_expires_at, EXCLUDED.lease_expires_at) END,
    released_at = CASE WHEN EXCLUDED.last_seen_at <= i.released_at THEN i.released_at END,
    latest_usage_id = CASE WHEN
      (COALESCE(i.latest_reported_at, '-infinity'), COALESCE(i.latest_usage_id, 0)) <=
      (EXCLUDED.latest_reported_at, EXCLUDED.latest_usage_id)
      THEN EXCLUDED.latest_usage_id ELSE i.latest_usage_id END,
    latest_reported_at = CASE WHEN
      (COALESCE(i.latest_reported_at, '-infinity'), COALESCE(i.latest_usage_id, 0)) <=
      (EXCLUDED.latest_reported_at, EXCLUDED.latest_usage_id)
      THEN EXCLUDED.latest_reported_at ELSE i.latest_reported_at END,
    active_devices = CASE WHEN
      (COALESCE(i.latest_reported_at, '-infinity'), COALESCE(i.latest_usage_id, 0)) <=
      (EXCLUDED.latest_reported_at, EXCLUDED.latest_usage_id)
      THEN EXCLUDED.active_devices ELSE i.active_devices END,
    total_devices = CASE WHEN
      (COALESCE(i.latest_reported_at, '-infinity'), COALESCE(i.latest_usage_id, 0)) <=
      (EXCLUDED.latest_reported_at, EXCLUDED.latest_usage_id)
      THEN EXCLUDED.total_devices ELSE i.total_devices END,
    metrics = CASE WHEN
      (COALESCE(i.latest_reported_at, '-infinity'), COALESCE(i.latest_usage_id, 0)) <=
      (EXCLUDED.latest_reported_at, EXCLUDED.latest_usage_id)
      THEN EXCLUDED.metrics ELSE i.metrics END
  RETURNING i.active_devices, i.lease_expires_at, i.metrics),

counted AS (
  INSERT INTO usage_daily AS d (customer_id, day, instance_id, reports, active_devices_max,
    active_devices_sum, total_devices_max, total_devices_sum)
  SELECT customer_id, day, $3, 1, $4::bigint, $4::bigint, $5::bigint, $5::bigint
  FROM fresh, (SELECT count(*) FROM seen) AS behind
  ON CONFLICT (customer_id, day, instance_id) DO UPDATE SET
    reports = d.reports + EXCLUDED.reports,
    active_devices_max = greatest(d.active_devices_max, EXCLUDED.active_devices_max),
    active_devices_sum = d.active_devices_sum + EXCLUDED.active_devices_sum,
    total_devices_max = greatest(d.total_devices_max, EXCLUDED.total_devices_max),
    total_devices_sum = d.total_devices_sum + EXCLUDED.total_devices_sum
  RETURNING 1),

added AS (
  INSERT INTO usage_daily_metrics AS m (customer_id, day, instance_id, metric, total, highest)
  SELECT customer_id, day, $3, v.key, v.value::numeric, v.value::bigint
  FROM fresh, (SELECT count(*) FROM counted) AS behind, jsonb_each_text($6::jsonb) v
  ORDER BY v.key
  ON CONFLICT (customer_id, day, instance_id, metric) DO UPDATE SET
    total = m.total + EXCLUDED.total, highest = greatest(m.highest, EXCLUDED.highest)),

fleet AS MATERIALIZED (
  SELECT active_devices, metrics FROM instances
  WHERE customer_id = $2 AND lease_expires_at > $9::timestamptz
    AND (instance_id <> $3 OR NOT EXISTS (SELECT FROM seen))
  UNION ALL
  SELECT active_devices, metrics FROM seen WHERE lease_expires_at > $9::timestamptz),

used AS (
  SELECT metric, total FROM usage_daily_metrics
  WHERE customer_id = $2 AND day >= date_trunc('month', $9::timestamptz AT TIME ZONE 'UTC')
  UNION ALL
  SELECT v.key, v.value::numeric FROM fresh, jsonb_each_text($6::jsonb) v
  WHERE day >= date_trunc('month', $9::timestamptz AT TIME ZONE 'UTC'))

SELECT k.key_id AS "key.key_id", k.key_customer_id AS "key.customer_id", k.role AS "key.role",
  k.digest AS "key.digest", k.scopes AS "key.scopes", k.used_today AS "key.used_today",
  k.revoked_at AS "key.revoked_at", k.customer_id, s.plan AS "subscription.plan",
  s.status AS "subscription.status", s.trial_ends_at AS "subscription.trial_ends_at",
  f.active_devices AS "levels.active_devices", f.instances AS "levels.instances",
  u.month AS "levels.month", f.newest AS "levels.newest",
  (SELECT usage_id FROM fresh) AS usage_id
FROM caller k
LEFT JOIN LATERAL (
  SELECT plan, status, trial_ends_at FROM subscriptions WHERE customer_id = k.customer_id
  ORDER BY superseded, subscription_id DESC LIMIT 1) s ON true
CROSS JOIN (
  SELECT COALESCE(sum(active_devices), 0)::bigint AS active_devices, count(*) AS instances,
    (SELECT jsonb_object_agg(g.metric, g.total)::text FROM (
      SELECT v.key AS metric, sum(v.value::numeric)::text AS total
      FROM fleet x, jsonb_each_text(x.metrics) v GROUP BY v.key) g) AS newest
  FROM fleet) f
CROSS JOIN (
  SELECT jsonb_object_agg(g.metric, g.total)::text AS month FROM (
    SELECT metric, sum(total)::text AS total FROM used GROUP BY metric) g) u
