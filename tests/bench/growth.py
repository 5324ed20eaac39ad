"""The cost of a write as more is stored: beside a fleet of instances, and in tables of many rows."""

import json
import ssl
import time
import urllib.request

import customers
import payments
import usage
from load import psql, psql_value

FLEETS = (1, 100, 10_000)
# Customers that no other measure reports for.
FIRST = usage.CUSTOMERS - len(FLEETS) + 1
BATCH = 500
EVENTS = """
    INSERT INTO stripe_events (event_id, type, livemode, happened_at, received_at, origin, family,
                               subject, state, finished_at)
    SELECT 'evt_old' || i, 'customer.subscription.updated', false, now(),
           now() - i % 7000000 * interval '1 second', 'webhook', 'subscription', 'sub_old' || i,
           'done', now()
      FROM generate_series(1, {count}) AS i"""


def report_of(customer, instance):
    """The body of a report of one instance of the customer's fleet."""
    return usage.report(customer, instance_id=f"i{instance}")


def fleets():
    """Each customer with its number of instances."""
    return [(FIRST + index, size) for index, size in enumerate(FLEETS)]


def make_fleets(rig):
    """Reports once for each instance, and waits until the jobs have summed that."""
    trust = ssl.create_default_context(cafile=rig.env["CA_CERT"])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                         urllib.request.HTTPSHandler(context=trust))
    for customer, size in fleets():
        for first in range(0, size, BATCH):
            reports = [report_of(customer, number)
                       for number in range(first, min(first + BATCH, size))]
            request = urllib.request.Request(
                f"{rig.url}/api/usage/reports", json.dumps({"reports": reports}).encode(),
                {"X-API-Key": customers.api_key(customer), "Content-Type": "application/json"})
            opener.open(request, timeout=60).close()
    await_fold(rig)


def await_fold(rig, seconds=120):
    """Waits until every report is in the sums."""
    deadline = time.monotonic() + seconds
    while psql_value(rig.database("postgres"), "SELECT count(*) FROM usage_pending") != "0":
        if time.monotonic() > deadline:
            raise RuntimeError(f"reports were not summed within {seconds} s")
        time.sleep(0.2)


def reports_by_fleet(measures):
    """Reports of each fleet, one at a time, as one instance's reports wait for each other."""
    make_fleets(measures.rig)
    for customer, size in fleets():
        requests = [("POST", "/api/usage/report", customers.api_key(customer),
                     json.dumps(report_of(customer, number * 31 % size))) for number in range(1000)]
        measures.serve(fleet_name(size), measures.requests(f"fleet{size}", requests), 1)
        await_fold(measures.rig)


def fleet_name(size):
    """The figure's name."""
    return f"usage report, fleet of {size}"


def events(measures, stripe, total):
    """New events, in an empty table and in one with so many."""
    database = measures.rig.database("postgres")
    with measures.rig.stripe_jobs_paused():
        for stage in ("small", "large"):
            new = payments.events(stripe.webhook_secret, f"growth_{stage}", 4000 * measures.seconds)
            measures.serve(f"Stripe event, {stage}",
                           measures.requests(f"growth event {stage}", new, once=True), 4)
            if stage == "small":
                psql(database, EVENTS.format(count=total), "VACUUM ANALYZE stripe_events", "CHECKPOINT")
        psql(database, "TRUNCATE stripe_events")


def licenses(measures, stage, numbers):
    """The first licences of customers, whom no other measure asks for."""
    requests = customers.license_requests(numbers)
    measures.serve(f"licence fresh, {stage}",
                   measures.requests(f"growth licence {stage}", requests, once=True), 4)


def rows():
    """The compared figures: the words, the figure with much, and the one with little."""
    found = [(f"{fleet_name(size)}: p50 / of {FLEETS[0]}", fleet_name(size), fleet_name(FLEETS[0]))
             for size in FLEETS[1:]]
    found.append(("Stripe event: p50 with many events / with few", "Stripe event, large",
                  "Stripe event, small"))
    found.append(("licence fresh: p50 with many customers / with few", "licence fresh, large",
                  "licence fresh, small"))
    return found
