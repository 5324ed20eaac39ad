-- grants.sql: what billingd's role may do. `billingctl migrate up` runs this as the owner of the
-- schema, after the migrations; it changes only what differs.
--
-- A new table needs one line here: the privileges that the statements of lib/ use, in alphabetical
-- order. SELECT ... FOR UPDATE, FOR SHARE and their siblings use UPDATE. Functions may be called by
-- every role, unless a migration revokes that; then the function needs a line too.

DO $$
DECLARE
    service constant text := current_setting('billing.role');
    item    record;
BEGIN
    FOR item IN
        WITH wanted (name, privileges) AS (VALUES
            ('analytics_usage', 'DELETE, INSERT, SELECT, UPDATE'),
            ('analytics_usage_days', 'INSERT, SELECT, UPDATE'),
            ('api_keys', 'INSERT, SELECT, UPDATE'),
            ('audit_backfill', 'SELECT, UPDATE'),
            ('audit_chain', 'INSERT, SELECT'),
            ('audit_counts', 'DELETE, INSERT, SELECT, UPDATE'),
            ('audit_log', 'INSERT, SELECT'),
            ('audit_pending', 'DELETE, INSERT, SELECT'),
            ('contract_versions', 'INSERT, SELECT, UPDATE'),
            ('contracts', 'INSERT, SELECT, UPDATE'),
            ('customer_erasures', 'DELETE, INSERT, SELECT, UPDATE'),
            ('customers', 'INSERT, SELECT, UPDATE'),
            ('event_clock', 'SELECT'),
            ('event_keys', 'DELETE, INSERT, SELECT, UPDATE'),
            ('event_sequences', 'INSERT, SELECT, UPDATE'),
            ('events', 'INSERT, SELECT'),
            ('idempotency_counts', 'DELETE, INSERT, SELECT, UPDATE'),
            ('idempotency_keys', 'DELETE, INSERT, SELECT, UPDATE'),
            ('instance_counts', 'INSERT, SELECT, UPDATE'),
            ('instance_events', 'INSERT, SELECT, UPDATE'),
            ('instance_moves', 'INSERT, SELECT, UPDATE'),
            ('instance_pruning', 'SELECT, UPDATE'),
            ('instances', 'DELETE, INSERT, SELECT, UPDATE'),
            ('invoices', 'DELETE, INSERT, SELECT, UPDATE'),
            ('license_requests', 'INSERT, SELECT'),
            ('license_revocations', 'DELETE, INSERT, SELECT, UPDATE'),
            ('licenses', 'INSERT, SELECT, UPDATE'),
            ('meter_events', 'INSERT, SELECT, UPDATE'),
            ('notice_cursor', 'SELECT, UPDATE'),
            ('notices', 'DELETE, INSERT, SELECT, UPDATE'),
            ('overrides', 'DELETE, INSERT, SELECT, UPDATE'),
            ('payment_reversals', 'INSERT, SELECT, UPDATE'),
            ('plan_terms', 'DELETE, INSERT, SELECT'),
            ('reminder_start', 'SELECT, UPDATE'),
            ('reminders', 'DELETE, SELECT, UPDATE'),
            ('revenue_customers', 'SELECT'),
            ('revenue_movements', 'SELECT'),
            ('revenue_plans', 'SELECT'),
            ('revenue_policy', 'SELECT'),
            ('revenue_sums', 'SELECT'),
            ('revenue_values', 'SELECT'),
            ('revocation_lists', 'DELETE, INSERT, SELECT'),
            ('revocation_restores', 'INSERT, SELECT, UPDATE'),
            ('revoked_before', 'DELETE, INSERT, SELECT, UPDATE'),
            ('schema_migrations', 'SELECT'),
            ('session_links', 'DELETE, INSERT, SELECT'),
            ('sessions', 'DELETE, INSERT, SELECT, UPDATE'),
            ('sign_up_counts', 'INSERT, SELECT, UPDATE'),
            ('signing_keys', 'INSERT, SELECT, UPDATE'),
            ('stripe_account', 'INSERT, SELECT, UPDATE'),
            ('stripe_calls', 'DELETE, INSERT, SELECT, UPDATE'),
            ('stripe_events', 'DELETE, INSERT, SELECT, UPDATE'),
            ('stripe_prices', 'DELETE, INSERT, SELECT, UPDATE'),
            ('stripe_sweeps', 'SELECT, UPDATE'),
            ('stripe_unknown_prices', 'DELETE, INSERT, SELECT, UPDATE'),
            ('subscriptions', 'INSERT, SELECT, UPDATE'),
            ('trial_redemptions', 'INSERT, SELECT'),
            ('trial_skeletons', 'INSERT, SELECT, UPDATE'),
            ('usage_backfill', 'SELECT, UPDATE'),
            ('usage_daily', 'INSERT, SELECT, UPDATE'),
            ('usage_daily_metrics', 'DELETE, INSERT, SELECT, UPDATE'),
            ('usage_days', 'INSERT, SELECT'),
            ('usage_files', 'INSERT, SELECT'),
            ('usage_fleet_instances', 'DELETE, INSERT, SELECT, UPDATE'),
            ('usage_fleets', 'INSERT, SELECT, UPDATE'),
            ('usage_limit_levels', 'DELETE, INSERT, SELECT, UPDATE'),
            ('usage_metric_sums', 'INSERT, SELECT'),
            ('usage_pending', 'DELETE, INSERT, SELECT'),
            ('usage_report_ids', 'DELETE, INSERT, SELECT, UPDATE'),
            ('usage_reports', 'DELETE, INSERT, SELECT, UPDATE'),
            ('usage_watch', 'INSERT, SELECT, UPDATE'),
            ('webhook_backlogs', 'DELETE, INSERT, SELECT, UPDATE'),
            ('webhook_deliveries', 'DELETE, INSERT, SELECT, UPDATE'),
            ('webhook_endpoints', 'DELETE, INSERT, SELECT, UPDATE'),
            ('webhook_keys', 'INSERT, SELECT')),
        relations AS (
            SELECT c.relname::text AS name, c.oid, w.privileges AS wanted,
                   (SELECT string_agg(p, ', ' ORDER BY p) FROM unnest(ARRAY['DELETE', 'INSERT',
                       'REFERENCES', 'SELECT', 'TRIGGER', 'TRUNCATE', 'UPDATE']) p
                    WHERE has_table_privilege(service, c.oid, p)) AS granted
            FROM pg_class c LEFT JOIN wanted w ON w.name = c.relname
            WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v')
            AND pg_has_role(c.relowner, 'USAGE'))
        SELECT * FROM relations WHERE granted IS DISTINCT FROM wanted
    LOOP
        EXECUTE format('REVOKE ALL ON %I FROM %I', item.name, service);
        IF item.wanted IS NOT NULL THEN
            EXECUTE format('GRANT %s ON %I TO %I', item.wanted, item.name, service);
        END IF;
    END LOOP;

    FOR item IN SELECT name FROM (VALUES ('event_numbers'), ('usage_ids')) AS wanted (name)
        WHERE NOT has_sequence_privilege(service, name, 'USAGE')
    LOOP
        EXECUTE format('GRANT USAGE ON SEQUENCE %I TO %I', item.name, service);
    END LOOP;

    FOR item IN SELECT name FROM (VALUES
            ('event_base_raise()'),
            ('event_floor_raise()'),
            ('event_month_detach(timestamptz)'),
            ('event_months_drop()'),
            ('event_months_make(timestamptz, bigint)'),
            ('event_strays_delete(timestamptz)'),
            ('events_forget_some(text, bigint, bigint, bigint, bigint, bigint)'),
            ('reminders_make(timestamptz, timestamptz, text, bigint)'),
            ('usage_days_count(text[], date[])'),
            ('usage_metrics_count(text[], date[])'),
            ('usage_partition_detach(timestamptz, timestamptz, boolean)'),
            ('usage_partitions_drop()'),
            ('usage_partitions_make(timestamptz, bigint)')) AS wanted (name)
        WHERE NOT has_function_privilege(service, name, 'EXECUTE')
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', item.name, service);
    END LOOP;

    IF NOT has_database_privilege(service, current_database(), 'CONNECT') THEN
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), service);
    END IF;
    IF NOT has_schema_privilege(service, current_schema(), 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), service);
    END IF;
    -- PostgreSQL lets every role make temporary tables, and before version 15 tables in "public".
    IF has_schema_privilege(service, current_schema(), 'CREATE') THEN
        EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC, %I', current_schema(), service);
    END IF;
    IF has_database_privilege(service, current_database(), 'TEMPORARY') THEN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC, %I', current_database(), service);
    END IF;
END $$;
