-- 030_plan_terms.sql: the terms in which plans were sold, so that a changed plans.json takes nothing
-- away silently.

-- Each plan's features, limits and bounds of use in the files that were in force, as JSON text: the order
-- of names counts. The plan '' is the trial. No row names a customer.
CREATE TABLE plan_terms (
    plan  text NOT NULL,
    since timestamptz NOT NULL,
    terms text NOT NULL CHECK (length(terms) <= 40000),
    PRIMARY KEY (plan, since)
);

-- When the plan was bought, or its present period began. NULL: before this migration.
ALTER TABLE subscriptions ADD COLUMN bought_at timestamptz(3);

CREATE FUNCTION subscription_is_bought() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.bought_at := now();
    RETURN NEW;
END
$$;

CREATE TRIGGER subscription_bought BEFORE INSERT ON subscriptions
    FOR EACH ROW WHEN (NEW.bought_at IS NULL)
    EXECUTE FUNCTION subscription_is_bought();

CREATE TRIGGER subscription_renewed BEFORE UPDATE ON subscriptions
    FOR EACH ROW WHEN (NEW.plan IS DISTINCT FROM OLD.plan
        OR COALESCE(NEW.current_period_ends_at > OLD.current_period_ends_at, false)
        OR (OLD.current_period_ends_at IS NULL AND NEW.current_period_ends_at IS NOT NULL))
    EXECUTE FUNCTION subscription_is_bought();
