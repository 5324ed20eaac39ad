-- 048_revocations_told.sql: one function tells of revoked licences, for every statement that revokes some.

-- A revoked licence as events and the audit trail show it.
CREATE FUNCTION revoked_license_shown(l licenses) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('jti', l.jti, 'plan', l.plan, 'instance_id', l.instance_id,
        'expires_at', api_time(l.expires_at), 'revoked_at', api_time(l.revoked_at),
        'revoke_reason', l.revoke_reason)
$$;

-- Writes one license.revoked for each customer of these licences, with the newest 50 of them, in the order
-- of the customers' ids. Tells how many it wrote.
CREATE FUNCTION licenses_revoked_tell(revoked licenses[], at timestamptz) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    item record;
    told bigint := 0;
BEGIN
    FOR item IN
        SELECT customer_id, jsonb_build_object('count', max(total),
            'licenses', jsonb_agg(license ORDER BY place))::text AS data
        FROM (SELECT customer_id, count(*) OVER of_customer AS total,
                  row_number() OVER (of_customer ORDER BY license_id DESC) AS place,
                  revoked_license_shown(l) AS license
              FROM unnest(revoked) AS l WINDOW of_customer AS (PARTITION BY customer_id)) AS placed
        WHERE place <= 50 GROUP BY customer_id ORDER BY customer_id
    LOOP
        PERFORM event_add('license.revoked', item.customer_id, at, item.data);
        told := told + 1;
    END LOOP;
    RETURN told;
END $$;
