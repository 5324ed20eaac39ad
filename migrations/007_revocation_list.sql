-- The signed list of revoked licences is stored, and signed once for each change. What it has to
-- name stands in tables of its own, which stay small: a customer with many revoked licences has
-- one row in revoked_before, and expired licences are deleted.

-- Revoked licences that the list names one by one.
CREATE TABLE license_revocations (
    jti         text PRIMARY KEY,
    -- NULL, as issued_at, when only a published list knows the licence: the database was restored.
    customer_id text,
    issued_at   timestamptz(3),
    expires_at  timestamptz(3) NOT NULL,
    revoked_at  timestamptz(3) NOT NULL,
    -- The first list that names it; NULL: none yet.
    list_number bigint
);

CREATE INDEX license_revocations_of_customer ON license_revocations (customer_id, issued_at);
CREATE INDEX license_revocations_unlisted ON license_revocations (revoked_at)
    WHERE list_number IS NULL;

-- All licences of the customer that were issued before the time are revoked; the last of them
-- expires at expires_at. No foreign key: a published list may name customers that a restored
-- database does not have.
CREATE TABLE revoked_before (
    customer_id text PRIMARY KEY,
    before_at   timestamptz(3) NOT NULL,
    expires_at  timestamptz(3) NOT NULL
);

-- The list that is served: the row with the highest number. Older rows are deleted.
CREATE TABLE revocation_lists (
    number         bigint PRIMARY KEY,
    kid            text NOT NULL,
    issuer         text NOT NULL,
    issued_at      timestamptz(3) NOT NULL,
    next_update_at timestamptz(3) NOT NULL,
    entries        bigint NOT NULL,
    token          text NOT NULL
);

-- A signature's base64 does not compress.
ALTER TABLE revocation_lists ALTER COLUMN token SET STORAGE EXTERNAL;

-- The database was found behind the list that had been published: it was restored from a backup.
CREATE TABLE revocation_restores (
    restore_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    found_at         timestamptz(3) NOT NULL,
    stored_number    bigint NOT NULL,
    published_number bigint NOT NULL,
    -- When an operator said that the lost changes were made again.
    resolved_at      timestamptz(3)
);

-- Whatever revokes a licence puts it on the next list and wakes the process that signs it.
CREATE FUNCTION license_revoked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO license_revocations (jti, customer_id, issued_at, expires_at, revoked_at)
    VALUES (NEW.jti, NEW.customer_id, NEW.issued_at, NEW.expires_at, NEW.revoked_at)
    ON CONFLICT DO NOTHING;
    NOTIFY billing_jobs;
    RETURN NULL;
END
$$;

-- Verifiers allow for a clock that is two minutes late.
CREATE TRIGGER license_revoked AFTER UPDATE OF revoked_at ON licenses FOR EACH ROW
    WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL
        AND NEW.expires_at > NEW.revoked_at - interval '2 minutes')
    EXECUTE FUNCTION license_revoked();

INSERT INTO license_revocations (jti, customer_id, issued_at, expires_at, revoked_at)
SELECT jti, customer_id, issued_at, expires_at, revoked_at FROM licenses
WHERE revoked_at IS NOT NULL AND expires_at > now() - interval '2 minutes';
