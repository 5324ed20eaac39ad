-- Revokes the licences in use that keep a crowd of revoked licences from being covered by one
-- entry: those that are older than the newest licence of the crowd. Tells their customers of it.
--
-- $1 now  $2 the number of licences that the list may name of a customer in spite of older ones

WITH revoked AS (
  UPDATE licenses l SET revoked_at = $1, revoke_reason = 'superseded', token = NULL
  FROM (
    SELECT customer_id, max(issued_at) AS newest_at FROM license_revocations
    WHERE customer_id IS NOT NULL GROUP BY customer_id HAVING count(*) > $2::bigint) c
  WHERE l.customer_id = c.customer_id AND l.revoked_at IS NULL
    AND l.expires_at > $1::timestamptz - interval '2 minutes' AND l.issued_at < c.newest_at
  RETURNING l)

SELECT licenses_revoked_tell(array_agg(r.l), $1) FROM revoked r HAVING count(*) > 0
