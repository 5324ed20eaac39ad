-- Revokes licences of distrusted keys, and tells each customer of its own in one event, with the newest 50.
--
-- $1 now  $2 end before which a licence is over  $3 how many at most

WITH revoked AS (
  UPDATE licenses SET revoked_at = $1, revoke_reason = 'key_distrusted', token = NULL
  WHERE jti IN (
    SELECT l.jti FROM signing_keys k JOIN licenses l ON l.kid = k.kid AND l.expires_at > $2
    WHERE k.state = 'distrusted' AND l.revoked_at IS NULL
    LIMIT $3::bigint FOR UPDATE OF l SKIP LOCKED)
  RETURNING license_id, customer_id, jti, plan, instance_id, expires_at, revoked_at, revoke_reason),

placed AS (
  SELECT customer_id, count(*) OVER of_customer AS total,
    row_number() OVER (of_customer ORDER BY license_id DESC) AS place,
    jsonb_build_object('jti', jti, 'plan', plan, 'instance_id', instance_id,
      'expires_at', to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'revoked_at', to_char(revoked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'revoke_reason', revoke_reason) AS license
  FROM revoked WINDOW of_customer AS (PARTITION BY customer_id)),

of_customers AS (
  SELECT customer_id, jsonb_build_object('count', max(total),
    'licenses', jsonb_agg(license ORDER BY place))::text AS data
  FROM placed WHERE place <= 50 GROUP BY customer_id),

told AS MATERIALIZED (
  SELECT event_add('license.revoked', customer_id, $1::timestamptz, data) FROM of_customers
  ORDER BY customer_id)

SELECT (SELECT count(*) FROM revoked) AS revoked, (SELECT count(*) FROM told) AS told
