-- Records what is to be sent to reach a day's use. A negative rest is parked for an operator.
--
-- $1 customer  $2 customer at Stripe  $3 day  $4 metric  $5 name of the event  $6 the day's use
-- $7 now
--
-- The id follows from the customer, the day and the meter, from the sum that was sent before, and from how
-- often that sum was reached before. So a restored database, which has forgotten what it sent, sends it
-- again under the identifier that Stripe knows. The number n counts rows too that never reached Stripe: after
-- a restore to the moment between the record and its sending, use may still be sent under another identifier,
-- which the nightly comparison with Stripe reports.

WITH before AS (
  SELECT COALESCE(sum(value) FILTER (WHERE state IN ('pending', 'sent', 'parked')), 0) AS sent,
    count(*) AS ids_taken
  FROM meter_events
  WHERE customer_id = $1 AND day = $3::date AND metric = $4 AND event_name = $5),

ids AS (
  SELECT n, 'mev_' || left(encode(sha256(convert_to(
    concat_ws(' ', $1::text, $2::text, $3::date, $4::text, trim_scale(sent), n,
      $5::text), 'UTF8')), 'hex'), 32) AS id
  FROM before, generate_series(0, ids_taken) AS n)

INSERT INTO meter_events (meter_event_id, customer_id, stripe_customer_id, day, metric, event_name,
  value, state, created_at, next_try_at, error)
SELECT id, $1, $2, $3::date, $4, $5, v.rest,
  CASE WHEN v.rest > 0 THEN 'pending' ELSE 'parked' END,
  $7::timestamptz,
  CASE WHEN v.rest > 0 THEN $7::timestamptz END,
  CASE WHEN v.rest < 0 THEN 'too_late_to_correct' END
FROM (SELECT $6::numeric - sent AS rest FROM before) v, ids
WHERE v.rest <> 0
  AND NOT EXISTS (SELECT FROM meter_events WHERE meter_event_id = id)
ORDER BY n LIMIT 1
ON CONFLICT (meter_event_id) DO NOTHING
RETURNING meter_event_id, state
