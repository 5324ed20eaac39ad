-- What Stripe is told of metered use. A row is one meter event, its id is the event's identifier;
-- what a day (UTC) is worth is the sum of its rows that count.

CREATE TABLE meter_events (
    meter_event_id     text PRIMARY KEY CHECK (meter_event_id ~ '^mev_[0-9a-f]{32}$'),
    customer_id        text NOT NULL REFERENCES customers,
    stripe_customer_id text NOT NULL,
    day                date NOT NULL,
    metric             text NOT NULL,
    -- The meter's, at Stripe.
    event_name         text NOT NULL,
    -- Negative only when parked: more was told than used, and it is too late to take it back.
    value              numeric NOT NULL CHECK (value <> 0 AND (value > 0 OR state = 'parked')),
    state              text NOT NULL CHECK (state IN ('pending', 'sent', 'canceling', 'canceled', 'parked')),
    attempts           bigint NOT NULL DEFAULT 0,
    created_at         timestamptz(3) NOT NULL,
    first_try_at       timestamptz(3),
    next_try_at        timestamptz(3),
    sent_at            timestamptz(3),
    -- Stripe takes back what it got within a day; false once it refused.
    can_cancel         boolean NOT NULL DEFAULT true,
    error              text,
    CHECK ((state IN ('pending', 'canceling')) = (next_try_at IS NOT NULL)),
    CHECK (state NOT IN ('sent', 'canceling') OR sent_at IS NOT NULL)
);

CREATE INDEX meter_events_due ON meter_events (next_try_at) WHERE state IN ('pending', 'canceling');
CREATE INDEX meter_events_of_day ON meter_events (day, customer_id, metric);
CREATE INDEX meter_events_parked ON meter_events (created_at) WHERE state = 'parked';
-- The days that may still change are looked through as a whole.
CREATE INDEX usage_daily_metrics_by_day ON usage_daily_metrics (day);

-- Stripe says that a meter could not count something.
ALTER TABLE stripe_events
    DROP CONSTRAINT stripe_events_family_check,
    ADD CONSTRAINT stripe_events_family_check
        CHECK (family IN ('subscription', 'invoice', 'customer', 'meter'));

ALTER TABLE stripe_sweeps
    DROP CONSTRAINT stripe_sweeps_name_check,
    ADD CONSTRAINT stripe_sweeps_name_check
        CHECK (name IN ('events', 'subscriptions', 'meter_days', 'meters'));
INSERT INTO stripe_sweeps (name) VALUES ('meter_days'), ('meters');
