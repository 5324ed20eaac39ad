-- The sums of a customer's days, the oldest first: what is folded and what is pending. No rows when
-- not all its days are counted since migration 022; then history_before.sql has them.
--
-- $1 customer  $2 instance, or NULL for all  $3 first day or NULL  $4 last day or NULL  $5 at most
-- $6 now  $7 at most so many pending

WITH queue AS MATERIALIZED (
  SELECT instance_id, day, active_devices, total_devices, metrics, received_at
  FROM usage_pending WHERE customer_id = $1 ORDER BY pending_id LIMIT $7::bigint),

fresh AS MATERIALIZED (
  SELECT instance_id, day, active_devices, total_devices, metrics FROM queue
  WHERE active_devices IS NOT NULL AND ($2::text IS NULL OR instance_id = $2)
    AND day >= COALESCE($3::date, '-infinity') AND day <= COALESCE($4::date, 'infinity')),

part AS (
  SELECT day, reports, instances, active_devices_max, active_devices_sum, active_devices_peak,
    total_devices_max, total_devices_sum, total_devices_peak
  FROM usage_days
  WHERE customer_id = $1 AND $2::text IS NULL AND reports > 0
    AND day >= COALESCE($3::date, '-infinity') AND day <= COALESCE($4::date, 'infinity')
  UNION ALL
  SELECT i.day, i.reports, 1, i.active_devices_max, i.active_devices_sum, i.active_devices_max,
    i.total_devices_max, i.total_devices_sum, i.total_devices_max
  FROM usage_days d
  JOIN usage_daily i ON i.customer_id = d.customer_id AND i.day = d.day AND i.instance_id = $2
  WHERE d.customer_id = $1 AND $2::text IS NOT NULL AND i.reports > 0
    AND d.day >= COALESCE($3::date, '-infinity') AND d.day <= COALESCE($4::date, 'infinity')
  UNION ALL
  -- An instance counts once a day, and the peak has its greatest report.
  SELECT f.day, f.reports, CASE WHEN COALESCE(d.reports, 0) = 0 THEN 1 ELSE 0 END,
    f.active_devices_max, f.active_devices_sum,
    greatest(f.active_devices_max - COALESCE(d.active_devices_max, 0), 0), f.total_devices_max,
    f.total_devices_sum, greatest(f.total_devices_max - COALESCE(d.total_devices_max, 0), 0)
  FROM (
    SELECT day, instance_id, count(*) AS reports, max(active_devices) AS active_devices_max,
      sum(active_devices) AS active_devices_sum, max(total_devices) AS total_devices_max,
      sum(total_devices) AS total_devices_sum
    FROM fresh GROUP BY day, instance_id) f
  LEFT JOIN usage_daily d
    ON d.customer_id = $1 AND d.day = f.day AND d.instance_id = f.instance_id),

metric_part AS (
  SELECT starts_on AS day, metric, total FROM usage_metric_sums
  WHERE customer_id = $1 AND unit = 'day' AND parts > 0 AND $2::text IS NULL
    AND starts_on >= COALESCE($3::date, '-infinity') AND starts_on <= COALESCE($4::date, 'infinity')
  UNION ALL
  SELECT m.day, m.metric, m.total
  FROM usage_days d
  JOIN usage_daily_metrics m ON m.customer_id = d.customer_id AND m.day = d.day AND m.instance_id = $2
  WHERE d.customer_id = $1 AND $2::text IS NOT NULL
    AND d.day >= COALESCE($3::date, '-infinity') AND d.day <= COALESCE($4::date, 'infinity')
  UNION ALL
  SELECT f.day, v.key, v.value::numeric FROM fresh f, jsonb_each_text(f.metrics) v),

metric AS (
  SELECT day, jsonb_object_agg(metric, total)::text AS metrics FROM (
    SELECT day, metric, sum(total) AS total FROM metric_part GROUP BY day, metric) g
  GROUP BY day),

sums AS (
  SELECT day, sum(reports) AS reports, sum(instances) AS instances,
    max(active_devices_max) AS active_devices_max, sum(active_devices_sum) AS active_devices_sum,
    sum(active_devices_peak) AS active_devices_peak, max(total_devices_max) AS total_devices_max,
    sum(total_devices_sum) AS total_devices_sum, sum(total_devices_peak) AS total_devices_peak
  FROM part GROUP BY day ORDER BY day LIMIT $5::bigint)

SELECT to_char(s.day, 'YYYY-MM-DD') AS date, s.reports::bigint AS reports,
  s.instances::bigint AS instances, s.active_devices_max,
  trim_scale(round(s.active_devices_sum / s.reports, 3))::text AS active_devices_mean,
  s.active_devices_peak::bigint AS active_devices_peak, s.total_devices_max,
  trim_scale(round(s.total_devices_sum / s.reports, 3))::text AS total_devices_mean,
  s.total_devices_peak::bigint AS total_devices_peak,
  COALESCE(m.metrics, '{}') AS metrics,
  least($6::timestamptz,
    (SELECT CASE WHEN count(*) >= $7::bigint THEN min(received_at) END FROM queue)) AS counted_until
FROM sums s LEFT JOIN metric m ON m.day = s.day
WHERE EXISTS (SELECT FROM customers WHERE customer_id = $1 AND deleted_at IS NULL)
  AND (SELECT done OR $1 < customer_id FROM usage_backfill)
ORDER BY s.day
