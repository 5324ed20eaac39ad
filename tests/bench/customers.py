"""Customers by the thousand, written straight into the tables, and the requests about them.

Everything about customer number i follows from i, its API key too, so any of them can be asked
for. The licences have no kept token: the first look at each signs one.
"""

import hashlib
import json
import subprocess
import urllib.parse

from load import psql

# Filled without triggers (the rows are consistent), one connection for each table.
TABLES = {
    "customers": """
        INSERT INTO customers (customer_id, email, company_name, created_at, updated_at, email_key,
                               company_key)
        SELECT 'cust_' || md5('bench ' || i), 'person' || i || '@bench.example',
               'Company ' || lpad(i::text, 8, '0'), at, at, 'person' || i || '@bench.example',
               'company ' || lpad(i::text, 8, '0')""",
    "subscriptions": """
        INSERT INTO subscriptions (customer_id, plan, status, trial_ends_at, created_at, updated_at)
        SELECT 'cust_' || md5('bench ' || i), '{plan}', 'trialing', now() + interval '10 days',
               at, at""",
    "licenses": """
        INSERT INTO licenses (jti, customer_id, kid, plan, reason, fingerprint, issued_at, expires_at)
        SELECT 'lic_' || md5('license ' || i), 'cust_' || md5('bench ' || i), 'bench', '{plan}',
               'sign_up', sha256('bench'), at, at + interval '365 days'""",
    # Used today already, and with a file key: the first use of a day, or of a key without one, is one
    # UPDATE more.
    "api_keys": """
        INSERT INTO api_keys (key_id, customer_id, role, name, digest, prefix, scopes, created_at,
                              last_used_at, file_key)
        SELECT 'key_' || left(md5('key ' || i), 24), 'cust_' || md5('bench ' || i), 'customer',
               'sign-up', sha256(convert_to('cust_' || md5('bench ' || i) || '_'
                   || encode(sha256(convert_to('secret ' || i, 'UTF8')), 'hex'), 'UTF8')),
               'cust_' || left(md5('bench ' || i), 8), '{{license,usage,billing}}', at,
               current_date, sha256(convert_to('file ' || i, 'UTF8'))""",
}
ROWS = """ FROM (SELECT i, now() - interval '30 days' + i * interval '1 second' AS at
                   FROM generate_series({first}, {last}) AS i) AS row"""


def fill(rig, first, last, plan):
    """Makes the customers from number `first` to `last`, and the planner aware of them."""
    database = rig.database("postgres")
    # No checkpoint during the measurement.
    psql(database, "ALTER SYSTEM SET max_wal_size = '16GB'", "SELECT pg_reload_conf()")
    fills = []
    for sql in TABLES.values():
        command = (sql + ROWS).format(plan=plan, first=first, last=last)
        fills.append(subprocess.Popen(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c",
             "SET session_replication_role = replica", "-c", command, database],
            stdout=subprocess.DEVNULL))
    if any([fill.wait() for fill in fills]):
        raise RuntimeError("the customers could not be written")
    psql(database, "ALTER SYSTEM RESET max_wal_size", "SELECT pg_reload_conf()",
         "VACUUM ANALYZE " + ", ".join(TABLES), "CHECKPOINT")


def customer_id(number):
    """The customer's id."""
    return "cust_" + hashlib.md5(f"bench {number}".encode()).hexdigest()


def api_key(number):
    """The customer's API key."""
    return f"{customer_id(number)}_{hashlib.sha256(f'secret {number}'.encode()).hexdigest()}"


def digest(number):
    """The digest of the key, as the database has it."""
    return hashlib.sha256(api_key(number).encode()).hexdigest()


def license_requests(numbers):
    """GET the licence of each customer, with its own key."""
    return [("GET", f"/api/licenses/{customer_id(number)}", api_key(number), "")
            for number in numbers]


def sign_ups(key, name, count):
    """POST a new customer each, none twice as long as `name` differs."""
    return [("POST", "/api/customers", key,
             json.dumps({"email": f"{name}-{i}@new.example", "company_name": f"New {name} {i}"}))
            for i in range(count)]


def _sample(total, count=256):
    """Numbers spread over all customers, the same ones at each run."""
    return [1 + (i * 2654435761) % total for i in range(count)]


def lookups(total, key, deep_cursor):
    """The look-ups that must not get slower when there are more customers, by name. `key` is an
    operator's; each search has as many hits among a thousand as among a million."""
    numbers = _sample(total)

    def of_each(path):
        return [("GET", path.format(customer_id(number)), api_key(number), "")
                for number in numbers]

    def found(**query):
        words = urllib.parse.urlencode({"limit": 20, **query})
        return ("GET", f"/api/customers?{words}", key, "")

    return {
        "licence kept": license_requests(numbers),
        "licence history": of_each("/api/licenses/{}/history"),
        "customer": of_each("/api/customers/{}"),
        "subscription": of_each("/api/subscriptions/{}"),
        "keys of a customer": of_each("/api/customers/{}/keys"),
        "customers, first page": [found()],
        "customers, page by cursor at 99 %": [found(cursor=deep_cursor)],
        "customers ?email=": [found(email=f"person{number}@bench.example") for number in numbers],
        "customers ?q= with 10 hits": [found(q=f"company 00000{i}") for i in range(10, 100)],
        "customers ?q= with no hit": [found(q=f"nobody{number}") for number in numbers],
        "customers ?q= with many hits": [found(q="company ")],
    }
