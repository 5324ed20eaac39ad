-- 037_revenue.sql: the monthly value of each customer's subscription (MRR), and every change of it.
--
-- One mechanism covers each way in which a subscription changes: a trigger that runs at the end of the
-- transaction compares what the customer is worth with what was booked last, and books the difference as
-- a movement. What ends or begins by its date alone is booked by the jobs process, or by the next change
-- if that comes first, with the date when it happened.
--
-- Amounts are numeric, in minor units of their currency with six decimals. Nothing here is a person's
-- data: the rows name customers by their ids alone, and stay when a customer is deleted.

-- How long a failed payment leaves access, as the jobs process reads it from the settings, and when that
-- process had booked all that was due.
CREATE TABLE revenue_policy (
    only_row            boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    past_due_grace_days bigint NOT NULL,
    settled_at          timestamptz(3)
);

INSERT INTO revenue_policy (past_due_grace_days) VALUES (7);

-- The lock under which a customer's movements are booked, and when the customer's value may change next
-- without a change of a row. NULL: not by its dates.
CREATE TABLE revenue_customers (
    customer_id text PRIMARY KEY,
    due_at      timestamptz(3),
    -- The customer's value at `due_at` is its opening balance.
    opens       boolean NOT NULL DEFAULT false
);

CREATE INDEX revenue_customers_due ON revenue_customers (due_at) WHERE due_at IS NOT NULL;

-- The opening balance. Contracts have their prices here: the jobs process books them, or the next change if
-- that comes first. What Stripe bills opens when a comparison with Stripe has brought its prices. This
-- comes before the locks of subscriptions and customers; the creation or change of a contract waits.
LOCK TABLE contracts IN SHARE MODE;
INSERT INTO revenue_customers (customer_id, due_at, opens)
SELECT DISTINCT customer_id, now(), true FROM contracts WHERE billing = 'manual';
ALTER TABLE revenue_customers ADD FOREIGN KEY (customer_id) REFERENCES customers;

-- The items and discounts that Stripe bills again and again, as text of JSON: {"interval", "interval_count", "currency", "items":
-- [{"amount", "quantity", "interval", "interval_count", "discounts"}], "discounts": [{"percent"} |
-- {"amount"}], "uncounted"}. Discounts are those that last forever. NULL: not known yet.
ALTER TABLE subscriptions ADD COLUMN recurring text;

-- The value of each customer now. A customer that has left has zeros, and the plan that it had.
CREATE TABLE revenue_values (
    customer_id text NOT NULL REFERENCES customers,
    currency    text NOT NULL,
    mrr         numeric NOT NULL CHECK (mrr >= 0),
    -- That without what is scheduled to end.
    committed   numeric NOT NULL CHECK (committed BETWEEN 0 AND mrr),
    plan        text NOT NULL,
    changed_at  timestamptz(3) NOT NULL,
    PRIMARY KEY (customer_id, currency)
);

-- A change of the value. 'opening': the value of a subscription that began before its price was known
-- here, which is no business of that month.
CREATE TABLE revenue_movements (
    movement_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id text NOT NULL REFERENCES customers,
    currency    text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('opening', 'new', 'expansion', 'contraction', 'churn',
                    'reactivation')),
    happened_at timestamptz(3) NOT NULL,
    -- The first day of the month (UTC).
    month       date NOT NULL GENERATED ALWAYS AS
                    (date_trunc('month', happened_at AT TIME ZONE 'UTC')::date) STORED,
    mrr_before  numeric NOT NULL,
    mrr         numeric NOT NULL,
    amount      numeric NOT NULL GENERATED ALWAYS AS (mrr - mrr_before) STORED,
    plan_before text,
    plan        text NOT NULL,
    CHECK (CASE kind WHEN 'churn' THEN mrr = 0 AND mrr_before > 0
        WHEN 'expansion' THEN mrr > mrr_before AND mrr_before > 0
        WHEN 'contraction' THEN mrr < mrr_before AND mrr > 0
        ELSE mrr_before = 0 AND mrr > 0 END)
);

