-- 049_lost_told.sql: an instance is told as lost only while its lease is still the one that has ended.

-- Whether the lease that the key names is still the instance's, and nothing has released it. A renewal writes
-- its event under the lock of the customer's row in event_sequences: it is seen here, or its event comes
-- behind one that is written next.
CREATE FUNCTION instance_lost_still(customer text, instance text, name text) RETURNS boolean
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM event_sequences WHERE customer_id = customer FOR UPDATE;
    PERFORM FROM instances WHERE customer_id = customer AND instance_id = instance
        AND released_at IS NULL
        AND name = 'instance.lost ' || instance || ' ' || api_time(lease_expires_at);
    RETURN FOUND;
END $$;
