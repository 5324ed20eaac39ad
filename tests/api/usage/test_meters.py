"""Metered use: Stripe counts what the days are worth, with faults on the way, and nothing
twice."""

import datetime
import os
import signal
import subprocess
import time

import pytest

from support.client import expect
from support.payments import buy, settled
from support.stack import wait_for
from support.usage import at, report
from support.usage_model import Reports, wait_until_folded

# FULL=1 uses every fault of the stand-in, and kills the process that sends.
FULL = os.environ.get("FULL") == "1"
DAY = 86400
EVENTS, ADJUSTMENTS = "/v1/billing/meter_events", "/v1/billing/meter_event_adjustments"


@pytest.fixture(scope="module")
def metered(bounded):
    """A stack whose professional plan names meters."""
    return bounded


@pytest.fixture(autouse=True)
def calm(metered):
    """Removes all faults of Stripe before and after each test."""
    metered.stripe.reset_requests()
    yield
    metered.stripe.faults([])


@pytest.fixture
def customer(metered):
    """A customer who has paid for professional for a long time."""
    made = metered.api.sign_up()
    buy(metered, made, "professional")
    where = f"WHERE customer_id = '{made.id}'"
    metered.sql(f"UPDATE subscriptions SET created_at = now() - interval '60 days' {where}")
    made.stripe = metered.sql(f"SELECT stripe_customer_id FROM customers {where}")
    return made


def demand(stack, *names):
    """Runs the sweep over the days or over Stripe's sums now, and waits for its end."""
    wait_until_folded(stack)
    where = "WHERE name IN ('{}')".format("', '".join(names))
    stack.sql(f"UPDATE stripe_sweeps SET started_at = NULL, finished_at = NULL {where};"
              "NOTIFY stripe_jobs")
    wait_for(lambda: stack.sql("SELECT bool_and(finished_at IS NOT NULL) FROM stripe_sweeps "
                               f"{where}") == "t")


def told(stack):
    """Whether no event waits to be sent or cancelled."""
    stack.sql("UPDATE meter_events SET next_try_at = now() WHERE next_try_at > now() AND "
              "state IN ('pending', 'canceling') AND error IS NOT NULL; NOTIFY stripe_jobs")
    return stack.sql("SELECT count(*) FROM meter_events WHERE state IN ('pending', 'canceling')"
                     ) == "0"


def tell(stack):
    """Has all known use sent."""
    demand(stack, "meter_days")
    wait_for(lambda: told(stack), every=0.2)


def worth(stack, customer):
    """The value of each finished day: {(meter, day): value}."""
    rows = stack.sql(
        "SELECT metric, day, sum(CASE WHEN metric = 'api_calls' THEN total ELSE highest END) "
        f"FROM usage_daily_metrics WHERE customer_id = '{customer.id}' "
        "AND day < (now() AT TIME ZONE 'UTC' - interval '30 minutes')::date "
        "AND metric <> 'mqtt_messages' GROUP BY metric, day").splitlines()
    names = {"api_calls": "calls", "storage_mb": "storage"}
    found = {(names[metric], day): int(value) for metric, day, value in
             (row.split("|") for row in rows)}
    return {key: value for key, value in found.items() if value != 0}


def counted(stack, customer):
    """Stripe's count for each day."""
    today = int(time.time()) // DAY * DAY
    found = {}
    for name, meter in stack.meters.items():
        sums = stack.stripe.call("GET", f"/v1/billing/meters/{meter}/event_summaries", {
            "customer": customer.stripe, "start_time": today - 37 * DAY, "end_time": today + DAY,
            "value_grouping_window": "day", "limit": 100})["data"]
        for one in sums:
            day = datetime.datetime.fromtimestamp(one["start_time"], datetime.timezone.utc)
            if one["aggregated_value"] != 0:
                found[name, day.strftime("%Y-%m-%d")] = one["aggregated_value"]
    return found


def use(customer, days_ago, calls, instance="a", **metrics):
    """Sends a report of that long ago, and returns its id."""
    return expect(customer.client.post("/api/usage/report", report(
        customer, instance_id=instance, reported_at=at(days=days_ago),
        metrics={"api_calls": calls, **metrics})), 201)["report"]["id"]


def age(stack, customer, **more):
    """Makes the sent events older, so that the comparison includes them."""
    interval = " ".join(f"{count} {unit}" for unit, count in more.items())
    stack.sql(f"UPDATE meter_events SET sent_at = sent_at - interval '{interval}', "
              f"first_try_at = first_try_at - interval '{interval}' "
              f"WHERE customer_id = '{customer.id}'")


def rows(stack, customer):
    """State and value of all rows of the customer."""
    return sorted(stack.sql("SELECT state, value FROM meter_events WHERE customer_id = "
                            f"'{customer.id}'").splitlines())


