-- 021_stripe_prices.sql: prices of Stripe's that no setting names, such as those of negotiated deals.

-- The plan that a price buys, as an operator has said. NULL: the price is none of ours.
CREATE TABLE stripe_prices (
    price_id  text PRIMARY KEY,
    plan      text,
    mapped_at timestamptz(3) NOT NULL
);

-- Subscriptions of customers at a price that no plan has: they are paid, and the price grants nothing.
CREATE TABLE stripe_unknown_prices (
    stripe_subscription_id text NOT NULL,
    price_id               text NOT NULL,
    customer_id            text NOT NULL REFERENCES customers,
    status                 text NOT NULL,
    first_seen_at          timestamptz(3) NOT NULL,
    seen_at                timestamptz(3) NOT NULL,
    PRIMARY KEY (stripe_subscription_id, price_id)
);

-- The price whose mapping an operator has removed. The sync ends access, unless it finds another plan.
ALTER TABLE subscriptions ADD COLUMN unmapped_price_id text;

CREATE INDEX stripe_unknown_prices_of_price ON stripe_unknown_prices (price_id);
CREATE INDEX stripe_unknown_prices_of_customer ON stripe_unknown_prices (customer_id);

-- A change of a price's plan is applied to the subscriptions that have it.
CREATE INDEX subscriptions_of_price ON subscriptions (stripe_price_id)
    WHERE stripe_price_id IS NOT NULL AND status NOT IN ('canceled', 'incomplete_expired');
