"""A customer that Stripe has lost, by a deletion whose event never came, is made anew."""

import pytest

from support.client import expect
from support.payments import ask, buy, hold, open_checkout, settled, stripe_id, subscription_of


def known_to_stripe(stack, customer):
    """Opens a checkout, so that Stripe has the customer; its id there."""
    open_checkout(customer)
    return stripe_id(stack, customer)


def deleted_unseen(stack, id):
    """Deletes the customer at Stripe; the event is lost."""
    hold(stack)
    stack.stripe.call("DELETE", "/v1/customers/" + id)
    stack.stripe.drop()
    stack.stripe.hold(False)


def unlinked(stack, customer):
    """The ids at Stripe that the audit trail says were unlinked."""
    return stack.sql("SELECT subject FROM audit_log WHERE action = 'stripe_customer_unlink' "
                     f"AND customer_id = '{customer.id}'").split()


@pytest.mark.parametrize("lose", [lambda stack, id: stack.stripe.lose(id), deleted_unseen])
@pytest.mark.parametrize("key", [None, "again"])
def test_a_checkout_makes_the_customer_anew(api, stack, lose, key):
    customer = api.sign_up()
    before = known_to_stripe(stack, customer)
    lose(stack, before)
    headers = {"Idempotency-Key": f"{key}-{customer.id}"} if key else {}
    body = {"customer_id": customer.id, "plan": "professional"}
    answer = customer.client.post("/api/subscriptions/checkout", body, headers=headers)
    session = expect(answer, 200)["session_id"]
    after = stripe_id(stack, customer)
    assert after != before and unlinked(stack, customer) == [before]
    assert stack.stripe.call("GET", "/v1/customers/" + after)["metadata"] == {
        "customer_id": customer.id}
    stack.stripe.complete(session)
    settled(stack, customer.id)
    assert subscription_of(customer.client, customer.id)["status"] == "active"


def test_the_portal_makes_the_customer_anew(api, stack):
    customer = api.sign_up()
    before = known_to_stripe(stack, customer)
    stack.stripe.lose(before)
    assert expect(ask(customer.client, "portal", customer.id), 200)["portal_url"]
    assert stripe_id(stack, customer) not in ("", before)
    assert unlinked(stack, customer) == [before]


def test_what_was_lost_with_the_customer_ends(api, stack):
    """The portal finds that the subscription has ended with its customer."""
    customer = api.sign_up()
    bought = buy(stack, customer)
    before = stripe_id(stack, customer)
    stack.stripe.lose(bought["stripe_subscription_id"])
    stack.stripe.lose(before)
    expect(ask(customer.client, "portal", customer.id), 200)
    assert subscription_of(customer.client, customer.id)["status"] == "canceled"
    open_checkout(customer)


def test_other_requests_do_not_fail(api, stack):
    """Each looks for a subscription that was just bought, at a customer who is lost."""
    customer = api.sign_up()
    before = known_to_stripe(stack, customer)
    stack.stripe.lose(before)
    expect(ask(customer.client, "upgrade", customer.id, new_plan="professional"), 409,
           "checkout_needed")
    assert unlinked(stack, customer) == [before] and stripe_id(stack, customer) == ""
    expect(ask(customer.client, "cancel", customer.id), 200)


def test_a_key_of_another_account_unlinks_nothing(api, stack):
    customer = api.sign_up()
    before = known_to_stripe(stack, customer)
    stack.sql("INSERT INTO stripe_account VALUES (true, 'acct_1StandIn', false, now()) "
              "ON CONFLICT DO NOTHING")
    stack.stripe.lose(before)
    stack.stripe.settings(account="acct_1Other")
    try:
        for action, more in (("checkout", {"plan": "starter"}), ("portal", {})):
            expect(ask(customer.client, action, customer.id, faults=True, **more), 502,
                   "stripe_other_account")
    finally:
        stack.stripe.settings(account="acct_1StandIn")
    assert stripe_id(stack, customer) == before and unlinked(stack, customer) == []
