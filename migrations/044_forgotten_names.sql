-- 044_forgotten_names.sql: names of keys, and why licences were revoked, go from a customer's events, too,
-- when it is deleted.

CREATE OR REPLACE FUNCTION events_forget(customer text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    personal constant text[] := ARRAY['email', 'company_name', 'pending_email', 'reference', 'note',
        'end_reason', 'reason', 'revoke_reason'];
BEGIN
    UPDATE events SET data = (data::jsonb - personal)::json
        WHERE customer_id = customer AND data::jsonb ?| personal;
    UPDATE events SET data = (data::jsonb - 'name')::json
        WHERE customer_id = customer AND type IN ('key.created', 'key.revoked') AND data::jsonb ? 'name';
    -- Several licences in one event.
    UPDATE events SET data = jsonb_set(data::jsonb, '{licenses}', (
            SELECT COALESCE(jsonb_agg(license - personal), '[]')
            FROM jsonb_array_elements(data::jsonb -> 'licenses') AS l (license)))::json
        WHERE customer_id = customer AND type = 'license.revoked'
        AND jsonb_typeof(data::jsonb -> 'licenses') = 'array';
END $$;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION events_forget(text) SET search_path = %I, pg_temp', current_schema());
END $$;

-- Customers that were deleted before.
SELECT events_forget(customer_id) FROM customers WHERE deleted_at IS NOT NULL;
UPDATE api_keys k SET name = NULL FROM customers c
WHERE c.customer_id = k.customer_id AND c.deleted_at IS NOT NULL AND k.name IS NOT NULL;
