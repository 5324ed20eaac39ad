"""Checkout, preview and plan change by plan and interval, as GET /api/plans lists them."""

import pytest

from support.client import expect
from support.payments import ask, buy, seconds, settled, subscription_of


def items(stack, bought):
    """The prices of the subscription's items."""
    found = stack.stripe.call("GET", f"/v1/subscriptions/{bought['stripe_subscription_id']}")
    return [one["price"]["id"] for one in found["items"]["data"]]


def charged(stack, bought):
    """The total amount that the customer has paid."""
    state = stack.stripe.state()
    return state["charged"][state["subscriptions"][bought["stripe_subscription_id"]]["customer"]]


def days_of_period(stack, bought):
    """The length of the present period, in days."""
    item = stack.stripe.call(
        "GET", f"/v1/subscriptions/{bought['stripe_subscription_id']}")["items"]["data"][0]
    assert seconds(bought["current_period_ends_at"]) == item["current_period_end"]
    return (item["current_period_end"] - item["current_period_start"]) / 86400


def refused(answer, *fields):
    """The request is refused for these fields."""
    details = expect(answer, 400, "invalid_request")["details"]
    assert [one["field"] for one in details] == list(fields), details


def test_the_list_shows_intervals_and_prices(bounded):
    shown = {plan["plan"]: plan for plan in expect(bounded.api.nobody.get("/api/plans"), 200)["plans"]}
    first = {"amount_minor": 2900, "currency": "usd", "interval": "month"}
    month = {**first, "interval_count": 1}
    assert shown["starter"]["prices"] == [month, {**month, "amount_minor": 29000,
                                                  "interval": "year"}]
    assert shown["starter"]["price"] == first
    assert (shown["enterprise"]["price"], shown["enterprise"]["prices"]) == (None, [])


def test_a_plan_with_one_price_is_listed_with_it(api):
    shown = expect(api.nobody.get("/api/plans"), 200)["plans"]
    assert [[one["amount_minor"] for one in plan["prices"]] for plan in shown] == [[2900], [9900], []]


@pytest.mark.parametrize("more, price, amount", [
    ({}, "month", 2900), ({"interval": None}, "month", 2900), ({"interval": "month"}, "month", 2900),
    ({"interval": "year"}, "year", 29000)])
def test_a_checkout_by_interval(bounded, more, price, amount):
    customer = bounded.api.sign_up()
    bought = buy(bounded, customer, "starter", **more)
    assert items(bounded, bought) == [f"price_starter_{price}"]
    assert charged(bounded, bought) == amount


def test_a_plan_by_agreement_has_the_intervals_of_the_others(bounded):
    """PLANS_FILE has no price of enterprise, STRIPE_PRICES has two."""
    customer = bounded.api.sign_up()
    bought = buy(bounded, customer, "enterprise", interval="year")
    assert items(bounded, bought)[0] == "price_enterprise_year"


@pytest.mark.parametrize("more, field", [
    ({"interval": "week"}, "interval"), ({"interval": ""}, "interval"), ({"interval": 12}, "interval"),
    ({"interval": "Year"}, "interval"),
    ({"interval": "year", "price_id": "price_starter_year"}, "interval")])
def test_other_intervals_are_refused(bounded, more, field):
    customer = bounded.api.sign_up()
    refused(ask(customer.client, "checkout", customer.id, plan="starter", **more), field)


def test_an_interval_that_is_not_listed_is_refused(api, stack):
    """conf/plans.json lists monthly prices only, though STRIPE_PRICES has yearly ones."""
    customer = api.sign_up()
    refused(ask(customer.client, "checkout", customer.id, plan="starter", interval="year"), "interval")
    bought = buy(stack, customer, "starter")
    for name in ("preview", "upgrade"):
        refused(ask(customer.client, name, customer.id, plan="professional", interval="year"),
                "interval")
        expect(ask(customer.client, name, customer.id, plan="starter", interval="month"), 409,
               "nothing_to_change")
    assert items(stack, bought) == ["price_starter_month"]


@pytest.mark.parametrize("name", ["preview", "upgrade"])
def test_both_names_of_the_plan(bounded, name):
    """The older name stays; a request needs one of the two."""
    customer = bounded.api.sign_up()
    buy(bounded, customer, "starter")

    def change(**body):
        return ask(customer.client, name, customer.id, **body)

    refused(change(), "plan")
    refused(change(interval="week"), "plan", "interval")
    refused(change(plan="professional", new_plan="enterprise"), "new_plan")
    refused(change(plan="gold"), "plan")
    refused(change(new_plan="gold"), "new_plan")
    refused(change(new_plan=None), "new_plan")
    expect(change(plan="professional", new_plan="professional"), 200)