def parked(stack, customer):
    """Why meter events of the customer were given up, as the log of events tells it."""
    return stack.sql("SELECT data ->> 'error' FROM events WHERE type = 'stripe.parked' AND "
                     f"data ->> 'kind' = 'meter_event' AND customer_id = '{customer.id}'").splitlines()


def test_days_are_sent_once(metered, customer):
    use(customer, 2, 5, storage_mb=7)
    use(customer, 2, 6, instance="b", storage_mb=3)
    use(customer, 2, 1, storage_mb=4)
    use(customer, 30, 9)
    use(customer, 0, 1000)
    tell(metered)
    assert len(worth(metered, customer)) == 3
    assert counted(metered, customer) == worth(metered, customer)
    demand(metered, "meter_days")
    assert len(requests(metered, customer)) == 3
    # A late report is sent as a difference.
    use(customer, 30, 4)
    tell(metered)
    assert counted(metered, customer) == worth(metered, customer)
    assert rows(metered, customer) == ["sent|10", "sent|12", "sent|4", "sent|9"]


def requests(stack, customer):
    """The requests that told Stripe of the customer's use."""
    return [one for one in stack.stripe.requests("POST", EVENTS) if customer.stripe in one["body"]]


def restore(stack, customer, keep=0):
    """The database is restored from a backup that has `keep` of the customer's meter events."""
    stack.sql("DELETE FROM meter_events WHERE meter_event_id IN (SELECT meter_event_id FROM "
              f"meter_events WHERE customer_id = '{customer.id}' ORDER BY created_at, "
              f"meter_event_id OFFSET {keep})")


def test_a_restored_database_sends_nothing_twice(metered, customer):
    """The events that it has forgotten have the identifiers that Stripe knows."""
    # Yesterday is not finished in the first half hour of a day.
    use(customer, 3, 10, storage_mb=7)
    use(customer, 2, 3)
    tell(metered)
    before = worth(metered, customer)
    assert counted(metered, customer) == before
    restore(metered, customer)
    tell(metered)
    assert counted(metered, customer) == before
    assert rows(metered, customer) == ["sent|10", "sent|3", "sent|7"]
    # A late report is one more event, which a restored database may have forgotten alone.
    use(customer, 3, 4)
    tell(metered)
    before = worth(metered, customer)
    restore(metered, customer, keep=3)
    tell(metered)
    assert counted(metered, customer) == before
    assert rows(metered, customer) == ["sent|10", "sent|3", "sent|4", "sent|7"]


def test_a_restored_database_with_other_use(metered, customer):
    """The use of a day that Stripe counted before the restore is not counted again."""
    use(customer, 2, 10)
    tell(metered)
    restore(metered, customer)
    use(customer, 2, 4)
    tell(metered)
    assert counted(metered, customer).popitem()[1] == 10
    # A later report is sent.
    use(customer, 2, 1)
    tell(metered)
    assert counted(metered, customer).popitem()[1] == 11
    assert rows(metered, customer) == ["sent|1", "sent|14"]
    age(metered, customer, hours=2)
    done = metered.billingctl("stripe", "reconcile", "--dry-run", check=False)
    assert f"{customer.id} 15 -> 11" in done.stdout


def test_a_restored_database_and_a_cancelled_event(metered, customer):
    """The event that took the place of a cancelled one is found again."""
    wrong = use(customer, 3, 100)
    tell(metered)
    expect(metered.api.owner.post(f"/api/usage/{customer.id}/corrections", {
        "id": wrong, "reason": "test", "metrics": {"api_calls": 10}}), 201)
    tell(metered)
    assert rows(metered, customer) == ["canceled|100", "sent|10"]
    restore(metered, customer, keep=1)
    metered.sql("UPDATE meter_events SET state = 'sent' WHERE state = 'canceled' AND "
                f"customer_id = '{customer.id}'")
    tell(metered)
    assert rows(metered, customer) == ["canceled|100", "sent|10"]
    assert counted(metered, customer) == worth(metered, customer)


def waiting(stack):
    """The subjects that wait for an operator."""
    answer = expect(stack.api.owner.get("/api/analytics/attention"), 200)
    return [found["subject"] for found in answer["items"]]


def shown(stack):
    """Waits until the metrics show how many meter events are parked and not settled: their number."""
    count = stack.sql("SELECT count(*) FROM meter_events WHERE state = 'parked' AND error IS DISTINCT FROM 'settled'")
    wait_for(lambda: f"\nbilling_meter_events_parked {count}\n" in stack.api.nobody.get("/metrics").text)
    return int(count)


