-- 006_roles.sql: the months of usage reports are made and dropped by the owner of the schema.
--
-- billingd's role may be another than the owner (lib/accounts/grants.sql), and may neither make nor
-- drop tables. The three functions run as the owner, in the schema that this migration runs in.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['usage_partitions_make(timestamptz, bigint)',
                                'usage_partition_detach(timestamptz, timestamptz, boolean)',
                                'usage_partitions_drop()'] LOOP
        EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = %I, pg_temp', name,
                       current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', name);
    END LOOP;
END $$;
