-- 014_usage_month_names.sql: usage_partition_detach() reads the month of a partition's name only.
--
-- The planner may evaluate the conditions of its query in any order, so to_timestamp() could meet the
-- name of another table, and fail. The CASE reads the month of names that have one. CREATE OR REPLACE
-- keeps the privileges; the owner's rights and the search path are given again, as in migration 006.

CREATE OR REPLACE FUNCTION usage_partition_detach(cutoff timestamptz, at timestamptz, counted boolean)
    RETURNS bigint LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
DECLARE
    name    text;
    reports bigint := 0;
BEGIN
    SELECT c.relname INTO name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'usage_reports'::regclass
        AND CASE WHEN c.relname ~ '^usage_reports_[0-9]{4}_[0-9]{2}$'
                 THEN (to_timestamp(right(c.relname, 7), 'YYYY_MM')::timestamp + interval '1 month')
                      AT TIME ZONE 'UTC' <= least(cutoff, at - interval '36 days')
                 ELSE false END
        ORDER BY c.relname LIMIT 1;
    IF name IS NULL THEN
        RETURN NULL;
    END IF;
    IF counted THEN
        EXECUTE format('SELECT count(*) FROM %I', name) INTO reports;
    END IF;
    EXECUTE format('ALTER TABLE usage_reports DETACH PARTITION %I', name);
    RETURN reports;
EXCEPTION WHEN lock_not_available THEN
    RETURN NULL;
END $$;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION usage_partition_detach(timestamptz, timestamptz, boolean) '
                   'SECURITY DEFINER SET search_path = %I, pg_temp', current_schema());
END $$;
