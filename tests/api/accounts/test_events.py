"""The log of events: each change with its events, in the order of commit, and who sees which."""

import json
import subprocess

import pytest

from support.client import expect
from support.events import far_event
from support.payments import ask, buy
from support.stack import wait_for


@pytest.fixture(name="events_of")
def fixture_events_of(caught_up):
    """A reader of all events that a client sees, page by page."""
    def read(client, query=""):
        caught_up()
        events, cursor = [], ""
        while cursor is not None:
            page = expect(client.get(f"/api/events?limit=3{query}{cursor}"), 200)
            assert len(page["events"]) <= page["limit"] == 3
            events += page["events"]
            cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
        return events
    return read


@pytest.fixture(name="caught_up")
def fixture_caught_up(stack):
    """Waits until readers get all that is committed: no older transaction is open."""
    def wait():
        own = stack.sql("SELECT pg_current_xact_id()::text::bigint")
        wait_for(lambda: stack.sql(
            f"SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > {own}") == "t")
    return wait


def types(events):
    """Their types, whose sequence has no gap."""
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    return [event["type"] for event in events]


SIGN_UP = ["customer.created", "trial.started", "license.issued", "key.created"]


def test_a_sign_up(api, events_of):
    customer = api.sign_up()
    events = events_of(customer.client)
    assert types(events) == SIGN_UP
    shown = expect(customer.client.get(f"/api/customers/{customer.id}"), 200)
    keys = expect(customer.client.get(f"/api/customers/{customer.id}/keys"), 200)["keys"]
    licenses = expect(customer.client.get(f"/api/licenses/{customer.id}/history"), 200)["licenses"]
    keys[0]["last_used_at"] = None
    assert [event["data"] for event in events] == [
        shown["customer"], shown["subscription"], licenses[0], keys[0]]
    text = json.dumps(events)
    assert customer.license not in text and customer.api_key not in text
    one = expect(customer.client.get(f"/api/events/{events[1]['id']}"), 200)["event"]
    assert one == events[1]


def test_a_customer_is_changed_and_deleted(api, events_of):
    customer = api.sign_up(company_name="Acme Secret")
    path = f"/api/customers/{customer.id}"
    expect(api.owner.patch(path, {"company_name": "Bolt Secret"}), 200)
    _, key_id = api.mint(customer)
    expect(customer.client.delete(f"{path}/keys/{key_id}"), 200)
    expect(customer.client.post(f"/api/licenses/{customer.id}/rotate"), 200)
    of_customer = f"&customer_id={customer.id}"
    assert "Bolt Secret" in json.dumps(events_of(api.viewer, of_customer))
    expect(api.owner.delete(path), 200)
    events = events_of(api.viewer, of_customer)
    assert types(events) == SIGN_UP + [
        "customer.updated", "key.created", "key.revoked", "license.rotated",
        "subscription.canceled", "license.revoked", "key.revoked", "customer.deleted"]
    assert events[-3]["data"]["count"] == len(events[-3]["data"]["licenses"]) == 1
    text = json.dumps(events)
    assert "Secret" not in text and customer.email not in text


def test_a_subscription(stack, api, events_of):
    customer = api.sign_up()
    buy(stack, customer)
    events = events_of(customer.client)[4:]
    assert [event["type"] for event in events if not event["type"].startswith(
        ("payment", "license"))] == ["trial.converted", "subscription.activated"]
    assert events[0]["data"]["status"] == "active"
    for request, more, event in (("cancel", {"at_period_end": True}, "cancel_scheduled"),
                                 ("resume", {}, "resumed"),
                                 ("upgrade", {"new_plan": "enterprise"}, "plan_changed"),
                                 ("cancel", {"at_period_end": False}, "canceled")):
        expect(ask(customer.client, request, customer.id, **more), 200)
        wait_for(lambda event=event: f"subscription.{event}" in [
            one["type"] for one in events_of(customer.client)])
    told = [one["type"] for one in events_of(customer.client)
            if one["type"].startswith("subscription")]
    assert told == ["subscription.activated", "subscription.cancel_scheduled",
                    "subscription.resumed", "subscription.plan_changed", "subscription.canceled"]


def test_a_revoked_customer(api, events_of):
    customer = api.sign_up()
    expect(api.owner.post(f"/api/licenses/{customer.id}/revoke", {"reason": "late"}), 200)
    events = events_of(customer.client)
    assert types(events) == SIGN_UP + ["subscription.canceled", "license.revoked"]
    assert events[-1]["data"]["licenses"][0]["revoke_reason"] == "late"


def test_reading_writes_nothing(api, events_of):
    customer = api.sign_up()
    for path in (f"/api/licenses/{customer.id}", f"/api/customers/{customer.id}", "/api/events"):
        expect(customer.client.get(path), 200)
    assert expect(customer.client.patch(f"/api/customers/{customer.id}", {}), 200)
    assert types(events_of(customer.client)) == SIGN_UP


def test_a_refused_request_writes_nothing(api, events_of):
    customer, other = api.sign_up(), api.sign_up()
    expect(api.owner.patch(f"/api/customers/{customer.id}", {"email": other.email}), 409,
           "customer_exists")
    expect(api.owner.post("/api/customers", {"email": customer.email}), 409, "customer_exists")
    assert types(events_of(customer.client)) == SIGN_UP


