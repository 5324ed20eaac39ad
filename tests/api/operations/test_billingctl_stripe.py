"""billingctl stripe: lists and retries events, calls and meter events, and reconciles with Stripe."""

import json
import re
import shlex
import subprocess
import time

import pytest

from support.account import (  # noqa: F401 pylint: disable=unused-import
    DIFFERENT, fixture_kept_place, fixture_place)
from support.client import expect
from support.scratch import cluster  # noqa: F401 pylint: disable=unused-import
from support.stack import ROOT, wait_for, within


def test_without_a_key(place):
    for words in (("reconcile",), ("reconcile", "--dry-run")):
        line = place.ctl.refuses("stripe", *words, STRIPE_SECRET_KEY="")
        assert "STRIPE_SECRET_KEY isn't set" in line
    assert place.ctl("stripe", "events", STRIPE_SECRET_KEY="") == {"events": []}
    assert place.ctl("stripe", "calls", STRIPE_SECRET_KEY="") == {"calls": []}
    assert place.ctl("stripe", "retry", "--all") == {"events": 0, "calls": 0, "meter_events": 0}
    place.ctl.refuses("stripe", "reconcile", "--days", "31", status=2)


def test_failures_of_stripe(place):
    """Each failure is one line without the key, and comes within the deadline."""
    key = place.stripe.secret_key
    place.stripe.fault("status", status=401, times="forever", body=json.dumps(
        {"error": {"type": "invalid_request_error", "message": f"Invalid API Key: {key}"}}))
    assert "doesn't know the key" in place.ctl.refuses("stripe", "reconcile")
    place.stripe.fault("status", status=400, times="forever", body=json.dumps(
        {"error": {"type": "invalid_request_error", "code": "odd", "message": f"No\x1b {key}"}}))
    line = place.ctl.refuses("stripe", "reconcile")
    assert line.endswith("GET /v1/subscriptions: odd") and key not in line
    place.stripe.fault("hang", seconds=60, times="forever")
    begun = time.monotonic()
    assert "doesn't answer" in place.ctl.refuses("stripe", "reconcile", STRIPE_DEADLINE_MS=1000)
    assert time.monotonic() - begun < within(5)
    place.stripe.faults([])
    line = place.ctl.refuses("stripe", "reconcile", STRIPE_API_BASE="http://127.0.0.1:1", STRIPE_DEADLINE_MS=1000)
    assert "doesn't answer at http://127.0.0.1:1" in line


def test_a_dry_run_changes_nothing(place):
    customer_id, lost = place.subscribe("a@example.com")
    other_id, other = place.subscribe("b@example.com", "price_p")
    gone_id, gone = place.subscribe("c@example.com")
    same_id, same = place.subscribe("d@example.com")
    place.mirror(other_id, other, status="past_due")
    place.mirror(gone_id, gone)
    place.mirror(same_id, same)
    place.stripe.call("DELETE", f"/v1/subscriptions/{gone}")
    place.stripe.call("POST", f"/v1/subscriptions/{other}", {"cancel_at_period_end": "true"})
    before = place.dump()
    answer = place.reconcile("--dry-run")
    assert place.dump() == before
    events = [one for one in answer if one["what"] == "event"]
    assert {one["theirs"] for one in events} >= {
        "customer.subscription.created", "customer.subscription.deleted", "invoice.paid"}
    wanted = {("subscription", lost, customer_id, None, "active"),
              ("plan", other, other_id, "starter", "professional"),
              ("status", other, other_id, "past_due", "active"),
              ("status", gone, gone_id, "active", "canceled"),
              ("cancel_at_period_end", other, other_id, "false", "true")}
    assert {tuple(one.values()) for one in answer
            if one["what"] not in ("event", "cancel_at")} == wanted
    done = place.ctl.run("stripe", "reconcile", "--dry-run")
    lines = done.stdout.splitlines()
    assert done.returncode == DIFFERENT and len(lines) == len(answer) + 1
    assert f"subscription {lost} {customer_id} - -> active" in lines
    assert f"plan {other} {other_id} starter -> professional" in lines
    assert lines[-1] == f"{len(answer)} differences from Stripe; nothing was changed."


