-- Takes the meter event that is due first, and counts the attempt before it is made.
--
-- $1 now  $2 when it is due again unless the attempt ends

UPDATE meter_events SET
  attempts = attempts + 1,
  first_try_at = COALESCE(first_try_at, $1::timestamptz),
  next_try_at = $2::timestamptz
WHERE meter_event_id = (SELECT meter_event_id FROM meter_events
  WHERE state IN ('pending', 'canceling') AND next_try_at <= $1::timestamptz
  ORDER BY next_try_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING meter_event_id, customer_id, stripe_customer_id, event_name, value::text AS value, state,
  attempts,
  (extract(epoch FROM (day + 1)::timestamp AT TIME ZONE 'UTC') - 1)::bigint AS timestamp_s,
  first_try_at
