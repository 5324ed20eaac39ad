-- Makes parked calls due again, each under another idempotency key. One creation of a customer at a
-- time: the newest, if none is pending.
--
-- $1 call, or 0 for all  $2 now

UPDATE stripe_calls c SET
  state = 'pending',
  attempts = 0,
  next_try_at = $2,
  finished_at = NULL,
  idempotency_key = left(idempotency_key, 35) || '_' || attempts || '_'
    || extract(epoch FROM now())::bigint
WHERE state = 'parked' AND ($1::bigint = 0 OR call_id = $1::bigint)
  AND (kind <> 'customer_create' OR NOT EXISTS (SELECT FROM stripe_calls o
    WHERE o.customer_id = c.customer_id AND o.kind = c.kind
    AND (o.state = 'pending' OR o.state = 'parked' AND o.call_id > c.call_id)))
