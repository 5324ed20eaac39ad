-- 027_overrides.sql: features and limits that an operator has given one customer in place of its plan's.

-- One set for each customer; `expires_at` NULL: without an end. A set that has ended stays until it is
-- replaced, and counts no more. The row of a deleted customer is deleted.
CREATE TABLE overrides (
    customer_id text PRIMARY KEY REFERENCES customers,
    features    jsonb NOT NULL,
    limits      jsonb NOT NULL,
    expires_at  timestamptz(3),
    reason      text NOT NULL,
    set_by      text NOT NULL,
    set_at      timestamptz(3) NOT NULL
);

-- The object before and after a change, as the API shows it; NULL where there is none.
ALTER TABLE audit_log ADD COLUMN value_before jsonb, ADD COLUMN value_after jsonb;

-- The features, limits and overage that the licence has; NULL for one that was issued before.
ALTER TABLE licenses ADD COLUMN grants jsonb;
