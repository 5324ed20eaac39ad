-- Usage that was carried here as files, where no network reaches: one row for each file, so that one
-- that is missing, or was changed on its way, shows.
CREATE TABLE usage_files (
    customer_id text NOT NULL REFERENCES customers,
    instance_id text NOT NULL,
    -- The files of one folder of the agent's.
    chain       text NOT NULL,
    file        bigint NOT NULL CHECK (file > 0),
    digest      bytea NOT NULL,
    reports     bigint NOT NULL,
    imported_at timestamptz(3) NOT NULL,
    PRIMARY KEY (customer_id, instance_id, chain, file)
);
