"""A business of ten years with many customers, written into a database at once, for tests of speed.

Triggers are off meanwhile, so that the sums are made by this script: of the movements, values and days
it writes."""

# Each customer, oldest first, by its number k: what it is worth after `step` times 150 days, whether
# it pays, and how. {at} is the present time, {n} how many customers there are.
CUSTOMERS = """
SET session_replication_role = replica;
SET synchronous_commit = off;
CREATE TEMPORARY TABLE lives AS
SELECT k, 'cust_' || lpad(to_hex(k), 32, '0') AS customer_id, began, k % 5 > 0 AND began < {at} - interval '14 days' AS pays,
    k % 100 = 7 AS signs, (ARRAY['usd', 'usd', 'eur', 'jpy'])[1 + k % 4] AS currency,
    LEAST(((extract(epoch FROM {at} - began) / 86400 - 10) / 150)::integer, 4) AS step
FROM (SELECT k, {at} - (3650.0 * ({n} - k) / {n} + 0.01) * interval '1 day' AS began FROM generate_series(1, {n}) k) c;
CREATE TEMPORARY TABLE steps AS
SELECT * FROM (VALUES (0, 'new', 0, 4900, NULL, 'starter'), (1, 'expansion', 4900, 9900, 'starter', 'professional'),
    (2, 'contraction', 9900, 4900, 'professional', 'starter'), (3, 'churn', 4900, 0, 'starter', 'starter'),
    (4, 'reactivation', 0, 4900, 'starter', 'starter'))
    m (step, kind, before, after, plan_before, plan);
INSERT INTO customers (customer_id, email, company_name, email_key, company_key, stripe_customer_id, created_at, updated_at,
    pending_email)
SELECT customer_id, k || '@example.com', 'Company ' || k, k || '@example.com', 'company ' || k,
    CASE WHEN pays AND NOT signs THEN 'cus_' || k END, began, began, CASE WHEN k % 500 = 3 THEN 'new' || k || '@example.com' END
FROM lives;
INSERT INTO subscriptions (customer_id, plan, status, trial_ends_at, superseded, created_at, updated_at)
SELECT customer_id, 'starter', CASE WHEN began > {at} - interval '14 days' THEN 'trialing' ELSE 'canceled' END,
    began + interval '14 days', pays, began, began FROM lives;
INSERT INTO contracts (contract_id, customer_id, billing, created_at, updated_at)
SELECT 'con_' || lpad(to_hex(k), 32, '0'), customer_id, 'manual', began, began FROM lives WHERE pays AND signs;
INSERT INTO contract_versions (contract_id, version, plan, starts_at, ends_at, amount_minor, currency, interval, interval_count,
    created_at, created_by)
SELECT 'con_' || lpad(to_hex(k), 32, '0'), 1, plan, began, {at} + (k % 400 + 1) * interval '1 day', 4900 + 5000 * (step = 1)::integer,
    currency, 'month', 1, began, 'test' FROM lives JOIN steps USING (step) WHERE pays AND signs;
INSERT INTO subscriptions (customer_id, contract_id, stripe_subscription_id, plan, status, interval, interval_count, recurring,
    current_period_ends_at, past_due_since, cancel_at_period_end, starts_at, ends_at, created_at, updated_at)
SELECT customer_id, CASE WHEN signs THEN 'con_' || lpad(to_hex(k), 32, '0') END, CASE WHEN NOT signs THEN 'sub_' || k END, plan,
    CASE WHEN after = 0 THEN 'canceled' WHEN NOT signs AND k % 50 = 11 THEN 'past_due' ELSE 'active' END,
    period, CASE WHEN NOT signs THEN 1 END,
    CASE WHEN NOT signs THEN json_build_object('currency', currency, 'interval', period, 'interval_count', 1, 'items', json_build_array(
        json_build_object('amount', after * CASE period WHEN 'year' THEN 12 ELSE 1 END, 'quantity', 1, 'interval', period,
        'interval_count', 1, 'discounts', '[]'::json)), 'discounts', '[]'::json)::text END,
    CASE WHEN NOT signs THEN {at} + (k % CASE period WHEN 'year' THEN 365 ELSE 30 END + 1) * interval '1 day' END,
    CASE WHEN NOT signs AND after > 0 AND k % 50 = 11 THEN {at} - (k % 6) * interval '1 day' END,
    NOT signs AND k % 40 = 1, CASE WHEN signs THEN began END, CASE WHEN signs THEN {at} + (k % 400 + 1) * interval '1 day' END,
    began + interval '10 days', {at}
FROM (SELECT *, CASE WHEN NOT signs THEN CASE k % 3 WHEN 0 THEN 'year' ELSE 'month' END END AS period
    FROM lives JOIN steps USING (step) WHERE pays) c;
INSERT INTO revenue_movements (customer_id, currency, kind, happened_at, mrr_before, mrr, plan_before, plan)
SELECT customer_id, currency, kind, began + interval '10 days' + s.step * interval '150 days', before, after, plan_before, plan
FROM lives l JOIN steps s ON s.step <= l.step WHERE pays ORDER BY 4, 1;
INSERT INTO revenue_values (customer_id, currency, mrr, committed, plan, changed_at)
SELECT customer_id, currency, after, CASE WHEN NOT signs AND k % 40 = 1 THEN 0 ELSE after END, plan,
    began + interval '10 days' + step * interval '150 days' FROM lives JOIN steps USING (step) WHERE pays;
INSERT INTO revenue_customers (customer_id, due_at)
SELECT customer_id, CASE WHEN after = 0 THEN NULL WHEN signs THEN {at} + (k % 400 + 1) * interval '1 day'
    WHEN k % 50 = 11 THEN {at} + (7 - k % 6) * interval '1 day' END FROM lives JOIN steps USING (step) WHERE pays;
INSERT INTO revenue_sums (month, currency, kind, amount, customers, folded)
SELECT month, currency, kind, sum(amount), sum((mrr > 0)::integer - (mrr_before > 0)::integer), true
FROM revenue_movements GROUP BY 1, 2, 3
UNION ALL SELECT date_trunc('month', changed_at AT TIME ZONE 'UTC')::date, currency, 'committed', sum(committed), 0, true
FROM revenue_values GROUP BY 1, 2;
-- Rows that wait until the jobs fold them.
INSERT INTO revenue_sums (month, currency, kind, amount, customers)
SELECT month, currency, kind, 0, 0 FROM revenue_movements ORDER BY movement_id DESC LIMIT 1000;
INSERT INTO revenue_plans (plan, currency, mrr, committed, customers, folded)
SELECT plan, currency, sum(mrr), sum(committed), count(*) FILTER (WHERE mrr > 0), true FROM revenue_values GROUP BY 1, 2;
UPDATE revenue_policy SET settled_at = {at};
"""