def test_differences_are_queued_once(place):
    customer_id, lost = place.subscribe("a@example.com")
    found = place.reconcile()
    listed = place.ctl("stripe", "events")["events"]
    assert {one["event"] for one in listed} >= {one["id"] for one in found if one["what"] == "event"}
    assert {one["state"] for one in listed} == {"pending"}
    assert len(listed) == len(found) and any(one["event"].endswith(lost) for one in listed)
    # The events are stored now and wait for billingd.
    again = place.reconcile()
    assert [tuple(one.values()) for one in again] == [
        ("subscription", lost, customer_id, None, "active")]
    place.mirror(customer_id, lost)
    assert place.reconcile(status=0) == []
    done = place.ctl.run("stripe", "reconcile")
    assert (done.returncode, done.stdout) == (0, "Nothing differs from Stripe.\n")


def test_events_are_looked_for_as_far_back_as_asked(place):
    customer_id, lost = place.subscribe("a@example.com")
    place.mirror(customer_id, lost)
    place.reconcile("--dry-run", "--days", "30")
    sent = place.stripe.requests("GET", "/v1/events")[-1]["query"]
    since = int(sent.split("created[gte]=")[1].split("&")[0])
    assert abs(time.time() - 30 * 86400 - since) < 60
    place.sql("UPDATE stripe_sweeps SET complete_to = now() - interval '9 days'")
    place.reconcile("--dry-run")
    sent = place.stripe.requests("GET", "/v1/events")[-1]["query"]
    since = int(sent.split("created[gte]=")[1].split("&")[0])
    assert abs(time.time() - 9 * 86400 - 3600 - since) < 60


def test_hundreds_are_compared_page_by_page(place):
    """The lists of Stripe and of the service are read page by page; a dry run remembers which subscriptions were listed."""
    customer_id, first = place.subscribe("a@example.com")
    stripe_id = place.sql("SELECT stripe_customer_id FROM customers "
                          f"WHERE customer_id = '{customer_id}'")
    ids = [first]
    for _ in range(110):
        ids.append(place.stripe.call("POST", "/v1/subscriptions", {
            "customer": stripe_id, "items[0][price]": "price_s"})["id"])
    place.sql("DELETE FROM subscriptions")
    _, text = place.billed(first)
    rows = ", ".join(f"('{customer_id}', '{id}', 'starter', 'canceled', now(), true, '{text}')"
                     for id in ids)
    place.sql("INSERT INTO subscriptions (customer_id, stripe_subscription_id, plan, status, "
              f"current_period_ends_at, superseded, recurring) VALUES {rows}; "
              "UPDATE subscriptions SET status = 'active'")
    requests = len(place.stripe.requests())
    found = place.differences("--dry-run")
    assert {one[0] for one in found} == {"period_end"} and {one[1] for one in found} == set(ids)
    asked = place.stripe.requests()[requests:]
    assert not [one for one in asked if one["path"].startswith("/v1/subscriptions/")]
    assert 3 <= len([one for one in asked if one["path"] == "/v1/subscriptions"]) < 10


def test_show(place):
    place.subscribe("a@example.com")
    place.reconcile()
    listed = place.ctl("stripe", "events", "--limit", "1000")["events"]
    event = next(one for one in listed if one["type"] == "invoice.paid")["event"]
    shown = place.ctl("stripe", "show", event)
    assert shown["payload"]["id"] == event and shown["about"] == "invoice"
    assert shown["subject"] == shown["payload"]["data"]["object"]["id"]
    assert shown["origin"] == "sweep" and shown["state"] == "pending"
    text = place.ctl.run("stripe", "show", event).stdout
    assert json.loads(text[text.index("\n{") + 1:]) == shown["payload"]
    place.sql("UPDATE stripe_events SET payload = NULL")
    assert place.ctl("stripe", "show", event)["payload"] is None
    assert "isn't kept" in place.ctl.run("stripe", "show", event).stdout
    assert "no event evt_0" in place.ctl.refuses("stripe", "show", "evt_0")


