-- Stores many reports with all that follows from them. One row for each report whose customer
-- exists: usage_id is NULL unless this statement stored it; too_many tells that the bound of new
-- instances refused it; the columns "first" are those of the report that was stored under its report_id.
--
-- $1 the reports  $2 now  $3 the lease in milliseconds
-- $4 the most new instances of a customer in a day; its events of instances have twice that bound
--
-- Every part writes in the order of its keys, so that two batches never wait for each other in
-- a circle. report.sql stores reports by the same rules; fold.sql counts them later.

WITH item AS MATERIALIZED (
  SELECT index, nextval('usage_ids') AS usage_id, customer_id, instance_id, active_devices,
    total_devices, metrics, reported_at, report_id, version,
    (reported_at AT TIME ZONE 'UTC')::date AS day
  FROM (
    SELECT index, customer_id, instance_id, active_devices, total_devices, metrics, reported_at,
      report_id, version
    FROM jsonb_to_recordset($1::jsonb) AS x (index bigint, customer_id text, instance_id text,
      active_devices bigint, total_devices bigint, metrics jsonb, reported_at timestamptz,
      report_id text, version text)
    WHERE EXISTS (
      SELECT FROM customers c WHERE c.customer_id = x.customer_id AND c.deleted_at IS NULL)
    ORDER BY index) AS sent),

-- The instances, and the end of the lease of those that are known.
was AS MATERIALIZED (
  SELECT t.customer_id, t.instance_id, t.place, i.lease_expires_at
  FROM (
    SELECT customer_id, instance_id, min(index) AS place FROM item
    GROUP BY customer_id, instance_id) t
  LEFT JOIN LATERAL (
    SELECT lease_expires_at FROM instances
    WHERE customer_id = t.customer_id AND instance_id = t.instance_id OFFSET 0) i ON true),

-- Only instances that were never seen have their customer's count looked at.
room AS MATERIALIZED (
  SELECT customer_id, instances_admit(customer_id, $2::timestamptz, instances, $4::bigint) AS instances
  FROM (
    SELECT customer_id, count(*) AS instances FROM was WHERE lease_expires_at IS NULL
    GROUP BY customer_id ORDER BY customer_id) AS each),

refused AS MATERIALIZED (
  SELECT w.customer_id, w.instance_id
  FROM (
    SELECT customer_id, instance_id, row_number() OVER (PARTITION BY customer_id ORDER BY place) AS place
    FROM was WHERE lease_expires_at IS NULL) w
  JOIN room r ON r.customer_id = w.customer_id AND w.place > r.instances),

named AS (
  INSERT INTO usage_report_ids (customer_id, report_id, usage_id, reported_at)
  SELECT DISTINCT ON (customer_id, report_id) customer_id, report_id, usage_id, reported_at
  FROM item WHERE report_id IS NOT NULL
    AND (customer_id, instance_id) NOT IN (SELECT customer_id, instance_id FROM refused)
  ORDER BY customer_id, report_id, index
  ON CONFLICT DO NOTHING RETURNING usage_id),

fresh AS MATERIALIZED (
  SELECT index, usage_id, customer_id, instance_id, active_devices, total_devices, metrics,
    reported_at, report_id, version, day
  FROM item WHERE CASE WHEN report_id IS NOT NULL THEN usage_id IN (SELECT usage_id FROM named)
    ELSE (customer_id, instance_id) NOT IN (SELECT customer_id, instance_id FROM refused) END),

stored AS (
  INSERT INTO usage_reports (usage_id, customer_id, instance_id, active_devices, total_devices,
    metrics, reported_at, received_at, report_id)
  SELECT usage_id, customer_id, instance_id, active_devices, total_devices, metrics, reported_at,
    $2::timestamptz, report_id
  FROM fresh),

-- The reports; late ones tell no version. A join with `was` would cost the square of the batch's size.
told AS MATERIALIZED (
  SELECT usage_id, customer_id, instance_id, active_devices, total_devices, metrics, reported_at,
    CASE WHEN version IS NULL THEN NULL
      WHEN reported_at < (
        SELECT latest_reported_at FROM instances i
        WHERE i.customer_id = f.customer_id AND i.instance_id = f.instance_id) THEN NULL
      ELSE version END AS version
  FROM fresh f),

