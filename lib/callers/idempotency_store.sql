-- Stores an answer, and counts it on its account.
--
-- $1 digest of caller and key  $2 sealed answer  $3 now  $4 when it expires
-- $5 digest of the account, or NULL

WITH counted AS (
    INSERT INTO idempotency_counts AS c (account, day, answers, bytes)
    SELECT $5, date(timezone('UTC', $3::timestamptz)), 1, length($2::bytea)
    WHERE $5::bytea IS NOT NULL
    ON CONFLICT (account, day) DO UPDATE
    SET answers = c.answers + 1, bytes = c.bytes + EXCLUDED.bytes)
INSERT INTO idempotency_keys AS i (digest, sealed, created_at, expires_at)
VALUES ($1, $2, $3, $4)
-- An answer that has expired makes room.
ON CONFLICT (digest) DO UPDATE
SET sealed = EXCLUDED.sealed, created_at = EXCLUDED.created_at, expires_at = EXCLUDED.expires_at
WHERE i.expires_at <= EXCLUDED.created_at