CREATE INDEX revenue_movements_of_customer
    ON revenue_movements (customer_id, currency, movement_id DESC);
CREATE INDEX revenue_movements_of_month ON revenue_movements (month, kind, movement_id);
CREATE INDEX revenue_movements_of_plan ON revenue_movements (month, plan, movement_id);

-- The movements of a month, added up by kind; of the kind 'committed' are the changes of what is
-- committed. A transaction appends rows, so that none waits for another; the jobs process folds
-- the rows of a key into one.
CREATE TABLE revenue_sums (
    month     date NOT NULL,
    currency  text NOT NULL,
    kind      text NOT NULL,
    amount    numeric NOT NULL,
    customers bigint NOT NULL,
    folded    boolean NOT NULL DEFAULT false
);

CREATE INDEX revenue_sums_of_month ON revenue_sums (month, currency, kind);
CREATE INDEX revenue_sums_unfolded ON revenue_sums (month) WHERE NOT folded;

-- The value of all customers of a plan now, likewise.
CREATE TABLE revenue_plans (
    plan      text NOT NULL,
    currency  text NOT NULL,
    mrr       numeric NOT NULL,
    committed numeric NOT NULL,
    customers bigint NOT NULL,
    folded    boolean NOT NULL DEFAULT false
);

CREATE INDEX revenue_plans_of_plan ON revenue_plans (plan, currency);
CREATE INDEX revenue_plans_unfolded ON revenue_plans (plan) WHERE NOT folded;

-- The moment that counts. A session that makes data of another time sets billing.now.
CREATE FUNCTION revenue_now() RETURNS timestamptz LANGUAGE sql VOLATILE
    RETURN COALESCE(NULLIF(current_setting('billing.now', true), '')::timestamptz,
        date_trunc('milliseconds', clock_timestamp()));

-- An amount each so many periods as one each month. NULL for a period that is unknown.
CREATE FUNCTION revenue_monthly(amount numeric, period text, periods bigint) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN round(amount * 1.000000000000
        * CASE period WHEN 'year' THEN 1 WHEN 'month' THEN 12 WHEN 'week' THEN 52 WHEN 'day' THEN 365 END
        / (12 * NULLIF(periods, 0)), 6);

-- A monthly value less discounts, one after the other.
CREATE FUNCTION revenue_discounted(value numeric, discounts jsonb, period text, periods bigint)
    RETURNS numeric LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    one jsonb;
    rest numeric := COALESCE(value, 0);
BEGIN
    FOR one IN SELECT d FROM jsonb_array_elements(discounts) WITH ORDINALITY AS list (d, n) ORDER BY n
    LOOP
        rest := CASE WHEN one ? 'percent'
            THEN round(rest * (100 - (one ->> 'percent')::numeric) / 100, 6)
            ELSE rest - COALESCE(revenue_monthly((one ->> 'amount')::numeric, period, periods), 0) END;
    END LOOP;
    RETURN GREATEST(rest, 0);
END $$;

-- The monthly value of subscriptions.recurring.
CREATE FUNCTION revenue_of(terms jsonb) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN revenue_discounted(
        (SELECT sum(revenue_discounted(revenue_monthly(
             (i ->> 'amount')::numeric * (i ->> 'quantity')::numeric,
             i ->> 'interval', (i ->> 'interval_count')::bigint),
             i -> 'discounts', i ->> 'interval', (i ->> 'interval_count')::bigint))
         FROM jsonb_array_elements(terms -> 'items') i),
        terms -> 'discounts', terms ->> 'interval', (terms ->> 'interval_count')::bigint);

