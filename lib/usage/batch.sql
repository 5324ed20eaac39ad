-- Stores many reports with all that follows from them. One row for each report whose customer
-- exists: usage_id is NULL unless this statement stored it; the columns "first" are those of
-- the report that was stored under its report_id.
--
-- $1 the reports  $2 now  $3 the lease in milliseconds
--
-- Every part writes in the order of its keys, so that two batches never wait for each other in
-- a circle. report.sql counts reports by the same rules.

WITH item AS MATERIALIZED (
  SELECT index, nextval('usage_ids') AS usage_id, customer_id, instance_id, active_devices,
    total_devices, metrics, reported_at, report_id,
    (reported_at AT TIME ZONE 'UTC')::date AS day
  FROM (
    SELECT index, customer_id, instance_id, active_devices, total_devices, metrics, reported_at,
      report_id
    FROM jsonb_to_recordset($1::jsonb) AS x (index bigint, customer_id text, instance_id text,
      active_devices bigint, total_devices bigint, metrics jsonb, reported_at timestamptz,
      report_id text)
    WHERE EXISTS (
      SELECT FROM customers c WHERE c.customer_id = x.customer_id AND c.deleted_at IS NULL)
    ORDER BY index) AS sent),

named AS (
  INSERT INTO usage_report_ids (customer_id, report_id, usage_id, reported_at)
  SELECT DISTINCT ON (customer_id, report_id) customer_id, report_id, usage_id, reported_at
  FROM item WHERE report_id IS NOT NULL ORDER BY customer_id, report_id, index
  ON CONFLICT DO NOTHING RETURNING usage_id),

fresh AS MATERIALIZED (
  SELECT index, usage_id, customer_id, instance_id, active_devices, total_devices, metrics,
    reported_at, report_id, day
  FROM item WHERE report_id IS NULL OR usage_id IN (SELECT usage_id FROM named)),

stored AS (
  INSERT INTO usage_reports (usage_id, customer_id, instance_id, active_devices, total_devices,
    metrics, reported_at, received_at, report_id)
  SELECT usage_id, customer_id, instance_id, active_devices, total_devices, metrics, reported_at,
    $2::timestamptz, report_id
  FROM fresh),

-- A late report shows that its instance was there, not what it has now. It does not take up
-- again what was released since.
seen AS (
  INSERT INTO instances AS i (customer_id, instance_id, first_seen_at, last_seen_at,
    lease_expires_at, latest_usage_id, latest_reported_at, active_devices, total_devices, metrics)
  SELECT DISTINCT ON (customer_id, instance_id) customer_id, instance_id,
    least(min(reported_at) OVER same, $2::timestamptz), least(reported_at, $2::timestamptz),
    reported_at + $3::bigint * interval '1 ms', usage_id, reported_at, active_devices,
    total_devices, metrics
  FROM fresh WINDOW same AS (PARTITION BY customer_id, instance_id)
  ORDER BY customer_id, instance_id, reported_at DESC, usage_id DESC
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
  RETURNING 1),

counted AS (
  INSERT INTO usage_daily AS d (customer_id, day, instance_id, reports, active_devices_max,
    active_devices_sum, total_devices_max, total_devices_sum)
  SELECT customer_id, day, instance_id, count(*), max(active_devices), sum(active_devices),
    max(total_devices), sum(total_devices)
  FROM fresh, (SELECT count(*) FROM seen) AS behind
  GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
  ON CONFLICT (customer_id, day, instance_id) DO UPDATE SET
    reports = d.reports + EXCLUDED.reports,
    active_devices_max = greatest(d.active_devices_max, EXCLUDED.active_devices_max),
    active_devices_sum = d.active_devices_sum + EXCLUDED.active_devices_sum,
    total_devices_max = greatest(d.total_devices_max, EXCLUDED.total_devices_max),
    total_devices_sum = d.total_devices_sum + EXCLUDED.total_devices_sum
  RETURNING 1),

added AS (
  INSERT INTO usage_daily_metrics AS m (customer_id, day, instance_id, metric, total, highest)
  SELECT customer_id, day, instance_id, v.key, sum(v.value::numeric), max(v.value::bigint)
  FROM fresh, (SELECT count(*) FROM counted) AS behind, jsonb_each_text(metrics) v
  GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
  ON CONFLICT (customer_id, day, instance_id, metric) DO UPDATE SET
    total = m.total + EXCLUDED.total, highest = greatest(m.highest, EXCLUDED.highest))

SELECT t.index, f.usage_id, r.usage_id AS "first.usage_id",
  COALESCE(r.instance_id, t.instance_id) AS "first.instance_id",
  COALESCE(r.active_devices, t.active_devices) AS "first.active_devices",
  COALESCE(r.total_devices, t.total_devices) AS "first.total_devices",
  COALESCE(r.metrics, t.metrics)::text AS "first.metrics",
  r.reported_at AS "first.reported_at",
  COALESCE(r.received_at, r.reported_at) AS "first.received_at"
FROM item t LEFT JOIN fresh f ON f.usage_id = t.usage_id
LEFT JOIN LATERAL (
  SELECT n.usage_id, n.reported_at, o.instance_id, o.active_devices, o.total_devices, o.metrics,
    o.received_at
  FROM usage_report_ids n
  LEFT JOIN usage_reports o ON o.usage_id = n.usage_id AND o.reported_at = n.reported_at
  WHERE n.customer_id = t.customer_id AND n.report_id = t.report_id) r ON true
ORDER BY t.index
