-- 043_reminder_batches.sql: ends are looked at anew some customers at a time, however many there are.

-- Has the jobs look at everything that ends after `ends_after`, and at the use, of the next customers behind
-- one. Tells the last of them; NULL: there are none. A row that a trigger makes meanwhile may be due sooner,
-- and stays so.
CREATE FUNCTION reminders_make(ends_after timestamptz, at timestamptz, behind text, most bigint) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    last text;
BEGIN
    SELECT max(customer_id) INTO last FROM (SELECT customer_id FROM customers
        WHERE customer_id > behind ORDER BY customer_id LIMIT most) c;
    INSERT INTO reminders AS o (kind, customer_id, subject, due_at)
        SELECT CASE WHEN contract_id IS NULL THEN 'trial' ELSE 'contract' END, customer_id,
            COALESCE(contract_id, subscription_id::text), '-infinity'
        FROM subscriptions WHERE customer_id > behind AND customer_id <= last
        AND status NOT IN ('canceled', 'incomplete_expired')
        AND COALESCE(ends_at, trial_ends_at) > ends_after
        ON CONFLICT (kind, customer_id, subject) DO UPDATE SET due_at = LEAST(o.due_at, excluded.due_at);
    INSERT INTO reminders AS o (kind, customer_id, subject, due_at)
        SELECT 'license', c.customer_id, '',
            CASE WHEN l.expires_at > at + interval '30 days' THEN l.expires_at - interval '30 days'
                 ELSE '-infinity' END
        FROM customers c CROSS JOIN LATERAL (
            SELECT expires_at, revoked_at FROM licenses WHERE customer_id = c.customer_id
            AND instance_id IS NULL ORDER BY license_id DESC LIMIT 1) l
        WHERE c.customer_id > behind AND c.customer_id <= last
        AND c.deleted_at IS NULL AND l.revoked_at IS NULL AND l.expires_at > ends_after
        ON CONFLICT (kind, customer_id, subject) DO UPDATE SET due_at = LEAST(o.due_at, excluded.due_at);
    INSERT INTO reminders AS o (kind, customer_id, subject, due_at)
        SELECT 'license', r.customer_id, r.instance_id,
            CASE WHEN max(l.expires_at) > at + interval '30 days'
                 THEN max(l.expires_at) - interval '30 days' ELSE '-infinity' END
        FROM license_requests r JOIN licenses l USING (jti)
        WHERE r.customer_id > behind AND r.customer_id <= last
        AND l.revoked_at IS NULL AND l.expires_at > ends_after GROUP BY 2, 3
        ON CONFLICT (kind, customer_id, subject) DO UPDATE SET due_at = LEAST(o.due_at, excluded.due_at);
    UPDATE usage_watch SET check_at = at
        WHERE customer_id > behind AND customer_id <= last AND check_at > at + interval '5 minutes';
    RETURN last;
END $$;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION reminders_make(timestamptz, timestamptz, text, bigint) '
                   'SET search_path = %I, pg_temp', current_schema());
    REVOKE ALL ON FUNCTION reminders_make(timestamptz, timestamptz, text, bigint) FROM PUBLIC;
END $$;
