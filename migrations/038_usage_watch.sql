-- 038_usage_watch.sql: events of the use: instances that are activated and lost, and limits that are
-- reached.

-- Customers whose use is compared with their limits. `levels` has the share of each limit, in percent,
-- that was told last; NULL: it is only recorded at the first look. `check_at` NULL: nothing has changed
-- since the last look.
CREATE TABLE usage_watch (
    customer_id text PRIMARY KEY,
    check_at    timestamptz(3),
    checked_at  timestamptz(3) NOT NULL DEFAULT '-infinity',
    levels      jsonb DEFAULT '{}'
) WITH (fillfactor = 70);

CREATE INDEX usage_watch_due ON usage_watch (check_at) WHERE check_at IS NOT NULL;

-- As event_add(), unless the customer has an event with this key.
CREATE FUNCTION event_add_once(kind text, customer text, at timestamptz, content text, name text)
    RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO event_keys (customer_id, key, written_at) VALUES (customer, name, at)
        ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM event_add(kind, customer, at, content);
    RETURN true;
END $$;

-- A time as the API shows it.
CREATE FUNCTION api_time(at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- An instance as the API shows it.
CREATE FUNCTION instance_shown(i instances, at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_build_object('instance_id', i.instance_id,
        'state', CASE WHEN i.lease_expires_at > at THEN 'active'
                      WHEN i.released_at IS NOT NULL THEN 'released' ELSE 'expired' END,
        'kind', i.kind, 'first_seen_at', api_time(i.first_seen_at),
        'last_seen_at', api_time(i.last_seen_at), 'activated_at', api_time(i.activated_at),
        'lease_expires_at', api_time(i.lease_expires_at), 'released_at', api_time(i.released_at),
        'latest_reported_at', api_time(i.latest_reported_at), 'active_devices', i.active_devices,
        'total_devices', i.total_devices, 'metrics', i.metrics)::text
$$;

-- The end of a trial or contract is new: the jobs look at it. Other limits count: they look at the use.
CREATE OR REPLACE FUNCTION subscription_reminders() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NEW.contract_id IS NOT NULL OR NEW.trial_ends_at IS NOT NULL THEN
        INSERT INTO reminders (kind, customer_id, subject, due_at)
            VALUES (CASE WHEN NEW.contract_id IS NULL THEN 'trial' ELSE 'contract' END,
                NEW.customer_id, COALESCE(NEW.contract_id, NEW.subscription_id::text), '-infinity')
            ON CONFLICT (kind, customer_id, subject) DO UPDATE SET due_at = excluded.due_at;
    END IF;
    UPDATE usage_watch SET check_at = '-infinity'
        WHERE customer_id = NEW.customer_id AND check_at IS DISTINCT FROM '-infinity';
    RETURN NEW;
END $$;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION subscription_reminders() SET search_path = %I, pg_temp', current_schema());
END $$;

-- Of the use so far nothing is told.
INSERT INTO usage_watch (customer_id, check_at, levels) SELECT customer_id, '-infinity', NULL
    FROM usage_fleets;
