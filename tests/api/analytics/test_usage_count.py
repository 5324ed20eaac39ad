"""The order in which the jobs add up the use of all customers by days."""

from support.stack import ROOT

AT = "timestamptz '2026-03-20 12:00Z'"


def test_late_reports_come_before_days_of_long_ago(cluster, copied):
    """A day that was not counted yet is first, then the one to which reports may come late."""
    name = copied("use_by_days")
    text = (ROOT / "lib/analytics/usage_count.sql").read_text(encoding="utf-8")
    counted = f"SELECT string_agg(day::text, ' ' ORDER BY day) FROM analytics_usage_days WHERE counted_at = {AT};"
    told = cluster.sql(f"""
        INSERT INTO analytics_usage_days (day, counted_at)
        SELECT date '2026-03-20' - d, {AT} - CASE d WHEN 5 THEN interval '2 days' ELSE interval '1 minute' END
        FROM generate_series(0, 399) d WHERE d NOT IN (2, 300);
        PREPARE count AS {text};""" + f"EXECUTE count ({AT}); {counted}" * 4, name)
    assert told.splitlines() == ["2026-03-18", "2026-03-15 2026-03-18", "2025-05-24 2026-03-15 2026-03-18",
                                 "2025-05-24 2026-03-15 2026-03-18"]


def test_a_day_is_counted_after_its_end(cluster, copied):
    """Its last count as the present day may lack the reports of five minutes."""
    name = copied("use_after_midnight")
    text = (ROOT / "lib/analytics/usage_count.sql").read_text(encoding="utf-8")
    told = cluster.sql(f"""
        INSERT INTO analytics_usage_days (day, counted_at)
        SELECT date '2026-03-20' - d, CASE d WHEN 0 THEN timestamptz '2026-03-20 00:09Z'
            ELSE timestamptz '2026-03-19 23:58Z' END FROM generate_series(0, 399) d;
        PREPARE count AS {text};""" + "".join(f"""
        EXECUTE count (timestamptz '2026-03-20 {at}Z');
        SELECT COALESCE(string_agg(day::text, ' '), 'none') FROM analytics_usage_days
        WHERE counted_at = timestamptz '2026-03-20 {at}Z';""" for at in ("00:09:59", "00:10", "00:11")), name)
    assert told.splitlines() == ["none", "2026-03-19", "none"]
