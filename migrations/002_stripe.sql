-- What Stripe knows, as last fetched from it; what it told us; and what we asked of it.

-- Subscriptions are mirrored from Stripe, all of them; the one that counts is not superseded. A
-- status that Stripe invents later is kept as it is (it grants nothing).
ALTER TABLE subscriptions
    DROP CONSTRAINT subscriptions_status_check,
    ADD COLUMN superseded      boolean NOT NULL DEFAULT false,
    ADD COLUMN stripe_price_id text,
    ADD COLUMN cancel_at       timestamptz(3),
    ADD COLUMN canceled_at     timestamptz(3),
    ADD COLUMN ended_at        timestamptz(3),
    -- A smaller plan that begins with the next period, and when; the jobs process asks Stripe for it.
    ADD COLUMN scheduled_plan  text,
    ADD COLUMN scheduled_at    timestamptz(3),
    -- Not to be asked for before, because it went wrong lately.
    ADD COLUMN scheduled_try_at timestamptz(3),
    -- Since which day (UTC) the plan counts, and the plan of the days before: metered use belongs to
    -- the plan of its day. NULL: never changed.
    ADD COLUMN plan_from        date,
    ADD COLUMN plan_before      text,
    ADD COLUMN plan_before_from date,
    -- When Stripe last had it in its list of those that have not ended.
    ADD COLUMN seen_at         timestamptz(3);

DROP INDEX subscriptions_one_live;
CREATE UNIQUE INDEX subscriptions_one_live ON subscriptions (customer_id)
    WHERE NOT superseded AND status NOT IN ('canceled', 'incomplete_expired');
DROP INDEX subscriptions_newest;
CREATE INDEX subscriptions_current ON subscriptions (customer_id, superseded, subscription_id DESC);
CREATE INDEX subscriptions_scheduled ON subscriptions (current_period_ends_at)
    WHERE scheduled_plan IS NOT NULL;
CREATE INDEX subscriptions_second ON subscriptions (customer_id)
    WHERE superseded AND stripe_subscription_id IS NOT NULL
    AND status NOT IN ('canceled', 'incomplete_expired') AND status <> 'incomplete';

-- Every event that Stripe sent, under Stripe's id: a second delivery changes nothing. An event is a
-- hint; what it is about is fetched and stored in the transaction that marks it done.
CREATE TABLE stripe_events (
    event_id           text PRIMARY KEY,
    type               text NOT NULL,
    livemode           boolean NOT NULL,
    api_version        text,
    happened_at        timestamptz(3),
    received_at        timestamptz(3) NOT NULL,
    -- 'webhook', or 'sweep' for one that never arrived.
    origin             text NOT NULL CHECK (origin IN ('webhook', 'sweep')),
    -- What it is about and what must be fetched; NULL: nothing that we keep.
    family             text CHECK (family IN ('subscription', 'invoice', 'customer')),
    subject            text,
    stripe_customer_id text,
    -- Our id as the object's own metadata tells it.
    customer_hint      text,
    customer_id        text REFERENCES customers,
    -- As received, where it means something here; forgotten after a month, or when its customer is
    -- deleted.
    payload            text,
    state              text NOT NULL CHECK (state IN ('pending', 'done', 'ignored', 'parked')),
    attempts           integer NOT NULL DEFAULT 0,
    next_try_at        timestamptz(3),
    error              text,
    finished_at        timestamptz(3),
    -- Somebody has just paid and waits for it: before all else, however long the queue is.
    urgent             boolean NOT NULL GENERATED ALWAYS AS (type LIKE 'checkout.session.%'
                           OR type = 'customer.subscription.created') STORED,
    CHECK ((state = 'pending') = (next_try_at IS NOT NULL)),
    CHECK (state <> 'pending' OR (family IS NOT NULL AND subject IS NOT NULL))
);

