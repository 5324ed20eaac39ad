"""Metered prices are sold with the plans that name their meters, and stay when the plan changes."""

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
    """Changes the plan; waits until all is known here."""
    expect(ask(customer.client, "upgrade", customer.id, new_plan=plan), status)
    settled(stack, customer.id)


@pytest.mark.parametrize("interval", ["month", "year"])
def test_a_plan_is_sold_with_its_meters(metered, interval):
    customer = metered.api.sign_up()
    bought = buy(metered, customer, "professional", price_id=f"price_professional_{interval}")
    assert items(metered, bought) == [(f"price_professional_{interval}", 1),
                                      *prices(metered, interval, "calls", "storage")]
    sent, = metered.stripe.requests("POST", "/v1/checkout/sessions")
    assert [sorted(line) for _, line in sorted(sent["params"]["line_items"].items())] == [
        ["price", "quantity"], ["price"], ["price"]]


def test_what_is_billed_by_use_is_told_to_everybody(metered):
    """Of meters that have a price in plans.json."""
    plans = expect(metered.api.nobody.get("/api/plans"), 200)["plans"]
    calls = [{"metric": "api_calls", "amount_minor": "10", "currency": "usd"}]
    assert {plan["plan"]: plan["metered"] for plan in plans} == {
        "starter": [], "professional": calls, "enterprise": calls}


def test_a_plan_without_meters_is_sold_alone(metered):
    customer = metered.api.sign_up()
    assert items(metered, buy(metered, customer, "starter")) == [("price_starter_month", 1)]


def test_a_change_adds_what_is_missing_and_takes_nothing_away(metered):
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
    # The meters bill what was used until now; nothing more is told to them.
    upgrade(metered, customer, "starter")
    assert items(metered, bought) == [("price_starter_year", 1), *both]
    upgrade(metered, customer, "professional")
    assert items(metered, bought) == [("price_professional_year", 1), *both]


def test_other_items_are_left_alone(metered):
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
def test_what_was_used_is_billed_with_the_end(metered, how):
    """Though the plan has been another one since."""
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
