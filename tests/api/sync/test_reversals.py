"""A payment is refunded or disputed."""

import jwt
import pytest

from support.client import expect
from support.payments import ask, buy, hold, settled, stripe_id, subscription_of
from support.stack import wait_for


def licence(customer):
    """The customer's licence and what it says."""
    token = expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)["license"]
    return token, jwt.decode(token, options={"verify_signature": False})


def audited(stack, customer, action):
    """The details with which the audit trail has the action."""
    return stack.sql(f"SELECT detail FROM audit_log WHERE customer_id = '{customer.id}' AND "
                     f"action = '{action}' ORDER BY 1").split()


def ends_at_stripe(stack, bought):
    """Whether the subscription ends with its period at Stripe."""
    id = bought["stripe_subscription_id"]
    return stack.stripe.state()["subscriptions"][id]["cancel_at_period_end"]


def buy_at_once(stack):
    """A customer who pays at once, as its trial is nearly over; the subscription."""
    customer = stack.api.sign_up()
    stack.sql("UPDATE subscriptions SET trial_ends_at = now() + interval '1 hour' WHERE "
              f"customer_id = '{customer.id}'")
    return customer, buy(stack, customer)


@pytest.mark.parametrize("amount", [None, 100])
def test_access_is_kept(api, stack, amount):
    """Unless the settings say otherwise."""
    customer = api.sign_up()
    bought = buy(stack, customer)
    before, _ = licence(customer)
    stack.stripe.refund(stripe_id(stack, customer), amount)
    settled(stack, customer.id)
    stack.stripe.dispute(stripe_id(stack, customer))
    wait_for(lambda: audited(stack, customer, "payment_disputed") == ["keep"])
    settled(stack, customer.id)
    assert audited(stack, customer, "payment_refunded") == ([] if amount else ["keep"])
    now = subscription_of(customer.client, customer.id)
    assert (now["status"], now["access_ends_at"]) == ("active", None)
    assert licence(customer)[0] == before
    assert not ends_at_stripe(stack, bought)


def test_a_refund_revokes(other_rules):
    """The whole of it, until an operator gives access back."""
    stack, api = other_rules, other_rules.api
    customer, bought = buy_at_once(stack)
    before, _ = licence(customer)
    stack.stripe.refund(stripe_id(stack, customer), 100)
    settled(stack, customer.id)
    assert subscription_of(customer.client, customer.id)["status"] == "active"
    stack.stripe.refund(stripe_id(stack, customer))
    settled(stack, customer.id)
    now = subscription_of(customer.client, customer.id)
    assert (now["status"], now["access_end_reason"]) == ("unpaid", "refunded")
    assert licence(customer)[1]["subscription"]["status"] == "unpaid"
    expect(api.nobody.post("/api/licenses/verify", {"license": before}), 401,
           "license_revoked")
    assert ends_at_stripe(stack, bought)
    expect(ask(customer.client, "resume", customer.id), 409, "payment_reversed")
    # A later event of the subscription does not undo it.
    stack.stripe.call("POST", "/v1/subscriptions/" + bought["stripe_subscription_id"],
                      {"metadata[note]": "later"})
    settled(stack, customer.id)
    assert subscription_of(customer.client, customer.id)["status"] == "unpaid"
    assert stack.billingctl("customer", "restore", customer.id, check=False).returncode == 2
    done = stack.billingctl("customer", "restore", customer.id, "--why", "A mistake")
    assert "1" in done.stdout
    settled(stack, customer.id)
    assert subscription_of(customer.client, customer.id)["status"] == "active"
    assert licence(customer)[1]["subscription"]["status"] == "active"
    assert not ends_at_stripe(stack, bought)
    again = stack.billingctl("customer", "restore", customer.id, "--why", "x", check=False)
    assert again.returncode == 1 and "No refund and no dispute" in again.stderr


def test_a_dispute_ends_access_with_the_period(other_rules):
    """And gives it back when it is won."""
    stack = other_rules
    customer, bought = buy_at_once(stack)
    dispute = stack.stripe.dispute(stripe_id(stack, customer))

    def end():
        now = subscription_of(customer.client, customer.id)
        return now["status"], now["access_ends_at"], now["access_end_reason"]
    wait_for(lambda: end() == ("active", bought["current_period_ends_at"], "disputed"))
    wait_for(lambda: ends_at_stripe(stack, bought))
    stack.stripe.close_dispute(dispute, "won")
    wait_for(lambda: end() == ("active", None, None))
    wait_for(lambda: not ends_at_stripe(stack, bought))
    assert audited(stack, customer, "access_restored") == ["won"]
    shown = expect(customer.client.get(f"/api/customers/{customer.id}/export"), 200)
    assert [one["object_id"] for one in shown["payment_reversals"]] == [dispute]


def test_a_renewal_in_the_portal_is_ended_again(other_rules):
    """Else the customer would pay without access."""
    stack = other_rules
    customer, bought = buy_at_once(stack)
    stack.stripe.refund(stripe_id(stack, customer))
    settled(stack, customer.id)
    wait_for(lambda: ends_at_stripe(stack, bought))
    url = expect(ask(customer.client, "portal", customer.id), 200)["portal_url"]
    settled(stack, customer.id)
    hold(stack)
    stack.stripe.exchange("POST", url.removeprefix(stack.stripe.url),
                          f"action=undo&subscription={bought['stripe_subscription_id']}")
    assert not ends_at_stripe(stack, bought)
    stack.stripe.hold(False)
    wait_for(lambda: ends_at_stripe(stack, bought))
    settled(stack, customer.id)
    assert stack.sql("SELECT count(*) FROM audit_log WHERE action = 'subscription_end_again' "
                     f"AND customer_id = '{customer.id}'") == "1"


def test_a_customer_who_cancels_too_stays_cancelled(other_rules):
    """When access is given back."""
    stack = other_rules
    customer, bought = buy_at_once(stack)
    stack.stripe.refund(stripe_id(stack, customer))
    settled(stack, customer.id)
    wait_for(lambda: ends_at_stripe(stack, bought))
    settled(stack, customer.id)
    for status, code in ((200, None), (409, "nothing_to_change")):
        expect(ask(customer.client, "cancel", customer.id, at_period_end=True), status, code)
    stack.billingctl("customer", "restore", customer.id, "--why", "A mistake")
    settled(stack, customer.id)
    assert subscription_of(customer.client, customer.id)["status"] == "active"
    assert ends_at_stripe(stack, bought)
