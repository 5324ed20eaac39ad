-- Folds what is pending of some customers into their sums. Their rows in usage_fleets are locked, so
-- that no other process folds them, and this statement began afterwards: it sees all that was
-- folded before. One row for each day of an instance that must be counted anew.
--
-- $1 customers  $2 at most so many pending, and ended leases  $3 now  $4, $5 customers and instances that are
-- left for the next step
--
-- Each customer has an equal share of what is taken. What others leave of theirs goes to the
-- customers that have more, in the order of the list.
--
-- Triggers carry the changes of the first two parts to the sums of whole customers. Rows are written
-- in the order of their keys.

WITH due AS MATERIALIZED (
  SELECT c.customer_id, p.pending_id FROM unnest($1::text[]) AS c (customer_id) CROSS JOIN LATERAL (
    SELECT pending_id FROM usage_pending WHERE customer_id = c.customer_id
    ORDER BY pending_id LIMIT greatest($2::bigint / cardinality($1::text[]), 1)) p
  UNION ALL
  SELECT c.customer_id, p.pending_id FROM unnest($1::text[]) AS c (customer_id) CROSS JOIN LATERAL (
    SELECT pending_id FROM usage_pending WHERE customer_id = c.customer_id
    ORDER BY pending_id OFFSET greatest($2::bigint / cardinality($1::text[]), 1)) p
  LIMIT $2::bigint),

taken AS MATERIALIZED (
  DELETE FROM usage_pending WHERE (customer_id, pending_id) IN (
    SELECT customer_id, pending_id FROM due)
  RETURNING customer_id, instance_id, day, active_devices, total_devices, metrics, recount),

counted AS (
  INSERT INTO usage_daily AS d (customer_id, day, instance_id, reports, active_devices_max,
    active_devices_sum, total_devices_max, total_devices_sum)
  SELECT customer_id, day, instance_id, count(*), max(active_devices), sum(active_devices),
    max(total_devices), sum(total_devices)
  FROM taken WHERE day IS NOT NULL AND NOT recount
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
  FROM taken, (SELECT count(*) FROM counted) AS behind, jsonb_each_text(metrics) v
  WHERE day IS NOT NULL AND NOT recount
  GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
  ON CONFLICT (customer_id, day, instance_id, metric) DO UPDATE SET
    total = m.total + EXCLUDED.total, highest = greatest(m.highest, EXCLUDED.highest)
  RETURNING 1),

-- As many instances whose lease may have ended as lost.c tells of at once, in its order: what is left stays
-- for the next step.
ended AS MATERIALIZED (
  SELECT customer_id, instance_id FROM (
    SELECT customer_id, instance_id FROM usage_fleet_instances
    WHERE customer_id = ANY ($1::text[]) AND check_at <= $3::timestamptz
    ORDER BY customer_id, instance_id LIMIT $2::bigint) w
  WHERE NOT EXISTS (SELECT FROM unnest($4::text[], $5::text[]) AS left_out (customer_id, instance_id)
    WHERE left_out.customer_id = w.customer_id AND left_out.instance_id = w.instance_id)),

-- A customer that is folded for the first time brings all its instances, in this one statement: it
-- took 5.6 s for 150 000. With that many from before migration 022, it needs a longer
-- DB_STATEMENT_TIMEOUT_MS until it has succeeded once (billingd.8).
changed AS (
  SELECT customer_id, instance_id FROM taken
  UNION
  SELECT customer_id, instance_id FROM ended
  UNION
  SELECT i.customer_id, i.instance_id
  FROM usage_fleets f JOIN instances i ON i.customer_id = f.customer_id
  WHERE f.customer_id = ANY ($1::text[]) AND NOT f.counted),

moved AS MATERIALIZED (
  SELECT c.customer_id, c.instance_id, i.active_devices, i.metrics, i.lease_expires_at, i.kind,
    COALESCE(i.lease_expires_at > $3::timestamptz, false) AS in_use, w.check_at,
    w.active_devices AS was_devices, w.metrics AS was_metrics, w.kind AS was_kind,
    w.instance_id IS NOT NULL AS was_in_use,
    CASE WHEN i.lease_expires_at > $3::timestamptz THEN i.metrics END IS DISTINCT FROM w.metrics
      AS metrics_differ
  FROM changed c
  LEFT JOIN instances i ON i.customer_id = c.customer_id AND i.instance_id = c.instance_id
  LEFT JOIN usage_fleet_instances w
    ON w.customer_id = c.customer_id AND w.instance_id = c.instance_id
  WHERE w.check_at IS NULL OR w.check_at > $3::timestamptz
    OR (c.customer_id, c.instance_id) IN (SELECT customer_id, instance_id FROM ended)),

