-- 052_instance_versions.sql: the version of the vendor's product at each instance, as its reports tell.

-- That of the newest report that has one; NULL: none had. NOT VALID, as no row of before has one, so
-- that the lock is short.
ALTER TABLE instances ADD COLUMN version text;
ALTER TABLE instances ADD CONSTRAINT instances_version_check
    CHECK (length(version) <= 64 AND version ~ '^[!-~]([ -~]*[!-~])?$') NOT VALID;

-- An instance as the API shows it.
CREATE OR REPLACE FUNCTION instance_shown(i instances, at timestamptz) RETURNS text
    LANGUAGE sql STABLE AS $$
    SELECT json_build_object('instance_id', i.instance_id,
        'state', CASE WHEN i.lease_expires_at > at THEN 'active'
                      WHEN i.released_at IS NOT NULL THEN 'released' ELSE 'expired' END,
        'kind', i.kind, 'first_seen_at', api_time(i.first_seen_at),
        'last_seen_at', api_time(i.last_seen_at), 'activated_at', api_time(i.activated_at),
        'lease_expires_at', api_time(i.lease_expires_at), 'released_at', api_time(i.released_at),
        'latest_reported_at', api_time(i.latest_reported_at), 'version', i.version,
        'active_devices', i.active_devices, 'total_devices', i.total_devices,
        'metrics', i.metrics)::text
$$;
