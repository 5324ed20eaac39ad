-- 029_bound_licenses.sql: licences for one installation alone, and the requests that they answer.

-- NULL: the licence is for any installation of the customer.
ALTER TABLE licenses ADD COLUMN instance_id text;

-- Older rows satisfy the constraint of before, and so this one.
ALTER TABLE licenses DROP CONSTRAINT licenses_reason_check;
ALTER TABLE licenses ADD CONSTRAINT licenses_reason_check
    CHECK (reason IN ('sign_up', 'first', 'changed', 'refreshed', 'rotated', 'bound')) NOT VALID;

-- A request is answered once.
CREATE TABLE license_requests (
    customer_id text NOT NULL REFERENCES customers,
    nonce       text NOT NULL,
    instance_id text NOT NULL,
    jti         text NOT NULL,
    answered_at timestamptz(3) NOT NULL,
    PRIMARY KEY (customer_id, nonce)
);

CREATE INDEX license_requests_of_instance ON license_requests (customer_id, instance_id);
