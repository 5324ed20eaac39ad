"""The sums of usage are exact while everything goes wrong at once: reports sent again, out of order
and corrected, offline files, two hosts whose clocks are an hour apart, and kills of their workers and
of the processes that fold. What a report costs depends on nothing that is stored."""

import base64
import concurrent.futures
import contextlib
import json
import os
import statistics
import time
import uuid

import pytest
from chaos.load import Load
from chaos.processes import FAKETIME, Killer, Skewed
from chaos.usage import Sender
from support.client import expect
from support.fcgi import ask
from support.stack import VARIANT, wait_for
from support.usage_model import Reports, recomputed_differences, wait_until_folded

STACK = {"WORKERS": 6}
# FULL=1 sends a million reports.
FULL = os.environ.get("FULL") == "1"
COUNT = int(os.environ.get("USAGE_REPORTS", "1000000")) if FULL else 1500
# A process that is killed in its first request is replaced later and later.
KILL_SECONDS = 3 if FULL else 0.4
CLIENTS = 32 if FULL else 64
INSTANCES = 10000


class Everything(Sender):
    """Sends reports alone and in batches, and corrections."""

    async def visit(self, client):
        if self.answers and client.rng.random() < 0.05:
            await self.correct(client)
        elif FULL and client.rng.random() < 0.8:
            await self.batch(client, 500)
        else:
            await super().visit(client)

    async def batch(self, client, count):
        """One batch of so many."""
        answer = await client.insist("POST", "/api/usage/reports", {
            "reports": [self.reports.one() for _ in range(count)]})
        assert answer.status == 200 and answer.json()["invalid"] == 0, answer.body
        for one in answer.json()["results"]:
            self.record(one["report"])


@contextlib.contextmanager
def other_host(stack):
    """A second billingd with the same database, whose clock is an hour ahead."""
    made = Skewed(stack)
    made.set("+1h")
    made.socket, made.stripe_socket = (made.pid_file.with_name(name) for name in ("m.sock", "s.sock"))
    made.write(BILLING_SOCKET=made.socket, BILLING_STRIPE_SOCKET=made.stripe_socket, WORKERS=2)
    made.launch()
    try:
        yield made
    finally:
        made.stop()


def send_to(stack, host, sender, rng, over):
    """Sends batches to the other host's socket until `over()`."""
    reports = Reports(rng.random(), sender.customers)
    while not over():
        # No other sender has these ids.
        items = [{**reports.one(), "report_id": uuid.uuid4().hex} for _ in range(20)]
        for _ in range(500):
            with contextlib.suppress(OSError, ValueError, AssertionError, IndexError, KeyError):
                status, answer = ask(host.socket, "POST", "/api/usage/reports", json.dumps(
                    {"reports": items}).encode(), HTTP_AUTHORIZATION=f"Bearer {stack.admin_key}")
                if status == 200:
                    break
            time.sleep(0.02)
        else:
            raise AssertionError("the other host does not answer")
        for one in answer["results"]:
            sender.record(one["report"])


def import_files(stack, sender, rng, over):
    """Imports usage files for which the operator vouches, until `over()`."""
    reports, number = Reports(rng.random(), sender.customers), 0
    while not over():
        number += 1
        items = [{**reports.one(), "instance_id": "offline", "customer_id": sender.customers[0],
                  "report_id": f"file-{number}-{n}"} for n in range(30)]
        claims = {"customer_id": sender.customers[0], "instance_id": "offline", "chain": str(number),
                  "file": 1, "previous": "", "exported_at": items[0]["reported_at"],
                  "reports": [{"first": n + 1, "number": n + 1, **{
                      name: item[name] for name in ("report_id", "reported_at", "active_devices",
                                                    "total_devices", "metrics")}}
                              for n, item in enumerate(items)]}
        parts = ({"alg": "EdDSA", "typ": "usage+jwt"}, claims)
        text = ".".join(base64.urlsafe_b64encode(json.dumps(part, separators=(",", ":")).encode())
                        .rstrip(b"=").decode() for part in parts) + ".AAAA"
        done = stack.billingctl("--json", "usage", "import", "--vouch", "-", input=text)
        assert json.loads(done.stdout)["created"] == len(items), done.stdout
        # Sent again, they are answered as they were stored.
        sender.imported.append(items)


