-- The sums of a customer's days, the oldest first, from the sums of its instances: for a customer of
-- whom not all days are counted since migration 022.
--
-- $1 customer  $2 instance, or NULL for all  $3 first day or NULL  $4 last day or NULL  $5 at most
-- $6 now

WITH fresh AS MATERIALIZED (
  SELECT instance_id, day, active_devices, total_devices, metrics FROM usage_pending
  WHERE customer_id = $1 AND active_devices IS NOT NULL AND ($2::text IS NULL OR instance_id = $2)
    AND day >= COALESCE($3::date, '-infinity') AND day <= COALESCE($4::date, 'infinity')),

part AS (
  SELECT day, instance_id, reports, active_devices_max, active_devices_sum, total_devices_max,
    total_devices_sum
  FROM usage_daily
  WHERE customer_id = $1 AND ($2::text IS NULL OR instance_id = $2) AND reports > 0
    AND day >= COALESCE($3::date, '-infinity') AND day <= COALESCE($4::date, 'infinity')
  UNION ALL
  SELECT day, instance_id, 1, active_devices, active_devices, total_devices, total_devices FROM fresh),

of_instance AS (
  SELECT day, sum(reports) AS reports, max(active_devices_max) AS active_devices_max,
    sum(active_devices_sum) AS active_devices_sum, max(total_devices_max) AS total_devices_max,
    sum(total_devices_sum) AS total_devices_sum
  FROM part GROUP BY day, instance_id)

SELECT to_char(d.day, 'YYYY-MM-DD') AS date, sum(reports)::bigint AS reports,
  count(*) AS instances,
  max(active_devices_max) AS active_devices_max,
  trim_scale(round(sum(active_devices_sum) / sum(reports), 3))::text AS active_devices_mean,
  sum(active_devices_max)::bigint AS active_devices_peak,
  max(total_devices_max) AS total_devices_max,
  trim_scale(round(sum(total_devices_sum) / sum(reports), 3))::text AS total_devices_mean,
  sum(total_devices_max)::bigint AS total_devices_peak,
  COALESCE((
    SELECT jsonb_object_agg(g.metric, g.total)::text FROM (
      SELECT metric, sum(total) AS total FROM (
        SELECT metric, total FROM usage_daily_metrics m
        WHERE m.customer_id = $1 AND m.day = d.day AND ($2::text IS NULL OR m.instance_id = $2)
        UNION ALL
        SELECT v.key, v.value::numeric FROM fresh f, jsonb_each_text(f.metrics) v
        WHERE f.day = d.day) AS parts
      GROUP BY metric) g), '{}') AS metrics,
  $6::timestamptz AS counted_until
FROM of_instance d
WHERE EXISTS (SELECT FROM customers WHERE customer_id = $1 AND deleted_at IS NULL)
GROUP BY d.day ORDER BY d.day LIMIT $5::bigint
