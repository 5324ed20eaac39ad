"""Objects have the shape of the version that was asked for, complete and without more."""

import json

import handle
import pytest
import specification
from conftest import Local, make_price
from standin.shapes import BASIL, NEWEST, OLD, shape_of

VERSIONS = [handle.NEWEST, handle.BASIL, handle.OLD]


def fill(stripe):
    """Brings about one of everything: paid, open, trialing, pending, canceled, expired ..."""
    customer = stripe.customer(name="Ada", **{"metadata[a]": "1"})
    stripe.call("POST", "/v1/customers/" + customer, {"phone": "1"})
    session = stripe.call("POST", "/v1/checkout/sessions", {
        "mode": "subscription", "customer": customer, "success_url": "https://a.example/",
        "line_items[0][price]": "price_pro", "line_items[0][quantity]": "2",
        "client_reference_id": "42", "subscription_data[metadata][customer_id]": "42",
        "subscription_data[trial_period_days]": "14"})
    stripe.complete(session["id"])
    stripe.call("POST", "/v1/checkout/sessions", {
        "mode": "subscription", "customer_email": "b@example.com", "cancel_url": "https://a/",
        "line_items[0][price]": "price_pro", "line_items[0][quantity]": "1",
        "success_url": "https://a.example/"})
    made = stripe.subscribe(customer)
    item = made["items"]["data"][0]["id"]
    change = {"items[0][id]": item, "items[0][price]": "price_pro",
              "proration_behavior": "always_invoice"}
    stripe.call("POST", "/v1/subscriptions/" + made["id"], change)
    stripe.call("POST", "/v1/subscriptions/" + made["id"], {
        "cancel_at_period_end": "true", "cancellation_details[feedback]": "too_expensive"})
    stripe.card(customer, "authenticate")
    stripe.call("POST", "/v1/subscriptions/" + made["id"], {
        **change, "items[0][price]": "price_starter", "items[0][quantity]": "9",
        "payment_behavior": "pending_if_incomplete"})
    stripe.call("POST", "/v1/subscriptions", {
        "customer": customer, "items[0][price]": "price_starter",
        "payment_behavior": "default_incomplete"})
    meter = stripe.call("POST", "/v1/billing/meters", {
        "display_name": "Calls", "event_name": "calls", "default_aggregation[formula]": "sum"})
    metered = make_price(stripe, interval="month", usage_type="metered", meter=meter["id"],
                         unit_amount_decimal="0.25")
    stripe.call("POST", "/v1/prices", {
        "currency": "usd", "unit_amount": "100", "lookup_key": "k",
        "product_data[name]": "One-off"})
    stripe.card(customer, "good")
    mixed = stripe.call("POST", "/v1/subscriptions", {
        "customer": customer, "items[0][price]": metered, "items[1][price]": "price_starter"})
    stripe.call("POST", "/v1/billing/meter_events", {
        "event_name": "calls", "payload[stripe_customer_id]": customer, "payload[value]": "10"})
    stripe.call("POST", "/v1/webhook_endpoints", {
        "url": "https://a.example/hook", "enabled_events[0]": "*"})
    stripe.call("POST", "/v1/billing_portal/sessions", {
        "customer": customer, "return_url": "https://a.example/"})
    fill_newest(stripe)
    stripe.advance(days=20)
    stripe.call("DELETE", "/v1/subscriptions/" + mixed["id"])
    return customer, made["id"], meter["id"]


def fill_newest(stripe):
    """Brings about what newer versions know: flexible billing, a pause, automatic tax."""
    customer = stripe.customer()
    paused = stripe.subscribe(customer)["id"]
    stripe.migrate(paused)
    stripe.call("POST", f"/v1/subscriptions/{paused}/pause", version=handle.NEWEST)
    session = stripe.call("POST", "/v1/checkout/sessions", {
        "mode": "subscription", "customer": customer, "success_url": "https://a.example/",
        "line_items[0][price]": "price_pro", "line_items[0][quantity]": "1",
        "automatic_tax[enabled]": "true", "customer_update[address]": "auto",
        "tax_id_collection[enabled]": "true", "customer_update[name]": "auto",
        "allow_promotion_codes": "true"}, version=handle.NEWEST)
    stripe.complete(session["id"], typed={"name": "Acme GmbH", "address": {
        "city": "Berlin", "country": "DE", "line1": "Weg 1", "line2": None,
        "postal_code": "10115", "state": None}})


PATHS = ["customers", "products", "prices", "checkout/sessions", "subscriptions?status=all",
         "invoices", "events", "webhook_endpoints", "billing/meters",
         "billing_portal/configurations"]


@pytest.mark.skipif(not specification.available(),
                    reason=f"not here: {specification.FOLDER}")
