-- Ends a call. The deletion of a customer skips calls that are locked, so this checks the customer,
-- under a lock: a deleted customer's call is not parked and keeps no parameters.
--
-- $1 call  $2 state  $3 error  $4 now  $5 attempts more  $6 Stripe's id of the request
-- $7 Stripe's param  $8 Stripe's message

WITH gone AS MATERIALIZED (
  SELECT c.deleted_at IS NOT NULL AS deleted
  FROM customers c JOIN stripe_calls s USING (customer_id)
  WHERE s.call_id = $1::bigint AND s.kind LIKE 'customer%' FOR SHARE OF c)

UPDATE stripe_calls SET
  state = CASE WHEN (SELECT deleted FROM gone) AND $2 = 'parked' THEN 'failed' ELSE $2 END,
  error = $3,
  error_param = $7,
  error_message = CASE WHEN (SELECT deleted FROM gone) THEN NULL ELSE $8 END,
  parameters = CASE WHEN kind NOT LIKE 'customer%'
    OR $2 = 'parked' AND NOT (SELECT deleted FROM gone) THEN parameters ELSE '' END,
  next_try_at = NULL,
  finished_at = $4,
  attempts = attempts + $5::integer,
  stripe_request_id = COALESCE($6, stripe_request_id)
WHERE call_id = $1::bigint AND state = 'pending'
RETURNING state
