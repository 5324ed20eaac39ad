-- The customers, what they subscribed to, the licences issued, the keys that open the API, and the
-- audit trail. Ids are opaque text with a prefix, times are timestamptz to the millisecond; personal data is only in
-- customers.email and customers.company_name (and what was sent to the client).

CREATE TABLE customers (
    customer_id        text PRIMARY KEY CHECK (customer_id ~ '^cust_[0-9a-f]{32}$'),
    email              text CHECK (length(email) <= 254),
    company_name       text CHECK (length(company_name) <= 200),
    stripe_customer_id text UNIQUE,
    created_at         timestamptz(3) NOT NULL DEFAULT now(),
    updated_at         timestamptz(3) NOT NULL DEFAULT now(),
    deleted_at         timestamptz(3),
    CHECK ((email IS NULL) = (deleted_at IS NOT NULL))
);

-- One customer per e-mail, whatever its case and Unicode form; a deleted one frees its address.
CREATE UNIQUE INDEX customers_email_key ON customers (lower(normalize(email, NFKC)))
    WHERE deleted_at IS NULL;
-- Newest first, by keyset.
CREATE INDEX customers_newest ON customers (created_at DESC, customer_id DESC)
    WHERE deleted_at IS NULL;
-- ?q= finds prefixes of a company's name or an e-mail.
CREATE INDEX customers_company_prefix ON customers (lower(company_name) text_pattern_ops)
    WHERE deleted_at IS NULL;
CREATE INDEX customers_email_prefix ON customers (lower(email) text_pattern_ops)
    WHERE deleted_at IS NULL;
-- Without them the planner takes every prefix for a common one, and walks the newest customers.
CREATE STATISTICS customers_lower_email ON (lower(email)) FROM customers;
CREATE STATISTICS customers_lower_company ON (lower(company_name)) FROM customers;

CREATE TABLE subscriptions (
    subscription_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id            text NOT NULL REFERENCES customers,
    stripe_subscription_id text UNIQUE,
    plan                   text NOT NULL,
    status                 text NOT NULL CHECK (status IN ('trialing', 'active', 'past_due', 'unpaid',
                               'canceled', 'incomplete', 'incomplete_expired', 'paused')),
    trial_ends_at          timestamptz(3),
    current_period_ends_at timestamptz(3),
    past_due_since         timestamptz(3),
    cancel_at_period_end   boolean NOT NULL DEFAULT false,
    -- Counts changes: a kept licence that speaks of an older version is not handed out again.
    version                bigint NOT NULL DEFAULT 1,
    created_at             timestamptz(3) NOT NULL DEFAULT now(),
    updated_at             timestamptz(3) NOT NULL DEFAULT now(),
    CHECK (status <> 'trialing' OR trial_ends_at IS NOT NULL)
);

-- At most one live subscription per customer; ended ones stay as history.
CREATE UNIQUE INDEX subscriptions_one_live ON subscriptions (customer_id)
    WHERE status NOT IN ('canceled', 'incomplete_expired');
CREATE INDEX subscriptions_newest ON subscriptions (customer_id, subscription_id DESC);
CREATE INDEX subscriptions_due_trials ON subscriptions (trial_ends_at)
    WHERE status = 'trialing' AND stripe_subscription_id IS NULL;

CREATE TABLE api_keys (
    key_id       text PRIMARY KEY CHECK (key_id ~ '^key_[0-9a-f]{24}$'),
    -- NULL for an operator's key.
    customer_id  text REFERENCES customers,
    role         text NOT NULL CHECK (role IN ('owner', 'viewer', 'customer')),
    name         text,
    -- SHA-256 of the whole key; the key itself is shown once and never stored.
    digest       bytea NOT NULL UNIQUE CHECK (length(digest) = 32),
    prefix       text NOT NULL,
    scopes       text[] NOT NULL,
    created_at   timestamptz(3) NOT NULL DEFAULT now(),
    -- The first use of a day: one UPDATE per key and day, not one per request.
    last_used_at timestamptz(3),
    revoked_at   timestamptz(3),
    CHECK ((customer_id IS NULL) = (role <> 'customer'))
);

CREATE INDEX api_keys_of_customer ON api_keys (customer_id, created_at DESC);
CREATE UNIQUE INDEX api_keys_operator_name ON api_keys (name)
    WHERE customer_id IS NULL AND revoked_at IS NULL;

-- Every licence ever issued. The token is kept while it may be handed out again.
CREATE TABLE licenses (
    -- The order of issue, whatever the clocks of several hosts say.
    license_id    bigint GENERATED ALWAYS AS IDENTITY,
    jti           text PRIMARY KEY,
    customer_id   text NOT NULL REFERENCES customers,
    kid           text NOT NULL,
    plan          text NOT NULL,
    reason        text NOT NULL CHECK (reason IN ('sign_up', 'first', 'changed', 'refreshed', 'rotated')),
    -- SHA-256 over everything that the token says, but for its times and its jti.
    fingerprint   bytea NOT NULL,
    token         text,
    issued_at     timestamptz(3) NOT NULL,
    expires_at    timestamptz(3) NOT NULL,
    revoked_at    timestamptz(3),
    revoke_reason text,
    CHECK (revoked_at IS NULL OR token IS NULL)
);

CREATE INDEX licenses_newest ON licenses (customer_id, license_id DESC);
CREATE INDEX licenses_revoked ON licenses (expires_at) WHERE revoked_at IS NOT NULL;
-- Tokens that are too old to be handed out again are forgotten, oldest first.
CREATE INDEX licenses_with_token ON licenses (issued_at) WHERE token IS NOT NULL;
CREATE INDEX licenses_of_key ON licenses (kid, expires_at);

-- One trial per normalised e-mail, for ever; only a hash of it is kept, so that it outlives the
-- customer's deletion without naming anybody.
CREATE FUNCTION trial_email_digest(email text) RETURNS bytea
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    -- Case, Unicode form and +tags never make another person; nor do dots at gmail.com.
    RETURN sha256(convert_to(
        CASE WHEN lower(normalize(email, NFKC)) ~ '@(gmail|googlemail)\.com$'
             THEN replace(regexp_replace(lower(normalize(email, NFKC)), '(\+[^@]*)?@.*$', ''), '.', '')
                  || '@gmail.com'
             ELSE regexp_replace(lower(normalize(email, NFKC)), '\+[^@]*@', '@')
        END, 'UTF8'));

CREATE TABLE trial_redemptions (
    email_digest bytea PRIMARY KEY,
    customer_id  text NOT NULL REFERENCES customers,
    redeemed_at  timestamptz(3) NOT NULL DEFAULT now()
);

-- The first answer to a POST with an Idempotency-Key, for a day. Neither the key nor the answer is
-- stored in the clear: the answer may hold an API key, so it is sealed with what only the client
-- knows, its key and its body.
CREATE TABLE idempotency_keys (
    digest     bytea PRIMARY KEY,
    sealed     bytea NOT NULL,
    created_at timestamptz(3) NOT NULL DEFAULT now(),
    expires_at timestamptz(3) NOT NULL
);

CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

CREATE TABLE audit_log (
    audit_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at timestamptz(3) NOT NULL DEFAULT now(),
    actor       text NOT NULL,
    action      text NOT NULL,
    customer_id text,
    subject     text,
    request_id  text NOT NULL,
    detail      text
);

CREATE INDEX audit_log_of_customer ON audit_log (customer_id, audit_id DESC);
