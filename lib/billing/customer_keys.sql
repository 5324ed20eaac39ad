-- Gives keys to customers that have none, if they are as they were when the keys were made.
--
-- $1 a list of objects: the customer as it was read, and its keys

WITH item AS MATERIALIZED (
  SELECT c.customer_id, c.created_at, c.email, x.email_key, x.company_key,
    x.skeleton::bytea AS skeleton, x.plain
  FROM jsonb_to_recordset($1::jsonb) AS x (customer_id text, email text, company_name text,
    email_key text, company_key text, skeleton text, plain boolean)
  JOIN customers c USING (customer_id)
  WHERE c.deleted_at IS NULL AND c.email = x.email
    AND c.company_name IS NOT DISTINCT FROM x.company_name
  ORDER BY c.customer_id FOR NO KEY UPDATE OF c SKIP LOCKED),

-- Their trials count for addresses that look like theirs.
skeletons AS (
  INSERT INTO trial_skeletons (skeleton_digest, plain)
  SELECT DISTINCT ON (skeleton) skeleton, plain FROM item
  WHERE EXISTS (SELECT FROM trial_redemptions WHERE email_digest = trial_email_digest(email))
  ORDER BY skeleton, plain
  ON CONFLICT DO NOTHING),

chosen AS (
  SELECT customer_id, company_key, email_key COLLATE "C" AS email_key,
    row_number() OVER (PARTITION BY email_key ORDER BY created_at, customer_id) > 1
      OR EXISTS (SELECT FROM customers other WHERE other.email_key = item.email_key COLLATE "C"
        AND other.deleted_at IS NULL AND other.customer_id <> item.customer_id) AS shared
  FROM item)

UPDATE customers c SET company_key = chosen.company_key,
  email_key = CASE WHEN c.email_key IS NOT NULL THEN c.email_key
    WHEN shared THEN chosen.email_key || ' ' || c.customer_id
    ELSE chosen.email_key END
FROM chosen WHERE c.customer_id = chosen.customer_id
