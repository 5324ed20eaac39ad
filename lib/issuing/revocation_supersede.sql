-- Revokes the licences in use that keep the many revoked licences of a customer from being replaced by one
-- entry of the list: the ones older than its newest revoked licence. Writes an event to each customer.
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
