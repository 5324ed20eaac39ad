-- 016_access_ends.sql: access that ends although the subscription goes on at Stripe.

ALTER TABLE subscriptions
    -- Stripe's pause_collection: its behavior and resumes_at. NULL: payments are collected.
    ADD COLUMN pause_behavior       text,
    ADD COLUMN pause_resumes_at     timestamptz(3),
    -- The end of the period in which the pause began. Access ends then, unless the pause is over by then.
    ADD COLUMN pause_ends_access_at timestamptz(3),
    -- A payment was taken back: 'refunded' or 'disputed', and when access ends because of it.
    ADD COLUMN hold_reason          text,
    ADD COLUMN hold_ends_access_at  timestamptz(3),
    -- The price has no plan any more: when access ended because of it.
    ADD COLUMN price_ends_access_at timestamptz(3),
    ADD CONSTRAINT subscriptions_hold_check
        CHECK ((hold_reason IS NULL) = (hold_ends_access_at IS NULL)) NOT VALID;

CREATE INDEX subscriptions_access_ends
    ON subscriptions ((LEAST(pause_ends_access_at, hold_ends_access_at, price_ends_access_at)))
    WHERE LEAST(pause_ends_access_at, hold_ends_access_at, price_ends_access_at) IS NOT NULL;