def test_too_much_is_cancelled(metered, customer):
    wrong = use(customer, 3, 100)
    other = use(customer, 3, 1)
    tell(metered)
    right = expect(metered.api.owner.post(f"/api/usage/{customer.id}/corrections", {
        "id": wrong, "reason": "test", "metrics": {"api_calls": 10}}), 201)["report"]["id"]
    tell(metered)
    assert counted(metered, customer) == worth(metered, customer)
    assert len(metered.stripe.requests("POST", ADJUSTMENTS)) == 1
    # Also all of a day.
    for usage_id in (right, other):
        expect(metered.api.owner.post(f"/api/usage/{customer.id}/corrections", {
            "id": usage_id, "reason": "test", "metrics": {}}), 201)
    tell(metered)
    assert counted(metered, customer) == worth(metered, customer) == {}
    # After a day Stripe cancels nothing: the event is parked and reported.
    wrong = use(customer, 4, 50)
    tell(metered)
    age(metered, customer, hours=24)
    expect(metered.api.owner.post(f"/api/usage/{customer.id}/corrections", {
        "id": wrong, "reason": "test", "metrics": {"api_calls": 20}}), 201)
    tell(metered)
    assert "parked|-30" in rows(metered, customer)
    demand(metered, "meter_days")
    assert rows(metered, customer).count("parked|-30") == 1
    assert parked(metered, customer) == ["too_late_to_correct"]
    before = shown(metered)
    done = metered.billingctl("stripe", "reconcile", "--dry-run", check=False)
    assert done.returncode == 3 and f"{customer.id} 20 -> 50" in done.stdout
    # Until an operator settles it.
    event = metered.sql("SELECT meter_event_id FROM meter_events WHERE state = 'parked' "
                        f"AND customer_id = '{customer.id}'")
    assert event in waiting(metered)
    metered.billingctl("stripe", "settle", event)
    assert event not in waiting(metered)
    done = metered.billingctl("stripe", "reconcile", "--dry-run", check=False)
    assert f"{customer.id} 20 -> 50" not in done.stdout
    demand(metered, "meter_days")
    assert rows(metered, customer).count("parked|-30") == 1
    assert shown(metered) == before - 1


@pytest.mark.parametrize("kind, details", [
    ("reset_after", {}), ("truncate", {}), ("reset", {}), ("garbage", {}),
    ("status", {"status": 500}), ("status", {"status": 429})][:6 if FULL else 1])
def test_whatever_stripe_answers(metered, customer, kind, details):
    for days_ago in range(2, 8):
        use(customer, days_ago, days_ago)
    metered.stripe.faults([{"match": {"path": EVENTS}, "times": 9, "skip": 1,
                            "fault": {"kind": kind, **details}}])
    tell(metered)
    assert counted(metered, customer) == worth(metered, customer)
    assert len(worth(metered, customer)) == 6 and all(
        row.startswith("sent") for row in rows(metered, customer))


