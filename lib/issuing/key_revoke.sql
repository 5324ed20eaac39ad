-- Revokes licences of distrusted keys, and tells each customer of its own in one event, with the newest 50.
--
-- $1 now  $2 end before which a licence is over  $3 how many at most

WITH revoked AS (
  UPDATE licenses l SET revoked_at = $1, revoke_reason = 'key_distrusted', token = NULL
  WHERE jti IN (
    SELECT o.jti FROM signing_keys k JOIN licenses o ON o.kid = k.kid AND o.expires_at > $2
    WHERE k.state = 'distrusted' AND o.revoked_at IS NULL
    LIMIT $3::bigint FOR UPDATE OF o SKIP LOCKED)
  RETURNING l)

SELECT count(*) AS revoked, COALESCE(licenses_revoked_tell(array_agg(r.l), $1), 0) AS told FROM revoked r
