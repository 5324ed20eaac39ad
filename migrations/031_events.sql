-- 031_events.sql: the log of events, each written in the transaction of the change that it tells of.
--
-- A reader takes the events whose position is below event_horizon(): the base plus the oldest
-- transaction that is still open. A position is not below the base plus the transaction that writes
-- it. So an event that is committed late lies behind everything that was read before.

-- `sequence` counts the events of a customer, `position` is that of the last one. The row's lock makes
-- the sequence gapless. Events that belong to no customer are counted under the empty id.
CREATE TABLE event_sequences (
    customer_id text PRIMARY KEY,
    sequence    bigint NOT NULL,
    position    bigint NOT NULL
) WITH (fillfactor = 70);

-- `base` is raised when the database comes into a cluster with lower transaction ids. Positions below
-- `floor` were given before: a lower one shows such a cluster.
CREATE TABLE event_clock (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    base     bigint NOT NULL DEFAULT 0,
    floor    bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

INSERT INTO event_clock DEFAULT VALUES;

CREATE SEQUENCE event_numbers;

-- Events of the same position have the order of their numbers.
CREATE TABLE events (
    position    bigint NOT NULL,
    number      bigint NOT NULL,
    event_id    uuid NOT NULL,
    type        text NOT NULL,
    customer_id text,
    sequence    bigint NOT NULL,
    created_at  timestamptz(3) NOT NULL,
    data        json NOT NULL
) PARTITION BY RANGE (created_at);

CREATE INDEX events_order ON events (position, number);
CREATE INDEX events_of_customer ON events (customer_id, position, number);
CREATE INDEX events_of_type ON events (type, position, number);
CREATE INDEX events_by_id ON events (event_id);

-- Events of a month that has no partition, as when a clock jumps.
DO $$
BEGIN
    EXECUTE 'CREATE TABLE events_default PARTITION OF events DEFAULT';
END $$;

CREATE FUNCTION event_horizon() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT base + pg_snapshot_xmin(pg_current_snapshot())::text::bigint FROM event_clock
$$;

-- Writes an event as the last thing of its transaction: until the transaction ends, no other event of
-- the customer is written. Data of 20 KB or more is left out. Tells the event's sequence.
CREATE FUNCTION event_add(kind text, customer text, at timestamptz, content text) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    clock event_clock;
    own   bigint;
    last  event_sequences;
BEGIN
    -- event_base_raise() waits for all that have read the base.
    LOCK TABLE event_sequences IN ROW EXCLUSIVE MODE;
    SELECT * INTO clock FROM event_clock;
    own := pg_current_xact_id()::text::bigint + clock.base;
    IF own < clock.floor THEN
        own := greatest(own, clock.floor, (SELECT max(position) FROM events));
    END IF;
    INSERT INTO event_sequences AS s (customer_id, sequence, position)
        VALUES (COALESCE(customer, ''), 1, own)
        ON CONFLICT (customer_id) DO UPDATE
        SET sequence = s.sequence + 1, position = greatest(s.position, excluded.position)
        RETURNING * INTO last;
    INSERT INTO events (position, number, event_id, type, customer_id, sequence, created_at, data)
        VALUES (last.position, nextval('event_numbers'), gen_random_uuid(), kind, customer, last.sequence,
            at, CASE WHEN octet_length(content) < 20480 THEN content::json
                     ELSE json_build_object('customer_id', customer, 'too_large', true) END);
    RETURN last.sequence;
END $$;

-- Raises the base so that new positions lie behind all that were given. It waits for all transactions
-- that have written an event, and then remembers how far the positions have come. Tells by how much
-- it raised the base: 0 where the cluster is the one of before.
CREATE FUNCTION event_base_raise() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '2s' AS $$
DECLARE
    own     bigint := pg_current_xact_id()::text::bigint;
    highest bigint;
    missing bigint;
BEGIN
    LOCK TABLE event_sequences IN SHARE MODE;
    SELECT greatest(floor, (SELECT max(position) FROM events), (SELECT max(position) FROM event_sequences))
        INTO highest FROM event_clock;
    SELECT greatest(highest + 1 - base - own, 0) INTO missing FROM event_clock;
    UPDATE event_clock SET base = base + missing, floor = highest;
    RETURN missing;
END $$;

-- Remembers how far the positions have come; only forward.
CREATE FUNCTION event_floor_raise() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE event_clock SET floor = event_horizon() WHERE floor < event_horizon();
    RETURN FOUND;
END $$;

-- Takes the personal data out of a customer's events.
CREATE FUNCTION events_forget(customer text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE events SET data = (data::jsonb - ARRAY['email', 'company_name', 'pending_email'])::json
        WHERE customer_id = customer AND data::jsonb ?| ARRAY['email', 'company_name', 'pending_email'];
END $$;

-- Makes the partitions of the month of `at`, of the month before, and of so many ahead. Events of
-- such a month that are in events_default move into it. Tells how many months it made.
CREATE FUNCTION event_months_make(at timestamptz, months_ahead bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '2s' AS $$
DECLARE
    month timestamp := date_trunc('month', at AT TIME ZONE 'UTC') - interval '1 month';
    last  timestamp := date_trunc('month', at AT TIME ZONE 'UTC') + months_ahead * interval '1 month';
    first timestamptz;
    after timestamptz;
    name  text;
    made  bigint := 0;
BEGIN
    -- Two hosts at once; the number is any that nothing else uses.
    PERFORM pg_advisory_xact_lock(113672440080245);
    WHILE month <= last LOOP
        name := to_char(month, '"events_"YYYY"_"MM');
        first := month AT TIME ZONE 'UTC';
        after := (month + interval '1 month') AT TIME ZONE 'UTC';
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
            EXECUTE format('WITH moved AS (DELETE FROM events_default WHERE created_at >= %L '
                           'AND created_at < %L RETURNING *) INSERT INTO %I SELECT * FROM moved',
                           first, after, name);
            EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           name, first, after);
            made := made + 1;
        END IF;
        month := month + interval '1 month';
    END LOOP;
    RETURN made;
END $$;

-- Takes the oldest month out of the log when all of it is older than the time given. Tells whether it
-- did: not when no month is so old, or when the lock could not be had at once.
CREATE FUNCTION event_month_detach(cutoff timestamptz) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '100ms' AS $$
DECLARE
    name text;
BEGIN
    SELECT c.relname INTO name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'events'::regclass
        AND CASE WHEN c.relname ~ '^events_[0-9]{4}_[0-9]{2}$'
                 THEN (to_timestamp(right(c.relname, 7), 'YYYY_MM')::timestamp + interval '1 month')
                      AT TIME ZONE 'UTC' <= cutoff
                 ELSE false END
        ORDER BY c.relname LIMIT 1;
    IF name IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('ALTER TABLE events DETACH PARTITION %I', name);
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END $$;

-- Drops the months that were taken out.
CREATE FUNCTION event_months_drop() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '2s' AS $$
DECLARE
    name    text;
    dropped bigint := 0;
BEGIN
    FOR name IN SELECT c.relname FROM pg_class c
        WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
        AND c.relname ~ '^events_[0-9]{4}_[0-9]{2}$'
        AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I', name);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['event_base_raise()', 'event_floor_raise()', 'events_forget(text)',
                                'event_months_make(timestamptz, bigint)',
                                'event_month_detach(timestamptz)', 'event_months_drop()'] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', name, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', name);
    END LOOP;
END $$;

SELECT event_months_make(now(), 3);
