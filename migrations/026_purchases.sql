-- 026_purchases.sql: how many of a plan and of which add-ons a subscription buys, and how it is billed.

-- Columns without a default, or with a constant one: no row is written.
ALTER TABLE subscriptions
    -- Of the plan. NULL: one.
    ADD COLUMN quantity           bigint,
    -- {add-on: quantity}, each more than 0.
    ADD COLUMN addons             jsonb NOT NULL DEFAULT '{}',
    -- The interval, "month" or "year", how many of them are a period, and the currency (ISO 4217, lower
    -- case). NULL: not known.
    ADD COLUMN interval           text,
    ADD COLUMN interval_count     bigint,
    ADD COLUMN currency           text,
    -- Beside scheduled_plan: the quantity that begins with it, NULL: as it is then; and the quantities of
    -- the add-ons that change with it, {add-on: quantity}, NULL: none.
    ADD COLUMN scheduled_quantity bigint,
    ADD COLUMN scheduled_addons   jsonb;

ALTER TABLE subscriptions
    ADD CONSTRAINT subscriptions_quantity_check CHECK (quantity >= 0) NOT VALID;
