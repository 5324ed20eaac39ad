"""billingctl import original: an earlier service's customers, subscriptions and usage are taken over
once, whatever happens meanwhile."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from support import original
from support.scratch import cluster, new_scratch  # noqa: F401 (fixtures)
from support.stack import wait_for

FULL = os.environ.get("FULL") == "1"
# The tables have this in common after one run and after an interrupted one. Ids are given in the
# order of arrival, and received_at is the time of the import.
CONTENT = """
SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM customers t;
SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM (SELECT customer_id, plan, status,
    stripe_subscription_id, trial_ends_at, current_period_ends_at, ended_at, created_at, updated_at
    FROM subscriptions) t;
SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM (SELECT customer_id, instance_id,
    active_devices, total_devices, metrics, reported_at, report_id FROM usage_reports) t;
SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM usage_days t;
SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM usage_daily t;
SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM usage_fleets t;
SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM (SELECT customer_id, instance_id,
    first_seen_at, last_seen_at, lease_expires_at, latest_reported_at, active_devices, total_devices
    FROM instances) t;
SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM (SELECT action, customer_id FROM audit_log) t;
SELECT count(*) FROM usage_pending;
SELECT count(*) FROM trial_redemptions;
"""


class Original:
    """A database of the original service beside a scratch one; `url` names the file of its address."""

    def __init__(self, scratch, customers, reports, odd=True):
        self.scratch = scratch
        self.name = f"original_{scratch.name}"
        scratch.cluster.sql(f"CREATE DATABASE {self.name}")
        self.sql(original.script(customers, reports, odd))
        self.url = f"@{scratch.place}/original.url"
        path = scratch.place / "original.url"
        path.touch(0o600)
        path.write_text(scratch.cluster.url_of(self.name) + "\n", encoding="ascii")

    def sql(self, query):
        return self.scratch.cluster.sql(query, self.name)


def rows(scratch):
    """All rows as SQL; places of sequences, which a dry run may move, are left out."""
    done = subprocess.run(["pg_dump", "--data-only", "-d", scratch.env["DATABASE_URL"]],
                          capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines()
            if not re.match(r"\\(un)?restrict|SELECT pg_catalog\.setval", line)]


def run(scratch, source, *arguments, status=3):
    """Runs the import, which skips something; its JSON answer."""
    done = subprocess.run(**scratch.command("import", "original", source.url, "--json", *arguments),
                          capture_output=True, timeout=1800 if FULL else 120, check=False)
    progress = [line for line in done.stderr.splitlines()
                if not re.fullmatch(r"billingctl: [a-z]+: [0-9]+ of [0-9]+", line)]
    assert done.returncode == status and not progress, done.stderr
    return json.loads(done.stdout)


def test_takes_over_once(new_scratch):
    scratch = new_scratch().ready()
    source = Original(scratch, 40, 400)
    path = scratch.place / "remarks"
    before = rows(scratch)

    assert "no time zone Nowhere/City" in scratch.refuses(
        "import", "original", source.url, "--timezone", "Nowhere/City", status=2)
    dry = run(scratch, source, "--dry-run", "--report", path)
    assert rows(scratch) == before
    assert [json.loads(line) for line in path.read_text("utf-8").splitlines()] == dry["remarks"]
    answer = run(scratch, source)
    assert {**answer, "dry_run": True} == dry
    assert (answer["customers_read"], answer["customers_made"], answer["customers_skipped"]) == (49, 47, 2)
    assert (answer["subscriptions_read"], answer["subscriptions_made"],
            answer["subscriptions_skipped"]) == (48, 42, 6)
    assert (answer["reports_read"], answer["reports_made"], answer["reports_skipped"]) == (410, 402, 8)
    check_remarks(answer["remarks"])
    check_sums(scratch, source)
    check_rows(scratch, source)

    imported = rows(scratch)
    again = run(scratch, source)
    assert rows(scratch) == imported
    for kind, made in (("customers", 47), ("subscriptions", 42), ("reports", 402)):
        assert (again[f"{kind}_made"], again[f"{kind}_here"]) == (0, made)
    check_arguments(scratch, source)
    check_hidden(scratch)


def check_remarks(remarks):
    """Each odd row is told once, with the reason."""
    for what, done, last, count, why in (
            ("customers", "skipped", "1", 1, "has its e-mail address"),
            ("customers", "skipped", "2", 1, "e-mail address is none"),
            ("customers", "changed", "3", 1, "without its company_name"),
            ("customers", "changed", "3", 1, "which another customer has"),
            ("customers", "changed", "3", 1, "now is taken"),
            ("customers", "changed", "4", 1, "no id of Stripe's"),
            ("customers", "changed", "4", 1, "now is taken"),
            ("subscriptions", "skipped", "1", 1, "customer was not taken over"),
            ("subscriptions", "skipped", "3", 1, 'no plan "gold"'),
            ("subscriptions", "skipped", "4", 1, '"expired" is not a status'),
            ("subscriptions", "skipped", "5", 1, "without trial_ends_at"),
            ("subscriptions", "skipped", "6", 1, "more than ten years"),
            ("subscriptions", "skipped", "7", 1, "infinity is out of range"),
            ("subscriptions", "changed", "8", 1, "until an operator cancels it"),
            ("subscriptions", "changed", "9", 1, "it is a contract here"),
            ("reports", "skipped", "1", 1, "customer was not taken over"),
            ("reports", "skipped", "3", 2, "older than USAGE_RETENTION_DAYS"),
            ("reports", "skipped", "3", 1, "in the future"),
            ("reports", "skipped", "4", 1, "missing or out of range"),
            ("reports", "skipped", "4", 1, "instance_id is not"),
            ("reports", "skipped", "4", 2, "numbers of devices")):
        found = [r for r in remarks if (r["what"], r["done"], r["count"]) == (what, done, count)
                 and r["id"] == "cust_" + "0" * 31 + last and why in r["why"]]
        assert len(found) == 1, (what, last, why)
    renamed = [r["id"] for r in remarks if r["done"] == "renamed"]
    assert renamed == [f"customer {n} / ä" for n in (10, 20, 30, 40)]
    assert len(remarks) == 21 + len(renamed)


def check_arguments(scratch, source):
    """The connection string in each of its forms, and a password that is hidden. Times are of the zone
    that is given."""
    url = scratch.cluster.url_of(source.name)
    source.sql("INSERT INTO customers (customer_id, email, created_at) "
               "VALUES ('late', 'late@original.example', '2026-01-15 12:00:00')")
    done = scratch.run("import", "original", url + "&password=hunter22",
                       "--timezone", "America/New_York")
    assert done.returncode == 3 and "PGPASSFILE" in done.stderr and "hunter22" not in done.stderr
    assert scratch.sql("SELECT created_at AT TIME ZONE 'UTC' FROM customers "
                       "WHERE email LIKE 'late@%'") == "2026-01-15 17:00:00"
    from_stdin = scratch.run("import", "original", "-", "--dry-run", input=url)
    assert (from_stdin.returncode, from_stdin.stderr) == (3, "")
    open_file = scratch.place / "open.url"
    open_file.write_text(url, encoding="ascii")
    open_file.chmod(0o644)
    assert "chmod" in scratch.refuses("import", "original", f"@{open_file}")
    assert "cannot be reached" in scratch.refuses("import", "original",
                                                  "postgresql:///none?host=/nowhere")


def check_sums(scratch, source):
    """Counts and sums of the original's reports that were not skipped, day by day."""
    kept = "reported_at BETWEEN now() - interval '89 days' AND now() AND total_devices >= active_devices " \
        "AND active_devices >= 0 AND instance_id ~ '^[-A-Za-z0-9._:]{1,100}$' " \
        "AND customer_id <> 'cust_00000000000000000000000000000001'"
    theirs = source.sql(f"SELECT date(reported_at), count(*), sum(active_devices), sum(total_devices) "
                        f"FROM usage_reports WHERE {kept} GROUP BY 1 ORDER BY 1")
    assert theirs == scratch.sql("SELECT day, sum(reports), sum(active_devices_sum), "
                                 "sum(total_devices_sum) FROM usage_days GROUP BY 1 ORDER BY 1")
    assert theirs == scratch.sql(
        "SELECT (reported_at AT TIME ZONE 'UTC')::date, count(*), sum(active_devices), "
        "sum(total_devices) FROM usage_reports GROUP BY 1 ORDER BY 1")
    assert scratch.sql("SELECT count(*) FROM usage_pending") == "0"