CREATE INDEX stripe_events_due ON stripe_events (urgent DESC, next_try_at) WHERE state = 'pending';
CREATE INDEX stripe_events_of_subject ON stripe_events (family, subject) WHERE state = 'pending';
CREATE INDEX stripe_events_parked ON stripe_events (received_at) WHERE state = 'parked';
CREATE INDEX stripe_events_newest ON stripe_events (received_at DESC, event_id DESC);
CREATE INDEX stripe_events_of_customer ON stripe_events (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX stripe_events_of_stripe_customer ON stripe_events (stripe_customer_id)
    WHERE payload IS NOT NULL;
CREATE INDEX stripe_events_of_hint ON stripe_events (customer_hint)
    WHERE payload IS NOT NULL AND customer_hint IS NOT NULL;
CREATE INDEX stripe_events_with_payload ON stripe_events (received_at) WHERE payload IS NOT NULL;

-- Every change that we asked of Stripe: key and parameters stand here before the first attempt. Those
-- that name the customer's e-mail go when the outcome is known. A wish with a client's key that Stripe
-- need not hear of is written down as well, of the kind 'nothing'.
CREATE TABLE stripe_calls (
    call_id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind              text NOT NULL,
    customer_id       text NOT NULL REFERENCES customers,
    -- The object of Stripe's that it changes, when there is one.
    subject           text,
    path              text NOT NULL,
    parameters        text NOT NULL,
    -- The plan that a change leads to: what was scheduled before it is overtaken then.
    plan              text,
    idempotency_key   text NOT NULL UNIQUE,
    -- The client's own Idempotency-Key (and caller) as a digest, and what it asked for with it.
    intent            bytea UNIQUE,
    request           bytea,
    state             text NOT NULL CHECK (state IN ('pending', 'done', 'failed', 'parked')),
    attempts          integer NOT NULL DEFAULT 0,
    created_at        timestamptz(3) NOT NULL,
    next_try_at       timestamptz(3),
    finished_at       timestamptz(3),
    stripe_request_id text,
    result_id         text,
    error             text,
    CHECK ((state = 'pending') = (next_try_at IS NOT NULL))
);

CREATE INDEX stripe_calls_due ON stripe_calls (next_try_at) WHERE state = 'pending';
CREATE INDEX stripe_calls_of_subject ON stripe_calls (subject) WHERE state = 'pending';
CREATE INDEX stripe_calls_of_customer ON stripe_calls (customer_id, call_id DESC);
CREATE INDEX stripe_calls_parked ON stripe_calls (call_id) WHERE state = 'parked';
CREATE INDEX stripe_calls_finished ON stripe_calls (finished_at) WHERE finished_at IS NOT NULL;
-- One customer of ours becomes one of Stripe's.
CREATE UNIQUE INDEX stripe_calls_one_customer ON stripe_calls (customer_id)
    WHERE kind = 'customer_create' AND state = 'pending';

CREATE TABLE invoices (
    invoice_id             text PRIMARY KEY,
    customer_id            text NOT NULL REFERENCES customers,
    stripe_subscription_id text,
    number                 text,
    status                 text NOT NULL,
    billing_reason         text,
    amount_due             bigint NOT NULL,
    amount_paid            bigint NOT NULL,
    currency               text NOT NULL,
    created_at             timestamptz(3) NOT NULL,
    hosted_invoice_url     text,
    invoice_pdf            text,
    fetched_at             timestamptz(3) NOT NULL
);

CREATE INDEX invoices_of_customer ON invoices (customer_id, created_at DESC, invoice_id DESC);

-- How far the comparisons with Stripe have come, so that each goes on where it stopped.
CREATE TABLE stripe_sweeps (
    name        text PRIMARY KEY CHECK (name IN ('events', 'subscriptions')),
    -- The one that runs, or ran last: since when it looks, in which part of it, behind which id.
    since       timestamptz(3),
    part        integer NOT NULL DEFAULT 0,
    after_id    text NOT NULL DEFAULT '',
    started_at  timestamptz(3),
    finished_at timestamptz(3),
    differences bigint NOT NULL DEFAULT 0,
    -- All that happened before is known.
    complete_to timestamptz(3)
);

INSERT INTO stripe_sweeps (name) VALUES ('events'), ('subscriptions');
