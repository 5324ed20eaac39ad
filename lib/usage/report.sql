-- Stores one report if the caller's key may, and reads the customer's levels of use: what is
-- folded, what is pending, and this report. It adds to no sum; fold.sql does that later.
--
-- $1 digest of the key  $2 customer  $3 instance  $4 active devices  $5 total devices  $6 metrics
-- $7 reported_at  $8 report_id or NULL  $9 now  $10 end of the lease  $11 at most so many pending
-- $12 version or NULL  $13 the most new instances in a day; events of instances have twice that bound
--
-- Every part sees the rows as they were before, and what other parts return. All statements
-- take locks in one order: instance_counts, report ids, instances, usage_fleets, days, metrics, events.
-- batch.sql stores reports by the same rules, lib/limits/levels.sql reads the levels.

WITH caller AS MATERIALIZED (
  SELECT k.key_id, k.customer_id AS key_customer_id, k.role, k.digest, k.scopes,
    (COALESCE(k.last_used_at >= current_date, false)
      AND (k.file_key IS NOT NULL OR k.customer_id IS NULL)) AS used_today, k.revoked_at,
    c.customer_id, c.override_terms
  FROM (SELECT) AS one
  LEFT JOIN api_keys k ON k.digest = $1
  LEFT JOIN customers c ON c.customer_id = $2 AND c.deleted_at IS NULL),

allowed AS MATERIALIZED (
  SELECT customer_id, nextval('usage_ids') AS usage_id FROM caller
  WHERE customer_id IS NOT NULL AND key_id IS NOT NULL AND revoked_at IS NULL
    AND (role = 'owner' OR (key_customer_id = customer_id AND 'usage' = ANY (scopes)))),

was AS MATERIALIZED (
  SELECT lease_expires_at FROM instances WHERE customer_id = $2 AND instance_id = $3),

-- Only an instance that was never seen has its customer's count looked at.
admitted AS MATERIALIZED (
  SELECT customer_id, usage_id FROM allowed
  WHERE CASE WHEN EXISTS (SELECT FROM was) THEN true
    ELSE instances_admit(customer_id, $9::timestamptz, 1, $13::bigint) = 1 END),

named AS (
  INSERT INTO usage_report_ids (customer_id, report_id, usage_id, reported_at)
  SELECT customer_id, $8, usage_id, $7::timestamptz FROM admitted WHERE $8::text IS NOT NULL
  ON CONFLICT DO NOTHING RETURNING usage_id),

fresh AS MATERIALIZED (
  SELECT customer_id, usage_id, ($7::timestamptz AT TIME ZONE 'UTC')::date AS day
  FROM admitted WHERE $8::text IS NULL OR EXISTS (SELECT FROM named)),

stored AS (
  INSERT INTO usage_reports (usage_id, customer_id, instance_id, active_devices, total_devices,
    metrics, reported_at, received_at, report_id)
  SELECT usage_id, customer_id, $3, $4::bigint, $5::bigint, $6::jsonb, $7::timestamptz,
    $9::timestamptz, $8
  FROM fresh),

-- A late report shows that its instance was there, not what it has now. It does not take up
-- again what was released since. An instance whose lease begins anew by a report is not activated. A
-- report without a version leaves the one that is known.
seen AS (
  INSERT INTO instances AS i (customer_id, instance_id, first_seen_at, last_seen_at,
    lease_expires_at, latest_usage_id, latest_reported_at, active_devices, total_devices, metrics,
    change_id, version)
  SELECT customer_id, $3, least($7::timestamptz, $9::timestamptz),
    least($7::timestamptz, $9::timestamptz), $10::timestamptz, usage_id, $7::timestamptz,
    $4::bigint, $5::bigint, $6::jsonb, usage_id, $12::text
  FROM fresh
  ON CONFLICT (customer_id, instance_id) DO UPDATE SET
    first_seen_at = least(i.first_seen_at, EXCLUDED.first_seen_at),
    last_seen_at = greatest(i.last_seen_at, EXCLUDED.last_seen_at),
    lease_expires_at = CASE WHEN EXCLUDED.last_seen_at <= i.released_at THEN i.lease_expires_at
      ELSE greatest(i.lease_expires_at, EXCLUDED.lease_expires_at) END,
    released_at = CASE WHEN EXCLUDED.last_seen_at <= i.released_at THEN i.released_at END,
    activated_at = CASE WHEN i.lease_expires_at > $9::timestamptz OR EXCLUDED.last_seen_at <= i.released_at
        OR EXCLUDED.lease_expires_at <= $9::timestamptz THEN i.activated_at END,
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
  RETURNING i.active_devices, i.lease_expires_at, i.metrics, i.kind, i AS whole),

