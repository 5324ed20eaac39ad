"""A deal made in Stripe's dashboard, at a price that no setting names."""

import json

import pytest

from support.account import (  # noqa: F401 pylint: disable=unused-import
    fixture_kept_place, fixture_place)
from support.client import expect
from support.payments import ask, open_checkout, settled, stripe_id, subscription_of
from support.scratch import cluster  # noqa: F401 pylint: disable=unused-import
from support.stack import wait_for


def deal_price(stripe, product=None, **metadata):
    """A new price, and its product, that no setting names."""
    made = {"currency": "usd", "unit_amount": "50000", "recurring[interval]": "month",
            **{f"metadata[{name}]": value for name, value in metadata.items()}}
    if product is None:
        made["product_data[name]"] = "Deal"
    else:
        made["product"] = product
    return stripe.call("POST", "/v1/prices", made)["id"]


def sell(stack, customer, price):
    """The vendor makes the subscription for a customer whom Stripe knows."""
    open_checkout(customer)
    theirs = stripe_id(stack, customer)
    stack.stripe.card(theirs, "good")
    made = stack.stripe.call("POST", "/v1/subscriptions", {
        "customer": theirs, "items[0][price]": price})["id"]
    settled(stack, customer.id)
    return made


def run(stack, *words):
    """billingctl stripe ...: its answer."""
    return json.loads(stack.billingctl("stripe", *words, "--json").stdout)


def ready(stack):
    """The check of Stripe in /health/ready."""
    return expect(stack.api.nobody.get("/health/ready"), 200)["checks"]["stripe"]


def plan_of(customer):
    """Plan and status of the customer's subscription."""
    found = subscription_of(customer.client, customer.id)
    return found["plan"], found["status"]


def license_status(customer):
    """Plan and status in the answer with the licence."""
    answer = expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)
    return answer["plan"], answer["status"]


def test_a_deal_becomes_a_plan(api, stack):
    """It is listed until an operator maps its price; a removed mapping takes its access."""
    customer = api.sign_up()
    price = deal_price(stack.stripe)
    subscription = sell(stack, customer, price)
    assert plan_of(customer) == ("starter", "trialing")
    rows = [row for row in run(stack, "unknown", "--limit", "1000")["unknown_prices"]
            if row["customer_id"] == customer.id]
    assert [(row["price"], row["subscription"], row["status"], row["keeps"]) for row in rows] == [
        (price, subscription, "active", None)]
    assert not ready(stack)["ok"]
    wait_for(lambda: "\nbilling_stripe_unknown_prices 0\n" not in api.nobody.get("/metrics").text)
    done = stack.billingctl("doctor", "--json", check=False)
    check, = [one for one in json.loads(done.stdout)["checks"] if one["check"] == "stripe_unknown"]
    assert check["state"] == "wrong" and "stripe unknown" in check["cure"]

    said = run(stack, "map", price, "enterprise", "--dry-run")
    assert (said["plan"], said["waiting"], said["subscriptions"]) == ("enterprise", 1, 0)
    assert plan_of(customer) == ("starter", "trialing")
    run(stack, "map", price, "enterprise")
    wait_for(lambda: plan_of(customer) == ("enterprise", "active"))
    assert license_status(customer) == ("enterprise", "active")

    # Another plan, then none.
    run(stack, "map", price, "professional")
    wait_for(lambda: plan_of(customer) == ("professional", "active"))
    said = run(stack, "unmap", price, "--dry-run")
    assert (said["plan_before"], said["subscriptions"]) == ("professional", 1)
    run(stack, "unmap", price)
    settled(stack, customer.id)
    found = subscription_of(customer.client, customer.id)
    assert found["access_end_reason"] == "unknown_price" and found["access_ends_at"]
    assert license_status(customer)[1] != "active"
    assert customer.id in {row["customer_id"] for row in run(
        stack, "unknown", "--limit", "1000")["unknown_prices"]}

    run(stack, "map", price, "starter")
    wait_for(lambda: plan_of(customer) == ("starter", "active"))
    assert license_status(customer) == ("starter", "active")
    assert customer.id not in {row["customer_id"] for row in run(
        stack, "unknown", "--limit", "1000")["unknown_prices"]}


@pytest.mark.parametrize("where", ["price", "product"])
def test_metadata_names_the_plan(api, stack, where):
    customer = api.sign_up()
    if where == "price":
        price = deal_price(stack.stripe, plan="professional")
    else:
        product = stack.stripe.call("POST", "/v1/products", {
            "name": "Deal", "metadata[plan]": "professional"})["id"]
        price = deal_price(stack.stripe, product)
    sell(stack, customer, price)
    assert plan_of(customer) == ("professional", "active")
    expect(ask(customer.client, "checkout", customer.id, plan="starter"), 409,
           "subscription_exists")


def test_something_else_is_not_listed(api, stack):
    """A customer buys another product of the vendor's through the same account."""
    customer = api.sign_up()
    price = deal_price(stack.stripe)
    run(stack, "map", price, "--not-ours")
    sell(stack, customer, price)
    assert plan_of(customer) == ("starter", "trialing")
    assert customer.id not in {row["customer_id"] for row in run(
        stack, "unknown", "--limit", "1000")["unknown_prices"]}
    assert ready(stack)["ok"] or "price" not in ready(stack)["detail"]


def test_refused_mappings(place):
    assert "settings" in place.ctl.refuses("stripe", "map", "price_s", "starter")
    assert "no plan gold" in place.ctl.refuses("stripe", "map", "price_1", "gold")
    assert "not mapped" in place.ctl.refuses("stripe", "unmap", "price_1")
    for words in (("map", "price_1"), ("map", "price_1", "starter", "--not-ours"), ("map",),
                  ("map", "price_1", "starter", "more"), ("map", "x" * 256, "starter")):
        place.ctl.refuses("stripe", *words, status=2)
    said = place.ctl.run("stripe", "map", "price_1", "starter").stdout
    assert "when billingd has synced them" in said
    assert place.sql("SELECT plan FROM stripe_prices") == "starter"
    assert place.sql("SELECT subject, detail FROM audit_log WHERE action = 'price_map'"
                     ) == "price_1|starter"
    assert "lose their access" in place.ctl.run("stripe", "unmap", "price_1").stdout
    assert place.sql("SELECT count(*) FROM stripe_prices") == "0"
