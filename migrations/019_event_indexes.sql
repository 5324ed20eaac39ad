-- 019_event_indexes.sql: an event is entered into fewer indexes when it is stored.

-- Stripe waits for the answer to each event. Entries that only the retention and the deletion of
-- customers need are made by the jobs process, when it ends the event. Reading goes on while the new
-- indexes are built; the old ones go last, as nothing can be read from then to the commit.
CREATE INDEX stripe_events_ended_of_stripe_customer ON stripe_events (stripe_customer_id)
    WHERE payload IS NOT NULL AND state <> 'pending';
CREATE INDEX stripe_events_ended_of_hint ON stripe_events (customer_hint)
    WHERE payload IS NOT NULL AND customer_hint IS NOT NULL AND state <> 'pending';
CREATE INDEX stripe_events_ended_with_payload ON stripe_events (received_at)
    WHERE payload IS NOT NULL AND state IN ('done', 'ignored', 'dismissed');
DROP INDEX stripe_events_of_stripe_customer, stripe_events_of_hint, stripe_events_with_payload;
