-- 064_sign_up_counts.sql: how many customers signed up without a key of an operator in an hour.

-- The count of the newest hour (UTC).
CREATE TABLE sign_up_counts (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    hour     timestamptz(3) NOT NULL,
    sign_ups bigint NOT NULL CHECK (sign_ups > 0)
) WITH (fillfactor = 70);
