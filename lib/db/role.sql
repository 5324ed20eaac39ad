-- role.sql: makes the role billing.role if it is missing, and sets its limits for this database.
-- Sessions have the limits too, by their connection's options; PgBouncer drops those.

DO $$
DECLARE
    role constant text := current_setting('billing.role');
    item record;
BEGIN
    PERFORM pg_advisory_xact_lock(113672440080242);
    IF to_regrole(quote_ident(role)) IS NULL THEN
        EXECUTE format('CREATE ROLE %I LOGIN PASSWORD %L', role,
                       nullif(current_setting('billing.verifier'), ''));
    END IF;
    FOR item IN
        WITH wanted (name, value) AS (VALUES
            ('statement_timeout', current_setting('billing.statement_timeout')),
            ('lock_timeout', current_setting('billing.statement_timeout')),
            ('idle_in_transaction_session_timeout', current_setting('billing.idle_timeout')),
            ('jit', 'off'),
            ('TimeZone', 'UTC'))
        SELECT name, value FROM wanted WHERE NOT EXISTS (
            SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
            WHERE d.datname = current_database() AND s.setrole = to_regrole(quote_ident(role))
            AND name || '=' || value = ANY (s.setconfig))
    LOOP
        EXECUTE format('ALTER ROLE %I IN DATABASE %I SET %I = %L', role, current_database(),
                       item.name, item.value);
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    -- The owner may not change other roles. The role itself may; `billingctl doctor` checks.
    NULL;
END $$;
