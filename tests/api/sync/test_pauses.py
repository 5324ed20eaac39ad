"""A vendor pauses the collection of a subscription's payments at Stripe."""

import jwt
import pytest

from support.client import expect
from support.payments import buy, settled, subscription_of


def pause(stack, bought, behavior, **more):
    """Pauses or resumes the collection at Stripe."""
    stack.stripe.call("POST", "/v1/subscriptions/" + bought["stripe_subscription_id"], {
        **({"pause_collection[behavior]": behavior} if behavior else {"pause_collection": ""}),
        **more})
    settled(stack, bought["customer_id"])


def claims(customer):
    """The claims of the customer's licence."""
    token = expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)["license"]
    return jwt.decode(token, options={"verify_signature": False})


def shown(subscription):
    """The members that tell of the pause."""
    return {name: subscription[name] for name in (
        "status", "pause_behavior", "access_ends_at", "access_end_reason")}


@pytest.mark.parametrize("behavior", ["void", "keep_as_draft"])
def test_access_ends_with_the_period(api, stack, behavior):
    customer = api.sign_up()
    bought = buy(stack, customer)
    pause(stack, bought, behavior)
    now = subscription_of(customer.client, customer.id)
    assert shown(now) == {
        "status": "active", "pause_behavior": behavior, "access_end_reason": "paused",
        "access_ends_at": bought["current_period_ends_at"]}
    assert claims(customer)["subscription"]["status"] == "active"
    # The next period is not paid.
    stack.sql("UPDATE subscriptions SET pause_ends_access_at = now(), version = version + 1 "
              f"WHERE customer_id = '{customer.id}' AND pause_ends_access_at IS NOT NULL")
    assert subscription_of(customer.client, customer.id)["status"] == "paused"
    ended = claims(customer)
    assert ended["subscription"]["status"] == "paused"
    assert ended["expiresAt"] - ended["issuedAt"] <= 86400
    told = stack.billingctl("customer", "show", customer.id).stdout
    assert "paused" in told and behavior in told
    listed = expect(api.owner.get("/api/customers?status=paused&q=" + customer.email), 200)
    assert [one["status"] for one in listed["customers"]] == ["paused"]
    pause(stack, bought, None)
    assert shown(subscription_of(customer.client, customer.id)) == {
        "status": "active", "pause_behavior": None, "access_end_reason": None,
        "access_ends_at": None}
    assert claims(customer)["expiresAt"] - ended["issuedAt"] > 20 * 86400


def test_a_free_period_keeps_access(api, stack):
    """A vendor marks invoices as uncollectible to serve a customer for free."""
    customer = api.sign_up()
    pause(stack, buy(stack, customer), "mark_uncollectible")
    assert shown(subscription_of(customer.client, customer.id)) == {
        "status": "active", "pause_behavior": "mark_uncollectible", "access_end_reason": None,
        "access_ends_at": None}


def test_a_pause_within_the_period(api, stack):
    """Nothing is lost when the collection resumes before the next payment."""
    customer = api.sign_up()
    bought = buy(stack, customer)
    resumes = stack.stripe.now() + 5 * 86400
    pause(stack, bought, "void", **{"pause_collection[resumes_at]": resumes})
    now = subscription_of(customer.client, customer.id)
    assert (now["pause_behavior"], now["access_ends_at"]) == ("void", None)
    assert now["pause_resumes_at"] is not None
