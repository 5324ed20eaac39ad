-- 057_instance_events.sql: so many instances of a customer are told as activated and lost in a day.

-- How many of these events a customer had on its newest day (UTC).
CREATE TABLE instance_events (
    customer_id text PRIMARY KEY,
    day         date NOT NULL,
    events      bigint NOT NULL
) WITH (fillfactor = 70);

-- As event_add_once(), for events of reports and of leases that end. Beyond `most` of a day one instance.many
-- stands for all that follow on that day. Events written at the same moment may be a few more.
CREATE FUNCTION instance_event_add(kind text, customer text, at timestamptz, content text, name text, most bigint)
    RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    today  date := (at AT TIME ZONE 'UTC')::date;
    so_far bigint := (SELECT i.events FROM instance_events i
        WHERE i.customer_id = customer AND i.day IN (today, today + 1));
BEGIN
    IF so_far >= most THEN
        PERFORM event_add_once('instance.many', customer, at,
            json_build_object('customer_id', customer, 'day', today, 'events', so_far)::text,
            'instance.many ' || today);
        RETURN false;
    END IF;
    IF NOT event_add_once(kind, customer, at, content, name) THEN
        RETURN false;
    END IF;
    -- Behind the lock of the customer's row in event_sequences, as all that writes here. A request of a day
    -- that has just ended counts for the new one. A later day is the mistake of a clock.
    INSERT INTO instance_events AS i (customer_id, day, events) VALUES (customer, today, 1)
        ON CONFLICT (customer_id) DO UPDATE
        SET day = CASE WHEN i.day = today + 1 THEN i.day ELSE today END,
        events = CASE WHEN i.day IN (today, today + 1) THEN i.events + 1 ELSE 1 END;
    RETURN true;
END $$;