def check_rows(scratch, source):
    fields = "email, company_name, created_at AT TIME ZONE 'UTC', updated_at AT TIME ZONE 'UTC'"
    plain = "customer_id ~ '^cust_[0-9a-f]{32}$' AND company_name LIKE 'Company %'"
    ms = "date_trunc('milliseconds', {0})"
    theirs = f"email, company_name, {ms.format('created_at')}, {ms.format('updated_at')}"
    assert scratch.sql(f"SELECT {fields} FROM customers WHERE company_name LIKE 'Company %' "
                       f"AND customer_id IN (SELECT 'cust_' || md5('customer ' || n) "
                       f"FROM generate_series(1, 40) n) ORDER BY email") == \
        source.sql(f"SELECT {theirs} FROM customers WHERE {plain} ORDER BY email")
    # A trial that is over is canceled; one of an address that had it is not given again.
    assert scratch.sql("SELECT status, count(*) FROM subscriptions GROUP BY 1 ORDER BY 1") == \
        "active|12\ncanceled|20\ntrialing|10"
    assert scratch.sql("SELECT plan, ends_at AT TIME ZONE 'UTC' FROM subscriptions WHERE contract_id IS NOT NULL") == \
        source.sql("SELECT plan, current_period_ends_at FROM subscriptions "
                   f"WHERE customer_id = 'cust_{9:032}'")
    assert scratch.sql("SELECT count(*) FROM trial_redemptions") == "20"


