-- 041_limit_levels.sql: how much of each limit is in use, for the list of customers near their limits.

-- Limits of which at least half is in use, as they were when the use was looked at last (usage_watch).
-- `percent` is rounded down.
CREATE TABLE usage_limit_levels (
    customer_id text NOT NULL,
    name        text NOT NULL,
    used        numeric NOT NULL,
    max         bigint NOT NULL,
    percent     bigint NOT NULL,
    measured_at timestamptz(3) NOT NULL,
    PRIMARY KEY (customer_id, name)
);

CREATE INDEX usage_limit_levels_highest ON usage_limit_levels (percent DESC, customer_id, name);

-- All customers are looked at once, and nothing is told again.
UPDATE usage_watch SET check_at = '-infinity' WHERE check_at IS DISTINCT FROM '-infinity';
