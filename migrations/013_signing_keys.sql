-- 013_signing_keys.sql: the signing keys that all hosts agree on. Only public halves: the private ones
-- are files of the hosts.

CREATE TABLE signing_keys (
    kid            text PRIMARY KEY,
    public_pem     text NOT NULL,
    state          text NOT NULL CHECK (state IN ('added', 'current', 'retired', 'distrusted')),
    added_at       timestamptz(3) NOT NULL,
    used_at        timestamptz(3),
    retired_at     timestamptz(3),
    -- A retired key is published until then, and while one of its licences is valid.
    publish_until  timestamptz(3),
    distrusted_at  timestamptz(3)
);

CREATE UNIQUE INDEX signing_keys_one_current ON signing_keys (state) WHERE state = 'current';
CREATE UNIQUE INDEX signing_keys_one_added ON signing_keys (state) WHERE state = 'added';
