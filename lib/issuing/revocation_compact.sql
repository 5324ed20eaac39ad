-- Lets one row of revoked_before stand for the revoked licences of each customer that has many.
--
-- $1 now  $2 the number of licences that the list may name of a customer  $3 customers at a time
--
-- A licence in use is never covered. What was issued in the last five minutes is not covered
-- either: a licence that is being issued at this moment may have an earlier time.

WITH crowded AS MATERIALIZED (
  SELECT customer_id, max(issued_at) AS newest_at FROM license_revocations
  WHERE customer_id IS NOT NULL GROUP BY customer_id HAVING count(*) > $2::bigint
  ORDER BY count(*) DESC LIMIT $3::bigint),

cut AS MATERIALIZED (
  SELECT c.customer_id, date_trunc('second', LEAST(c.newest_at,
    $1::timestamptz - interval '5 minutes', (
      SELECT min(l.issued_at) FROM licenses l WHERE l.customer_id = c.customer_id
      AND l.revoked_at IS NULL AND l.expires_at > $1::timestamptz - interval '2 minutes')))
    AS before_at
  FROM crowded c),

covered AS (
  DELETE FROM license_revocations r USING cut
  WHERE r.customer_id = cut.customer_id AND r.issued_at < cut.before_at
  RETURNING r.customer_id, cut.before_at, r.expires_at)

INSERT INTO revoked_before AS b (customer_id, before_at, expires_at)
SELECT customer_id, before_at, max(expires_at) FROM covered GROUP BY customer_id, before_at
ON CONFLICT (customer_id) DO UPDATE SET
  before_at = GREATEST(b.before_at, EXCLUDED.before_at),
  expires_at = GREATEST(b.expires_at, EXCLUDED.expires_at)
