-- 042_forgotten_texts.sql: what operators wrote about a customer goes from its events, too, when it is
-- deleted.

CREATE OR REPLACE FUNCTION events_forget(customer text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    personal constant text[] := ARRAY['email', 'company_name', 'pending_email', 'reference', 'note',
        'end_reason', 'reason', 'revoke_reason'];
BEGIN
    UPDATE events SET data = (data::jsonb - personal)::json
        WHERE customer_id = customer AND data::jsonb ?| personal;
END $$;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION events_forget(text) SET search_path = %I, pg_temp', current_schema());
END $$;

-- Customers that were deleted before.
SELECT events_forget(customer_id) FROM customers WHERE deleted_at IS NOT NULL;