-- When reports come at the same moment, one of them takes the key. The event instance.lost may have been
-- written a moment before the lease is renewed here, by a clock that this report's was behind.
activated AS MATERIALIZED (
  SELECT instance_event_add('instance.activated', $2, $9::timestamptz,
    instance_shown(whole, $9::timestamptz), 'instance.activated ' || $3 || ' ' ||
    COALESCE((SELECT api_time(lease_expires_at) FROM was), ''), 2 * $13::bigint)
  FROM seen s WHERE s.lease_expires_at > $9::timestamptz
    AND NOT EXISTS (SELECT FROM was w WHERE w.lease_expires_at > $9::timestamptz
      AND CASE WHEN w.lease_expires_at < least(s.lease_expires_at, $9::timestamptz + interval '1 minute')
        THEN NOT instance_lost_told($2, $3, w.lease_expires_at) ELSE true END)),

pending AS (
  INSERT INTO usage_pending (customer_id, pending_id, instance_id, day, active_devices,
    total_devices, metrics, received_at)
  SELECT customer_id, usage_id, $3, day, $4::bigint, $5::bigint, $6::jsonb, $9::timestamptz
  FROM fresh),

queue AS MATERIALIZED (
  SELECT instance_id, day, metrics, received_at FROM usage_pending WHERE customer_id = $2
  ORDER BY pending_id LIMIT $11::bigint),

-- Sorted by an expression, as PostgreSQL would else look through the ended leases of all customers.
ended AS MATERIALIZED (
  SELECT instance_id, check_at FROM usage_fleet_instances
  WHERE customer_id = $2 AND check_at <= $9::timestamptz
  ORDER BY check_at + interval '0' LIMIT $11::bigint),

folded AS MATERIALIZED (
  SELECT instances, active_devices, metrics FROM usage_fleets
  WHERE customer_id = $2 AND counted),

-- Instances that are not in the folded sums as they are now, and their shares of then and now. OFFSET
-- makes PostgreSQL look each of them up: there are few, whatever it estimates.
moved AS MATERIALIZED (
  SELECT s.active_devices, s.metrics, s.lease_expires_at > $9::timestamptz AS in_use,
    w.active_devices AS was_devices, w.metrics AS was_metrics, w.instance_id IS NOT NULL AS was_in_use,
    s.kind <> 'production' AS is_other, w.kind <> 'production' AS was_other
  FROM seen s
  LEFT JOIN usage_fleet_instances w ON w.customer_id = $2 AND w.instance_id = $3
  UNION ALL
  SELECT i.active_devices, i.metrics, i.lease_expires_at > $9::timestamptz, w.active_devices,
    w.metrics, w.instance_id IS NOT NULL, i.kind <> 'production', w.kind <> 'production'
  FROM (
    SELECT instance_id FROM queue
    UNION SELECT instance_id FROM ended) c
  CROSS JOIN LATERAL (
    SELECT active_devices, metrics, kind, lease_expires_at FROM instances
    WHERE customer_id = $2 AND instance_id = c.instance_id OFFSET 0) i
  LEFT JOIN LATERAL (
    SELECT active_devices, metrics, kind, instance_id FROM usage_fleet_instances
    WHERE customer_id = $2 AND instance_id = c.instance_id OFFSET 0) w ON true
  WHERE c.instance_id <> $3 OR NOT EXISTS (SELECT FROM seen)),

