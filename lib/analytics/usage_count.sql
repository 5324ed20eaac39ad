-- Adds up the use of all customers on one day ($1 is the present time): the present day every five
-- minutes, a day to which late reports may come ten minutes after its end and then once a day, and each of
-- the last 400 days once, in this order. One row with the day; none when no day is due. Without the count after
-- the end, a fleet that reports just before midnight would be missing from the day for another one.

WITH picked AS MATERIALIZED (
  SELECT d.day::date AS day
  FROM generate_series(($1::timestamptz AT TIME ZONE 'UTC')::date - 399,
    ($1::timestamptz AT TIME ZONE 'UTC')::date, interval '1 day') d (day)
  LEFT JOIN analytics_usage_days u ON u.day = d.day::date
  WHERE u.day IS NULL
    OR (d.day::date = ($1::timestamptz AT TIME ZONE 'UTC')::date
      AND u.counted_at < $1::timestamptz - interval '5 minutes')
    OR (d.day::date >= ($1::timestamptz AT TIME ZONE 'UTC')::date - 36
      AND (u.counted_at < $1::timestamptz - interval '1 day'
        OR ((d.day::date + 1)::timestamp AT TIME ZONE 'UTC' + interval '10 minutes' > u.counted_at
          AND (d.day::date + 1)::timestamp AT TIME ZONE 'UTC' + interval '10 minutes' <= $1::timestamptz)))
  ORDER BY d.day::date = ($1::timestamptz AT TIME ZONE 'UTC')::date DESC,
    d.day::date >= ($1::timestamptz AT TIME ZONE 'UTC')::date - 36 DESC, u.day IS NULL DESC, d.day DESC
  LIMIT 1),

counted AS (
  SELECT p.day, 'active_devices' AS metric, count(*) AS customers,
    COALESCE(sum(u.active_devices_peak), 0) AS total, COALESCE(sum(u.active_devices_peak), 0) AS peak
  FROM picked p CROSS JOIN usage_fleets f
  CROSS JOIN LATERAL (SELECT active_devices_peak FROM usage_days
    WHERE customer_id = f.customer_id AND day = p.day LIMIT 1) u
  GROUP BY p.day
  UNION ALL
  SELECT s.starts_on, s.metric, count(*), sum(s.total), sum(s.peak)
  FROM usage_metric_sums s
  WHERE s.unit = 'day' AND s.starts_on = (SELECT day FROM picked)
  GROUP BY s.starts_on, s.metric),

-- Reports that were corrected or deleted may have been the last of their metric.
vanished AS (
  DELETE FROM analytics_usage a USING picked p
  WHERE a.day = p.day AND a.metric NOT IN (SELECT metric FROM counted)),

stored AS (
  INSERT INTO analytics_usage (metric, day, customers, total, peak)
  SELECT metric, day, customers, total, peak FROM counted
  ON CONFLICT (metric, day) DO UPDATE SET customers = EXCLUDED.customers, total = EXCLUDED.total,
    peak = EXCLUDED.peak)

INSERT INTO analytics_usage_days (day, counted_at) SELECT day, $1::timestamptz FROM picked
ON CONFLICT (day) DO UPDATE SET counted_at = EXCLUDED.counted_at
