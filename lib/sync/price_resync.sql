-- Stores an event of our own for each subscription at a price, so that it is synced with the price's
-- plan.
--
-- $1 price  $2 live mode  $3 how the ids of the events begin
-- $4 an add-on that the price bought so far, or NULL

INSERT INTO stripe_events (event_id, type, livemode, happened_at, received_at, origin, family,
  subject, customer_hint, state, next_try_at)
SELECT $3 || stripe_subscription_id, 'sweep.subscription', $2::boolean, now(), now(), 'sweep',
  'subscription', stripe_subscription_id, min(customer_id), 'pending',
  date_trunc('milliseconds', now())
FROM (SELECT stripe_subscription_id, customer_id FROM stripe_unknown_prices WHERE price_id = $1
  UNION ALL SELECT stripe_subscription_id, customer_id FROM subscriptions
  WHERE stripe_price_id = $1 AND stripe_subscription_id IS NOT NULL
  AND status NOT IN ('canceled', 'incomplete_expired')
  UNION ALL SELECT stripe_subscription_id, customer_id FROM subscriptions
  WHERE addons ? $4 AND stripe_subscription_id IS NOT NULL
  AND status NOT IN ('canceled', 'incomplete_expired')) AS concerned
GROUP BY stripe_subscription_id
ON CONFLICT DO NOTHING
