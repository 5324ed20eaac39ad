-- 039_analytics.sql: tables and indexes of the figures about trials, use and renewals.

CREATE INDEX subscriptions_trials ON subscriptions (created_at)
    WHERE trial_ends_at IS NOT NULL AND contract_id IS NULL;
-- Contracts, and subscriptions that are billed for three months or longer.
CREATE INDEX subscriptions_renewals
    ON subscriptions ((COALESCE(ends_at, current_period_ends_at)), subscription_id)
    WHERE NOT superseded AND status IN ('active', 'past_due')
    AND (contract_id IS NOT NULL OR interval = 'year' OR (interval = 'month' AND interval_count >= 3));
CREATE INDEX subscriptions_past_due ON subscriptions (past_due_since)
    WHERE NOT superseded AND status IN ('past_due', 'unpaid');
CREATE INDEX subscriptions_scheduled_ends ON subscriptions (customer_id)
    WHERE NOT superseded AND status IN ('active', 'past_due')
    AND (cancel_at_period_end OR cancel_at IS NOT NULL);

-- The use of all customers on a day (UTC), by metric; 'active_devices' is one too. `total` adds up all
-- reports, `peak` the highest reports of the instances.
CREATE TABLE analytics_usage (
    metric    text NOT NULL,
    day       date NOT NULL,
    customers bigint NOT NULL,
    total     numeric NOT NULL,
    peak      numeric NOT NULL,
    PRIMARY KEY (metric, day)
);

-- When the use of each day was added up last. Reports come up to 35 days late.
CREATE TABLE analytics_usage_days (
    day        date PRIMARY KEY,
    counted_at timestamptz(3) NOT NULL
);
