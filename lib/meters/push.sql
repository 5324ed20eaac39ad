-- Pushes what is missing to reach a day's use. A negative rest is parked for an operator.
--
-- $1 id of the meter event  $2 customer  $3 customer at Stripe  $4 day  $5 metric
-- $6 name of the event  $7 the day's use  $8 now

INSERT INTO meter_events (meter_event_id, customer_id, stripe_customer_id, day, metric, event_name,
  value, state, created_at, next_try_at, error)
SELECT $1, $2, $3, $4::date, $5, $6, v.rest,
  CASE WHEN v.rest > 0 THEN 'pending' ELSE 'parked' END,
  $8::timestamptz,
  CASE WHEN v.rest > 0 THEN $8::timestamptz END,
  CASE WHEN v.rest < 0 THEN 'too_late_to_correct' END
FROM (SELECT $7::numeric - COALESCE(sum(value), 0) AS rest FROM meter_events
  WHERE customer_id = $2 AND day = $4::date AND metric = $5 AND event_name = $6
  AND state IN ('pending', 'sent', 'parked')) v
WHERE v.rest <> 0
RETURNING state
