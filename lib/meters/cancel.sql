-- Cancels a day's meter events. An event that was never sent is canceled here alone.
--
-- $1 customer  $2 day  $3 metric  $4 name of the event  $5 now
-- $6 the oldest first attempt that Stripe still cancels

UPDATE meter_events SET
  state = CASE WHEN state = 'pending' THEN 'canceled' ELSE 'canceling' END,
  attempts = 0,
  next_try_at = CASE WHEN state = 'sent' THEN $5::timestamptz END
WHERE customer_id = $1 AND day = $2::date AND metric = $3 AND event_name = $4
  AND ((state = 'pending' AND attempts = 0)
    OR (state = 'sent' AND can_cancel AND first_try_at > $6::timestamptz))
