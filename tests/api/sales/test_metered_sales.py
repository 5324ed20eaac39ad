"""Metered prices: plans are sold with those of their meters, and plan changes keep them."""

import pytest

from support.client import expect
from support.payments import ask, buy, settled, stripe_id


@pytest.fixture
def metered(bounded):
    """A stack whose professional plan names meters of calls and storage, enterprise of calls."""
    bounded.stripe.reset_requests()
    return bounded


def items(stack, bought):
    """Price and quantity of each item of the subscription, the plan's first."""
    found = stack.stripe.call("GET", f"/v1/subscriptions/{bought['stripe_subscription_id']}")
    return [(one["price"]["id"], one.get("quantity")) for one in found["items"]["data"]]


def prices(stack, interval, *meters):
    """The items of these meters."""
    return [(stack.metered_prices[meter, interval], None) for meter in meters]


def upgrade(stack, customer, plan, status=200):
    """Changes the plan once all events are stored, and waits until the service has stored the change."""
    settled(stack, customer.id)
    expect(ask(customer.client, "upgrade", customer.id, new_plan=plan), status)
    settled(stack, customer.id)


@pytest.mark.parametrize("interval", ["month", "year"])
def test_a_checkout_contains_the_meters_of_the_plan(metered, interval):
    customer = metered.api.sign_up()
    bought = buy(metered, customer, "professional", price_id=f"price_professional_{interval}")
    assert items(metered, bought) == [(f"price_professional_{interval}", 1),
                                      *prices(metered, interval, "calls", "storage")]
    sent, = metered.stripe.requests("POST", "/v1/checkout/sessions")
    assert [sorted(line) for _, line in sorted(sent["params"]["line_items"].items())] == [
        ["price", "quantity"], ["price"], ["price"]]


def test_the_list_of_plans_shows_metered_prices(metered):
    """It shows those meters that have a price in plans.json."""
    plans = expect(metered.api.nobody.get("/api/plans"), 200)["plans"]
    calls = [{"metric": "api_calls", "amount_minor": "10", "currency": "usd"}]
    assert {plan["plan"]: plan["metered"] for plan in plans} == {
        "starter": [], "professional": calls, "enterprise": calls}


def test_a_plan_without_meters_has_one_item(metered):
    customer = metered.api.sign_up()
    assert items(metered, buy(metered, customer, "starter")) == [("price_starter_month", 1)]


def test_a_plan_change_adds_missing_items_and_removes_none(metered):
    customer = metered.api.sign_up()
    bought = buy(metered, customer, "starter", price_id="price_starter_year")
    shown = expect(ask(customer.client, "preview", customer.id, new_plan="enterprise"), 200)
    assert shown["amount_due"] > 0
    upgrade(metered, customer, "enterprise")
    assert items(metered, bought) == [("price_enterprise_year", 1),
                                      *prices(metered, "year", "calls")]
    upgrade(metered, customer, "professional")
    both = prices(metered, "year", "calls", "storage")
    assert items(metered, bought) == [("price_professional_year", 1), *both]
    # The items stay to bill the use until now; no further use is sent to their meters.
    upgrade(metered, customer, "starter")
    assert items(metered, bought) == [("price_starter_year", 1), *both]
    upgrade(metered, customer, "professional")
    assert items(metered, bought) == [("price_professional_year", 1), *both]


def test_a_plan_change_keeps_items_of_others(metered):
    customer = metered.api.sign_up()
    bought = buy(metered, customer, "starter")
    extra = metered.stripe.call("POST", "/v1/prices", {
        "product_data[name]": "Support", "currency": "usd", "unit_amount": 500,
        "recurring[interval]": "month"})["id"]
    metered.stripe.call("POST", "/v1/subscription_items", {
        "subscription": bought["stripe_subscription_id"], "price": extra, "quantity": 3})
    upgrade(metered, customer, "enterprise")
    assert items(metered, bought) == [("price_enterprise_month", 1), (extra, 3),
                                      *prices(metered, "month", "calls")]


@pytest.mark.parametrize("how", ["cancel", "revoke"])
def test_a_cancellation_bills_the_use_until_then(metered, how):
    """It does so although the plan has changed since the use."""
    customer = metered.api.sign_up()
    bought = buy(metered, customer, "professional")
    metered.stripe.call("POST", "/v1/billing/meter_events", {
        "event_name": "calls", "identifier": customer.id, "payload[value]": 70,
        "payload[stripe_customer_id]": stripe_id(metered, customer)})
    upgrade(metered, customer, "enterprise")
    if how == "cancel":
        expect(ask(customer.client, "cancel", customer.id), 200)
    else:
        expect(metered.api.owner.post(f"/api/licenses/{customer.id}/revoke", {}), 200)
    settled(metered, customer.id)
    lines = [line for invoice in metered.stripe.call("GET", "/v1/invoices", {
        "subscription": bought["stripe_subscription_id"]})["data"]
        for line in invoice["lines"]["data"]]
    used, = (line for line in lines if line["amount"] == 700)
    assert used["pricing"]["price_details"]["price"] == metered.metered_prices["calls", "month"]
