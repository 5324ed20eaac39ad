-- 025_contracts.sql: deals outside the price list. A contract is a subscription like any other: it has a
-- row in subscriptions, which counts from its start to its end by these dates alone.
--
-- billingd of before this migration knows no contract_id. To it a contract that has no subscription at
-- Stripe is a trial of ours: once the customer has a subscription there, even one that has ended, its
-- next event sets such a row to canceled, for good. No data here can keep it from that, so contracts are
-- made only after all hosts run the new version.

CREATE TABLE contracts (
    contract_id   text PRIMARY KEY CHECK (contract_id ~ '^con_[0-9a-f]{32}$'),
    customer_id   text NOT NULL REFERENCES customers,
    -- 'manual': paid elsewhere. 'stripe_invoice': a subscription at Stripe that sends invoices.
    billing       text NOT NULL CHECK (billing IN ('manual', 'stripe_invoice')),
    -- The newest row of contract_versions.
    version       bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    -- The end that the running trial had before this contract shortened it.
    trial_ends_at timestamptz(3),
    -- An operator has ended the contract before its time, or has scheduled that: when and why.
    end_set_at    timestamptz(3),
    end_reason    text CHECK (length(end_reason) <= 500),
    created_at    timestamptz(3) NOT NULL,
    updated_at    timestamptz(3) NOT NULL
);

CREATE INDEX contracts_of_customer ON contracts (customer_id, created_at DESC, contract_id DESC);

-- The terms of each version; a row never changes, except that `reference` and `note` go when the customer
-- is deleted.
CREATE TABLE contract_versions (
    contract_id    text NOT NULL REFERENCES contracts,
    version        bigint NOT NULL CHECK (version > 0),
    plan           text NOT NULL,
    starts_at      timestamptz(3) NOT NULL,
    ends_at        timestamptz(3) NOT NULL CHECK (ends_at > starts_at),
    -- In minor units of the currency. NULL: not told.
    amount_minor   bigint CHECK (amount_minor >= 0),
    currency       text CHECK (currency ~ '^[a-z]{3}$'),
    interval       text CHECK (interval IN ('month', 'year')),
    interval_count bigint CHECK (interval_count BETWEEN 1 AND 36),
    -- Values in place of the plan's; names and types are those of plans.json.
    features       jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(features) = 'object'),
    limits         jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(limits) = 'object'),
    -- How far use may exceed a limit: {"maxDevices": 1.1}.
    overage        jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(overage) = 'object'),
    days_until_due bigint CHECK (days_until_due BETWEEN 1 AND 365),
    reference      text CHECK (length(reference) <= 100),
    note           text CHECK (length(note) <= 500),
    created_at     timestamptz(3) NOT NULL,
    -- The operator, as in the audit trail.
    created_by     text NOT NULL,
    PRIMARY KEY (contract_id, version),
    CHECK ((amount_minor IS NULL) = (currency IS NULL)),
    CHECK ((amount_minor IS NULL) = (interval IS NULL)),
    CHECK ((amount_minor IS NULL) = (interval_count IS NULL))
);

-- A subscription is a contract when contract_id is there, else Stripe's when it has Stripe's id, else a
-- trial of ours. Only contracts have these two times; they are those of the newest version.
ALTER TABLE subscriptions
    ADD COLUMN contract_id text REFERENCES contracts,
    ADD COLUMN starts_at   timestamptz(3),
    ADD COLUMN ends_at     timestamptz(3),
    ADD CONSTRAINT subscriptions_contract_check CHECK ((contract_id IS NULL) = (starts_at IS NULL)
        AND (contract_id IS NULL) = (ends_at IS NULL)) NOT VALID;

CREATE UNIQUE INDEX subscriptions_of_contract ON subscriptions (contract_id)
    WHERE contract_id IS NOT NULL;
CREATE INDEX subscriptions_due_contracts ON subscriptions (ends_at)
    WHERE contract_id IS NOT NULL AND status NOT IN ('canceled', 'incomplete_expired');

-- Contracts are never superseded; of a customer's contracts no two overlap, which the lock of the
-- customer's row ensures.
DROP INDEX subscriptions_one_live;
CREATE UNIQUE INDEX subscriptions_one_live ON subscriptions (customer_id)
    WHERE NOT superseded AND status NOT IN ('canceled', 'incomplete_expired') AND contract_id IS NULL;

-- Of a customer's subscriptions that are not superseded the first by this order counts at the moment: a
-- contract that runs, another subscription that has not ended, a contract that is still to begin (or is
-- not yet at Stripe), one that has ended, a contract that ended before it began. No job has to run for a contract to begin or to end.
CREATE FUNCTION subscription_order(s subscriptions, moment timestamptz) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN s.ends_at <= s.starts_at THEN 4
        WHEN s.status IN ('canceled', 'incomplete_expired') OR s.ends_at <= moment
            OR (s.status = 'trialing' AND s.trial_ends_at <= moment AND s.contract_id IS NULL
                AND s.stripe_subscription_id IS NULL) THEN 3
        WHEN s.starts_at > moment OR (s.contract_id IS NOT NULL AND s.status = 'incomplete') THEN 2
        WHEN s.contract_id IS NOT NULL THEN 0
        ELSE 1 END;
