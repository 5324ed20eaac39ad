-- 055_instance_counts.sql: how many instances of a customer its reports have named for the first time in a
-- day, so that no caller makes rows without end.

CREATE TABLE instance_counts (
    customer_id text PRIMARY KEY,
    day         date NOT NULL,
    first_seen  bigint NOT NULL CHECK (first_seen >= 0)
) WITH (fillfactor = 70);

-- Counts so many new instances of the customer, and tells how many of them the bound of the day (UTC) leaves
-- room for. A statement that stores reports calls it before it takes any other lock.
CREATE FUNCTION instances_admit(customer text, at timestamptz, wanted bigint, most bigint) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    today    date := (at AT TIME ZONE 'UTC')::date;
    before   bigint;
    admitted bigint;
BEGIN
    INSERT INTO instance_counts (customer_id, day, first_seen) VALUES (customer, today, 0)
        ON CONFLICT DO NOTHING;
    -- A request of a day that has just ended counts for the new one. A later day is the mistake of a clock.
    SELECT CASE WHEN day IN (today, today + 1) THEN day ELSE today END,
        CASE WHEN day IN (today, today + 1) THEN first_seen ELSE 0 END INTO today, before
        FROM instance_counts WHERE customer_id = customer FOR NO KEY UPDATE;
    admitted := greatest(least(wanted, most - before), 0);
    IF admitted > 0 THEN
        UPDATE instance_counts SET day = today, first_seen = before + admitted WHERE customer_id = customer;
    END IF;
    RETURN admitted;
END $$;
