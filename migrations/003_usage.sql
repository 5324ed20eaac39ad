-- What customers' instances report, exactly once each: the reports themselves, by month, and the
-- roll-ups that are written in the same statement. Days and months are UTC's. Customers are never
-- deleted, only made anonymous, so that the busiest tables do without a reference to them.

CREATE SEQUENCE usage_ids AS bigint;

CREATE TABLE usage_reports (
    usage_id       bigint NOT NULL DEFAULT nextval('usage_ids'),
    customer_id    text NOT NULL,
    instance_id    text NOT NULL,
    active_devices bigint NOT NULL CHECK (active_devices BETWEEN 0 AND total_devices),
    total_devices  bigint NOT NULL CHECK (total_devices <= 2147483647),
    metrics        jsonb NOT NULL,
    reported_at    timestamptz(3) NOT NULL,
    received_at    timestamptz(3) NOT NULL,
    report_id      text,
    -- A correction is a report of its own, with the id of the one that no longer counts.
    corrects       bigint,
    reason         text,
    superseded_by  bigint,
    PRIMARY KEY (usage_id, reported_at),
    CHECK ((corrects IS NULL) = (reason IS NULL))
) PARTITION BY RANGE (reported_at);

-- Newest first by keyset: of a customer, of one instance.
CREATE INDEX usage_reports_of_customer ON usage_reports (customer_id, reported_at, usage_id);
CREATE INDEX usage_reports_of_instance
    ON usage_reports (customer_id, instance_id, reported_at, usage_id);

-- A unique index of a partitioned table would have to contain the month, and a report that is sent
-- again may name another one: what was seen in any month is remembered here.
CREATE TABLE usage_report_ids (
    customer_id text NOT NULL,
    report_id   text NOT NULL,
    usage_id    bigint NOT NULL,
    reported_at timestamptz(3) NOT NULL,
    PRIMARY KEY (customer_id, report_id)
);

CREATE INDEX usage_report_ids_age ON usage_report_ids (reported_at);

-- Room on each page lets updates stay there and touch no index.
CREATE TABLE usage_daily (
    customer_id        text NOT NULL,
    day                date NOT NULL,
    instance_id        text NOT NULL,
    reports            bigint NOT NULL CHECK (reports >= 0),
    active_devices_max bigint NOT NULL,
    active_devices_sum bigint NOT NULL,
    total_devices_max  bigint NOT NULL,
    total_devices_sum  bigint NOT NULL,
    PRIMARY KEY (customer_id, day, instance_id)
) WITH (fillfactor = 80);

CREATE TABLE usage_daily_metrics (
    customer_id text NOT NULL,
    day         date NOT NULL,
    instance_id text NOT NULL,
    metric      text NOT NULL,
    -- Sums of integers may grow beyond what 64 bits hold.
    total       numeric NOT NULL CHECK (total >= 0),
    highest     bigint NOT NULL,
    PRIMARY KEY (customer_id, day, instance_id, metric)
) WITH (fillfactor = 80);

-- Every instance that ever reported or was activated, with its newest report. It is in use until
-- its lease ends: reports and activations extend it, a release ends it.
CREATE TABLE instances (
    customer_id        text NOT NULL REFERENCES customers,
    instance_id        text NOT NULL,
    first_seen_at      timestamptz(3) NOT NULL,
    last_seen_at       timestamptz(3) NOT NULL,
    activated_at       timestamptz(3),
    lease_expires_at   timestamptz(3) NOT NULL,
    released_at        timestamptz(3),
    latest_usage_id    bigint,
    latest_reported_at timestamptz(3),
    active_devices     bigint NOT NULL DEFAULT 0,
    total_devices      bigint NOT NULL DEFAULT 0,
    metrics            jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (customer_id, instance_id)
) WITH (fillfactor = 70);

-- Makes the months that reports may name: from 36 days back (a report may be 35 days late) to so
-- many months ahead. Inserts go on meanwhile: attaching a partition does not lock them out. Tells
-- how many it made.
CREATE FUNCTION usage_partitions_make(at timestamptz, months_ahead bigint) RETURNS bigint
    LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    month timestamp := date_trunc('month', (at - interval '36 days') AT TIME ZONE 'UTC');
    last  timestamp := date_trunc('month', at AT TIME ZONE 'UTC') + months_ahead * interval '1 month';
    name  text;
    made  bigint := 0;
BEGIN
    -- Two hosts at once; the number is any that nobody else uses.
    PERFORM pg_advisory_xact_lock(113672440080243);
    WHILE month <= last LOOP
        name := to_char(month, '"usage_reports_"YYYY"_"MM');
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE usage_reports INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                           name);
            EXECUTE format('ALTER TABLE usage_reports ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           name, month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
            made := made + 1;
        END IF;
        month := month + interval '1 month';
    END LOOP;
    RETURN made;
END $$;

-- Takes the oldest month out of usage_reports when all of it is older than the time given, and than
-- a report may be late. Tells how many reports it had when `counted`, else 0; NULL when there is
-- none, or when it could not be had at once: who waits for it would hold up everybody's inserts.
CREATE FUNCTION usage_partition_detach(cutoff timestamptz, at timestamptz, counted boolean)
    RETURNS bigint LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
DECLARE
    name    text;
    reports bigint := 0;
BEGIN
    SELECT c.relname INTO name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'usage_reports'::regclass
        AND (to_timestamp(right(c.relname, 7), 'YYYY_MM')::timestamp + interval '1 month')
            AT TIME ZONE 'UTC' <= least(cutoff, at - interval '36 days')
        ORDER BY c.relname LIMIT 1;
    IF name IS NULL THEN
        RETURN NULL;
    END IF;
    IF counted THEN
        EXECUTE format('SELECT count(*) FROM %I', name) INTO reports;
    END IF;
    EXECUTE format('ALTER TABLE usage_reports DETACH PARTITION %I', name);
    RETURN reports;
EXCEPTION WHEN lock_not_available THEN
    RETURN NULL;
END $$;

-- Drops the months that were taken out. Nobody inserts into them, so nobody waits.
CREATE FUNCTION usage_partitions_drop() RETURNS bigint
    LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    name    text;
    dropped bigint := 0;
BEGIN
    FOR name IN SELECT c.relname FROM pg_class c
        WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
        AND c.relname ~ '^usage_reports_[0-9]{4}_[0-9]{2}$'
        AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I', name);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;

SELECT usage_partitions_make(now(), 3);
