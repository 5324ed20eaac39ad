-- 022_usage_sums.sql: the sums of whole customers, and the reports that wait to be counted in them.
--
-- A report leaves one row in usage_pending, in the transaction that stores it. The jobs process folds
-- these rows into the sums, many at a time, and deletes them in the same transaction: every snapshot
-- sees a report either there or in the sums, and a sum at any moment is both parts together.
--
-- usage_daily and usage_daily_metrics stay the sums of each instance. Triggers carry every change of
-- them to the sums of the customer, also the changes of a program that does not know these tables.
-- Sums of earlier days are counted by the jobs process; until then they are read as before.

CREATE TABLE usage_pending (
    customer_id    text NOT NULL,
    -- Of the sequence usage_ids: the report's id.
    pending_id     bigint NOT NULL,
    instance_id    text NOT NULL,
    -- NULL: no report; the instance changed otherwise.
    day            date,
    active_devices bigint,
    total_devices  bigint,
    metrics        jsonb,
    -- The day of the instance is counted anew from its reports.
    recount        boolean NOT NULL DEFAULT false,
    received_at    timestamptz(3) NOT NULL,
    PRIMARY KEY (customer_id, pending_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_cost_delay = 0);

-- The sums of a customer's day over all instances. A peak is the sum of each instance's maximum.
CREATE TABLE usage_days (
    customer_id         text NOT NULL,
    day                 date NOT NULL,
    reports             bigint NOT NULL DEFAULT 0,
    instances           bigint NOT NULL DEFAULT 0,
    active_devices_max  bigint NOT NULL DEFAULT 0,
    active_devices_sum  bigint NOT NULL DEFAULT 0,
    active_devices_peak bigint NOT NULL DEFAULT 0,
    total_devices_max   bigint NOT NULL DEFAULT 0,
    total_devices_sum   bigint NOT NULL DEFAULT 0,
    total_devices_peak  bigint NOT NULL DEFAULT 0,
    -- False only within the transaction that makes the row or counts it anew.
    counted             boolean NOT NULL DEFAULT false,
    PRIMARY KEY (customer_id, day)
) WITH (fillfactor = 80);

-- The sums of a customer's metrics over a day or a month; `peak` is the sum of the instances' highest
-- reports of each day.
CREATE TABLE usage_metric_sums (
    customer_id text NOT NULL,
    unit        text NOT NULL CHECK (unit IN ('day', 'month')),
    starts_on   date NOT NULL,
    metric      text NOT NULL,
    -- How many rows of usage_daily_metrics these are the sums of.
    parts       bigint NOT NULL DEFAULT 0,
    total       numeric NOT NULL DEFAULT 0,
    peak        numeric NOT NULL DEFAULT 0,
    counted     boolean NOT NULL DEFAULT false,
    PRIMARY KEY (customer_id, unit, starts_on, metric)
) WITH (fillfactor = 80);

-- The days that may still be billed are looked through as a whole.
CREATE INDEX usage_metric_sums_by_day ON usage_metric_sums (starts_on) WHERE unit = 'day';

-- The sums of a customer's instances in use, by their newest reports. The lock of a row is held while
-- its customer is folded.
CREATE TABLE usage_fleets (
    customer_id    text PRIMARY KEY,
    instances      bigint NOT NULL DEFAULT 0,
    active_devices bigint NOT NULL DEFAULT 0,
    metrics        jsonb NOT NULL DEFAULT '{}',
    counted        boolean NOT NULL DEFAULT false
) WITH (fillfactor = 70);

-- The share of each instance in usage_fleets. An instance that is not in use has no row. Its lease
-- does not end before check_at, unless usage_pending has a row of it.
CREATE TABLE usage_fleet_instances (
    customer_id    text NOT NULL,
    instance_id    text NOT NULL,
    active_devices bigint NOT NULL,
    metrics        jsonb NOT NULL,
    check_at       timestamptz(3) NOT NULL,
    PRIMARY KEY (customer_id, instance_id)
) WITH (fillfactor = 70);

CREATE INDEX usage_fleet_instances_of_customer ON usage_fleet_instances (customer_id, check_at);
CREATE INDEX usage_fleet_instances_due ON usage_fleet_instances (check_at);

-- How far what was stored before this migration is counted. First the instances of all customers up
-- to `folded_until`, which is NULL when that is done; then the days of all customers before
-- `customer_id`, and of this one up to `day`.
CREATE TABLE usage_backfill (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    folded_until text DEFAULT '',
    customer_id  text NOT NULL DEFAULT '',
    day          date NOT NULL DEFAULT '-infinity',
    done         boolean NOT NULL
);

-- Counts the rows of these customers' days (two lists of equal length) that were just made. The
-- caller's transaction holds their locks: another one that has changed a day adds its change when
-- this one has ended.
CREATE FUNCTION usage_days_count(customers text[], days date[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE usage_days d SET counted = true,
        (reports, instances, active_devices_max, active_devices_sum, active_devices_peak,
         total_devices_max, total_devices_sum, total_devices_peak) = (
            SELECT COALESCE(sum(u.reports), 0), count(*) FILTER (WHERE u.reports > 0),
                COALESCE(max(u.active_devices_max), 0), COALESCE(sum(u.active_devices_sum), 0),
                COALESCE(sum(u.active_devices_max), 0), COALESCE(max(u.total_devices_max), 0),
                COALESCE(sum(u.total_devices_sum), 0), COALESCE(sum(u.total_devices_max), 0)
            FROM usage_daily u WHERE u.customer_id = d.customer_id AND u.day = d.day)
        FROM unnest(customers, days) AS k (customer_id, day)
        WHERE d.customer_id = k.customer_id AND d.day = k.day AND NOT d.counted;
END $$;

-- Counts the sums of metrics over these days and their months.
CREATE FUNCTION usage_metrics_count(customers text[], days date[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE usage_metric_sums s SET counted = true,
        (parts, total, peak) = (
            SELECT count(*), COALESCE(sum(m.total), 0), COALESCE(sum(m.highest), 0)
            FROM usage_daily_metrics m
            WHERE m.customer_id = s.customer_id AND m.metric = s.metric AND m.day >= s.starts_on
            AND m.day < (s.starts_on + CASE s.unit WHEN 'day' THEN interval '1 day'
                                                   ELSE interval '1 month' END)::date)
        FROM (SELECT DISTINCT k.customer_id, u.unit, date_trunc(u.unit, k.day)::date AS starts_on
              FROM unnest(customers, days) AS k (customer_id, day),
                  (VALUES ('day'), ('month')) AS u (unit)) c
        WHERE s.customer_id = c.customer_id AND s.unit = c.unit AND s.starts_on = c.starts_on
        AND NOT s.counted;
END $$;

-- The rows that a statement wrote, each once as it became (sign 1) and once as it was (sign -1).
CREATE FUNCTION usage_changed_rows(operation text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE operation
        WHEN 'INSERT' THEN '(SELECT 1 AS sign, * FROM new_rows)'
        WHEN 'DELETE' THEN '(SELECT -1 AS sign, * FROM old_rows)'
        ELSE '(SELECT 1 AS sign, * FROM new_rows UNION ALL SELECT -1, * FROM old_rows)' END
$$;

-- Carries changes of usage_daily to usage_days. The statements are planned anew each time, as the
-- number of rows differs much. A maximum that may have become less is counted anew.
CREATE FUNCTION usage_daily_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    changed   text := usage_changed_rows(TG_OP);
    customers text[];
    days      date[];
BEGIN
    EXECUTE 'WITH c AS MATERIALIZED (
        SELECT customer_id, day, sum(sign * reports) AS reports,
            COALESCE(sum(sign) FILTER (WHERE reports > 0), 0) AS instances,
            COALESCE(max(active_devices_max) FILTER (WHERE sign = 1), 0) AS active_devices_max,
            sum(sign * active_devices_sum) AS active_devices_sum,
            sum(sign * active_devices_max) AS active_devices_peak,
            COALESCE(max(total_devices_max) FILTER (WHERE sign = 1), 0) AS total_devices_max,
            sum(sign * total_devices_sum) AS total_devices_sum,
            sum(sign * total_devices_max) AS total_devices_peak,
            COALESCE(max(active_devices_max) FILTER (WHERE sign = -1), 0) AS active_before,
            COALESCE(max(total_devices_max) FILTER (WHERE sign = -1), 0) AS total_before
        FROM ' || changed || ' AS r GROUP BY customer_id, day),
    added AS (
        INSERT INTO usage_days AS d (customer_id, day, reports, instances, active_devices_max,
            active_devices_sum, active_devices_peak, total_devices_max, total_devices_sum,
            total_devices_peak)
        SELECT customer_id, day, reports, instances, active_devices_max, active_devices_sum,
            active_devices_peak, total_devices_max, total_devices_sum, total_devices_peak
        FROM c ORDER BY customer_id, day
        ON CONFLICT (customer_id, day) DO UPDATE SET
            reports = d.reports + EXCLUDED.reports,
            instances = d.instances + EXCLUDED.instances,
            active_devices_max = greatest(d.active_devices_max, EXCLUDED.active_devices_max),
            active_devices_sum = d.active_devices_sum + EXCLUDED.active_devices_sum,
            active_devices_peak = d.active_devices_peak + EXCLUDED.active_devices_peak,
            total_devices_max = greatest(d.total_devices_max, EXCLUDED.total_devices_max),
            total_devices_sum = d.total_devices_sum + EXCLUDED.total_devices_sum,
            total_devices_peak = d.total_devices_peak + EXCLUDED.total_devices_peak
        RETURNING customer_id, day, counted)
    SELECT array_agg(customer_id), array_agg(day) FROM added JOIN c USING (customer_id, day)
    WHERE NOT counted OR active_before > active_devices_max OR total_before > total_devices_max'
    INTO customers, days;
    IF customers IS NOT NULL THEN
        UPDATE usage_days d SET counted = false FROM unnest(customers, days) AS k (customer_id, day)
            WHERE d.customer_id = k.customer_id AND d.day = k.day AND d.counted;
        PERFORM usage_days_count(customers, days);
    END IF;
    RETURN NULL;
END $$;

-- Carries changes of usage_daily_metrics to usage_metric_sums.
CREATE FUNCTION usage_daily_metrics_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    changed   text := usage_changed_rows(TG_OP);
    customers text[];
    days      date[];
BEGIN
    EXECUTE 'WITH added AS (
        INSERT INTO usage_metric_sums AS s (customer_id, unit, starts_on, metric, parts, total, peak)
        SELECT customer_id, unit, date_trunc(unit, day)::date, metric, sum(sign), sum(sign * total),
            sum(sign * highest)
        FROM ' || changed || ' AS r, (VALUES (''day''), (''month'')) AS u (unit)
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT (customer_id, unit, starts_on, metric) DO UPDATE SET
            parts = s.parts + EXCLUDED.parts, total = s.total + EXCLUDED.total,
            peak = s.peak + EXCLUDED.peak
        RETURNING customer_id, starts_on, counted)
    SELECT array_agg(customer_id), array_agg(starts_on) FROM (
        SELECT DISTINCT customer_id, starts_on FROM added WHERE NOT counted) AS made'
    INTO customers, days;
    IF customers IS NOT NULL THEN
        PERFORM usage_metrics_count(customers, days);
    END IF;
    RETURN NULL;
END $$;

-- An instance that changed is looked at by the next fold.
CREATE FUNCTION usage_instance_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO usage_pending (customer_id, pending_id, instance_id, received_at)
        VALUES (NEW.customer_id, nextval('usage_ids'), NEW.instance_id, now());
    RETURN NULL;
END $$;

-- The day of a correction is counted anew by the next fold, unless the correction does so itself.
CREATE FUNCTION usage_report_corrected() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO usage_pending (customer_id, pending_id, instance_id, day, recount, received_at)
        VALUES (NEW.customer_id, nextval('usage_ids'), NEW.instance_id,
                (NEW.reported_at AT TIME ZONE 'UTC')::date, true, NEW.received_at);
    RETURN NULL;
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['usage_days_count(text[], date[])', 'usage_metrics_count(text[], date[])',
                                'usage_daily_changed()', 'usage_daily_metrics_changed()',
                                'usage_instance_changed()', 'usage_report_corrected()'] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', name, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', name);
    END LOOP;
END $$;

-- From here on the tables of running programs are locked, in the order in which they lock them. The
-- statements below take no time, however many rows there are.
LOCK TABLE usage_reports, instances, usage_daily, usage_daily_metrics IN SHARE ROW EXCLUSIVE MODE;

-- The row of usage_pending that came with the newest change. A program that leaves it as it is lets
-- the trigger add one.
ALTER TABLE instances ADD COLUMN change_id bigint;

CREATE TRIGGER usage_report_corrected AFTER INSERT ON usage_reports FOR EACH ROW
    WHEN (NEW.corrects IS NOT NULL) EXECUTE FUNCTION usage_report_corrected();
CREATE TRIGGER instances_added AFTER INSERT ON instances FOR EACH ROW
    WHEN (NEW.change_id IS NULL) EXECUTE FUNCTION usage_instance_changed();
CREATE TRIGGER instances_changed AFTER UPDATE ON instances FOR EACH ROW
    WHEN (NEW.change_id IS NOT DISTINCT FROM OLD.change_id)
    EXECUTE FUNCTION usage_instance_changed();
CREATE TRIGGER usage_daily_added AFTER INSERT ON usage_daily
    REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION usage_daily_changed();
CREATE TRIGGER usage_daily_changed AFTER UPDATE ON usage_daily
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows EXECUTE FUNCTION usage_daily_changed();
CREATE TRIGGER usage_daily_metrics_added AFTER INSERT ON usage_daily_metrics
    REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION usage_daily_metrics_changed();
CREATE TRIGGER usage_daily_metrics_changed AFTER UPDATE ON usage_daily_metrics
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    EXECUTE FUNCTION usage_daily_metrics_changed();
CREATE TRIGGER usage_daily_metrics_deleted AFTER DELETE ON usage_daily_metrics
    REFERENCING OLD TABLE AS old_rows EXECUTE FUNCTION usage_daily_metrics_changed();

INSERT INTO usage_backfill (done) SELECT NOT EXISTS (SELECT FROM instances);