# Each customer has one installation, which reports on ten days: the last three, and others of its life.
USE = """
CREATE TEMPORARY TABLE days AS
SELECT customer_id, (at AT TIME ZONE 'UTC')::date AS day, at FROM (SELECT customer_id,
    CASE WHEN d < 3 THEN {at} - d * interval '1 day' ELSE began + ({at} - began) * ((d - 2) / 8.0) END AS at
    FROM lives, generate_series(0, 9) d) c;
INSERT INTO usage_daily (customer_id, day, instance_id, reports, active_devices_max, active_devices_sum, total_devices_max,
    total_devices_sum)
SELECT DISTINCT customer_id, day, 'plant-1', {often}, 5, 5 * {often}, 6, 6 * {often} FROM days;
INSERT INTO usage_daily_metrics (customer_id, day, instance_id, metric, total, highest)
SELECT DISTINCT customer_id, day, 'plant-1', 'api_calls', 100 * {often}, 100 FROM days;
INSERT INTO usage_days (customer_id, day, reports, instances, active_devices_max, active_devices_sum, active_devices_peak,
    total_devices_max, total_devices_sum, total_devices_peak, counted)
SELECT customer_id, day, {often}, 1, 5, 5 * {often}, 5, 6, 6 * {often}, 6, true FROM usage_daily;
INSERT INTO usage_metric_sums (customer_id, unit, starts_on, metric, parts, total, peak, counted)
SELECT customer_id, unit, date_trunc(unit, day)::date, metric, count(*), sum(total), sum(highest), true
FROM usage_daily_metrics, (VALUES ('day'), ('month')) u (unit) GROUP BY 1, 2, 3, 4;
INSERT INTO instances (customer_id, instance_id, first_seen_at, last_seen_at, activated_at, lease_expires_at, latest_reported_at,
    active_devices, total_devices, metrics)
SELECT customer_id, 'plant-1', began, {at}, began, {at} + interval '90 days', {at}, 5, 6, '{{"api_calls": 100}}' FROM lives;
INSERT INTO usage_fleets (customer_id, instances, active_devices, metrics, counted)
SELECT customer_id, 1, 5, '{{"api_calls": 100}}', true FROM lives;
INSERT INTO usage_fleet_instances (customer_id, instance_id, active_devices, metrics, check_at)
SELECT customer_id, instance_id, 5, metrics, lease_expires_at FROM instances;
INSERT INTO usage_watch (customer_id, checked_at) SELECT customer_id, {at} FROM lives;
INSERT INTO usage_limit_levels (customer_id, name, used, max, percent, measured_at)
SELECT customer_id, 'devices', 50 + k % 70, 100, 50 + k % 70, {at} FROM lives;
INSERT INTO analytics_usage_days (day, counted_at)
SELECT ({at} AT TIME ZONE 'UTC')::date - d, {at} FROM generate_series(0, 399) d ON CONFLICT DO NOTHING;
INSERT INTO analytics_usage (metric, day, customers, total, peak)
SELECT 'metric' || m, day, {n}, 10, 10 FROM analytics_usage_days, generate_series(1, 19) m
UNION ALL SELECT 'active_devices', day, {n}, 5 * {n}, 5 * {n} FROM analytics_usage_days ON CONFLICT DO NOTHING;
"""

