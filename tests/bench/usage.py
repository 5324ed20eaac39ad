"""Usage reports by the million, written straight into the tables, and the requests about them.

They are spread over the first customers and the last thirty days; each customer has one instance.
"""

import base64
import json
import subprocess
import time

import customers
from load import psql

CUSTOMERS = 1000
SINGLE, BATCH = "usage_report", "usage_report_batch"
BATCH_SIZE = 20

# Filled in parallel, in parts that take about the same time.
REPORTS = """
    INSERT INTO usage_reports (customer_id, instance_id, active_devices, total_devices, metrics,
                               reported_at, received_at, report_id)
    SELECT 'cust_' || md5('bench ' || 1 + i % {customers}), 'plant', 7, 9, '{{"api_calls": 12}}',
           now() - i % 2592000 * interval '1 second', now(), 'bench-' || i
      FROM generate_series({first}, {last}) AS i"""
IDS = """
    INSERT INTO usage_report_ids (customer_id, report_id, usage_id, reported_at)
    SELECT 'cust_' || md5('bench ' || 1 + i % {customers}), 'bench-' || i, i,
           now() - i % 2592000 * interval '1 second'
      FROM generate_series({first}, {last}) AS i"""
DAYS = """
    INSERT INTO usage_daily
    SELECT customer_id, (now() AT TIME ZONE 'UTC')::date - day, 'plant', 10, 7, 70, 9, 90
      FROM (SELECT 'cust_' || md5('bench ' || i) AS customer_id
              FROM generate_series(1, {customers}) AS i) c, generate_series(0, 30) AS day
        ON CONFLICT DO NOTHING"""


def fill(rig, first, last):
    """Makes the reports from number `first` to `last`, and the planner aware of them."""
    database = rig.database("postgres")
    psql(database, "ALTER SYSTEM SET max_wal_size = '16GB'", "SELECT pg_reload_conf()")
    running = [subprocess.Popen(
        ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql.format(
            customers=CUSTOMERS, first=first, last=last), database], stdout=subprocess.DEVNULL)
        for sql in (REPORTS, IDS, DAYS)]
    if any([one.wait() for one in running]):
        raise RuntimeError("the reports could not be written")
    psql(database, "ALTER SYSTEM RESET max_wal_size", "SELECT pg_reload_conf()",
         "VACUUM ANALYZE usage_reports, usage_report_ids, usage_daily, usage_days, instances", "CHECKPOINT")


def report(number, **more):
    """The body of a report of customer `number`."""
    return {"customer_id": customers.customer_id(number), "instance_id": "plant",
            "active_devices": 7, "total_devices": 9, "metrics": {"api_calls": 12}, **more}


def singles(name, count):
    """POST a report each, none twice as long as `name` differs."""
    return [("POST", "/api/usage/report", customers.api_key(1 + i % CUSTOMERS),
             json.dumps(report(1 + i % CUSTOMERS, report_id=f"{name}-{i}")))
            for i in range(count)]


def batches(name, count):
    """POST a customer's reports of a while at once."""
    return [("POST", "/api/usage/reports", customers.api_key(1 + i % CUSTOMERS), json.dumps(
        {"reports": [report(1 + i % CUSTOMERS, report_id=f"{name}-{i}-{k}")
                     for k in range(BATCH_SIZE)]})) for i in range(count)]


def lookups():
    """The calls that must not get slower when there are more reports, by name."""
    numbers = range(1, CUSTOMERS, 4)
    old = base64.urlsafe_b64encode(f"{int(time.time() - 28 * 86400) * 1000}:1".encode())
    cursor = old.decode().rstrip("=")

    def of_each(path):
        return [("GET", path.format(customers.customer_id(number)), customers.api_key(number), "")
                for number in numbers]

    return {
        "usage, first page": of_each("/api/usage/{}?limit=20"),
        "usage, page by cursor four weeks back": of_each(f"/api/usage/{{}}?limit=20&cursor={cursor}"),
        "usage of an instance": of_each("/api/usage/{}?limit=20&instance_id=plant"),
        "usage, latest": of_each("/api/usage/{}/latest"),
        "usage, days": of_each("/api/usage/{}/daily"),
        "usage, limits": of_each("/api/usage/{}/limits"),
        "usage report": [("POST", "/api/usage/report", customers.api_key(number),
                          json.dumps(report(number))) for number in numbers],
    }


# The parameters that billingd would pass, made by PostgreSQL of random numbers. By the number of the parameter.
SETUP = f"""\\set n random(1, {CUSTOMERS})
\\set a random(1, 9000000000000000000)
"""
CUSTOMER = "('cust_' || md5('bench ' || :n::text))"
SINGLE_VALUES = {
    1: f"sha256(convert_to({CUSTOMER} || '_' || encode(sha256(convert_to('secret ' || :n::text, "
       "'UTF8')), 'hex'), 'UTF8'))", 2: CUSTOMER, 3: "'plant'", 4: "7", 5: "9",
    6: "'{\"api_calls\": 12}'", 7: "date_trunc('milliseconds', now())", 8: "'pgbench-' || :a::text",
    9: "now()", 10: "now() + interval '3 days'", 11: "50",
    12: "NULL", 13: "1000000",
}
BATCH_VALUES = {
    1: "(SELECT jsonb_agg(jsonb_build_object('index', k, 'customer_id', " + CUSTOMER +
       ", 'instance_id', 'plant', 'active_devices', 7, 'total_devices', 9, 'metrics', "
       "'{\"api_calls\": 12}'::jsonb, 'reported_at', now(), 'report_id', 'pgbench-' || :a::text || "
       f"'-' || k)) FROM generate_series(0, {BATCH_SIZE - 1}) k)", 2: "now()", 3: "259200000",
    4: "1000000",
}
