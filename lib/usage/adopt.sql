-- Stores reports that another service received. One row for each customer: how many were stored, and how
-- many were here before.
--
-- $1 the reports  $2 now  $3 the lease in milliseconds
--
-- It writes as batch.sql does, in the same order. (... IN ...) IS TRUE makes PostgreSQL hash what was
-- stored, and OFFSET makes it look each customer up, whatever it estimates. Each report has a report_id, and its lease counts
-- from its own time, so that an instance of long ago is not in use.

WITH item AS MATERIALIZED (
  SELECT nextval('usage_ids') AS usage_id, customer_id, instance_id, active_devices,
    total_devices, reported_at, report_id, (reported_at AT TIME ZONE 'UTC')::date AS day
  FROM (
    SELECT customer_id, instance_id, active_devices, total_devices, reported_at, report_id
    FROM jsonb_to_recordset($1::jsonb) AS x (customer_id text, instance_id text,
      active_devices bigint, total_devices bigint, reported_at timestamptz, report_id text)
    CROSS JOIN LATERAL (
      SELECT FROM customers c WHERE c.customer_id = x.customer_id AND c.deleted_at IS NULL
      OFFSET 0) c
    ORDER BY customer_id, reported_at, report_id) AS sent),

named AS (
  INSERT INTO usage_report_ids (customer_id, report_id, usage_id, reported_at)
  SELECT customer_id, report_id, usage_id, reported_at
  FROM item ORDER BY customer_id, report_id
  ON CONFLICT DO NOTHING RETURNING usage_id),

fresh AS MATERIALIZED (
  SELECT usage_id, customer_id, instance_id, active_devices, total_devices, reported_at, report_id,
    day
  FROM item WHERE (usage_id IN (SELECT usage_id FROM named)) IS TRUE),

stored AS (
  INSERT INTO usage_reports (usage_id, customer_id, instance_id, active_devices, total_devices,
    metrics, reported_at, received_at, report_id)
  SELECT usage_id, customer_id, instance_id, active_devices, total_devices, '{}', reported_at,
    $2::timestamptz, report_id
  FROM fresh),

-- As in batch.sql.
seen AS (
  INSERT INTO instances AS i (customer_id, instance_id, first_seen_at, last_seen_at,
    lease_expires_at, latest_usage_id, latest_reported_at, active_devices, total_devices, change_id)
  SELECT DISTINCT ON (customer_id, instance_id) customer_id, instance_id,
    least(min(reported_at) OVER same, $2::timestamptz), least(reported_at, $2::timestamptz),
    reported_at + $3::bigint * interval '1 ms', usage_id, reported_at, active_devices,
    total_devices, usage_id
  FROM fresh WINDOW same AS (PARTITION BY customer_id, instance_id)
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
    (latest_usage_id, latest_reported_at, active_devices, total_devices, metrics) = (
      SELECT n.usage_id, n.reported_at, n.active, n.total, n.metrics FROM (VALUES
        (EXCLUDED.latest_usage_id, EXCLUDED.latest_reported_at, EXCLUDED.active_devices,
         EXCLUDED.total_devices, EXCLUDED.metrics),
        (i.latest_usage_id, i.latest_reported_at, i.active_devices, i.total_devices, i.metrics))
        AS n (usage_id, reported_at, active, total, metrics)
      ORDER BY n.reported_at DESC NULLS LAST, n.usage_id DESC NULLS LAST LIMIT 1)
  RETURNING 1),

pending AS (
  INSERT INTO usage_pending (customer_id, pending_id, instance_id, day, active_devices,
    total_devices, metrics, received_at)
  SELECT customer_id, usage_id, instance_id, day, active_devices, total_devices, '{}',
    $2::timestamptz
  FROM fresh)

SELECT customer_id, count(*) FILTER (WHERE stored) AS stored,
  count(*) FILTER (WHERE NOT stored) AS known
FROM (
  SELECT customer_id, (usage_id IN (SELECT usage_id FROM named)) IS TRUE AS stored FROM item) t
GROUP BY customer_id ORDER BY customer_id COLLATE "C"
