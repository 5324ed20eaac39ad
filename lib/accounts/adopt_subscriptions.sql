-- Stores the subscriptions of customers that another service had, and that their trials were used.
-- One row for each: whether it was made, and what stood against it.
--
-- $1 the subscriptions  $2 actor  $3 request
--
-- OFFSET and IS TRUE as in adopt_customers.sql. A customer that has any subscription here keeps it as it is.

WITH item AS MATERIALIZED (
  SELECT index, customer_id, stripe_subscription_id, plan, status, trial_ends_at,
    current_period_ends_at, created_at, updated_at, trial_digest, skeleton, plain,
    row_number() OVER (PARTITION BY customer_id ORDER BY index) AS id_number,
    row_number() OVER (PARTITION BY stripe_subscription_id ORDER BY index) AS stripe_number
  FROM jsonb_to_recordset($1::jsonb) AS x (index bigint, customer_id text,
    stripe_subscription_id text, plan text, status text, trial_ends_at timestamptz,
    current_period_ends_at timestamptz, created_at timestamptz, updated_at timestamptz,
    trial_digest bytea, skeleton bytea, plain boolean)),

judged AS MATERIALIZED (
  SELECT i.index, i.customer_id, i.stripe_subscription_id, i.plan, i.status, i.trial_ends_at,
    i.current_period_ends_at, i.created_at, i.updated_at, i.trial_digest, i.skeleton, i.plain,
    i.id_number, c.customer_id IS NULL AS no_customer,
    i.id_number > 1 OR own.subscription_id IS NOT NULL AS here,
    i.stripe_subscription_id IS NOT NULL AND (i.stripe_number > 1
      OR other.subscription_id IS NOT NULL) AS stripe_taken
  FROM item i
  LEFT JOIN LATERAL (
    SELECT customer_id FROM customers WHERE customer_id = i.customer_id AND deleted_at IS NULL
    OFFSET 0) c ON true
  LEFT JOIN LATERAL (
    SELECT subscription_id FROM subscriptions WHERE customer_id = i.customer_id LIMIT 1) own ON true
  LEFT JOIN LATERAL (
    SELECT subscription_id FROM subscriptions
    WHERE stripe_subscription_id = i.stripe_subscription_id OFFSET 0) other ON true),

made AS (
  INSERT INTO subscriptions (customer_id, stripe_subscription_id, plan, status, trial_ends_at,
    current_period_ends_at, past_due_since, ended_at, created_at, updated_at)
  SELECT customer_id, stripe_subscription_id, plan, status, trial_ends_at, current_period_ends_at,
    CASE WHEN status = 'past_due' THEN updated_at END,
    CASE WHEN status = 'canceled' THEN updated_at END, created_at, updated_at
  FROM judged WHERE NOT no_customer AND NOT here AND NOT stripe_taken ORDER BY customer_id
  ON CONFLICT DO NOTHING RETURNING customer_id),

skeletons AS (
  INSERT INTO trial_skeletons (skeleton_digest, plain)
  SELECT DISTINCT ON (j.skeleton) j.skeleton, j.plain
  FROM judged j WHERE (j.customer_id IN (SELECT customer_id FROM made)) IS TRUE
    AND j.id_number = 1 AND j.trial_ends_at IS NOT NULL
  ORDER BY j.skeleton, j.plain
  ON CONFLICT DO NOTHING),

redemptions AS (
  INSERT INTO trial_redemptions (email_digest, customer_id, redeemed_at)
  SELECT DISTINCT ON (j.trial_digest) j.trial_digest, j.customer_id, j.created_at
  FROM judged j WHERE (j.customer_id IN (SELECT customer_id FROM made)) IS TRUE
    AND j.id_number = 1 AND j.trial_ends_at IS NOT NULL
  ORDER BY j.trial_digest, j.created_at
  ON CONFLICT DO NOTHING),

audit AS (
  INSERT INTO audit_log (actor, action, customer_id, request_id)
  SELECT $2, 'subscription_import', customer_id, $3 FROM made)

SELECT index, (customer_id IN (SELECT customer_id FROM made)) IS TRUE AND id_number = 1 AS made,
  no_customer, here, stripe_taken
FROM judged ORDER BY index
