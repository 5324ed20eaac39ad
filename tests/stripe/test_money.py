"""Whatever happens in whatever order, the books of the stand-in balance."""

import os
import random

import pytest
from conftest import PRICES, Local

ROUNDS = int(os.environ.get("STRIPE_ROUNDS", "6"))
STEPS = 80
PLANS = ["price_starter", "price_pro", "price_enterprise"]
ENDED = ("canceled", "incomplete_expired")


def item_of(stripe, id):
    """The item of a subscription."""
    return stripe.subscription(id)["item"]


def step(stripe, chance, customer):
    """Does something that a customer, a service or time could do; refusals are fine."""
    live = [id for id, one in stripe.state()["subscriptions"].items()
            if one["status"] not in ENDED]
    chosen = chance.choice(live) if live else None
    what = chance.randrange(9 if chosen else 2)
    path = f"/v1/subscriptions/{chosen}"
    if what == 0:
        stripe.card(customer, chance.choice(["good", "good", "declined", "authenticate"]))
    elif what == 1:
        stripe.api("POST", "/v1/subscriptions", {
            "customer": customer, "items[0][price]": chance.choice(PLANS),
            "trial_period_days": chance.choice([0, 0, 7])})
    elif what in (2, 3, 4):
        stripe.api("POST", path, {
            "items[0][id]": item_of(stripe, chosen), "items[0][price]": chance.choice(PLANS),
            "items[0][quantity]": chance.randint(1, 4),
            "proration_behavior": chance.choice(["always_invoice", "create_prorations", "none"]),
            "payment_behavior": chance.choice(["error_if_incomplete", "pending_if_incomplete",
                                               "allow_incomplete"])})
    elif what == 5:
        stripe.api("POST", path, {"cancel_at_period_end": chance.choice(["true", "false"])})
    elif what == 6:
        unpaid = [id for id, one in stripe.state()["invoices"].items() if one["status"] == "open"]
        if unpaid:
            stripe.api("POST", f"/v1/invoices/{chance.choice(unpaid)}/pay")
    elif what == 7 and chance.random() < 0.3:
        stripe.api("DELETE", path + "?prorate=true&invoice_now=true")
    else:
        stripe.advance(hours=chance.choice([1, 30, 24 * 20]))


def check_books(state, customer):
    """All invoices that stand are charged, still open, or in the balance."""
    standing = [one for one in state["invoices"].values() if one["status"] != "void"]
    billed = sum(one["total"] for one in standing)
    unpaid = sum(one["amount_due"] for one in standing if one["status"] == "open")
    balance = state["customers"][customer]["balance"]
    assert billed == state["charged"].get(customer, 0) + unpaid + balance
    charged = [charge["invoice"] for charge in state["charges"]]
    assert len(charged) == len(set(charged)), "an invoice was charged twice"
    for one in state["subscriptions"].values():
        assert one["current_period_start"] < one["current_period_end"]
        if one["status"] in ("active", "trialing", "past_due"):
            assert one["current_period_end"] > state["now"] - 1
        assert (one["status"] in ENDED) == (one["ended_at"] is not None)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_books_balance(seed):
    """Random stories, checked after each step."""
    stripe, chance = Local(prices=PRICES), random.Random(seed)
    customer = stripe.customer()
    for _ in range(STEPS):
        step(stripe, chance, customer)
        check_books(stripe.state(), customer)
    assert len(stripe.state()["invoices"]) > 3