# The reports themselves, so many on each of those days.
REPORTS = """
SELECT usage_partitions_make({at} - interval '10 years', 121);
INSERT INTO usage_reports (customer_id, instance_id, active_devices, total_devices, metrics, reported_at, received_at)
SELECT customer_id, 'plant-1', 5, 6, '{{"api_calls": 100}}', at - i * interval '1 second', at
FROM days, generate_series(1, {often}) i;
"""

# Events of Stripe and requests to it: of each kind some rows need a hand.
STRIPE = """
INSERT INTO stripe_events (event_id, type, livemode, received_at, origin, family, subject, customer_id, state, error, finished_at)
SELECT 'evt_' || k, 'customer.subscription.updated', false, {at} - k * interval '1 second', 'webhook', 'subscription', 'sub_' || k,
    customer_id, CASE WHEN k % 40 = 9 THEN 'parked' ELSE 'done' END, CASE WHEN k % 40 = 9 THEN 'no such price' END, {at}
FROM lives;
INSERT INTO stripe_calls (kind, customer_id, subject, path, parameters, idempotency_key, state, created_at, finished_at)
SELECT 'customer_update', customer_id, 'cus_' || k, '/v1/customers', '', 'key-' || k, CASE WHEN k % 40 = 9 THEN 'parked' ELSE 'done' END,
    {at} - k * interval '1 second', {at} FROM lives;
INSERT INTO meter_events (meter_event_id, customer_id, stripe_customer_id, day, metric, event_name, value, state, created_at, sent_at)
SELECT 'mev_' || lpad(to_hex(k), 32, '0'), customer_id, 'cus_' || k, ({at} AT TIME ZONE 'UTC')::date, 'api_calls', 'calls', 100,
    CASE WHEN k % 40 = 9 THEN 'parked' ELSE 'sent' END, {at} - k * interval '1 second', {at} FROM lives;
INSERT INTO stripe_unknown_prices (stripe_subscription_id, price_id, customer_id, status, first_seen_at, seen_at)
SELECT 'sub_' || k, 'price_' || k, customer_id, 'active', {at} - k * interval '1 second', {at} FROM lives WHERE k % 40 = 9;
"""

# The logs of the last year: five events and three entries of each customer.
LOGS = """
SELECT event_months_make({at} - m * interval '1 month', 0) FROM generate_series(0, 12) m;
INSERT INTO events (position, number, event_id, type, customer_id, sequence, created_at, data)
SELECT 1, nextval('event_numbers'), gen_random_uuid(), type, customer_id, sequence, at, json_build_object('customer_id', customer_id)
FROM (SELECT customer_id, i AS sequence, {at} - ((5 - i) * 70 + k % 60) * interval '1 day' AS at,
    (ARRAY['customer.created', 'subscription.activated', 'license.issued', 'customer.updated', 'license.issued'])[i] AS type
    FROM lives, generate_series(1, 5) i) c ORDER BY at;
INSERT INTO event_sequences (customer_id, sequence, position) SELECT customer_id, 5, 1 FROM lives;
SET session_replication_role = DEFAULT;
INSERT INTO audit_log (happened_at, actor, action, customer_id, subject, request_id)
SELECT {at} - ((3 - i) * 90 + k % 80) * interval '1 day', 'operator:test', (ARRAY['customer_created', 'checkout_started',
    'license_issued'])[i], customer_id, NULL, 'req-' || k FROM lives, generate_series(1, 3) i;
"""


def large(customers, reports=0, logs=False, at="now()"):
    """The script that writes it: so many customers, reports (a multiple of ten times the customers), and the logs if they
    are wanted. `at` is the present time, in SQL. The planner needs an ANALYZE after it."""
    parts = [CUSTOMERS, USE] + [REPORTS] * (reports > 0) + [STRIPE] + [LOGS] * logs
    script = "".join(parts).format(n=customers, often=reports // customers // 10 or 1, at=f"({at})")
    return script + "SET session_replication_role = DEFAULT;\n"