@pytest.mark.parametrize("version", VERSIONS)
def test_objects_fit_the_document(version):
    """Everything that is listed fits Stripe's own description, and so do all events."""
    stripe = Local(version=version)
    new = shape_of(version)
    customer, subscription, meter = fill(stripe)
    found = []
    seen = set()
    for path in PATHS:
        mark = "&" if "?" in path else "?"
        listed = stripe.call("GET", f"/v1/{path}{mark}limit=100", version=version)
        assert listed["data"], path
        for one in listed["data"]:
            seen.add(one["object"])
            found += check(one, new)
    for path, params in [
            ("GET /v1/customers/" + customer, {}),
            ("POST /v1/billing_portal/sessions", {"customer": customer,
                                                  "return_url": "https://a.example/"}),
            ("POST /v1/invoices/create_preview", {"customer": customer,
             "subscription_details[items][0][price]": "price_pro"}),
            ("GET /v1/subscription_items", {"subscription": subscription})]:
        method, path = path.split()
        answer = stripe.call(method, path, params, version=version)
        for one in answer["data"] if answer["object"] == "list" else [answer]:
            found += check(one, new)
    if new:
        found += check_meter(stripe, customer, meter, new)
    deleted = stripe.call("DELETE", "/v1/customers/" + customer, version=version)
    found += check(deleted, new)
    assert not sorted(set(found))
    assert {"subscription", "invoice", "checkout.session", "event", "price"} <= seen


def check(one, new):
    """The faults of an object; an event's own object is checked too."""
    if not new and one["object"] == "billing.meter":
        return []
    found = specification.check(one, new)
    if one["object"] == "event":
        inner = one["data"]["object"]
        if inner["object"] in specification.schemas(new) and not (
                specification.schemas(new)[inner["object"]].get("description", "")
                .startswith("Stub:")):
            found += [f"{one['type']}: {fault}" for fault in specification.check(inner, new)]
    return found


def check_meter(stripe, customer, meter, new):
    """The faults of the answers about meters."""
    minute = stripe.now() // 60 * 60
    event = stripe.call("POST", "/v1/billing/meter_events", {
        "event_name": "calls", "payload[stripe_customer_id]": customer, "identifier": "i",
        "payload[value]": "10"})
    summary = stripe.call("GET", f"/v1/billing/meters/{meter}/event_summaries", {
        "customer": customer, "start_time": minute - 60, "end_time": minute + 120})["data"][0]
    adjusted = stripe.call("POST", "/v1/billing/meter_event_adjustments", {
        "event_name": "calls", "type": "cancel", "cancel[identifier]": "i"})
    return [fault for one in (event, summary, adjusted)
            for fault in specification.check(one, new)]


def test_where_things_are(stripe):
    """The places that moved with 2025-03-31.basil."""
    made = stripe.subscribe()
    new = stripe.call("GET", "/v1/subscriptions/" + made["id"])
    old = stripe.call("GET", "/v1/subscriptions/" + made["id"], version=handle.OLD)
    item = new["items"]["data"][0]
    assert "current_period_end" not in new
    assert item["current_period_end"] == old["current_period_end"]
    assert "current_period_end" not in old["items"]["data"][0]
    path = "/v1/invoices/" + made["latest_invoice"]
    new, old = stripe.call("GET", path), stripe.call("GET", path, version=handle.OLD)
    assert new["parent"]["subscription_details"]["subscription"] == old["subscription"]
    assert (old["paid"], "paid" in new) == (True, False)
    line, older = new["lines"]["data"][0], old["lines"]["data"][0]
    assert line["pricing"]["price_details"]["price"] == older["price"]["id"] == "price_starter"
    details = line["parent"]["subscription_item_details"]
    assert details["subscription_item"] == older["subscription_item"] == item["id"]


@pytest.mark.parametrize("new", [OLD, BASIL, NEWEST])
def test_previous_attributes(stripe, new):
    """An update's event says what was before, in its own shape."""
    made = stripe.subscribe(**{"metadata[a]": "1", "metadata[b]": "2"})
    stripe.call("POST", "/v1/subscriptions/" + made["id"], {
        "items[0][id]": made["items"]["data"][0]["id"], "items[0][price]": "price_pro",
        "metadata[a]": "3", "metadata[c]": "4"})
    event = stripe.inside_state.events[stripe.events("customer.subscription.updated")[0]["id"]]
    previous = event.previous[new]
    assert previous["metadata"] == {"a": "1", "c": None}
    assert previous["items"]["data"][0]["price"]["id"] == "price_starter"
    assert ("plan" in previous) is (new == OLD)
    assert event.objects[new]["items"]["data"][0]["price"]["id"] == "price_pro"


def test_events_keep_their_shape():
    """An event has the account's shape, whatever version asks for it."""
    stripe = Local(version=handle.OLD)
    made = stripe.subscribe()
    for version in VERSIONS:
        event = stripe.call("GET", "/v1/events", {"type": "customer.subscription.created"},
                            version=version)["data"][0]
        assert event["api_version"] == handle.OLD
        assert event["data"]["object"]["id"] == made["id"]
        assert "current_period_end" in event["data"]["object"]


def test_livemode():
    """A live key makes live objects."""
    stripe = Local(live=True)
    made = stripe.subscribe()
    assert made["livemode"] is True
    assert json.dumps(made).count('"livemode": false') == 0
    assert all(event["livemode"] for event in stripe.call("GET", "/v1/events")["data"])
