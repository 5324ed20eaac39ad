-- 009_idempotency_counts.sql: how many answers are stored for the Idempotency-Keys of one account within
-- a day, so that nobody fills the database with them. Earlier days are deleted.

CREATE TABLE idempotency_counts (
    -- SHA-256 of the customer's id, or of the address of a caller without an API key.
    account bytea NOT NULL CHECK (length(account) = 32),
    day     date NOT NULL,
    answers bigint NOT NULL,
    bytes   bigint NOT NULL,
    PRIMARY KEY (account, day)
);