@pytest.mark.skipif(VARIANT == "sanitize", reason="AddressSanitizer wants to be the first library")
def test_sums_are_exact_whatever_happens(stack, rng, report):
    assert FAKETIME, "libfaketime is missing"
    sender = Everything(stack, rng)
    sender.imported = []
    ended = []

    def over():
        return bool(ended)

    with other_host(stack) as host, concurrent.futures.ThreadPoolExecutor(2) as pool:
        more = [pool.submit(send_to, stack, host, sender, rng, over),
                pool.submit(import_files, stack, sender, rng, over)]
        try:
            with Load(stack, CLIENTS, sender.visit, rng.random()) as load, \
                    Killer(stack, rng, KILL_SECONDS) as killer, \
                    Killer(host, rng, 2 * KILL_SECONDS) as other_killer:
                wait_for(lambda: (len(sender.answers) >= COUNT and killer.kills >= 5 and
                                  other_killer.kills >= 3 and sender.imported) or load.check() or
                         any(one.done() for one in more), 7200, 0.2)
        finally:
            ended.append(True)
        for one in more:
            one.result()
        for items in sender.imported:
            answer = expect(stack.api.owner.post("/api/usage/reports", {"reports": items}), 200)
            assert answer["duplicates"] == len(items)
            for one in answer["results"]:
                sender.record(one["report"])
        start = time.monotonic()
        wait_until_folded(stack, 120)
        folded = time.monotonic() - start
        differences = sender.differences(stack)
    report(reports=len(sender.answers), corrections=len(sender.corrections),
           files=len(sender.imported), kills=killer.kills + other_killer.kills,
           retries=load.retries, seconds_until_folded=f"{folded:.1f}", differences=differences)
    assert differences == 0
    assert len(sender.answers) >= COUNT and sender.corrections and sender.imported
    assert killer.kills and other_killer.kills


def report_body(customer, number):
    """A report of one of the customer's instances."""
    return {"customer_id": customer.id, "instance_id": f"i{number}", "active_devices": 1,
            "total_devices": 2, "metrics": {"api_calls": 1, "mqtt_messages": 2, "storage_mb": 3}}


def median_ms(requests):
    """The median time of the requests."""
    times = []
    for request in requests:
        start = time.perf_counter()
        assert request().status_code in (200, 201)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


@pytest.mark.skipif(VARIANT != "release", reason="sanitizers cost time themselves")
def test_a_large_fleet_costs_no_more(stack, report):
    """A customer with 10 000 instances and a month of days beside one with one."""
    small, large = stack.api.sign_up(), stack.api.sign_up()
    for first in range(0, INSTANCES, 500):
        expect(large.client.post("/api/usage/reports", {"reports": [
            report_body(large, number) for number in range(first, first + 500)]}), 200)
    expect(small.client.post("/api/usage/report", report_body(small, 0)), 201)
    wait_until_folded(stack)
    for table in ("usage_daily", "usage_daily_metrics"):
        rest = {"usage_daily": "instance_id, 9, 7, 70, 9, 90",
                "usage_daily_metrics": "instance_id, metric, 9, 7"}[table]
        stack.sql(f"INSERT INTO {table} SELECT customer_id, day - back, {rest} FROM {table}, "
                  f"generate_series(1, 30) back WHERE customer_id IN ('{small.id}', '{large.id}') "
                  "ON CONFLICT DO NOTHING", 300)  # the reports may be of two days
    stack.sql("VACUUM ANALYZE", 300)
    most = {customer.id: expect(customer.client.get(f"/api/usage/{customer.id}/limits"), 200)
            for customer in (small, large)}
    assert most[large.id]["instances"]["current"] == INSTANCES
    assert most[large.id]["metrics"]["storage_mb"]["current"] == 3 * INSTANCES
    ratios = {}
    for name, make in {
            "report": lambda c, n: lambda: c.client.post("/api/usage/report", report_body(c, n)),
            "limits": lambda c, _: lambda: c.client.get(f"/api/usage/{c.id}/limits"),
            "latest": lambda c, _: lambda: c.client.get(f"/api/usage/{c.id}/latest"),
            "daily": lambda c, _: lambda: c.client.get(f"/api/usage/{c.id}/daily"),
            "daily of an instance": lambda c, _: lambda: c.client.get(
                f"/api/usage/{c.id}/daily?instance_id=i0"),
            "instances": lambda c, _: lambda: c.client.get(
                f"/api/customers/{c.id}/instances?limit=1")}.items():
        tries = []
        for _ in range(3):
            wait_until_folded(stack)
            one, many = (median_ms([make(customer, number * step) for number in range(20)])
                         for customer, step in ((small, 0), (large, 499)))
            tries.append(many / one)
        ratios[name] = min(tries)
    report(**{name.replace(" ", "_"): f"x{ratio:.2f}" for name, ratio in ratios.items()})
    assert max(ratios.values()) < 2, ratios
    assert recomputed_differences(stack, [small.id]) != []  # days that were made up here
