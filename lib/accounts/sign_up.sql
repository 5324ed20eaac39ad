-- Signs a customer up: the customer, its trial with a licence unless the address has had one,
-- and its first key.
--
-- $1 customer  $2 email  $3 company name  $4 now  $5 the trial's plan  $6 end of the trial
-- $7 jti  $8 kid  $9 fingerprint  $10 token  $11 end of the licence
-- $12 key  $13 its name  $14 its digest  $15 its prefix  $16 its scopes  $17 actor  $18 request
-- $19 email's key  $20 company's key  $21 email's digest  $22 skeleton's digest  $23 plain  $24 the key's file key
-- $25 the licence's grants  $26 $27 $28 $29 customer, trial, licence and key as events show them

WITH customer AS (
  INSERT INTO customers (customer_id, email, company_name, created_at, updated_at, email_key,
    company_key)
  VALUES ($1, $2, $3, $4::timestamptz, $4::timestamptz, $19, $20)
  ON CONFLICT DO NOTHING RETURNING customer_id),

-- As in subscription_start_trial.
skeleton AS (
  INSERT INTO trial_skeletons AS other (skeleton_digest, plain)
  SELECT $22::bytea, $23::boolean FROM customer
  ON CONFLICT (skeleton_digest) DO UPDATE SET plain = true
    WHERE other.plain AND excluded.plain
  RETURNING plain),

redemption AS (
  INSERT INTO trial_redemptions (email_digest, customer_id, redeemed_at)
  SELECT $21::bytea, customer_id, $4::timestamptz FROM customer, skeleton
  WHERE NOT EXISTS (SELECT FROM trial_redemptions WHERE email_digest = trial_email_digest($2))
  ON CONFLICT DO NOTHING RETURNING customer_id),

subscription AS (
  INSERT INTO subscriptions (customer_id, plan, status, trial_ends_at, created_at, updated_at)
  SELECT customer_id, $5, 'trialing', $6::timestamptz, $4::timestamptz, $4::timestamptz
  FROM redemption RETURNING customer_id),

license AS (
  INSERT INTO licenses (jti, customer_id, kid, plan, reason, fingerprint, token, issued_at,
    expires_at, grants)
  SELECT $7, customer_id, $8, $5, 'sign_up', $9, $10, $4::timestamptz, $11::timestamptz, $25
  FROM subscription),

key AS (
  INSERT INTO api_keys (key_id, customer_id, role, name, digest, prefix, scopes, created_at,
    file_key)
  SELECT $12, customer_id, 'customer', $13, $14, $15, $16, $4::timestamptz, $24 FROM customer),

audit AS (
  INSERT INTO audit_log (actor, action, customer_id, subject, request_id)
  SELECT $17, 'sign_up', customer_id, $12, $18 FROM customer),

event AS MATERIALIZED (
  SELECT event_add('customer.created', customer_id, $4::timestamptz, $26) FROM customer
  UNION ALL SELECT event_add('trial.started', customer_id, $4::timestamptz, $27) FROM subscription
  UNION ALL SELECT event_add('license.issued', customer_id, $4::timestamptz, $28) FROM subscription
  UNION ALL SELECT event_add('key.created', customer_id, $4::timestamptz, $29) FROM customer)

SELECT EXISTS (SELECT FROM customer) AS created, EXISTS (SELECT FROM subscription) AS trial,
  (SELECT count(*) FROM event) AS events
