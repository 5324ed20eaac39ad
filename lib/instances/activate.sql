-- Takes an instance into use, unless the plan has no room for it. One row: how it was before, how many
-- others of its group are in use, and the instance as it is now, NULL when there was no room. A group
-- is production or all other kinds, or all kinds together.
--
-- $1 customer  $2 instance  $3 now  $4 end of the lease  $5 kind, or NULL: as it is
-- $6 how many of production may be in use, or NULL  $7 how many others, or NULL
-- $8 all kinds are one group, for which $6 holds  $9 at most so many pending
--
-- The customer is locked, so that no other activation runs. What is in use is what is folded and what
-- is pending, as in lib/limits/levels.sql. It is counted from the instances where very much is pending or
-- not all is counted since migration 022.

WITH bounds AS MATERIALIZED (
  SELECT $6::bigint IS NOT NULL OR $7::bigint IS NOT NULL AS bounded),

queue AS MATERIALIZED (
  SELECT instance_id FROM usage_pending WHERE customer_id = $1 AND (SELECT bounded FROM bounds)
  ORDER BY pending_id LIMIT $9::bigint),

-- Sorted by an expression, as PostgreSQL would else look through the ended leases of all customers.
ended AS MATERIALIZED (
  SELECT instance_id FROM usage_fleet_instances
  WHERE customer_id = $1 AND check_at <= $3::timestamptz AND (SELECT bounded FROM bounds)
  ORDER BY check_at + interval '0' LIMIT $9::bigint),

sums AS MATERIALIZED (
  SELECT (SELECT count(*) FROM queue) < $9::bigint AND (SELECT count(*) FROM ended) < $9::bigint
    AND (SELECT done OR folded_until IS NULL OR $1 <= folded_until FROM usage_backfill) AS are_exact),

-- Instances that are not in the folded sums as they are now. OFFSET makes PostgreSQL look each of them
-- up: there are few, whatever it estimates.
moved AS MATERIALIZED (
  SELECT i.lease_expires_at > $3::timestamptz AS in_use, i.kind <> 'production' AS is_other,
    w.instance_id IS NOT NULL AS was_in_use, w.kind <> 'production' AS was_other
  FROM (
    SELECT instance_id FROM queue
    UNION SELECT instance_id FROM ended) c
  CROSS JOIN LATERAL (
    SELECT kind, lease_expires_at FROM instances
    WHERE customer_id = $1 AND instance_id = c.instance_id OFFSET 0) i
  LEFT JOIN LATERAL (
    SELECT kind, instance_id FROM usage_fleet_instances
    WHERE customer_id = $1 AND instance_id = c.instance_id OFFSET 0) w ON true
  WHERE (SELECT are_exact FROM sums)),

fleet AS MATERIALIZED (
  SELECT (SELECT COALESCE(max(instances), 0) FROM usage_fleets WHERE customer_id = $1 AND counted)
      + COALESCE(sum(in_use::int - was_in_use::int), 0) AS instances,
    (SELECT count(*) FROM usage_fleet_instances WHERE customer_id = $1 AND kind <> 'production')
      + COALESCE(sum((in_use AND is_other)::int - COALESCE(was_other, false)::int), 0) AS others
  FROM moved HAVING (SELECT bounded AND are_exact FROM bounds, sums)
  UNION ALL
  SELECT count(*), count(*) FILTER (WHERE kind <> 'production') FROM instances
  WHERE customer_id = $1 AND lease_expires_at > $3::timestamptz
    AND (SELECT bounded AND NOT are_exact FROM bounds, sums)
  HAVING (SELECT bounded AND NOT are_exact FROM bounds, sums)
  UNION ALL
  SELECT 0, 0 FROM bounds WHERE NOT bounded),

own AS MATERIALIZED (
  SELECT i.kind AS was_kind, i.lease_expires_at AS was_until, i.released_at AS was_released_at,
    COALESCE(i.lease_expires_at > $3::timestamptz, false) AS in_use,
    i.activated_at IS NOT NULL AS was_activated,
    COALESCE($5, i.kind, 'production') AS kind
  FROM (SELECT) AS one LEFT JOIN instances i ON i.customer_id = $1 AND i.instance_id = $2),

-- The others of its group, without the instance itself. It is counted already if it was activated in its
-- present lease: a report, which is never refused, makes no room for it.
room AS MATERIALIZED (
  SELECT was_kind, was_until, was_released_at, in_use, kind,
    in_use AND was_activated AND ($8::boolean OR (kind = 'production') = (was_kind = 'production')) AS is_counted,
    CASE WHEN $8::boolean THEN instances - in_use::int
      WHEN kind = 'production' THEN instances - f.others - (in_use AND was_kind = 'production')::int
      ELSE f.others - (in_use AND was_kind <> 'production')::int END AS others,
    CASE WHEN $8::boolean OR kind = 'production' THEN $6::bigint ELSE $7::bigint END AS most
  FROM own, fleet f),

active AS (
  INSERT INTO instances AS i (customer_id, instance_id, first_seen_at, last_seen_at, activated_at,
    lease_expires_at, kind)
  SELECT $1, $2, $3::timestamptz, $3::timestamptz, $3::timestamptz, $4::timestamptz, kind
  FROM room WHERE is_counted OR most IS NULL OR others < most
  ON CONFLICT (customer_id, instance_id) DO UPDATE SET
    last_seen_at = greatest(i.last_seen_at, EXCLUDED.last_seen_at),
    activated_at = CASE WHEN i.lease_expires_at > $3::timestamptz
      THEN COALESCE(i.activated_at, EXCLUDED.activated_at) ELSE EXCLUDED.activated_at END,
    lease_expires_at = greatest(i.lease_expires_at, EXCLUDED.lease_expires_at),
    released_at = NULL, transferred_to = NULL, kind = EXCLUDED.kind
  RETURNING instance_id, kind, first_seen_at, last_seen_at, activated_at, lease_expires_at,
    released_at, latest_reported_at, version, active_devices, total_devices,
    metrics::text AS metrics),

-- The event is written with the key; a report may activate the instance at the same moment, or its lease be
-- told as lost, as in lib/usage/report.sql.
keyed AS (
  INSERT INTO event_keys (customer_id, key, written_at)
  SELECT $1, 'instance.activated ' || $2 || ' ' || COALESCE(api_time(r.was_until), ''), $3::timestamptz
  FROM room r, active a WHERE CASE WHEN r.in_use
    THEN r.was_until < least(a.lease_expires_at, $3::timestamptz + interval '1 minute')
      AND instance_lost_told($1, a.instance_id, r.was_until)
    ELSE true END
  ON CONFLICT DO NOTHING RETURNING 1)

SELECT EXISTS (SELECT FROM keyed) AS is_new, r.in_use, r.others, r.kind, r.was_kind, r.was_until, r.was_released_at,
  a.instance_id AS "instance.instance_id", a.kind AS "instance.kind",
  a.first_seen_at AS "instance.first_seen_at", a.last_seen_at AS "instance.last_seen_at",
  a.activated_at AS "instance.activated_at", a.lease_expires_at AS "instance.lease_expires_at",
  a.released_at AS "instance.released_at", a.latest_reported_at AS "instance.latest_reported_at",
  a.version AS "instance.version",
  a.active_devices AS "instance.active_devices", a.total_devices AS "instance.total_devices",
  a.metrics AS "instance.metrics"
FROM room r LEFT JOIN active a ON true
