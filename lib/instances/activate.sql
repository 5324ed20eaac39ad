-- Takes an instance into use, unless the plan's room is full. One row: the counts of before,
-- and the instance as it is now, NULL when there was no room.
--
-- $1 customer  $2 instance  $3 now  $4 end of the lease  $5 how many may be in use, or NULL

WITH fleet AS MATERIALIZED (
  SELECT count(*) FILTER (WHERE instance_id <> $2) AS others,
    COALESCE(bool_or(instance_id = $2), false) AS in_use
  FROM instances WHERE customer_id = $1 AND lease_expires_at > $3::timestamptz),

active AS (
  INSERT INTO instances AS i (customer_id, instance_id, first_seen_at, last_seen_at, activated_at,
    lease_expires_at)
  SELECT $1, $2, $3::timestamptz, $3::timestamptz, $3::timestamptz, $4::timestamptz
  FROM fleet WHERE in_use OR $5::bigint IS NULL OR others < $5::bigint
  ON CONFLICT (customer_id, instance_id) DO UPDATE SET
    last_seen_at = greatest(i.last_seen_at, EXCLUDED.last_seen_at),
    activated_at = CASE WHEN i.lease_expires_at > $3::timestamptz
      THEN COALESCE(i.activated_at, EXCLUDED.activated_at) ELSE EXCLUDED.activated_at END,
    lease_expires_at = greatest(i.lease_expires_at, EXCLUDED.lease_expires_at),
    released_at = NULL
  RETURNING instance_id, first_seen_at, last_seen_at, activated_at, lease_expires_at, released_at,
    latest_reported_at, active_devices, total_devices, metrics::text AS metrics)

SELECT f.in_use, f.others,
  a.instance_id AS "instance.instance_id", a.first_seen_at AS "instance.first_seen_at",
  a.last_seen_at AS "instance.last_seen_at", a.activated_at AS "instance.activated_at",
  a.lease_expires_at AS "instance.lease_expires_at", a.released_at AS "instance.released_at",
  a.latest_reported_at AS "instance.latest_reported_at",
  a.active_devices AS "instance.active_devices", a.total_devices AS "instance.total_devices",
  a.metrics AS "instance.metrics"
FROM fleet f LEFT JOIN active a ON true
