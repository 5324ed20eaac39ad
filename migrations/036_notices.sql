-- 036_notices.sql: notices by e-mail, made from the log of events, and where the reading of the log stands.

-- Whether the customer wants notices.
ALTER TABLE customers ADD COLUMN notices boolean NOT NULL DEFAULT true;

-- The event behind which the next ones are read. NULL until a process with a mail server begins.
CREATE TABLE notice_cursor (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint,
    number   bigint,
    CHECK ((position IS NULL) = (number IS NULL))
) WITH (fillfactor = 50);

INSERT INTO notice_cursor DEFAULT VALUES;

-- A customer's address and name are read when the notice is sent, so no row has them. `facts` are the
-- values of placeholders by name; they go when the notice is finished.
CREATE TABLE notices (
    notice_id   text PRIMARY KEY DEFAULT 'ntc_' || replace(gen_random_uuid()::text, '-', ''),
    -- An event's id, or "digest_2030-W05".
    source      text NOT NULL,
    kind        text NOT NULL,
    -- A customer's id, or the address of an operator.
    recipient   text NOT NULL,
    -- The customer that it is about.
    customer_id text REFERENCES customers,
    facts       jsonb NOT NULL DEFAULT '{}',
    state       text NOT NULL CHECK (state IN ('pending', 'sent', 'refused', 'failed', 'dropped')),
    -- Why it was not sent, or not yet.
    reason      text CHECK (length(reason) <= 500),
    attempts    bigint NOT NULL DEFAULT 0,
    created_at  timestamptz(3) NOT NULL,
    -- From then on it would say what is past.
    until       timestamptz(3),
    next_try_at timestamptz(3),
    finished_at timestamptz(3),
    UNIQUE (source, recipient),
    CHECK ((state = 'pending') = (next_try_at IS NOT NULL)),
    CHECK ((state = 'pending') = (finished_at IS NULL))
);

CREATE INDEX notices_due ON notices (next_try_at) WHERE state = 'pending';
CREATE INDEX notices_of_recipient ON notices (recipient, created_at);
CREATE INDEX notices_of_customer ON notices (customer_id, created_at DESC, notice_id DESC);
CREATE INDEX notices_newest ON notices (created_at DESC, notice_id DESC);
CREATE INDEX notices_finished ON notices (finished_at) WHERE finished_at IS NOT NULL;