def test_listing_and_retrying_events(place):
    place.subscribe("a@example.com")
    place.reconcile()
    ids = place.sql("SELECT event_id FROM stripe_events ORDER BY 1").split()
    one, two, three = ids[:3]
    place.sql("UPDATE stripe_events SET state = 'done', next_try_at = NULL, finished_at = now(); "
              "UPDATE stripe_events SET state = 'parked', attempts = 12, error = 'unknown_customer'"
              f" WHERE event_id IN ('{one}', '{two}', '{three}')")

    def parked():
        return {row["event"] for row in
                place.ctl("stripe", "events", "--state", "parked")["events"]}

    assert parked() == {one, two, three}
    assert len(place.ctl("stripe", "events", "--state", "parked", "--limit", "2")["events"]) == 2
    assert "unknown_customer" in place.ctl.run("stripe", "events", "--state", "parked").stdout
    assert place.ctl("stripe", "retry", one) == {"events": 1, "calls": 0, "meter_events": 0}
    assert parked() == {two, three}
    assert "already" in place.ctl.refuses("stripe", "retry", one)
    assert "no event" in place.ctl.refuses("stripe", "retry", "evt_0")
    assert place.ctl("stripe", "retry", "--all") == {"events": 2, "calls": 0, "meter_events": 0}
    rows = place.ctl("stripe", "events", "--state", "pending")["events"]
    assert {row["event"] for row in rows} == {one, two, three}
    assert {row["attempts"] for row in rows} == {0}


def test_dismissing_an_event(place):
    place.sql("INSERT INTO stripe_events (event_id, type, livemode, received_at, origin, family, "
              "subject, state) VALUES ('evt_1', 'invoice.updated', false, now(), 'webhook', "
              "'invoice', 'in_1', 'parked')")
    assert place.ctl("stripe", "dismiss", "evt_1", "--why", "an old shop's")["state"] == "dismissed"
    assert "dismissed" in place.ctl.refuses("stripe", "dismiss", "evt_1", "--why", "again")
    place.ctl.refuses("stripe", "dismiss", "evt_2", "--why", "none")
    event, = place.ctl("stripe", "events", "--state", "dismissed")["events"]
    assert event["event"] == "evt_1"
    assert place.sql("SELECT subject, detail FROM audit_log WHERE action = 'stripe_event_dismiss'"
                     ) == "evt_1|an old shop's"
    place.sql("DELETE FROM stripe_events")


