-- 010_audit_counts.sql: how many changes of a customer its own keys made within a day, so that nobody
-- fills the audit trail. Earlier days are deleted.

CREATE TABLE audit_counts (
    customer_id text NOT NULL,
    day         date NOT NULL,
    entries     bigint NOT NULL,
    PRIMARY KEY (customer_id, day)
);