def test_the_last_cursor_is_asked_again_later(api, caught_up):
    customer = api.sign_up()
    caught_up()
    page = expect(customer.client.get("/api/events?limit=4"), 200)
    assert (len(page["events"]), page["next_cursor"]) == (4, None)
    behind = f"/api/events?cursor={page['cursor']}"
    again = expect(customer.client.get(behind), 200)
    assert (again["events"], again["next_cursor"], again["cursor"]) == ([], None, page["cursor"])
    api.mint(customer)
    caught_up()
    later = expect(customer.client.get(behind), 200)["events"]
    assert [event["sequence"] for event in later] == [5]


def test_filters(api, events_of):
    customer = api.sign_up()
    assert [event["type"] for event in events_of(customer.client, "&type=trial.started")] == [
        "trial.started"]
    oldest = events_of(customer.client)
    assert events_of(customer.client, "&order=newest") == oldest[::-1]
    assert events_of(customer.client, "&order=newest&type=trial.started") == oldest[1:2]
    assert events_of(api.owner, f"&order=newest&customer_id={customer.id}") == oldest[::-1]
    page = expect(api.owner.get("/api/events?order=newest&type=trial.started&limit=1"), 200)["events"]
    assert page[0]["created_at"] >= oldest[1]["created_at"]
    for query in ("type=trial", "type=", "order=", "order=x", "cursor=x", "cursor=eDp5", "limit=0", "limit=101"):
        expect(customer.client.get(f"/api/events?{query}"), 400, "invalid_request")
    for event_id in ("evt_0", "x", "evt_" + "0" * 32, "evt_" + "F" * 32):
        expect(customer.client.get(f"/api/events/{event_id}"), 404, "event_not_found")


def test_billingctl_follows(stack, api, caught_up):
    caught_up()
    words = [stack.build_dir / "billingctl", "events", "--follow", "--limit", "2", "--json",
             "--type", "customer.created"]
    with subprocess.Popen(words, env=stack.env, stdout=subprocess.PIPE, text=True) as following:
        made = []

        def printed():
            made.append(api.sign_up().id)
            return following.poll() is not None
        wait_for(printed)
        lines = [json.loads(line) for line in following.stdout]
    assert len(lines) == 2 and {line["customer_id"] for line in lines} <= set(made)


def test_an_empty_page_has_a_next_one(stack, api, caught_up):
    """A customer with many events, of which one is of the type: no request reads on until it is found."""
    customer = api.sign_up()
    query = "/api/events?limit=3&type=dispute.opened"
    with far_event(stack, customer.id):
        caught_up()
        first = expect(customer.client.get(query), 200)
        assert (first["events"], first["cursor"]) == ([], first["next_cursor"]) and first["cursor"]
        rest = expect(customer.client.get(f"{query}&cursor={first['cursor']}"), 200)
        assert [event["sequence"] for event in rest["events"]] == [20021]
        assert rest["next_cursor"] is None
        words = ["events", "--customer", customer.id, "--type", "dispute.opened", "--limit", "1", "--json"]
        assert json.loads(stack.billingctl(*words).stdout) == {**first, "limit": 1}
        followed = stack.billingctl(*words, "--follow", "--cursor", "MDow").stdout  # "0:0", the beginning
        assert json.loads(followed) == rest["events"][0]


def test_a_date_that_comes(api, stack, events_of):
    """The jobs tell of the end of a trial, with the subscription as the API shows it."""
    customer = api.sign_up()
    stack.sql("UPDATE subscriptions SET trial_ends_at = now() + interval '7 days' "
              f"WHERE customer_id = '{customer.id}'")
    wait_for(lambda: "trial.ending" in types(events_of(customer.client)))
    shown = expect(customer.client.get(f"/api/customers/{customer.id}"), 200)["subscription"]
    told = events_of(customer.client, "&type=trial.ending")
    assert [event["data"] for event in told] == [{**shown, "days_left": 7}]


def test_use(api, events_of):
    """Reports take instances into use and reach a limit; overrides and releases follow."""
    customer = api.sign_up()
    for name, devices in (("a", 8), ("a", 8), ("b", 0)):
        expect(customer.client.post("/api/usage/report", {
            "customer_id": customer.id, "instance_id": name, "active_devices": devices,
            "total_devices": devices, "version": "3.2.0"}), 201)
    wait_for(lambda: "usage.threshold" in types(events_of(customer.client)))
    path = f"/api/customers/{customer.id}/instances"
    released = expect(customer.client.delete(f"{path}/b"), 200)["instance"]
    told = events_of(customer.client)[len(SIGN_UP):]
    assert sorted((event["type"], event["data"].get("instance_id")) for event in told) == [
        ("instance.activated", "a"), ("instance.activated", "b"), ("instance.released", "b"),
        ("usage.threshold", None)]
    assert [event["data"] for event in told if event["type"] == "instance.released"] == [released]
    assert {event["data"]["version"] for event in told if "instance_id" in event["data"]} == {"3.2.0"}
    assert [event["data"] for event in told if event["type"] == "usage.threshold"] == [
        {"name": "devices", "limit": 10, "in_use": 8, "threshold": 80}]
