-- 035_webhooks.sql: endpoints that events are sent to, and what was sent to each.

-- The public halves of the keys that sign webhooks. The newest one is current; the private halves are in
-- KEYS_DIR alone.
CREATE TABLE webhook_keys (
    public_key text PRIMARY KEY CHECK (public_key ~ '^whpk_[A-Za-z0-9+/]{43}=$'),
    added_at   timestamptz(3) NOT NULL
);

-- Secrets are sealed under the key whose public half is seal_key, so that a copy of the database does not
-- disclose them. The cursor (position, number) is the place in the log of events behind which the endpoint
-- still gets all; events before it have a row in webhook_deliveries, unless the endpoint does not want their
-- type. The name of a deleted endpoint stays until its deliveries are pruned.
CREATE TABLE webhook_endpoints (
    endpoint_id      text PRIMARY KEY CHECK (endpoint_id ~ '^we_[0-9a-f]{24}$'),
    url              text NOT NULL CHECK (length(url) BETWEEN 1 AND 2000),
    types            text[] CHECK (cardinality(types) BETWEEN 1 AND 100),
    description      text CHECK (length(description) BETWEEN 1 AND 500),
    state            text NOT NULL CHECK (state IN ('enabled', 'disabled', 'deleted')),
    disabled_reason  text CHECK (disabled_reason IN ('gone', 'failing', 'operator')),
    disabled_at      timestamptz(3),
    secret           bytea NOT NULL,
    old_secret       bytea,
    old_secret_until timestamptz(3),
    seal_key         text NOT NULL REFERENCES webhook_keys,
    position         bigint NOT NULL,
    number           bigint NOT NULL,
    failing_since    timestamptz(3),
    paused_until     timestamptz(3),
    last_success_at  timestamptz(3),
    last_failure_at  timestamptz(3),
    created_at       timestamptz(3) NOT NULL,
    updated_at       timestamptz(3) NOT NULL,
    CHECK ((state = 'disabled') = (disabled_reason IS NOT NULL)),
    CHECK ((disabled_reason IS NULL) = (disabled_at IS NULL)),
    CHECK ((old_secret IS NULL) = (old_secret_until IS NULL))
) WITH (fillfactor = 50);

-- An event that an endpoint gets, and the last attempt to send it. The body is made of the event when it is
-- sent; position, number and created_at of the event lead to it. A test has no event. `due_at` of a row
-- that a process has taken is the time when another process may take it.
CREATE TABLE webhook_deliveries (
    endpoint_id  text NOT NULL REFERENCES webhook_endpoints,
    event_id     uuid NOT NULL,
    type         text NOT NULL,
    position     bigint,
    number       bigint,
    event_at     timestamptz(3) NOT NULL,
    state        text NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts     bigint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    due_at       timestamptz(3) NOT NULL,
    created_at   timestamptz(3) NOT NULL,
    attempted_at timestamptz(3),
    status       bigint,
    took_ms      bigint,
    reason       text CHECK (length(reason) <= 300),
    answer       text CHECK (length(answer) <= 1000),
    PRIMARY KEY (endpoint_id, event_id),
    CHECK ((position IS NULL) = (number IS NULL))
) WITH (fillfactor = 70);

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, due_at, position, number)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_newest ON webhook_deliveries (endpoint_id, created_at DESC, event_id DESC);
CREATE INDEX webhook_deliveries_over ON webhook_deliveries (created_at) WHERE state <> 'pending';
