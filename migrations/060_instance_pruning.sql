-- 060_instance_pruning.sql: instances that have not been in use for very long are deleted some at a time. The
-- jobs walk through all of them by their key: an index by the end of the lease would cost each report a write.

-- The instance at which the last step ended.
CREATE TABLE instance_pruning (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    customer_id text NOT NULL DEFAULT '',
    instance_id text NOT NULL DEFAULT ''
);

INSERT INTO instance_pruning DEFAULT VALUES;
