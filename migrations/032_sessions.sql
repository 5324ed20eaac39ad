-- 032_sessions.sql: sessions of browsers, and the links that open one without a key.

-- A session is opened by a key, and may do what its key may, or by a customer's link (key_id NULL).
-- The cookie itself is not stored. `customer_id` NULL: an operator's.
CREATE TABLE sessions (
    session_id   text PRIMARY KEY CHECK (session_id ~ '^ses_[0-9a-f]{24}$'),
    digest       bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    key_id       text REFERENCES api_keys,
    customer_id  text REFERENCES customers,
    created_at   timestamptz(3) NOT NULL,
    last_used_at timestamptz(3) NOT NULL,
    expires_at   timestamptz(3) NOT NULL CHECK (expires_at > created_at),
    user_agent   text CHECK (char_length(user_agent) <= 200),
    CHECK (key_id IS NOT NULL OR customer_id IS NOT NULL)
);

CREATE INDEX sessions_of_key ON sessions (key_id);
CREATE INDEX sessions_of_customer ON sessions (customer_id);
CREATE INDEX sessions_by_use ON sessions (last_used_at);

-- A link is used once; its row is deleted then. `key_id` is the operator's whose session it opens,
-- `customer_id` the customer's.
CREATE TABLE session_links (
    link_id     text PRIMARY KEY CHECK (link_id ~ '^lnk_[0-9a-f]{24}$'),
    digest      bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    key_id      text REFERENCES api_keys,
    customer_id text REFERENCES customers,
    created_at  timestamptz(3) NOT NULL,
    expires_at  timestamptz(3) NOT NULL CHECK (expires_at > created_at),
    CHECK ((key_id IS NULL) <> (customer_id IS NULL))
);

CREATE INDEX session_links_of_key ON session_links (key_id, created_at);
CREATE INDEX session_links_of_customer ON session_links (customer_id, created_at);
CREATE INDEX session_links_by_end ON session_links (expires_at);