newest AS (
  SELECT v.key AS metric, v.value::numeric AS value FROM folded, jsonb_each_text(metrics) v
  UNION ALL
  SELECT v.key, v.value::numeric FROM moved, jsonb_each_text(metrics) v WHERE in_use
  UNION ALL
  SELECT v.key, -v.value::numeric FROM moved, jsonb_each_text(was_metrics) v),

used AS (
  SELECT metric, total FROM usage_metric_sums
  WHERE customer_id = $2 AND unit = 'month' AND parts > 0
    AND starts_on >= date_trunc('month', $9::timestamptz AT TIME ZONE 'UTC')
  UNION ALL
  SELECT v.key, v.value::numeric
  FROM (SELECT day, metrics FROM queue UNION ALL SELECT day, $6::jsonb FROM fresh) q,
    jsonb_each_text(q.metrics) v
  WHERE q.day >= date_trunc('month', $9::timestamptz AT TIME ZONE 'UTC'))

SELECT k.key_id AS "key.key_id", k.key_customer_id AS "key.customer_id", k.role AS "key.role",
  k.digest AS "key.digest", k.scopes AS "key.scopes", k.used_today AS "key.used_today",
  k.revoked_at AS "key.revoked_at", k.customer_id, s.plan AS "subscription.plan",
  s.status AS "subscription.status", s.trial_ends_at AS "subscription.trial_ends_at",
  COALESCE(s.bought_at, s.created_at) AS "subscription.bought_at",
  COALESCE(s.quantity, 1) AS "subscription.quantity", s.addons::text AS "subscription.addons",
  s.contract_id AS "subscription.contract_id",
  s.contract_terms::text AS "terms.contract", k.override_terms::text AS "terms.overrides",
  COALESCE(f.active_devices, 0) + m.active_devices AS "levels.active_devices",
  COALESCE(f.instances, 0) + m.instances AS "levels.instances",
  (SELECT count(*) FROM usage_fleet_instances WHERE customer_id = $2 AND kind <> 'production')
    + m.others AS "levels.non_production",
  (SELECT jsonb_object_agg(g.metric, g.total)::text FROM (
    SELECT metric, sum(total)::text AS total FROM used GROUP BY metric) g) AS "levels.month",
  (SELECT jsonb_object_agg(g.metric, g.total)::text FROM (
    SELECT metric, sum(value)::text AS total FROM newest GROUP BY metric) g) AS "levels.newest",
  least($9::timestamptz,
    (SELECT CASE WHEN count(*) >= $11::bigint THEN min(received_at) END FROM queue),
    (SELECT CASE WHEN count(*) >= $11::bigint THEN max(check_at) END FROM ended))
    AS "levels.counted_until",
  (SELECT done OR $2 < customer_id FROM usage_backfill) AS "levels.counted",
  EXISTS (SELECT FROM allowed) AND NOT EXISTS (SELECT FROM admitted) AS too_many,
  (SELECT usage_id FROM fresh WHERE (SELECT count(*) FROM activated) >= 0) AS usage_id
FROM caller k
LEFT JOIN LATERAL (
  SELECT plan, status, trial_ends_at, bought_at, created_at, quantity, addons, contract_id,
    contract_terms
  FROM subscriptions
  WHERE customer_id = k.customer_id
  ORDER BY superseded, subscription_order(subscriptions, $9),
    subscription_id DESC LIMIT 1) s ON true
LEFT JOIN folded f ON true
CROSS JOIN (
  SELECT COALESCE(sum(CASE WHEN in_use THEN active_devices ELSE 0 END
      - COALESCE(was_devices, 0)), 0)::bigint AS active_devices,
    COALESCE(sum(in_use::int - was_in_use::int), 0)::bigint AS instances,
    COALESCE(sum((in_use AND is_other)::int - COALESCE(was_other, false)::int), 0)::bigint AS others
  FROM moved) m
