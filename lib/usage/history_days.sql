-- The sums of a customer's days, the oldest first.
--
-- $1 customer  $2 instance, or NULL for all  $3 first day or NULL  $4 last day or NULL  $5 at most

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
      SELECT metric, sum(total) AS total FROM usage_daily_metrics m
      WHERE m.customer_id = $1 AND m.day = d.day AND ($2::text IS NULL OR m.instance_id = $2)
      GROUP BY metric) g), '{}') AS metrics
FROM usage_daily d
WHERE customer_id = $1 AND ($2::text IS NULL OR instance_id = $2)
  AND day >= COALESCE($3::date, '-infinity') AND day <= COALESCE($4::date, 'infinity')
  AND reports > 0
GROUP BY d.day ORDER BY d.day LIMIT $5::bigint
