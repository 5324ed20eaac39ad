-- 056_customer_erasures.sql: the events of a deleted customer lose its personal data some at a time, so that a
-- customer with very many events can be deleted.

-- Customers whose events are not all erased: those up to (position, number) are, the last one is
-- (until_position, until_number). Later events are of the deletion itself, or of what came after it.
CREATE TABLE customer_erasures (
    customer_id    text PRIMARY KEY,
    position       bigint NOT NULL,
    number         bigint NOT NULL,
    until_position bigint NOT NULL,
    until_number   bigint NOT NULL,
    try_at         timestamptz NOT NULL DEFAULT now()
);

-- Takes the personal data out of a customer's events behind the place given, of `most` at a time and not
-- beyond the second place. Tells how far it came, and how many events these were. Instances that are activated
-- and lost, which are most of all events, have no personal data and are not read.
CREATE FUNCTION events_forget_some(customer text, after_position bigint, after_number bigint,
        until_position bigint, until_number bigint, most bigint,
        OUT reached_position bigint, OUT reached_number bigint, OUT events bigint)
    LANGUAGE plpgsql SECURITY DEFINER AS $$
#variable_conflict use_column
DECLARE
    personal constant text[] := ARRAY['email', 'company_name', 'pending_email', 'reference', 'note',
        'end_reason', 'reason', 'revoke_reason'];
    many     constant text[] := ARRAY['instance.activated', 'instance.lost'];
BEGIN
    SELECT position, number, count(*) OVER () INTO reached_position, reached_number, events FROM (
        SELECT position, number FROM events WHERE customer_id = customer
            AND (position, number) > (after_position, after_number)
            AND (position, number) <= (until_position, until_number)
            ORDER BY position, number LIMIT most) page
        ORDER BY position DESC, number DESC LIMIT 1;
    IF NOT FOUND THEN
        reached_position := until_position;
        reached_number := until_number;
        events := 0;
        RETURN;
    END IF;
    UPDATE events SET data = (data::jsonb - personal)::json
        WHERE customer_id = customer AND (position, number) > (after_position, after_number)
        AND (position, number) <= (reached_position, reached_number)
        AND type <> ALL (many) AND data::jsonb ?| personal;
    UPDATE events SET data = (data::jsonb - 'name')::json
        WHERE customer_id = customer AND (position, number) > (after_position, after_number)
        AND (position, number) <= (reached_position, reached_number)
        AND type IN ('key.created', 'key.revoked') AND data::jsonb ? 'name';
    -- Several licences in one event.
    UPDATE events SET data = jsonb_set(data::jsonb, '{licenses}', (
            SELECT COALESCE(jsonb_agg(license - personal), '[]')
            FROM jsonb_array_elements(data::jsonb -> 'licenses') AS l (license)))::json
        WHERE customer_id = customer AND (position, number) > (after_position, after_number)
        AND (position, number) <= (reached_position, reached_number)
        AND type = 'license.revoked' AND jsonb_typeof(data::jsonb -> 'licenses') = 'array';
END $$;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION events_forget_some(text, bigint, bigint, bigint, bigint, bigint) '
        'SET search_path = %I, pg_temp', current_schema());
    REVOKE ALL ON FUNCTION events_forget_some(text, bigint, bigint, bigint, bigint, bigint) FROM PUBLIC;
END $$;
