-- Counts one day of one instance anew from its reports. Those of it that are pending are counted
-- with them. They also say that the instance has changed: a row without a day takes their place.
-- The customer's row in usage_fleets and the day's in usage_daily are locked.
--
-- $1 customer  $2 instance  $3 day

WITH taken AS (
  DELETE FROM usage_pending
  WHERE customer_id = $1 AND instance_id = $2 AND day = $3::date
  RETURNING pending_id, received_at, recount),

marked AS (
  INSERT INTO usage_pending (customer_id, pending_id, instance_id, received_at)
  SELECT $1, min(pending_id), $2, min(received_at) FROM taken WHERE NOT recount
  HAVING count(*) > 0),

report AS MATERIALIZED (
  SELECT active_devices, total_devices, metrics FROM usage_reports
  WHERE customer_id = $1 AND instance_id = $2 AND superseded_by IS NULL
    AND reported_at >= $3::date::timestamp AT TIME ZONE 'UTC'
    AND reported_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'),

metric AS MATERIALIZED (
  SELECT v.key, sum(v.value::numeric) AS total, max(v.value::bigint) AS highest
  FROM report, jsonb_each_text(metrics) v GROUP BY v.key),

counted AS (
  UPDATE usage_daily SET (reports, active_devices_max, active_devices_sum, total_devices_max,
      total_devices_sum) = (
    SELECT count(*), COALESCE(max(active_devices), 0), COALESCE(sum(active_devices), 0),
      COALESCE(max(total_devices), 0), COALESCE(sum(total_devices), 0)
    FROM report)
  WHERE customer_id = $1 AND instance_id = $2 AND day = $3::date
  RETURNING 1),

removed AS (
  DELETE FROM usage_daily_metrics USING (SELECT count(*) FROM counted) AS behind
  WHERE customer_id = $1 AND instance_id = $2 AND day = $3::date
    AND metric NOT IN (SELECT key FROM metric))

INSERT INTO usage_daily_metrics (customer_id, day, instance_id, metric, total, highest)
SELECT $1, $3::date, $2, key, total, highest
FROM metric, (SELECT count(*) FROM counted) AS behind ORDER BY key
ON CONFLICT (customer_id, day, instance_id, metric) DO UPDATE SET
  total = EXCLUDED.total, highest = EXCLUDED.highest
