-- Moves an activation to another instance, unless it is not in use, or the other one was activated
-- itself. One row, or none when there is no such instance: how both were, and the other one as it is
-- now, NULL when nothing was moved.
--
-- $1 customer  $2 instance  $3 the other one  $4 now
--
-- The customer is locked, so that no activation runs meanwhile. Instances are locked in their order, as
-- reports lock them.

WITH locked AS MATERIALIZED (
  SELECT instance_id, kind, activated_at, lease_expires_at, transferred_to FROM instances
  WHERE customer_id = $1 AND instance_id IN ($2, $3) ORDER BY instance_id FOR UPDATE),

before AS MATERIALIZED (
  SELECT f.kind, f.lease_expires_at, f.lease_expires_at > $4::timestamptz AS in_use,
    COALESCE(t.lease_expires_at > $4::timestamptz AND t.activated_at IS NOT NULL, false) AS is_taken,
    COALESCE(t.lease_expires_at > $4::timestamptz, false) AS other_in_use,
    t.lease_expires_at AS other_until,
    COALESCE(f.lease_expires_at <= $4::timestamptz AND f.transferred_to = $3, false) AS is_done
  FROM locked f LEFT JOIN locked t ON t.instance_id = $3 WHERE f.instance_id = $2),

released AS (
  UPDATE instances i SET released_at = $4::timestamptz, lease_expires_at = $4::timestamptz,
    transferred_to = $3
  FROM before b
  WHERE b.in_use AND NOT b.is_taken AND i.customer_id = $1 AND i.instance_id = $2),

active AS (
  INSERT INTO instances AS i (customer_id, instance_id, first_seen_at, last_seen_at, activated_at,
    lease_expires_at, kind)
  SELECT $1, $3, $4::timestamptz, $4::timestamptz, $4::timestamptz, lease_expires_at, kind
  FROM before WHERE in_use AND NOT is_taken
  ON CONFLICT (customer_id, instance_id) DO UPDATE SET
    last_seen_at = greatest(i.last_seen_at, EXCLUDED.last_seen_at),
    activated_at = EXCLUDED.activated_at,
    lease_expires_at = greatest(i.lease_expires_at, EXCLUDED.lease_expires_at),
    released_at = NULL, transferred_to = NULL, kind = EXCLUDED.kind
  RETURNING instance_id, kind, first_seen_at, last_seen_at, activated_at, lease_expires_at,
    released_at, latest_reported_at, version, active_devices, total_devices,
    metrics::text AS metrics),

-- As in activate.sql.
keyed AS (
  INSERT INTO event_keys (customer_id, key, written_at)
  SELECT $1, 'instance.activated ' || $3 || ' ' || COALESCE(api_time(b.other_until), ''),
    $4::timestamptz
  FROM before b, active WHERE CASE WHEN b.other_in_use
    THEN b.other_until < $4::timestamptz + interval '1 minute' AND instance_lost_told($1, $3, b.other_until)
    ELSE true END
  ON CONFLICT DO NOTHING RETURNING 1)

SELECT EXISTS (SELECT FROM keyed) AS is_new, b.in_use, b.is_taken, b.is_done, b.lease_expires_at AS was_until,
  a.instance_id AS "instance.instance_id", a.kind AS "instance.kind",
  a.first_seen_at AS "instance.first_seen_at", a.last_seen_at AS "instance.last_seen_at",
  a.activated_at AS "instance.activated_at", a.lease_expires_at AS "instance.lease_expires_at",
  a.released_at AS "instance.released_at", a.latest_reported_at AS "instance.latest_reported_at",
  a.version AS "instance.version",
  a.active_devices AS "instance.active_devices", a.total_devices AS "instance.total_devices",
  a.metrics AS "instance.metrics"
FROM before b LEFT JOIN active a ON true
