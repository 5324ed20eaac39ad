-- Stores other terms of a contract as its next version, unless another one was stored since the one
-- that is replaced, or the contract has ended.
--
-- $1 contract  $2 version that is replaced  $3 an end that an operator has set, or NULL  $4 its reason
-- $5 now  $6 operator  $7 plan  $8 starts at  $9 ends at  $10 amount  $11 currency  $12 interval
-- $13 intervals  $14 features  $15 limits  $16 overage  $17 days until due  $18 reference  $19 note

WITH contract AS (
  UPDATE contracts SET version = version + 1, updated_at = $5, end_set_at = $3, end_reason = $4
  WHERE contract_id = $1 AND version = $2::bigint
  RETURNING contract_id, version, billing),

version AS (
  INSERT INTO contract_versions (contract_id, version, plan, starts_at, ends_at, amount_minor,
    currency, interval, interval_count, features, limits, overage, days_until_due, reference, note,
    created_at, created_by)
  SELECT contract_id, version, $7, $8, $9::timestamptz, $10::bigint, $11, $12, $13::bigint,
    $14::jsonb, $15::jsonb, $16::jsonb, $17::bigint, $18, $19, $5::timestamptz, $6 FROM contract)

UPDATE subscriptions s SET plan = $7, starts_at = $8, ends_at = $9,
  current_period_ends_at = CASE WHEN contract.billing = 'manual' THEN $9::timestamptz
    ELSE s.current_period_ends_at END,
  version = s.version + 1, updated_at = $5
FROM contract WHERE s.contract_id = contract.contract_id
