"""Refunds and disputes, and how the payments of an invoice are found."""

import pytest


def paid(stripe):
    """A customer with a subscription that is paid; its charge and its invoice."""
    customer = stripe.customer()
    made = stripe.subscribe(customer)
    return customer, stripe.state()["charges"][-1]["id"], made["latest_invoice"]


def last(stripe, type):
    """The object of the newest event of a type."""
    return stripe.call("GET", "/v1/events/" + stripe.events(type)[-1]["id"])["data"]


def test_refunds(stripe):
    """A charge is refunded only when all of it is."""
    customer, charge, _ = paid(stripe)
    assert stripe.refund(customer, 900) == charge
    event = last(stripe, "charge.refunded")
    assert (event["object"]["refunded"], event["object"]["amount_refunded"]) == (False, 900)
    assert event["previous_attributes"]["amount_refunded"] == 0
    stripe.refund(customer)
    now = stripe.call("GET", "/v1/charges/" + charge)
    assert (now["refunded"], now["amount_refunded"]) == (True, 2900)
    status, answer = stripe.api("POST", "/v1/refunds", {"charge": charge})
    assert (status, answer["error"]["code"]) == (400, "charge_already_refunded")


def test_too_large_refund(stripe):
    """No more is given back than was paid."""
    _, charge, _ = paid(stripe)
    assert stripe.api("POST", "/v1/refunds", {"charge": charge, "amount": 2901})[0] == 400


@pytest.mark.parametrize("status", ["won", "lost"])
def test_disputes(stripe, status):
    """A dispute names its charge and its payment, and the bank ends it."""
    customer, charge, _ = paid(stripe)
    dispute = stripe.dispute(customer)
    assert stripe.events("charge.dispute.funds_withdrawn")
    one = stripe.call("GET", "/v1/disputes/" + dispute)
    assert (one["charge"], one["status"]) == (charge, "needs_response")
    assert stripe.call("GET", "/v1/charges/" + charge)["disputed"]
    stripe.close_dispute(dispute, status)
    assert last(stripe, "charge.dispute.closed")["object"]["status"] == status


def test_payments_of_an_invoice(stripe):
    """The newer shape of a charge names no invoice: its payment does."""
    _, charge, invoice = paid(stripe)
    newer = stripe.call("GET", "/v1/charges/" + charge)
    assert "invoice" not in newer
    assert stripe.call("GET", "/v1/charges/" + charge, version="2023-10-16")["invoice"] == invoice
    found = stripe.call("GET", "/v1/invoice_payments", {
        "payment[type]": "payment_intent", "payment[payment_intent]": newer["payment_intent"],
        "expand[0]": "data.invoice"})["data"]
    assert [one["invoice"]["id"] for one in found] == [invoice]
    assert stripe.call("GET", "/v1/invoice_payments", {
        "payment[type]": "payment_intent", "payment[payment_intent]": "pi_other"})["data"] == []
