-- Writes down how an endpoint is doing. Tells whether it has to be disabled: it is gone, or all its
-- attempts of five days have failed. Two days without an attempt begin these days anew: the attempts of
-- one delivery are not further apart. Tells also whether it answers again after a minute of failures.
--
-- $1 endpoint  $2 now  $3 an attempt succeeded  $4 one failed after that  $5 when to go on, or NULL
-- $6 it is gone  $7 the URL that was asked: of another one nothing is known

WITH before AS MATERIALIZED (
  SELECT endpoint_id, failing_since FROM webhook_endpoints
  WHERE endpoint_id = $1 AND state = 'enabled' AND url = $7 FOR NO KEY UPDATE)

UPDATE webhook_endpoints e SET
  last_success_at = CASE WHEN $3::boolean THEN $2::timestamptz ELSE last_success_at END,
  last_failure_at = CASE WHEN $4::boolean THEN $2::timestamptz ELSE last_failure_at END,
  failing_since = CASE WHEN $3::boolean AND $4::boolean THEN $2::timestamptz
    WHEN $3::boolean THEN NULL
    WHEN NOT $4::boolean THEN e.failing_since
    WHEN last_failure_at > $2::timestamptz - interval '2 days' THEN COALESCE(e.failing_since, $2::timestamptz)
    ELSE $2::timestamptz END,
  paused_until = CASE WHEN $5::timestamptz IS NOT NULL THEN greatest(paused_until, $5::timestamptz)
    WHEN $3::boolean THEN NULL ELSE paused_until END
FROM before b WHERE e.endpoint_id = b.endpoint_id
RETURNING $6::boolean OR COALESCE(e.failing_since <= $2::timestamptz - interval '5 days', false) AS ends,
  $3::boolean AND COALESCE(b.failing_since < $2::timestamptz - interval '1 minute', false) AS recovered