def test_listing_and_retrying_calls(place):
    customer_id = place.ctl("customer", "create", "a@example.com")["customer_id"]
    place.sql("INSERT INTO stripe_calls (kind, customer_id, subject, path, parameters, "
              "idempotency_key, state, attempts, created_at, finished_at, error) SELECT "
              f"'customer_update', '{customer_id}', 'cus_1', '/v1/customers/cus_1', 'name=x', "
              "'gb_' || n, 'parked', 3, now(), now(), 'resource_missing' "
              "FROM generate_series(1, 3) n")
    calls = place.ctl("stripe", "calls")["calls"]
    assert [one["error"] for one in calls] == ["resource_missing"] * 3
    assert len(place.ctl("stripe", "calls", "--limit", "1")["calls"]) == 1
    assert "gb_" not in place.ctl.run("stripe", "calls").stdout
    assert place.ctl("stripe", "retry", calls[0]["call"]) == {"events": 0, "calls": 1, "meter_events": 0}
    assert place.ctl("stripe", "calls")["calls"] == calls[1:]
    place.ctl.refuses("stripe", "dismiss", calls[1]["call"], status=2)
    place.ctl.refuses("stripe", "dismiss", calls[1]["call"], "--why", "x" * 501, status=2)
    place.ctl("stripe", "dismiss", calls[1]["call"], "--why", "done by hand")
    assert "no parked call" in place.ctl.refuses("stripe", "dismiss", calls[1]["call"], "--why", "x")
    assert [one["call"] for one in place.ctl("stripe", "calls", "--state", "failed")["calls"]] == [
        calls[1]["call"]]
    assert place.sql("SELECT subject, detail FROM audit_log WHERE action = 'stripe_call_dismiss'"
                     ) == f"{calls[1]['call']}|done by hand"
    place.sql("UPDATE stripe_calls SET state = 'parked' WHERE state = 'failed'")
    assert "no parked call" in place.ctl.refuses("stripe", "retry", calls[0]["call"])
    assert place.ctl("stripe", "retry", "--all") == {"events": 0, "calls": 2, "meter_events": 0}
    assert place.ctl("stripe", "calls") == {"calls": []}
    keys = place.sql("SELECT idempotency_key FROM stripe_calls").split()
    assert len(set(keys)) == 3 and not set(keys) & {"gb_1", "gb_2", "gb_3"}


def test_parked_meter_events(place):
    customer_id = place.ctl("customer", "create", "a@example.com")["customer_id"]
    ids = [f"mev_{n:032x}" for n in range(3)]
    place.sql("INSERT INTO meter_events (meter_event_id, customer_id, stripe_customer_id, day, "
              "metric, event_name, value, state, attempts, created_at, first_try_at, error) "
              f"SELECT id, '{customer_id}', 'cus_1', '2026-11-01', 'api_calls', 'calls', value, "
              "'parked', 1, now(), now() - interval '2 days', error FROM (VALUES "
              f"('{ids[0]}', 7, 'resource_missing'), ('{ids[1]}', -3, 'too_late_to_correct'), "
              f"('{ids[2]}', 5, 'outcome_unknown')) v (id, value, error)")

    def parked():
        rows = place.ctl("stripe", "meters")["meter_events"]
        return {row["meter_event"]: (row["value"], row["error"]) for row in rows}

    assert parked() == {ids[0]: ("7", "resource_missing"), ids[1]: ("-3", "too_late_to_correct"),
                        ids[2]: ("5", "outcome_unknown")}
    assert len(place.ctl("stripe", "meters", "--limit", "1")["meter_events"]) == 1
    for id in ids[1:]:
        assert "sent again" in place.ctl.refuses("stripe", "retry", id)
    assert place.ctl("stripe", "retry", "--all")["meter_events"] == 1
    assert set(parked()) == set(ids[1:])
    place.ctl("stripe", "settle", ids[1])
    for id in (*ids, "mev_0"):
        place.ctl.refuses("stripe", "settle", id)
    assert set(parked()) == {ids[2]}
    assert place.sql("SELECT subject, detail FROM audit_log WHERE action = 'meter_event_settle'"
                     ) == f"{ids[1]}|-3"


def commands_of_mail(reference):
    """The commands of the mail about something parked, by their second word."""
    text = (ROOT / "conf/mail/operators_stripe_parked.txt").read_text(encoding="utf-8")
    found = [shlex.split(line) for line in
             re.findall(r"^ .*billingctl (stripe .*)$", text.replace("{reference}", reference), re.M)]
    assert len({words[1] for words in found}) == len(found) == 6
    return {words[1]: words for words in found}


