-- 028_audit_chain.sql: a chain over the audit trail, in which each link is a digest of an entry and of
-- the link before.
--
-- An entry leaves one row in audit_pending, in the transaction that writes it. The jobs process takes
-- these rows, appends the entries to the chain, and deletes the rows in the same transaction. So
-- no writer waits for another one, and an entry that is committed late is a later link.

CREATE INDEX audit_log_of_actor ON audit_log (actor, audit_id DESC);
CREATE INDEX audit_log_of_action ON audit_log (action, audit_id DESC);

CREATE TABLE audit_pending (
    audit_id bigint PRIMARY KEY
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_cost_delay = 0);

CREATE TABLE audit_chain (
    position   bigint PRIMARY KEY,
    -- No reference: a link stays when its entry is removed, and shows that.
    audit_id   bigint NOT NULL UNIQUE,
    hash       bytea NOT NULL,
    chained_at timestamptz(3) NOT NULL
);

CREATE FUNCTION audit_entry_added() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO audit_pending (audit_id) VALUES (NEW.audit_id);
    RETURN NULL;
END $$;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION audit_entry_added() SET search_path = %I, pg_temp',
                   current_schema());
END $$;

-- It waits for all transactions that have written an entry.
CREATE TRIGGER audit_entry_added AFTER INSERT ON audit_log FOR EACH ROW
    EXECUTE FUNCTION audit_entry_added();

-- Entries of before this migration, up to `last_id`: those up to `done_id` have gone into audit_pending.
CREATE TABLE audit_backfill (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    done_id  bigint NOT NULL DEFAULT 0,
    last_id  bigint NOT NULL,
    -- When the last of them was chained; NULL: not yet.
    ended_at timestamptz(3)
);

-- This row tells which entries may be older than their links, so what it says is fixed: last_id never
-- changes, done_id never goes back, and ended_at is set once.
CREATE FUNCTION audit_backfill_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.last_id <> OLD.last_id OR NEW.done_id < OLD.done_id OR NEW.done_id > NEW.last_id
        OR (OLD.ended_at IS NOT NULL AND NEW.ended_at IS DISTINCT FROM OLD.ended_at)
        OR (NEW.ended_at IS NOT NULL AND NEW.done_id <> NEW.last_id) THEN
        RAISE EXCEPTION 'audit_backfill only goes forward';
    END IF;
    RETURN NEW;
END $$;

INSERT INTO audit_backfill (last_id, ended_at)
    SELECT COALESCE(max(audit_id), 0), CASE WHEN count(*) = 0 THEN now() END FROM audit_log;

CREATE TRIGGER audit_backfill_changes BEFORE UPDATE ON audit_backfill FOR EACH ROW
    EXECUTE FUNCTION audit_backfill_changes();