def check_hidden(scratch):
    """A password in the command line is overwritten where other users see it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://reader:hunter22@127.0.0.1:{silent.getsockname()[1]}/original"
        process = subprocess.Popen(**scratch.command("import", "original", url),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        shown = Path(f"/proc/{process.pid}/cmdline")
        # It waits for the server's answer with the argument hidden.
        wait_for(lambda: b"***" in shown.read_bytes())
        assert b"hunter22" not in shown.read_bytes()
        process.kill()
        out, err = process.communicate(timeout=60)
        assert "hunter22" not in out + err


def test_a_dry_run_holds_no_transaction(new_scratch):
    """Its transactions are those of its steps, so that nothing waits for its end."""
    scratch = new_scratch().ready()
    source = Original(scratch, 2000, 8000, odd=False)
    process = subprocess.Popen(**scratch.command("import", "original", source.url, "--dry-run"),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    samples = []
    while process.poll() is None:
        samples.append(scratch.sql(
            "SELECT backend_xid FROM pg_stat_activity WHERE backend_xid IS NOT NULL "
            "AND pid <> pg_backend_pid() AND datname = current_database()"))
    assert process.returncode == 0
    longest = max(samples.count(one) for one in samples if one) if any(samples) else 0
    assert longest <= max(3, len(samples) / 3), samples
    assert scratch.sql("SELECT count(*) FROM customers") == "0"


def kill_at(scratch, source, table, count):
    """Starts an import and kills it when the table has so many rows. It is stopped while they are counted, so that
    it cannot come to its end meanwhile."""
    process = subprocess.Popen(**scratch.command("import", "original", source.url),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def reached():
        process.send_signal(signal.SIGSTOP)
        if process.poll() is not None or int(scratch.sql(f"SELECT count(*) FROM {table}")) >= count:
            return True
        process.send_signal(signal.SIGCONT)
        return False

    wait_for(reached, seconds=1800 if FULL else 60, every=0.2 if FULL else 0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(60)


def test_killed_half_way_and_run_again(new_scratch):
    customers, reports = (100000, 1000000) if FULL else (2000, 8000)
    once, killed = new_scratch().ready(), new_scratch().ready()
    source = Original(once, customers, reports, odd=False)
    run(once, source, status=0)
    kill_at(killed, source, "customers", customers // 2)
    kill_at(killed, source, "subscriptions", customers // 2)
    kill_at(killed, source, "usage_reports", reports // 3)
    assert int(killed.sql("SELECT count(*) FROM usage_reports")) < reports
    run(killed, source, status=0)
    assert killed.sql(CONTENT) == once.sql(CONTENT)


@pytest.mark.skipif(not FULL, reason="100 000 customers and a million reports take minutes: FULL=1")
def test_a_large_original(new_scratch):
    scratch = new_scratch().ready()
    source = Original(scratch, 100000, 1000000)
    for made, seconds in (((100007, 1000002), 1800), ((0, 0), 900)):
        start = time.monotonic()
        process = subprocess.Popen(**scratch.command("import", "original", source.url, "--json"),
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        peak = 0
        while process.poll() is None:
            try:
                with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
                    peak = max([peak] + [int(line.split()[1]) for line in status
                                         if line.startswith("VmHWM")])
            except OSError:
                pass
            if process.stdout in select.select([process.stdout], [], [], 0.2)[0]:
                break
        answer = json.loads(process.communicate(timeout=seconds)[0])
        assert (answer["customers_made"], answer["reports_made"]) == made
        assert time.monotonic() - start < seconds and peak < 200 * 1024
    check_sums(scratch, source)