PARKED = """
    DELETE FROM stripe_events; DELETE FROM stripe_calls; DELETE FROM meter_events;
    INSERT INTO stripe_events (event_id, type, livemode, received_at, origin, family, subject, state)
        VALUES ('evt_1', 'invoice.updated', false, now(), 'webhook', 'invoice', 'in_1', 'parked');
    INSERT INTO stripe_calls (kind, customer_id, subject, path, parameters, idempotency_key, state, attempts,
            created_at, finished_at, error)
        SELECT 'customer_update', customer_id, 'cus_1', '/v1/customers/cus_1', 'name=x', 'gb_1', 'parked', 3,
            now(), now(), 'resource_missing' FROM customers;
    INSERT INTO meter_events (meter_event_id, customer_id, stripe_customer_id, day, metric, event_name, value,
            state, attempts, created_at, first_try_at, error)
        SELECT 'mev_' || repeat(name, 32), customer_id, 'cus_1', '2026-11-01', 'api_calls', 'calls', value, 'parked',
            1, now(), now(), error FROM customers, (VALUES ('a', 7, 'resource_missing'),
            ('b', -3, 'too_late_to_correct')) v (name, value, error)"""


def test_the_commands_of_the_mail_work(place):
    """They show what is parked, and end it: an event, a call, and meter events that can be sent or not."""
    place.ctl("customer", "create", "a@example.com")
    for listed, name, can_be_sent, end in (
            ("events", "evt_1", True, "dismiss"), ("calls", None, True, "dismiss"),
            ("meters", "mev_" + 32 * "a", True, "settle"), ("meters", "mev_" + 32 * "b", False, "settle")):
        for ending in ("retry", end):
            place.sql(PARKED)
            reference = name or place.ctl("stripe", "calls")["calls"][0]["call"]
            commands = commands_of_mail(reference)
            assert reference in place.ctl.run(*commands[listed]).stdout
            if ending == "retry" and not can_be_sent:
                place.ctl.refuses(*commands[ending])
                continue
            place.ctl(*commands[ending])
            assert reference not in place.ctl.run(*commands[listed]).stdout


@pytest.fixture(name="unswept")
def fixture_unswept(stack):
    """Keeps the jobs from comparing the shared stack with Stripe, which they do every 15 minutes."""
    with subprocess.Popen(["psql", "-XAtq", "-d", stack.database_url], env=stack.env, text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as holder:
        holder.stdin.write("SELECT count(pg_advisory_lock(hashtextextended('stripe-sweep:' || name, 0))) "
                           "FROM (VALUES ('events'), ('subscriptions')) v (name);\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "2\n"
        yield


@pytest.mark.usefixtures("unswept")
def test_billingd_repairs_what_reconcile_finds(stack, api, stripe):
    """Events that never arrive, and a change that no event reported."""
    customer_id = expect(api.owner.post("/api/customers", {
        "email": f"reconcile-{time.time_ns()}@{stack.mail_domain}"}), 201)["customer"]["customer_id"]
    session = expect(api.owner.post("/api/subscriptions/checkout", {
        "customer_id": customer_id, "plan": "starter"}), 200)["session_id"]

    def status():
        answer = api.owner.get(f"/api/subscriptions/{customer_id}")
        return expect(answer, 200)["subscription"]

    def reconcile(*words):
        done = stack.billingctl("stripe", "reconcile", "--json", *words, check=False)
        assert done.returncode in (0, DIFFERENT) and not done.stderr, done
        return [one for one in json.loads(done.stdout)["differences"]
                if one["customer_id"] == customer_id]

    stripe.hold()
    bought = stripe.complete(session)["subscription"]
    stripe.drop()
    assert status()["status"] == "trialing"
    assert {one["what"] for one in reconcile("--dry-run")} >= {"event", "subscription"}
    assert status()["status"] == "trialing"
    # billingd may have handled an event before the subscriptions are compared.
    assert {one["what"] for one in reconcile()} & {"event", "subscription"}
    wait_for(lambda: status()["status"] == "active")
    stripe.call("POST", f"/v1/subscriptions/{bought}", {"cancel_at_period_end": "true"})
    stripe.drop()
    assert {one["what"] for one in reconcile()} & {"event", "cancel_at_period_end"}
    wait_for(lambda: status()["cancel_at_period_end"])
    wait_for(lambda: not reconcile("--dry-run"))