-- Whether the subscription counts at the moment: it gives access, and is paid or to be paid.
CREATE FUNCTION revenue_counts(s subscriptions, moment timestamptz) RETURNS boolean LANGUAGE sql STABLE
    RETURN NOT COALESCE(s.starts_at > moment OR s.ends_at <= moment
            OR LEAST(s.hold_ends_access_at, s.price_ends_access_at) <= moment, false)
        AND (s.pause_behavior IS NULL OR COALESCE(s.pause_resumes_at <= moment, false))
        AND (s.status = 'active' OR (s.status = 'past_due' AND COALESCE(moment < s.past_due_since
            + (SELECT past_due_grace_days FROM revenue_policy) * interval '24 hours', false)));

-- When that may change after the moment; NULL: not by its dates.
CREATE FUNCTION revenue_changes_at(s subscriptions, moment timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE
    RETURN (SELECT min(at) FROM unnest(ARRAY[s.starts_at, s.ends_at, s.hold_ends_access_at,
            s.price_ends_access_at, CASE WHEN s.pause_behavior IS NOT NULL THEN s.pause_resumes_at END,
            CASE WHEN s.status = 'past_due' THEN s.past_due_since
                + (SELECT past_due_grace_days FROM revenue_policy) * interval '24 hours' END]) AS at
        WHERE at > moment AND s.status NOT IN ('canceled', 'incomplete_expired'));

-- The customer's value at the moment: of the subscription that counts, one row or none. A contract
-- that is paid elsewhere has its own price.
CREATE FUNCTION revenue_at(customer text, moment timestamptz)
    RETURNS TABLE (currency text, mrr numeric, committed numeric, plan text, subscription_id bigint)
    LANGUAGE sql STABLE AS $$
    WITH chosen AS (
        SELECT s.subscription_id, s.plan,
            CASE WHEN k.billing = 'manual' THEN v.currency ELSE s.recurring::jsonb ->> 'currency' END AS currency,
            CASE WHEN k.billing = 'manual'
                THEN COALESCE(revenue_monthly(v.amount_minor, v.interval, v.interval_count), 0)
                ELSE revenue_of(s.recurring::jsonb) END AS mrr,
            s.cancel_at_period_end OR s.cancel_at IS NOT NULL OR s.hold_ends_access_at IS NOT NULL
                OR s.price_ends_access_at IS NOT NULL OR k.end_set_at IS NOT NULL AS ends,
            revenue_counts(s, moment) AS counts
        FROM subscriptions s
        LEFT JOIN contracts k ON k.contract_id = s.contract_id
        LEFT JOIN contract_versions v ON v.contract_id = k.contract_id AND v.version = k.version
        WHERE s.customer_id = customer AND NOT s.superseded
        ORDER BY subscription_order(s, moment), s.subscription_id DESC LIMIT 1)
    SELECT c.currency, c.mrr, CASE WHEN c.ends THEN 0 ELSE c.mrr END, c.plan, c.subscription_id
    FROM chosen c WHERE c.counts AND c.mrr > 0 AND c.currency IS NOT NULL $$;

-- Books a change of a customer's value in one currency. A customer that left less than an hour ago and is
-- back has never left: a change of plan can be a cancellation and a new subscription.
CREATE FUNCTION revenue_change(customer text, of_currency text, moment timestamptz, new_mrr numeric,
    new_committed numeric, new_plan text, opens boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    had  revenue_values;
    last revenue_movements;
    at   timestamptz(3);
BEGIN
    SELECT * INTO had FROM revenue_values WHERE customer_id = customer AND currency = of_currency;
    at := GREATEST(moment, had.changed_at);
    SELECT * INTO last FROM revenue_movements WHERE customer_id = customer AND currency = of_currency
        ORDER BY movement_id DESC LIMIT 1;
    IF COALESCE(had.mrr, 0) = new_mrr THEN
        NULL;
    ELSIF new_mrr > 0 AND last.kind = 'churn' AND at <= last.happened_at + interval '1 hour' THEN
        IF last.mrr_before = new_mrr THEN
            DELETE FROM revenue_movements WHERE movement_id = last.movement_id;
        ELSE
            UPDATE revenue_movements SET mrr = new_mrr, plan = new_plan,
                kind = CASE WHEN new_mrr > mrr_before THEN 'expansion' ELSE 'contraction' END
            WHERE movement_id = last.movement_id;
        END IF;
    ELSE
        INSERT INTO revenue_movements (customer_id, currency, kind, happened_at, mrr_before, mrr,
            plan_before, plan)
        VALUES (customer, of_currency, CASE
            WHEN new_mrr = 0 THEN 'churn'
            WHEN had.mrr > new_mrr THEN 'contraction'
            WHEN had.mrr > 0 THEN 'expansion'
            WHEN opens THEN 'opening'
            WHEN last.movement_id IS NOT NULL THEN 'reactivation'
            ELSE 'new' END, at, COALESCE(had.mrr, 0), new_mrr, had.plan, new_plan);
    END IF;
    INSERT INTO revenue_values AS v (customer_id, currency, mrr, committed, plan, changed_at)
    VALUES (customer, of_currency, new_mrr, new_committed, new_plan, at)
    ON CONFLICT (customer_id, currency) DO UPDATE SET mrr = EXCLUDED.mrr, committed = EXCLUDED.committed,
        plan = EXCLUDED.plan, changed_at = EXCLUDED.changed_at;
END $$;

-- Books what differs from the last values. Each currency is a business of its own.
CREATE FUNCTION revenue_book(customer text, moment timestamptz, opens boolean) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT COALESCE(v.currency, n.currency) AS currency, COALESCE(n.mrr, 0) AS mrr,
            COALESCE(n.committed, 0) AS committed, COALESCE(n.plan, v.plan) AS plan
        FROM (SELECT * FROM revenue_values WHERE customer_id = customer) v
        FULL JOIN revenue_at(customer, moment) n ON n.currency = v.currency
        WHERE (COALESCE(n.mrr, 0), COALESCE(n.committed, 0), COALESCE(n.plan, v.plan))
            IS DISTINCT FROM (v.mrr, v.committed, v.plan)
        ORDER BY 1
    LOOP
        PERFORM revenue_change(customer, one.currency, moment, one.mrr, one.committed, one.plan, opens);
    END LOOP;
END $$;

CREATE FUNCTION revenue_next(customer text, moment timestamptz) RETURNS timestamptz LANGUAGE sql STABLE
    RETURN (SELECT min(revenue_changes_at(s, moment)) FROM subscriptions s
        WHERE s.customer_id = customer AND NOT s.superseded);

-- Books all that has happened to a customer up to now, in order.
CREATE FUNCTION revenue_settle(customer text, opens boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    present timestamptz;
    due     timestamptz;
    opening boolean;
BEGIN
    INSERT INTO revenue_customers (customer_id) VALUES (customer) ON CONFLICT DO NOTHING;
    SELECT c.due_at, c.opens INTO due, opening FROM revenue_customers c
        WHERE customer_id = customer FOR UPDATE;
    present := revenue_now();
    WHILE due <= present LOOP
        PERFORM revenue_book(customer, due, opens OR opening);
        opening := false;
        due := revenue_next(customer, due);
    END LOOP;
    PERFORM revenue_book(customer, present, opens OR opening);
    due := revenue_next(customer, present);
    UPDATE revenue_customers c SET due_at = due, opens = false
    WHERE customer_id = customer AND (c.due_at IS DISTINCT FROM due OR c.opens);
END $$;

-- Before a subscription or a contract changes: all that was due by its dates so far.
CREATE FUNCTION revenue_before_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF EXISTS (SELECT FROM revenue_customers
        WHERE customer_id = NEW.customer_id AND due_at <= revenue_now()) THEN
        PERFORM revenue_settle(NEW.customer_id);
    END IF;
    RETURN NEW;
END $$;

-- At the end of the transaction. A subscription that counted before its price was known opens.
CREATE FUNCTION revenue_after_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    opens boolean := false;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        opens := OLD.recurring IS NULL AND NEW.recurring IS NOT NULL
            AND OLD.status IN ('active', 'past_due');
    END IF;
    PERFORM revenue_settle(NEW.customer_id, opens);
    RETURN NULL;
END $$;

CREATE FUNCTION revenue_after_terms() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM revenue_settle(k.customer_id) FROM contracts k WHERE k.contract_id = NEW.contract_id;
    RETURN NULL;
END $$;

CREATE FUNCTION revenue_add_movement() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO revenue_sums (month, currency, kind, amount, customers)
        VALUES (OLD.month, OLD.currency, OLD.kind, -OLD.amount,
            (OLD.mrr_before > 0)::integer - (OLD.mrr > 0)::integer);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO revenue_sums (month, currency, kind, amount, customers)
        VALUES (NEW.month, NEW.currency, NEW.kind, NEW.amount,
            (NEW.mrr > 0)::integer - (NEW.mrr_before > 0)::integer);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION revenue_add_value() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    before numeric := 0;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        before := OLD.committed;
        INSERT INTO revenue_plans (plan, currency, mrr, committed, customers)
        VALUES (OLD.plan, OLD.currency, -OLD.mrr, -OLD.committed, -(OLD.mrr > 0)::integer);
    END IF;
    INSERT INTO revenue_plans (plan, currency, mrr, committed, customers)
    VALUES (NEW.plan, NEW.currency, NEW.mrr, NEW.committed, (NEW.mrr > 0)::integer);
    IF NEW.committed <> before THEN
        INSERT INTO revenue_sums (month, currency, kind, amount, customers)
        VALUES (date_trunc('month', NEW.changed_at AT TIME ZONE 'UTC')::date, NEW.currency, 'committed',
            NEW.committed - before, 0);
    END IF;
    RETURN NULL;
END $$;

-- Makes one row of the rows of a key.
CREATE FUNCTION revenue_fold() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('revenue_fold', 0)) THEN
        RETURN;
    END IF;
    WITH gone AS (
        DELETE FROM revenue_sums WHERE (month, currency, kind) IN (
            SELECT month, currency, kind FROM revenue_sums WHERE NOT folded)
        RETURNING month, currency, kind, amount, customers)
    INSERT INTO revenue_sums (month, currency, kind, amount, customers, folded)
    SELECT month, currency, kind, sum(amount), sum(customers), true FROM gone GROUP BY 1, 2, 3;
    WITH gone AS (
        DELETE FROM revenue_plans WHERE (plan, currency) IN (
            SELECT plan, currency FROM revenue_plans WHERE NOT folded)
        RETURNING plan, currency, mrr, committed, customers)
    INSERT INTO revenue_plans (plan, currency, mrr, committed, customers, folded)
    SELECT plan, currency, sum(mrr), sum(committed), sum(customers), true FROM gone GROUP BY 1, 2;
END $$;

-- A step of the jobs process: books what is due for some customers, and returns how many.
CREATE FUNCTION revenue_run(grace_days bigint, most bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    started timestamptz := revenue_now();
    one     text;
    settled bigint := 0;
BEGIN
    UPDATE revenue_policy SET past_due_grace_days = grace_days WHERE past_due_grace_days <> grace_days;
    IF FOUND THEN
        UPDATE revenue_customers c SET due_at = started FROM subscriptions s
        WHERE s.customer_id = c.customer_id AND s.status = 'past_due' AND NOT s.superseded;
    END IF;
    FOR one IN SELECT customer_id FROM revenue_customers WHERE due_at <= started
        ORDER BY due_at LIMIT most FOR UPDATE SKIP LOCKED
    LOOP
        PERFORM revenue_settle(one);
        settled := settled + 1;
    END LOOP;
    IF settled = 0 THEN
        UPDATE revenue_policy SET settled_at = started
        WHERE NOT EXISTS (SELECT FROM revenue_customers WHERE due_at <= started);
        PERFORM revenue_fold();
    END IF;
    RETURN settled;
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['revenue_settle(text, boolean)', 'revenue_before_change()',
        'revenue_after_change()', 'revenue_after_terms()', 'revenue_add_movement()',
        'revenue_add_value()', 'revenue_fold()', 'revenue_run(bigint, bigint)']
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', name, current_schema());
    END LOOP;
END $$;

CREATE TRIGGER revenue_movement_added AFTER INSERT OR UPDATE OR DELETE ON revenue_movements
    FOR EACH ROW EXECUTE FUNCTION revenue_add_movement();
CREATE TRIGGER revenue_value_changed AFTER INSERT OR UPDATE ON revenue_values
    FOR EACH ROW EXECUTE FUNCTION revenue_add_value();

-- A trial of ours is worth nothing, and is never chosen before what is.
CREATE TRIGGER revenue_subscription_changes BEFORE UPDATE ON subscriptions
    FOR EACH ROW WHEN ((OLD.stripe_subscription_id IS NOT NULL OR OLD.contract_id IS NOT NULL)
        AND (OLD.plan, OLD.status, OLD.recurring, OLD.superseded, OLD.starts_at, OLD.ends_at,
            OLD.past_due_since, OLD.cancel_at_period_end, OLD.cancel_at, OLD.pause_behavior,
            OLD.pause_resumes_at, OLD.hold_ends_access_at, OLD.price_ends_access_at)
        IS DISTINCT FROM (NEW.plan, NEW.status, NEW.recurring, NEW.superseded, NEW.starts_at,
            NEW.ends_at, NEW.past_due_since, NEW.cancel_at_period_end, NEW.cancel_at,
            NEW.pause_behavior, NEW.pause_resumes_at, NEW.hold_ends_access_at,
            NEW.price_ends_access_at))
    EXECUTE FUNCTION revenue_before_change();
CREATE TRIGGER revenue_subscription_comes BEFORE INSERT ON subscriptions
    FOR EACH ROW WHEN (NEW.stripe_subscription_id IS NOT NULL OR NEW.contract_id IS NOT NULL)
    EXECUTE FUNCTION revenue_before_change();
CREATE TRIGGER revenue_contract_changes BEFORE UPDATE ON contracts
    FOR EACH ROW WHEN (OLD.version <> NEW.version)
    EXECUTE FUNCTION revenue_before_change();
CREATE CONSTRAINT TRIGGER revenue_subscription_changed AFTER UPDATE ON subscriptions
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN ((NEW.stripe_subscription_id IS NOT NULL OR NEW.contract_id IS NOT NULL)
        AND (OLD.plan, OLD.status, OLD.recurring, OLD.superseded, OLD.starts_at, OLD.ends_at,
            OLD.past_due_since, OLD.cancel_at_period_end, OLD.cancel_at, OLD.pause_behavior,
            OLD.pause_resumes_at, OLD.hold_ends_access_at, OLD.price_ends_access_at,
            OLD.contract_id, OLD.stripe_subscription_id)
        IS DISTINCT FROM (NEW.plan, NEW.status, NEW.recurring, NEW.superseded, NEW.starts_at,
            NEW.ends_at, NEW.past_due_since, NEW.cancel_at_period_end, NEW.cancel_at,
            NEW.pause_behavior, NEW.pause_resumes_at, NEW.hold_ends_access_at,
            NEW.price_ends_access_at, NEW.contract_id, NEW.stripe_subscription_id))
    EXECUTE FUNCTION revenue_after_change();
CREATE CONSTRAINT TRIGGER revenue_subscription_added AFTER INSERT ON subscriptions
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.stripe_subscription_id IS NOT NULL OR NEW.contract_id IS NOT NULL)
    EXECUTE FUNCTION revenue_after_change();
CREATE CONSTRAINT TRIGGER revenue_terms_added AFTER INSERT ON contract_versions
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION revenue_after_terms();
