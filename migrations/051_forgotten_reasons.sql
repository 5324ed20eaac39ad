-- 051_forgotten_reasons.sql: what operators wrote about licences that they revoked goes with the customer.

-- Whether the service gives that reason itself. Other ones are texts of operators, which may name people.
CREATE FUNCTION revoke_reason_is_own(reason text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT reason IN ('rotated', 'superseded', 'restored', 'key_distrusted', 'customer_deleted',
        'access_ended', 'rights_reduced', 'plan_reduced', 'instance_released', 'instance_transferred',
        'erased')
$$;

-- Customers that were deleted before.
UPDATE licenses l SET revoke_reason = 'erased' FROM customers c
WHERE c.customer_id = l.customer_id AND c.deleted_at IS NOT NULL
AND NOT revoke_reason_is_own(l.revoke_reason);
