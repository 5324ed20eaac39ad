-- 040_event_strays.sql: events of months that have no partition, as of a clock that was wrong, are
-- deleted when they are old.

CREATE FUNCTION event_strays_delete(cutoff timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    deleted bigint;
BEGIN
    DELETE FROM events_default WHERE created_at < cutoff;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END $$;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION event_strays_delete(timestamptz) SET search_path = %I, pg_temp',
                   current_schema());
END $$;

REVOKE ALL ON FUNCTION event_strays_delete(timestamptz) FROM PUBLIC;