gone AS (
  DELETE FROM usage_fleet_instances w USING moved m
  WHERE m.was_in_use AND NOT m.in_use
    AND w.customer_id = m.customer_id AND w.instance_id = m.instance_id),

-- check_at moves only when it is reached or too late, which keeps its indexes as they are.
present AS (
  INSERT INTO usage_fleet_instances AS w (customer_id, instance_id, active_devices, metrics, kind,
    check_at)
  SELECT customer_id, instance_id, active_devices, metrics, kind, lease_expires_at FROM moved
  WHERE in_use AND NOT (was_in_use AND active_devices = was_devices AND metrics = was_metrics
    AND kind = was_kind AND check_at > $3::timestamptz AND check_at <= lease_expires_at)
  ORDER BY customer_id, instance_id
  ON CONFLICT (customer_id, instance_id) DO UPDATE SET
    active_devices = EXCLUDED.active_devices, metrics = EXCLUDED.metrics, kind = EXCLUDED.kind,
    check_at = CASE WHEN w.check_at > $3::timestamptz
      THEN least(w.check_at, EXCLUDED.check_at) ELSE EXCLUDED.check_at END),

shares AS (
  SELECT customer_id, sum(in_use::int - was_in_use::int) AS instances,
    sum(CASE WHEN in_use THEN active_devices ELSE 0 END - COALESCE(was_devices, 0)) AS active_devices
  FROM moved GROUP BY customer_id),

-- Only of customers whose sums of metrics may change.
newest AS (
  SELECT customer_id, jsonb_object_agg(metric, value) AS metrics FROM (
    SELECT customer_id, metric, sum(value) AS value FROM (
      SELECT m.customer_id, v.key AS metric, v.value::numeric AS value
      FROM moved m, jsonb_each_text(m.metrics) v
      WHERE m.metrics_differ AND m.in_use
      UNION ALL
      SELECT m.customer_id, v.key, -v.value::numeric FROM moved m, jsonb_each_text(m.was_metrics) v
      WHERE m.metrics_differ
      UNION ALL
      SELECT f.customer_id, v.key, v.value::numeric
      FROM usage_fleets f, jsonb_each_text(f.metrics) v
      WHERE f.customer_id = ANY (ARRAY(
        SELECT DISTINCT customer_id FROM moved WHERE metrics_differ))) AS each
    GROUP BY customer_id, metric) AS sums
  GROUP BY customer_id),

-- Most reports change nothing here, and a row that is left as it is costs no write.
fleets AS (
  UPDATE usage_fleets f SET
    instances = f.instances + COALESCE(s.instances, 0),
    active_devices = f.active_devices + COALESCE(s.active_devices, 0),
    metrics = COALESCE(n.metrics, f.metrics), counted = true
  FROM unnest($1::text[]) AS c (customer_id)
  LEFT JOIN shares s ON s.customer_id = c.customer_id
  LEFT JOIN newest n ON n.customer_id = c.customer_id
  WHERE f.customer_id = c.customer_id
    AND (NOT f.counted OR s.instances <> 0 OR s.active_devices <> 0 OR n.metrics <> f.metrics)),

-- Their use has changed: it is looked at, at most every five minutes. A clock may have been ahead at the
-- last look.
watched AS (
  INSERT INTO usage_watch AS w (customer_id, check_at)
  SELECT customer_id, $3::timestamptz FROM unnest($1::text[]) AS c (customer_id)
  WHERE NOT EXISTS (
    SELECT FROM usage_watch o WHERE o.customer_id = c.customer_id
      AND o.check_at <= $3::timestamptz + interval '5 minutes')
  ORDER BY customer_id
  ON CONFLICT (customer_id) DO UPDATE SET check_at = CASE WHEN w.checked_at > $3::timestamptz
    THEN EXCLUDED.check_at ELSE greatest(EXCLUDED.check_at, w.checked_at + interval '5 minutes') END)

SELECT (SELECT count(*) FROM taken) AS taken, (SELECT count(*) FROM added) AS added,
  r.customer_id, r.instance_id, r.day
FROM (SELECT) AS one
LEFT JOIN (
  SELECT DISTINCT customer_id, instance_id, day::text AS day FROM taken WHERE recount) r ON true
