-- 054_renewals_told.sql: a renewal that comes behind the loss of its lease is told.

-- Whether the lease was told as lost, by the newest rows: the loss may have been told while the caller waited
-- for the row of the instance.
CREATE FUNCTION instance_lost_told(customer text, instance text, lease_end timestamptz) RETURNS boolean
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM event_keys WHERE customer_id = customer
        AND key = 'instance.lost ' || instance || ' ' || api_time(lease_end);
    RETURN FOUND;
END $$;
