"""Plan changes while a payment is due: Stripe credits the rest of a period that nobody has paid for."""

import pytest

from support.client import expect
from support.payments import ask, buy, sent, settled, subscription_of


def theirs(stack, bought):
    """The subscription as Stripe has it."""
    return stack.stripe.state()["subscriptions"][bought["stripe_subscription_id"]]


def balance(stack, bought):
    """The customer's credit at Stripe, and the lines that its next invoice will have."""
    now = theirs(stack, bought)
    return stack.stripe.state()["customers"][now["customer"]]["balance"], now["pending_lines"]


def renew_unpaid(stack, customer, bought):
    """Begins another period now, whose invoice is not paid: it."""
    stack.stripe.card(theirs(stack, bought)["customer"], "declined")
    path = f"/v1/subscriptions/{bought['stripe_subscription_id']}"
    found = stack.stripe.call("POST", path, {
        "billing_cycle_anchor": "now", "proration_behavior": "none", "expand[0]": "latest_invoice"})
    settled(stack, customer.id)
    assert found["latest_invoice"]["status"] == "open"
    return found["latest_invoice"]["id"]


@pytest.mark.parametrize("plan, change", [
    ("starter", {"plan": "starter", "interval": "month"}),
    ("professional", {"plan": "starter"}),
    ("starter", {"plan": "professional"})])
def test_a_plan_is_changed_once_the_payment_is_made(bounded, plan, change):
    customer = bounded.api.sign_up()
    bought = buy(bounded, customer, plan, interval="year")
    invoice = renew_unpaid(bounded, customer, bought)
    before = subscription_of(customer.client, customer.id)
    assert before["status"] == "past_due"
    bounded.stripe.reset_requests()
    for name in ("preview", "upgrade"):
        expect(ask(customer.client, name, customer.id, **change), 409, "payment_due")
    assert not sent(bounded, customer) and balance(bounded, bought) == (0, 0)
    assert subscription_of(customer.client, customer.id) == before
    bounded.stripe.card(theirs(bounded, bought)["customer"], "good")
    bounded.stripe.pay(invoice)
    settled(bounded, customer.id)
    expect(ask(customer.client, "preview", customer.id, **change), 200)
    expect(ask(customer.client, "upgrade", customer.id, **change), 200)

