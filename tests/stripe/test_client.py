"""The official Python library drives the stand-in, as an independent client."""

import handle
import pytest

stripe_library = pytest.importorskip(
    "stripe", reason="not here: Stripe's library for Python (python3-stripe)")
error = stripe_library.error


@pytest.fixture(params=[handle.BASIL, handle.OLD])
def api(process, request):
    """The library, pointed at the stand-in."""
    stripe_library.api_base = process.url
    stripe_library.api_key = process.secret_key
    stripe_library.api_version = request.param
    stripe_library.max_network_retries = 0
    yield stripe_library
    process.faults([])


def test_story(api, process):
    """Customer, checkout, upgrade, cancellation."""
    customer = api.Customer.create(email="ada@example.com", metadata={"customer_id": "42"},
                                   idempotency_key="story-" + api.api_version)
    session = api.checkout.Session.create(
        mode="subscription", customer=customer.id, client_reference_id="42",
        line_items=[{"price": "price_starter", "quantity": 1}],
        success_url="https://app.example.com/return?s={CHECKOUT_SESSION_ID}",
        subscription_data={"metadata": {"customer_id": "42"}})
    done = process.complete(session.id)
    assert done["return_url"] == "https://app.example.com/return?s=" + session.id
    session = api.checkout.Session.retrieve(session.id, expand=["subscription", "line_items"])
    subscription = session.subscription
    assert (session.status, subscription.status) == ("complete", "active")
    assert session.line_items.data[0].price.id == "price_starter"
    item = subscription["items"].data[0]
    changed = api.Subscription.modify(
        subscription.id, items=[{"id": item.id, "price": "price_pro"}],
        proration_behavior="always_invoice", payment_behavior="error_if_incomplete",
        expand=["latest_invoice"])
    assert changed["items"].data[0].price.id == "price_pro"
    assert changed.latest_invoice.status == "paid"
    changed = api.Subscription.modify(subscription.id, cancel_at_period_end=True)
    assert changed.cancel_at is not None
    gone = api.Subscription.delete(subscription.id)
    assert gone.status == "canceled"
    with pytest.raises(error.InvalidRequestError) as refused:
        api.Subscription.delete(subscription.id)
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    assert len(list(api.Invoice.list(customer=customer.id, limit=1).auto_paging_iter())) == 2
    types = {event.type for event in api.Event.list(types=["customer.subscription.*"])}
    assert "customer.subscription.deleted" in types


def test_portal_and_deletion(api):
    """A portal visit, and a deleted customer."""
    customer = api.Customer.create()
    visit = api.billing_portal.Session.create(customer=customer.id,
                                              return_url="https://app.example.com/")
    assert visit.url.endswith(visit.id)
    assert api.Customer.delete(customer.id).deleted
    assert api.Customer.retrieve(customer.id).deleted


def test_errors_by_kind(api, process):
    """Each refusal arrives as the library's exception for it."""
    with pytest.raises(error.InvalidRequestError, match="unknown parameter"):
        api.Customer.create(colour="red")
    bad = api.Customer.create(payment_method="pm_card_chargeCustomerFail")
    with pytest.raises(error.CardError) as declined:
        api.Subscription.create(customer=bad.id, items=[{"price": "price_pro"}],
                                payment_behavior="error_if_incomplete")
    assert declined.value.code == "card_declined"
    api.Customer.create(name="a", idempotency_key="once-" + api.api_version)
    with pytest.raises(error.IdempotencyError):
        api.Customer.create(name="b", idempotency_key="once-" + api.api_version)
    api.api_key = "sk_test_wrong"
    with pytest.raises(error.AuthenticationError):
        api.Customer.create()
    api.api_key = process.secret_key
    process.fault("status", status=429)
    with pytest.raises(error.RateLimitError):
        api.Customer.create()
    process.fault("reset")
    with pytest.raises(error.APIConnectionError):
        api.Customer.create()


def test_its_retries(api, process):
    """The library's own retry after a lost answer makes one customer."""
    api.max_network_retries = 1
    before = process.counters()["customers"]
    process.fault("reset_after")
    made = api.Customer.create(email="lost@example.com")
    assert process.counters()["customers"] == before + 1
    assert made.email == "lost@example.com"
