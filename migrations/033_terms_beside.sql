-- 033_terms_beside.sql: what contracts and overrides give, beside the rows that each request for a licence
-- reads anyway, so that it joins no further tables.

-- Triggers keep the columns equal to the tables in the same transaction, also for programs of before this
-- migration. Columns without a default: no row is written. Migration 45 fills them, without this lock.
ALTER TABLE customers
    -- {"features", "limits", "ends_at"} of the row in overrides; ends_at in milliseconds since 1970, null:
    -- no end. NULL: there is no row.
    ADD COLUMN override_terms jsonb;
ALTER TABLE subscriptions
    -- {"features", "limits", "overage", "reference"} of the newest row in contract_versions. NULL: the
    -- subscription is no contract.
    ADD COLUMN contract_terms jsonb;

CREATE FUNCTION override_terms(o overrides) RETURNS jsonb LANGUAGE sql STABLE
    RETURN jsonb_build_object('features', o.features, 'limits', o.limits,
        'ends_at', (extract(epoch FROM o.expires_at) * 1000)::bigint);

CREATE FUNCTION contract_terms(v contract_versions) RETURNS jsonb LANGUAGE sql STABLE
    RETURN jsonb_build_object('features', v.features, 'limits', v.limits, 'overage', v.overage,
        'reference', v.reference);

CREATE FUNCTION overrides_copied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        UPDATE customers SET override_terms = NULL WHERE customer_id = OLD.customer_id;
    ELSE
        UPDATE customers SET override_terms = override_terms(NEW) WHERE customer_id = NEW.customer_id;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER overrides_copied AFTER INSERT OR UPDATE OR DELETE ON overrides FOR EACH ROW
    EXECUTE FUNCTION overrides_copied();

-- The statement that makes a version has written the contract and the subscription too when this runs.
CREATE FUNCTION contract_version_copied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE subscriptions s SET contract_terms = contract_terms(NEW)
    FROM contracts k
    WHERE k.contract_id = NEW.contract_id AND k.version = NEW.version
        AND s.contract_id = k.contract_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER contract_version_copied AFTER INSERT OR UPDATE ON contract_versions FOR EACH ROW
    EXECUTE FUNCTION contract_version_copied();
