-- 034_reminders.sql: events that a date brings, and the rows that let each be written once.

-- An event that is written once has a row here, in its transaction. `key` names the type, the object and
-- the date.
CREATE TABLE event_keys (
    customer_id text NOT NULL,
    key         text NOT NULL,
    written_at  timestamptz(3) NOT NULL,
    PRIMARY KEY (customer_id, key)
);

CREATE INDEX event_keys_written ON event_keys (written_at);

-- Ends and days before `since` are not told. `seen_at` is the latest time that the jobs have seen, as a
-- clock that was set back shows by it.
--
-- At first, and after a clock was set back, the jobs look at all ends after `made_from`, some customers at
-- a time. `made_until` is the last customer that was done; NULL: all are.
CREATE TABLE reminder_start (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    since      timestamptz(3) NOT NULL DEFAULT now(),
    seen_at    timestamptz(3) NOT NULL DEFAULT now(),
    made_from  timestamptz(3) NOT NULL DEFAULT now(),
    made_until text DEFAULT ''
) WITH (fillfactor = 50);

INSERT INTO reminder_start DEFAULT VALUES;

-- Objects with an end of which events tell beforehand. `subject` is the id of the subscription or of the
-- contract; of a licence it is the instance that it is bound to, or empty. At `due_at` the jobs look at
-- the object; a licence that was renewed since then gets a later time.
CREATE TABLE reminders (
    kind        text NOT NULL CHECK (kind IN ('trial', 'contract', 'license')),
    customer_id text NOT NULL,
    subject     text NOT NULL,
    due_at      timestamptz(3) NOT NULL,
    PRIMARY KEY (kind, customer_id, subject)
);

CREATE INDEX reminders_due ON reminders (kind, due_at);

-- The end of a trial or contract is new: the jobs look at it.
CREATE FUNCTION subscription_reminders() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NEW.contract_id IS NOT NULL OR NEW.trial_ends_at IS NOT NULL THEN
        INSERT INTO reminders (kind, customer_id, subject, due_at)
            VALUES (CASE WHEN NEW.contract_id IS NULL THEN 'trial' ELSE 'contract' END,
                NEW.customer_id, COALESCE(NEW.contract_id, NEW.subscription_id::text), '-infinity')
            ON CONFLICT (kind, customer_id, subject) DO UPDATE SET due_at = excluded.due_at;
    END IF;
    RETURN NEW;
END $$;

-- A later end leaves the row as it is: the jobs look before it, and find the newest licence. A row that
-- is due may be in work just now.
CREATE FUNCTION license_reminders() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    lasts interval := NEW.expires_at - NEW.issued_at;
    first timestamptz := NEW.expires_at - CASE WHEN lasts > interval '30 days' THEN interval '30 days'
        WHEN lasts > interval '7 days' THEN interval '7 days'
        WHEN lasts > interval '1 day' THEN interval '1 day' ELSE interval '0' END;
BEGIN
    IF NOT EXISTS (SELECT FROM reminders WHERE kind = 'license' AND customer_id = NEW.customer_id
            AND subject = COALESCE(NEW.instance_id, '')
            AND due_at <= first AND due_at > NEW.issued_at) THEN
        INSERT INTO reminders AS r (kind, customer_id, subject, due_at)
            VALUES ('license', NEW.customer_id, COALESCE(NEW.instance_id, ''), first)
            ON CONFLICT (kind, customer_id, subject) DO UPDATE SET due_at = excluded.due_at
            WHERE r.due_at > excluded.due_at OR r.due_at <= NEW.issued_at;
    END IF;
    RETURN NEW;
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['subscription_reminders()', 'license_reminders()'] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', name, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', name);
    END LOOP;
END $$;

-- Rows that are stored before the triggers are there are found by the jobs; the triggers see all later ones.
-- They run before a statement writes an event, as the jobs lock the rows in this order too.
CREATE TRIGGER subscription_added BEFORE INSERT ON subscriptions FOR EACH ROW
    EXECUTE FUNCTION subscription_reminders();
CREATE TRIGGER subscription_changed BEFORE UPDATE ON subscriptions FOR EACH ROW
    WHEN (NEW.version <> OLD.version OR NEW.status <> OLD.status OR NEW.superseded <> OLD.superseded
        OR NEW.trial_ends_at IS DISTINCT FROM OLD.trial_ends_at
        OR NEW.ends_at IS DISTINCT FROM OLD.ends_at)
    EXECUTE FUNCTION subscription_reminders();
CREATE TRIGGER license_added BEFORE INSERT ON licenses FOR EACH ROW
    EXECUTE FUNCTION license_reminders();
