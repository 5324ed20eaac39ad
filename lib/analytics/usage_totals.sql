-- The days that are counted from $2 to $3, with the use of the metric $1.

SELECT to_char(d.day, 'YYYY-MM-DD') AS date, COALESCE(u.customers, 0) AS customers,
  trim_scale(COALESCE(u.total, 0))::text AS total, trim_scale(COALESCE(u.peak, 0))::text AS peak,
  d.counted_at
FROM analytics_usage_days d LEFT JOIN analytics_usage u ON u.day = d.day AND u.metric = $1
WHERE d.day >= $2::date AND d.day <= $3::date ORDER BY d.day
