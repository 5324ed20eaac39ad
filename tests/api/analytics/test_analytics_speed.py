"""The figures come from indexes and sums: what they read does not grow with the business, and with 100 000 customers,
ten years and ten million reports each takes less than 50 ms (FULL=1)."""

import json
import os
import re

import pytest

from support.large import large
from support.stack import ROOT

FULL = os.environ.get("FULL")
SMALL, LARGE = 400, 1600
MOST_MS = 50
AT = "timestamptz '2026-03-20 12:00Z'"
TABLES = {"customers", "subscriptions", "revenue_movements", "revenue_values", "usage_limit_levels", "usage_days",
          "usage_metric_sums", "usage_reports", "stripe_events", "stripe_calls", "meter_events"}
# Plans of small tables differ from those of large ones, unless there is no choice.
AS_IF_LARGE = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;"

# Each route's statements: the file, its parameters for a page of so many rows, and whether the rows that it reads grow with
# the customers. The trials of a year and the counts do so; nothing grows faster.
FIGURES = {
    "revenue": ("revenue_months", "('2016-04-01', '2026-03-01', NULL, {at})", False),
    "revenue, one currency": ("revenue_months", "('2016-04-01', '2026-03-01', 'eur', {at})", False),
    "movements": ("revenue_movements", "('2025-03-01', NULL, NULL, NULL, NULL, {page})", False),
    "movements, second page": ("revenue_movements", "('2025-03-01', NULL, NULL, NULL, :place, {page})", False),
    "movements of a kind": ("revenue_movements", "('2025-03-01', 'new', NULL, NULL, NULL, {page})", False),
    "movements of a rare plan": ("revenue_movements", "('2025-03-01', NULL, 'gold', NULL, NULL, {page})", True),
    "summary, months": ("revenue_months", "('2026-03-01', '2026-03-01', NULL, {at})", False),
    "summary, counts": ("counts", "({at})", True),
    "trials, 12 weeks": ("trials", "('2025-12-29', '2026-03-20', {at})", True),
    "trials, 53 weeks": ("trials", "('2025-03-17', '2026-03-20', {at})", True),
    "plans": ("plan_figures", "", False),
    "usage": ("usage_totals", "('metric1', '2025-02-14', '2026-03-20')", False),
    "limits": ("limits", "(80, NULL, NULL, NULL, {page})", False),
    "limits, a page amid one share": ("limits", "(50, 90, 'cust_00000000000000000000000000000080', 'devices', {page})", False),
    "renewals": ("renewals", "({at}, {at} + interval '400 days', NULL, NULL, {page})", False),
    "renewals, a later page": ("renewals", "({at}, {at} + interval '400 days', {at} + interval '200 days', 5, {page})", False),
    "attention": ("attention", "({at}, {page} - 1)", False),
}


@pytest.fixture(scope="module")
def businesses(cluster, copied):
    """The names of databases with a small and a larger business."""
    made = {}
    for size in (SMALL, LARGE):
        made[size] = copied(f"customers_{size}")
        cluster.sql(large(size, at=AT) + f"ANALYZE {', '.join(sorted(TABLES))};", made[size])
    return made


def explained(cluster, database, figures, before="", times=1):
    """By route what PostgreSQL did, each time. `figures` are files and their parameters. Statements are planned once for all
    parameters, as the service has them in time."""
    script = ["SET jit = off; SET plan_cache_mode = force_generic_plan;", before,
              "SELECT max(movement_id) - 2 AS place FROM revenue_movements WHERE month = '2025-03-01' \\gset"]
    for name, parameters in figures.values():
        text = (ROOT / f"lib/analytics/{name}.sql").read_text(encoding="utf-8")
        script.append(f"PREPARE figure AS {text};")
        script += [f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE figure {parameters};"] * times
        script.append("DEALLOCATE figure;")
    told = [json.loads(part)[0] for part in re.split(r"(?<=\n\])\n", cluster.sql("\n".join(script), database) + "\n")
            if part.strip()]
    assert len(told) == times * len(figures)
    return {route: told[at * times:(at + 1) * times] for at, route in enumerate(figures)}


def figures_of(page):
    """The routes' statements with their parameters."""
    return {route: (name, parameters.format(at=AT, page=page)) for route, (name, parameters, _) in FIGURES.items()}


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def rows_read(plan):
    """Rows that came out of tables, and those that were looked at in vain."""
    return sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
               for node in nodes(plan) if "Relation Name" in node)


def test_the_business_adds_up(cluster, businesses):
    check = (ROOT / "lib/analytics/revenue_check.sql").read_text(encoding="utf-8")
    assert cluster.sql(f"PREPARE faults AS {check}; EXECUTE faults ({AT});", businesses[SMALL]) == ""


def test_figures_do_not_read_more_for_a_larger_business(cluster, businesses):
    small, larger = (explained(cluster, businesses[size], figures_of(2), AS_IF_LARGE) for size in (SMALL, LARGE))
    for route, (_, _, grows) in FIGURES.items():
        before, after = (rows_read(told[route][0]["Plan"]) for told in (small, larger))
        most = LARGE / SMALL * 1.25 if grows else 1.5
        assert after <= most * before + 10, (route, before, after)


def test_scheduled_ends_have_an_index(cluster, businesses):
    """Its condition is wider than that of the count, which leaves out contracts that end when they have to."""
    told, = explained(cluster, businesses[SMALL], {"counts": ("counts", f"({AT})")}, AS_IF_LARGE)["counts"]
    assert "subscriptions_scheduled_ends" in {node.get("Index Name") for node in nodes(told["Plan"])}


@pytest.fixture(scope="module")
def ten_years(cluster, copied):
    """The database of 100 000 customers, with ten million reports."""
    name = copied("ten_years")
    cluster.sql(large(100_000, 10_000_000, at=AT) + "VACUUM ANALYZE;", name)
    return name


@pytest.mark.skipif(not FULL, reason="makes ten million reports: FULL=1")
def test_a_figure_is_fast(cluster, ten_years):
    slow = []
    for route, told in explained(cluster, ten_years, figures_of(101), times=8).items():
        name = FIGURES[route][0]
        told.sort(key=lambda one: one["Execution Time"])
        plan, took = told[0]["Plan"], told[2]["Execution Time"]  # the lower quartile
        whole = {node.get("Relation Name") for node in nodes(plan) if node["Node Type"] == "Seq Scan"}
        print(f"{route}: {took:.1f} ms, {rows_read(plan)} rows, {plan['Shared Hit Blocks'] + plan['Shared Read Blocks']} pages")
        # Customers are counted.
        if took >= MOST_MS or whole & TABLES - ({"customers"} if name == "counts" else set()):
            slow.append((route, took, whole & TABLES))
    assert not slow


@pytest.mark.skipif(not FULL, reason="makes ten million reports: FULL=1")
def test_a_day_of_use_is_added_up(cluster, ten_years):
    cluster.sql(f"DELETE FROM analytics_usage_days WHERE day >= ({AT})::date - 2", ten_years)
    told = explained(cluster, ten_years, {"days": ("usage_count", f"({AT})")}, times=3)
    slowest = max(one["Execution Time"] for one in told["days"])
    print(f"usage_count: {slowest:.1f} ms")
    assert slowest < 2000
