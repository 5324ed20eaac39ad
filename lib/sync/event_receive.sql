-- Stores an event of Stripe's. No row when it is there already.
--
-- $1 id  $2 type  $3 live mode  $4 API version  $5 happened at  $6 origin  $7 family, or NULL
-- $8 subject  $9 Stripe's customer  $10 customer that it names  $11 payload  $12 error
--
-- The event is due at once: now() could be rounded up to a later millisecond, and the Stripe jobs
-- would not find it. ON CONFLICT DO UPDATE would wait for a process that ends the event. One plain
-- INSERT takes a fifth less of the server's time than one that also looks for a parked event.

INSERT INTO stripe_events (event_id, type, livemode, api_version, happened_at, received_at,
  origin, family, subject, stripe_customer_id, customer_hint, payload, state, next_try_at,
  error, finished_at)
VALUES ($1, $2, $3::boolean, $4, $5, now(), $6, $7, $8, $9, $10, $11,
  CASE WHEN $7::text IS NULL THEN 'ignored' ELSE 'pending' END,
  CASE WHEN $7::text IS NOT NULL THEN date_trunc('milliseconds', now()) END, $12,
  CASE WHEN $7::text IS NULL THEN now() END)
ON CONFLICT DO NOTHING RETURNING state = 'pending' AS waits