@pytest.mark.skipif(not FULL, reason="takes a quarter of a minute: FULL=1")
def test_killed_anywhere(metered, customer, figures):
    """The process that finds days and sends events is killed again and again."""
    reports = Reports(7, [customer.id])
    items = [dict(reports.one(), metrics={"api_calls": n + 1, "storage_mb": n})
             for n in range(150)]
    expect(customer.client.post("/api/usage/reports", {"reports": items}), 200)
    metered.sql("UPDATE stripe_sweeps SET started_at = NULL, finished_at = NULL "
                "WHERE name = 'meter_days'; NOTIFY stripe_jobs")
    # The connection shows which process it is.
    killed = 0
    deadline = time.monotonic() + 10
    while killed < 6 and time.monotonic() < deadline:
        pids = subprocess.run(["pgrep", "-P", str(metered.pids()[0])], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.split()
        for pid in pids:
            with open(f"/proc/{pid}/comm", encoding="ascii") as name:
                if name.read().strip() == "billingd jobs s":
                    os.kill(int(pid), signal.SIGKILL)
                    killed += 1
        time.sleep(0.4)

    def is_counted():
        metered.sql("UPDATE meter_events SET next_try_at = now() WHERE state = 'pending' AND "
                    f"customer_id = '{customer.id}'; NOTIFY stripe_jobs")
        return counted(metered, customer) == worth(metered, customer)

    demand(metered, "meter_days")
    wait_for(is_counted, every=0.5)
    wait_for(lambda: told(metered))
    figures["metering processes killed"] = killed
    assert killed >= 3 and counted(metered, customer) == worth(metered, customer)
    assert all(row.startswith("sent") for row in rows(metered, customer))


@pytest.mark.parametrize("kind, sent_twice", [("reset_after", False), ("reset", True)])
def test_unknown_for_a_day(metered, customer, kind, sent_twice):
    """Stripe may have forgotten the identifier: its sums decide whether the event is sent
    again."""
    use(customer, 5, 11)
    use(customer, 6, 12)
    tell(metered)
    use(customer, 5, 7)
    metered.stripe.faults([{"match": {"path": EVENTS}, "times": "forever", "fault": {"kind": kind}}])
    demand(metered, "meter_days")
    # The first attempt has failed; so does any other one until the event is parked.
    wait_for(lambda: metered.sql("SELECT 1 FROM meter_events WHERE state = 'pending' AND error "
                                 f"IS NOT NULL AND customer_id = '{customer.id}'"))
    metered.sql("UPDATE meter_events SET first_try_at = first_try_at - interval '24 hours', "
                "sent_at = sent_at - interval '24 hours' WHERE state IN ('pending', 'sent') AND "
                f"customer_id = '{customer.id}'")
    wait_for(lambda: told(metered))
    assert "parked|7" in rows(metered, customer)
    metered.stripe.faults([])
    assert len(parked(metered, customer)) == 1
    metered.stripe.reset_requests()
    demand(metered, "meters")
    wait_for(lambda: told(metered))
    assert bool(requests(metered, customer)) == sent_twice
    assert counted(metered, customer) == worth(metered, customer)
    assert not any(row.startswith("parked") for row in rows(metered, customer))


def test_differences_are_found(metered, customer):
    """A thin event says that Stripe could not count something; the comparison finds it."""
    finished = "SELECT count(*) FROM stripe_events WHERE family = 'meter' AND state = 'done'"
    before = int(metered.sql(finished))
    use(customer, 5, 11)
    tell(metered)
    event = metered.sql("SELECT meter_event_id FROM meter_events WHERE customer_id = "
                        f"'{customer.id}'")
    metered.stripe.call("POST", ADJUSTMENTS, {"event_name": "calls", "type": "cancel",
                                              "cancel[identifier]": event})
    age(metered, customer, hours=2)
    url = f"https://localhost:{metered.https_port}/api/webhooks/stripe"

    def found():
        return [line for line in metered.billingd_log() if line.get("what") == "meter"
                and line.get("customer_id") == customer.id]

    assert not found()
    assert metered.stripe.thin("v1.billing.meter.error_report_triggered", url=url, related={
        "id": metered.meters["calls"], "type": "billing.meter", "url": "/x"}) == 200
    line, = wait_for(found)
    assert (line["id"].split()[0], line["ours"], line["theirs"]) == ("calls", "11", "0")
    done = metered.billingctl("stripe", "reconcile", "--dry-run", check=False)
    assert done.returncode == 3 and "meter calls 2" in done.stdout and "11 -> 0" in done.stdout
    assert metered.stripe.thin("v1.billing.meter.no_meter_found", url=url) == 200
    wait_for(lambda: int(metered.sql(finished)) == before + 2)


def test_use_that_is_not_metered(metered, customer):
    """Trials, days before the subscription, other plans."""
    trial = metered.api.sign_up()
    use(trial, 3, 5)
    metered.sql("UPDATE subscriptions SET created_at = now() - interval '4 days' "
                f"WHERE customer_id = '{customer.id}'")
    use(customer, 8, 5)
    use(customer, 2, 6)
    tell(metered)
    assert rows(metered, trial) == [] and rows(metered, customer) == ["sent|6"]


def change(stack, customer, plan):
    """Changes the plan today."""
    settled(stack, customer.id)
    expect(customer.client.post("/api/subscriptions/upgrade", {
        "customer_id": customer.id, "new_plan": plan}), 200)
    settled(stack, customer.id)
    assert stack.sql("SELECT plan FROM subscriptions WHERE NOT superseded AND "
                     f"customer_id = '{customer.id}'") == plan


def test_a_day_belongs_to_the_plan_that_it_had(metered, customer):
    """Use that was not sent before a change of plan is sent later, by the plan of its day."""
    use(customer, 3, 5, storage_mb=7)
    tell(metered)
    use(customer, 2, 6, storage_mb=8)
    for plan in ("starter", "enterprise", "starter"):
        change(metered, customer, plan)
    tell(metered)
    assert rows(metered, customer) == ["sent|5", "sent|6", "sent|7", "sent|8"]
    assert counted(metered, customer) == worth(metered, customer)
    # Days on starter are never sent, whatever plan follows.
    metered.sql("UPDATE subscriptions SET plan_from = plan_from - 2 WHERE "
                f"customer_id = '{customer.id}'")
    use(customer, 1, 9)
    change(metered, customer, "professional")
    tell(metered)
    assert rows(metered, customer) == ["sent|5", "sent|6", "sent|7", "sent|8"]