-- As in report.sql.
seen AS (
  INSERT INTO instances AS i (customer_id, instance_id, first_seen_at, last_seen_at,
    lease_expires_at, latest_usage_id, latest_reported_at, active_devices, total_devices, metrics,
    change_id, version)
  SELECT DISTINCT ON (customer_id, instance_id) customer_id, instance_id,
    least(min(reported_at) OVER same, $2::timestamptz), least(reported_at, $2::timestamptz),
    reported_at + $3::bigint * interval '1 ms', usage_id, reported_at, active_devices,
    total_devices, metrics, usage_id, first_value(version) OVER (
      same ORDER BY version IS NULL, reported_at DESC, usage_id DESC)
  FROM told WINDOW same AS (PARTITION BY customer_id, instance_id)
  ORDER BY customer_id, instance_id, reported_at DESC, usage_id DESC
  ON CONFLICT (customer_id, instance_id) DO UPDATE SET
    first_seen_at = least(i.first_seen_at, EXCLUDED.first_seen_at),
    last_seen_at = greatest(i.last_seen_at, EXCLUDED.last_seen_at),
    lease_expires_at = CASE WHEN EXCLUDED.last_seen_at <= i.released_at THEN i.lease_expires_at
      ELSE greatest(i.lease_expires_at, EXCLUDED.lease_expires_at) END,
    released_at = CASE WHEN EXCLUDED.last_seen_at <= i.released_at THEN i.released_at END,
    activated_at = CASE WHEN i.lease_expires_at > $2::timestamptz OR EXCLUDED.last_seen_at <= i.released_at
        OR EXCLUDED.lease_expires_at <= $2::timestamptz THEN i.activated_at END,
    change_id = EXCLUDED.change_id,
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
      THEN EXCLUDED.metrics ELSE i.metrics END,
    version = CASE WHEN
      (COALESCE(i.latest_reported_at, '-infinity'), COALESCE(i.latest_usage_id, 0)) <=
      (EXCLUDED.latest_reported_at, EXCLUDED.latest_usage_id)
      THEN COALESCE(EXCLUDED.version, i.version) ELSE i.version END
  RETURNING i.customer_id, i.instance_id, i.lease_expires_at, i AS whole),

-- As in report.sql.
activated AS MATERIALIZED (
  SELECT instance_event_add('instance.activated', customer_id, $2::timestamptz,
    instance_shown(whole, $2::timestamptz),
    'instance.activated ' || instance_id || ' ' || COALESCE(api_time(was_until), ''), 2 * $4::bigint)
  FROM (
    SELECT s.customer_id, s.instance_id, s.whole, w.lease_expires_at AS was_until
    FROM seen s LEFT JOIN was w ON w.customer_id = s.customer_id AND w.instance_id = s.instance_id
    WHERE s.lease_expires_at > $2::timestamptz AND CASE
      WHEN w.lease_expires_at > $2::timestamptz
      THEN w.lease_expires_at < least(s.lease_expires_at, $2::timestamptz + interval '1 minute')
        AND instance_lost_told(s.customer_id, s.instance_id, w.lease_expires_at)
      ELSE true END
    ORDER BY s.customer_id, s.instance_id) AS each),

pending AS (
  INSERT INTO usage_pending (customer_id, pending_id, instance_id, day, active_devices,
    total_devices, metrics, received_at)
  SELECT customer_id, usage_id, instance_id, day, active_devices, total_devices, metrics,
    $2::timestamptz
  FROM fresh)

SELECT t.index, f.usage_id,
  (t.customer_id, t.instance_id) IN (SELECT customer_id, instance_id FROM refused) AS too_many,
  r.usage_id AS "first.usage_id",
  COALESCE(r.instance_id, t.instance_id) AS "first.instance_id",
  COALESCE(r.active_devices, t.active_devices) AS "first.active_devices",
  COALESCE(r.total_devices, t.total_devices) AS "first.total_devices",
  COALESCE(r.metrics, t.metrics)::text AS "first.metrics",
  r.reported_at AS "first.reported_at",
  COALESCE(r.received_at, r.reported_at) AS "first.received_at"
FROM item t LEFT JOIN fresh f
  ON f.usage_id = t.usage_id AND (SELECT count(*) FROM activated) >= 0
LEFT JOIN LATERAL (
  SELECT n.usage_id, n.reported_at, o.instance_id, o.active_devices, o.total_devices, o.metrics,
    o.received_at
  FROM usage_report_ids n
  LEFT JOIN usage_reports o ON o.usage_id = n.usage_id AND o.reported_at = n.reported_at
  WHERE n.customer_id = t.customer_id AND n.report_id = t.report_id) r ON true
ORDER BY t.index
