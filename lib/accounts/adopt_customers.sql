-- Stores customers that another service had. One row for each: whether it was made, and what stood
-- against it.
--
-- $1 the customers  $2 actor  $3 request
--
-- OFFSET makes PostgreSQL look each one up, and IS TRUE makes it hash those that were made, whatever it
-- estimates. Nothing that is here is changed. Of two customers with one address, or one id at Stripe, the
-- earlier in the list has it.

WITH item AS MATERIALIZED (
  SELECT index, customer_id, email, company_name, stripe_customer_id, created_at, updated_at, email_key,
    company_key, row_number() OVER (PARTITION BY customer_id ORDER BY index) AS id_number,
    row_number() OVER (PARTITION BY email_key ORDER BY index) AS email_number,
    first_value(customer_id) OVER (PARTITION BY email_key ORDER BY index) AS email_first,
    row_number() OVER (PARTITION BY stripe_customer_id ORDER BY index) AS stripe_number
  FROM jsonb_to_recordset($1::jsonb) AS x (index bigint, customer_id text, email text,
    company_name text, stripe_customer_id text, created_at timestamptz, updated_at timestamptz,
    email_key text, company_key text)),

judged AS MATERIALIZED (
  SELECT i.index, i.customer_id, i.email, i.company_name, i.stripe_customer_id, i.created_at,
    i.updated_at, i.email_key, i.company_key, i.id_number, c.customer_id IS NOT NULL OR i.id_number > 1 AS here,
    c.deleted_at IS NOT NULL AS deleted,
    COALESCE(e.customer_id, CASE WHEN i.email_number > 1 THEN i.email_first END) AS email_owner,
    s.customer_id IS NOT NULL OR i.stripe_number > 1 AS stripe_taken
  FROM item i
  LEFT JOIN LATERAL (
    SELECT customer_id, deleted_at FROM customers WHERE customer_id = i.customer_id OFFSET 0) c
    ON true
  LEFT JOIN LATERAL (
    SELECT customer_id FROM customers WHERE email_key = i.email_key AND deleted_at IS NULL
    OFFSET 0) e ON true
  LEFT JOIN LATERAL (
    SELECT customer_id FROM customers WHERE stripe_customer_id = i.stripe_customer_id
    OFFSET 0) s ON true),

made AS (
  INSERT INTO customers (customer_id, email, company_name, stripe_customer_id, created_at, updated_at,
    email_key, company_key)
  SELECT customer_id, email, company_name, CASE WHEN NOT stripe_taken THEN stripe_customer_id END,
    created_at, updated_at, email_key, company_key
  FROM judged WHERE NOT here AND email_owner IS NULL ORDER BY customer_id
  ON CONFLICT DO NOTHING RETURNING customer_id),

audit AS (
  INSERT INTO audit_log (actor, action, customer_id, request_id)
  SELECT $2, 'customer_import', customer_id, $3 FROM made)

SELECT index, (customer_id IN (SELECT customer_id FROM made)) IS TRUE AND id_number = 1 AS made, here,
  deleted, email_owner, stripe_customer_id IS NOT NULL AND stripe_taken AS stripe_taken
FROM judged ORDER BY index