@pytest.mark.parametrize("mode", ["classic", "flexible"])
def test_a_change_of_plan_and_interval(bounded, mode):
    """The amount of the preview is charged; the new period is a year. In flexible billing mode Stripe
    begins it only when asked."""
    customer = bounded.api.sign_up()
    bought = buy(bounded, customer, "starter")
    if mode == "flexible":
        bounded.stripe.migrate(bought["stripe_subscription_id"])
        settled(bounded, customer.id)
    change = {"plan": "professional", "interval": "year"}
    shown = expect(ask(customer.client, "preview", customer.id, **change), 200)
    assert (shown["plan"], shown["new_plan"], shown["interval"], shown["effective"]) == (
        "starter", "professional", "year", "now")
    assert shown["amount_due"] == pytest.approx(99000 - 2900, abs=10)
    answer = expect(ask(customer.client, "upgrade", customer.id, **change,
                        proration_at=shown["proration_at"]), 200)
    assert charged(bounded, bought) == 2900 + shown["amount_due"]
    assert items(bounded, bought)[0] == "price_professional_year"
    assert answer["subscription"]["plan"] == "professional"
    assert days_of_period(bounded, answer["subscription"]) in (365, 366)


def test_a_year_instead_of_a_month_of_the_same_plan(bounded):
    customer = bounded.api.sign_up()
    bought = buy(bounded, customer, "starter")
    expect(ask(customer.client, "upgrade", customer.id, plan="starter", interval="month"), 409,
           "nothing_to_change")
    shown = expect(ask(customer.client, "preview", customer.id, plan="starter", interval="year"), 200)
    assert shown["amount_due"] == pytest.approx(29000 - 2900, abs=10)
    expect(ask(customer.client, "upgrade", customer.id, plan="starter", interval="year"), 200)
    assert items(bounded, bought) == ["price_starter_year"]
    # And back, with the rest of the year credited.
    before = charged(bounded, bought)
    expect(ask(customer.client, "upgrade", customer.id, plan="starter", interval="month"), 200)
    assert items(bounded, bought) == ["price_starter_month"]
    assert charged(bounded, bought) == before
    settled(bounded, customer.id)
    assert subscription_of(customer.client, customer.id)["plan"] == "starter"


def test_a_subscription_that_bills_use_keeps_its_interval(bounded):
    customer = bounded.api.sign_up()
    bought = buy(bounded, customer, "enterprise")
    expect(ask(customer.client, "preview", customer.id, plan="starter", interval="year"), 409,
           "interval_fixed")
    expect(ask(customer.client, "upgrade", customer.id, plan="professional"), 200)
    for name in ("preview", "upgrade"):
        expect(ask(customer.client, name, customer.id, plan="professional", interval="year"), 409,
               "interval_fixed")
    assert items(bounded, bought)[0] == "price_professional_month"


def test_a_declined_card_keeps_the_interval(bounded):
    customer = bounded.api.sign_up()
    bought = buy(bounded, customer, "starter")
    state = bounded.stripe.state()["subscriptions"][bought["stripe_subscription_id"]]
    bounded.stripe.card(state["customer"], "declined")
    expect(ask(customer.client, "upgrade", customer.id, plan="starter", interval="year"), 402,
           "payment_failed")
    assert items(bounded, bought) == ["price_starter_month"]


def test_a_smaller_plan_of_the_next_period_keeps_the_interval(other_rules):
    """With STRIPE_DOWNGRADE=period_end. A greater plan, and a year of the same, begin at once."""
    customer = other_rules.api.sign_up()
    expect(ask(customer.client, "cancel", customer.id), 200)  # the trial
    bought = buy(other_rules, customer, "professional", interval="year")
    for name in ("preview", "upgrade"):
        for plan in ("starter", "professional"):
            expect(ask(customer.client, name, customer.id, plan=plan, interval="month"), 409,
                   "interval_fixed")
    answer = expect(ask(customer.client, "upgrade", customer.id, plan="starter", interval="year"), 200)
    assert answer["subscription"]["scheduled_plan"] == "starter"
    assert items(other_rules, bought) == ["price_professional_year"]
    expect(ask(customer.client, "upgrade", customer.id, plan="enterprise", interval="month"), 200)
    assert items(other_rules, bought) == ["price_enterprise_month"]
