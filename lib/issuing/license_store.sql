-- Stores a licence, unless the subscription has changed since it was read or the customer had too
-- many licences in the last hour. Revokes the oldest licences in use beyond the most, and tells of both.
-- Licences that are bound to an instance count apart: their number is bounded by the instances.
--
-- $1 subscription  $2 its version  $3 jti  $4 kid  $5 plan  $6 reason  $7 fingerprint  $8 token
-- $9 issued at  $10 expires at  $11 most licences in use  $12 most licences of an hour
-- $13 most rotations of an hour  $14 grants  $15 instance that it is bound to, or NULL
-- $16 type of the event  $17 its data
--
-- The share lock makes a revocation wait, which then sees this row. Licences are locked before the event
-- is written, as others lock them too.

WITH subscription AS (
  SELECT customer_id FROM subscriptions
  WHERE subscription_id = $1::bigint AND version = $2::bigint FOR SHARE),

recent AS (
  SELECT l.reason, l.issued_at FROM (
    SELECT reason, issued_at FROM licenses WHERE customer_id = (
      SELECT customer_id FROM subscriptions WHERE subscription_id = $1::bigint)
      AND instance_id IS NULL AND $15::text IS NULL
    ORDER BY license_id DESC LIMIT $12::bigint) l
  WHERE l.issued_at > $9::timestamptz - interval '1 hour'),

hour AS (
  SELECT count(*) >= $12::bigint
      OR ($6 = 'rotated' AND count(*) FILTER (WHERE reason = 'rotated') >= $13::bigint) AS is_full,
    CASE WHEN count(*) >= $12::bigint THEN min(issued_at)
      ELSE min(issued_at) FILTER (WHERE reason = 'rotated') END + interval '1 hour' AS until
  FROM recent),

stored AS (
  INSERT INTO licenses (jti, customer_id, kid, plan, reason, fingerprint, token, issued_at,
    expires_at, grants, instance_id)
  SELECT $3, s.customer_id, $4, $5, $6, $7, $8, $9, $10, $14, $15
  FROM subscription s, hour WHERE NOT hour.is_full
  RETURNING customer_id),

superseded AS (
  UPDATE licenses l SET revoked_at = $9, revoke_reason = 'superseded', token = NULL
  WHERE revoked_at IS NULL AND jti IN (
    SELECT o.jti FROM licenses o JOIN stored ON o.customer_id = stored.customer_id
    WHERE o.revoked_at IS NULL AND o.expires_at > $9::timestamptz - interval '2 minutes'
      AND o.instance_id IS NOT DISTINCT FROM $15
    ORDER BY o.license_id DESC OFFSET $11::bigint - 1)
  RETURNING l),

told AS MATERIALIZED (
  SELECT count(event_add($16, customer_id, $9::timestamptz, $17)) AS events FROM stored
  WHERE (SELECT count(*) FROM superseded) >= 0),

told_more AS MATERIALIZED (
  SELECT licenses_revoked_tell(array_agg(s.l), $9::timestamptz) AS events FROM superseded s
  WHERE (SELECT events FROM told) >= 0 HAVING count(*) > 0)

SELECT EXISTS (SELECT FROM stored) AS stored,
  (SELECT events FROM told) + COALESCE((SELECT events FROM told_more), 0) AS events, is_full, until
FROM hour
