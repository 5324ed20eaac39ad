"""Each figure takes less than 50 ms at 100 000 customers and ten years of months, by indexes (FULL=1)."""

import json
import os
import re

import pytest

from support.scratch import Cluster
from support.stack import ROOT

CUSTOMERS = 100_000
MOST_MS = 50
pytestmark = pytest.mark.skipif(not os.environ.get("FULL"), reason="FULL=1")
LARGE = {"customers", "subscriptions", "revenue_movements", "revenue_values", "usage_limit_levels",
         "usage_days", "usage_metric_sums", "usage_reports"}

# Rows of ten years: triggers are off, so that the sums are made at once.
GENERATE = """
SET session_replication_role = replica;
INSERT INTO customers (customer_id, email, company_name, created_at)
SELECT 'cust_' || lpad(to_hex(n), 32, '0'), n || '@example.com', 'Company ' || n,
    now() - (3650.0 * n / {n}) * interval '1 day' FROM generate_series(1, {n}) n;
INSERT INTO subscriptions (customer_id, plan, status, trial_ends_at, superseded, created_at, updated_at)
SELECT customer_id, 'starter', CASE WHEN created_at > now() - interval '14 days' THEN 'trialing'
    ELSE 'canceled' END, created_at + interval '14 days', created_at < now() - interval '14 days',
    created_at, created_at FROM customers;
INSERT INTO subscriptions (customer_id, stripe_subscription_id, plan, status, interval, interval_count,
    current_period_ends_at, past_due_since, cancel_at_period_end, created_at, updated_at)
SELECT customer_id, 'sub_' || right(customer_id, 8), 'starter',
    CASE n % 50 WHEN 0 THEN 'past_due' WHEN 1 THEN 'canceled' ELSE 'active' END,
    CASE n % 3 WHEN 0 THEN 'year' ELSE 'month' END, 1, now() + (n % 365) * interval '1 day',
    CASE n % 50 WHEN 0 THEN now() END, n % 40 = 0, created_at + interval '10 days', now()
FROM (SELECT *, row_number() OVER () AS n FROM customers
    WHERE created_at < now() - interval '14 days') c WHERE n % 3 > 0 OR n % 2 = 0;
INSERT INTO revenue_movements (customer_id, currency, kind, happened_at, mrr_before, mrr, plan)
SELECT customer_id, currency, kind, LEAST(created_at + step * interval '150 days', now()), before, after,
    'starter'
FROM (SELECT *, (ARRAY['usd', 'eur', 'jpy'])[1 + (random() * 2)::integer] AS currency FROM customers) c
CROSS JOIN (VALUES (0, 'new', 0, 4900), (1, 'expansion', 4900, 9900), (2, 'contraction', 9900, 1900),
    (3, 'churn', 1900, 0), (4, 'reactivation', 0, 4900)) m (step, kind, before, after);
INSERT INTO revenue_values (customer_id, currency, mrr, committed, plan, changed_at)
SELECT customer_id, currency, 4900, 4900, 'starter', now()
FROM (SELECT DISTINCT customer_id, currency FROM revenue_movements) m;
INSERT INTO revenue_sums (month, currency, kind, amount, customers, folded)
SELECT month, currency, kind, sum(amount), 0, true FROM revenue_movements GROUP BY 1, 2, 3;
INSERT INTO revenue_sums (month, currency, kind, amount, customers)
SELECT month, currency, kind, 0, 0 FROM revenue_movements LIMIT 1000;
INSERT INTO revenue_plans (plan, currency, mrr, committed, customers, folded)
SELECT 'plan' || p, currency, sum(mrr), sum(committed), count(*), true
FROM revenue_values, generate_series(1, 20) p GROUP BY 1, 2;
INSERT INTO usage_limit_levels (customer_id, name, used, max, percent, measured_at)
SELECT customer_id, 'devices', 50 + n % 70, 100, 50 + n % 70, now()
FROM (SELECT customer_id, row_number() OVER () AS n FROM customers) c;
INSERT INTO analytics_usage_days (day, counted_at)
SELECT current_date - d, now() FROM generate_series(0, 398) d;
INSERT INTO analytics_usage (metric, day, customers, total, peak)
SELECT 'metric' || m, day, 5, 10, 10 FROM analytics_usage_days, generate_series(1, 20) m;
INSERT INTO usage_fleets (customer_id, active_devices) SELECT customer_id, 5 FROM customers;
INSERT INTO usage_days (customer_id, day, reports, active_devices_peak)
SELECT customer_id, current_date - d, 288, 5 FROM customers, generate_series(0, 2) d;
INSERT INTO usage_metric_sums (customer_id, unit, starts_on, metric, total, peak)
SELECT customer_id, 'day', current_date - d, 'calls', 100, 100 FROM customers, generate_series(0, 2) d;
SET session_replication_role = DEFAULT;
VACUUM ANALYZE;
"""
MONTH = "date_trunc('month', now())::date"
FIGURES = {
    "revenue_months": f"({MONTH} - interval '119 months', {MONTH}, NULL, now())",
    "revenue_movements": f"({MONTH} - interval '14 months', 'churn', NULL, NULL, NULL, 101)",
    "counts": "(now())",
    "trials": "(current_date - 370, current_date, now())",
    "plan_figures": "",
    "usage_totals": "('metric1', current_date - 399, current_date)",
    "limits": "(80, NULL, NULL, NULL, 101)",
    "renewals": "(now(), now() + interval '400 days', NULL, NULL, 101)",
    "attention": "(now(), 100)",
}


@pytest.fixture(scope="module")
def database():
    cluster = Cluster()
    cluster.sql(GENERATE.format(n=CUSTOMERS), "billing_test")
    yield cluster
    cluster.close()


def explained(database, name, arguments, pick=min):
    """The plan and the milliseconds of the fastest of five runs, with the service's settings."""
    text = (ROOT / f"lib/analytics/{name}.sql").read_text(encoding="utf-8")
    plans = []
    for line in json_arrays(database.sql(
            f"SET jit = off; PREPARE figure AS {text};\n" + f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE figure "
            f"{arguments};\n" * 5, "billing_test")):
        plans.append(line[0])
    return pick(plans, key=lambda one: one["Execution Time"])


def json_arrays(text):
    return [json.loads(part) for part in re.split(r"(?<=\n\])\n", text + "\n") if part.strip()]


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_fast(database, name, record_property):
    best = explained(database, name, FIGURES[name])
    read = {node.get("Relation Name") for node in nodes(best["Plan"])
            if node["Node Type"] == "Seq Scan"}
    assert not read & LARGE, json.dumps(best, indent=1)
    assert best["Execution Time"] < MOST_MS, json.dumps(best, indent=1)
    print(f"{name}: {best['Execution Time']:.1f} ms")


def test_a_day_of_use_is_added_up(database):
    database.sql("DELETE FROM analytics_usage_days WHERE day >= current_date - 2", "billing_test")
    best = explained(database, "usage_count", "(now())", max)
    print(f"usage_count: {best['Execution Time']:.1f} ms")
    assert best["Execution Time"] < 2000
