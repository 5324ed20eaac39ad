-- The keys by which addresses and companies' names compare. billingd folds them by Unicode's own rules, so
-- that the database's locale does not matter; what other programs write gets its key here when it is
-- ASCII, else from billingd within seconds (customers without a key are found by customers_without_keys).

ALTER TABLE customers
    ADD COLUMN email_key     text COLLATE "C",
    ADD COLUMN company_key   text COLLATE "C",
    -- An address that the customer asks for; it counts once an operator has set it.
    ADD COLUMN pending_email text CHECK (length(pending_email) <= 254);

-- One customer per address. It also finds prefixes, as the company's index does.
CREATE UNIQUE INDEX customers_by_email ON customers (email_key) WHERE deleted_at IS NULL;
CREATE INDEX customers_by_company ON customers (company_key) WHERE deleted_at IS NULL;
CREATE INDEX customers_without_keys ON customers (created_at, customer_id) WHERE deleted_at IS NULL
    AND (email_key IS NULL OR (company_key IS NULL AND company_name IS NOT NULL));
CREATE INDEX customers_pending_email ON customers (created_at DESC, customer_id DESC)
    WHERE deleted_at IS NULL AND pending_email IS NOT NULL;

-- The text in small letters when it is ASCII, else NULL.
CREATE FUNCTION ascii_key(written text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE WHEN octet_length(written) = length(written)
                THEN left(lower(written COLLATE "C"), 500) END;

-- A key that the writer left as it was belongs to the text of before.
CREATE FUNCTION customers_set_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.email_key IS NULL OR (NEW.email IS DISTINCT FROM OLD.email
            AND NEW.email_key IS NOT DISTINCT FROM OLD.email_key) THEN
        NEW.email_key := ascii_key(NEW.email);
    END IF;
    IF NEW.company_key IS NULL OR (NEW.company_name IS DISTINCT FROM OLD.company_name
            AND NEW.company_key IS NOT DISTINCT FROM OLD.company_key) THEN
        NEW.company_key := ascii_key(NEW.company_name);
    END IF;
    IF NEW.deleted_at IS NOT NULL THEN
        NEW.email_key := NULL;
        NEW.company_key := NULL;
        NEW.pending_email := NULL;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER customers_set_keys BEFORE INSERT OR UPDATE OF email, company_name, deleted_at ON customers
    FOR EACH ROW EXECUTE FUNCTION customers_set_keys();

-- The addresses that had a trial, by how they look: only a hash is kept, for ever, as in trial_redemptions.
-- Of addresses that look alike only plain (ASCII) ones have a trial each.
CREATE TABLE trial_skeletons (
    skeleton_digest bytea PRIMARY KEY,
    plain           boolean NOT NULL
);
