-- Makes a contract with its first version and its subscription.
--
-- $1 contract  $2 customer  $3 billing  $4 status of the subscription  $5 now  $6 operator  $7 plan
-- $8 starts at  $9 ends at  $10 amount  $11 currency  $12 interval  $13 intervals  $14 features
-- $15 limits  $16 overage  $17 days until due  $18 reference  $19 note  $20 end that the trial had

WITH contract AS (
  INSERT INTO contracts (contract_id, customer_id, billing, trial_ends_at, created_at, updated_at)
  VALUES ($1, $2, $3, $20, $5, $5)),

version AS (
  INSERT INTO contract_versions (contract_id, version, plan, starts_at, ends_at, amount_minor,
    currency, interval, interval_count, features, limits, overage, days_until_due, reference, note,
    created_at, created_by)
  VALUES ($1, 1, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $5, $6))

INSERT INTO subscriptions (customer_id, contract_id, plan, status, starts_at, ends_at,
  current_period_ends_at, created_at, updated_at)
VALUES ($2, $1, $7, $4, $8, $9, CASE WHEN $3 = 'manual' THEN $9::timestamptz END, $5, $5)
