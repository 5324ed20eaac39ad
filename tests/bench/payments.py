"""Requests about Stripe: signed events, and checkouts."""

import hashlib
import hmac
import json
import sys
import time

import customers
from rig import ROOT

sys.path.insert(0, str(ROOT / "tests/stripe"))

from handle import StandIn  # noqa: E402  pylint: disable=wrong-import-position

PLAN, PRICE = "starter", "price_bench"
EVENT_TYPE = "customer.subscription.updated"

# The parameters that billingd passes for an event, by the number of the statement's parameter.
EVENT_SETUP = """\\set a random(1, 9000000000000000000)
\\set b random(1, 9000000000000000000)
"""
HEX = "md5(:a::text || ' ' || :b::text)"
EVENT_VALUES = {
    1: f"'evt_' || {HEX}", 2: f"'{EVENT_TYPE}'", 3: "'false'", 4: "'2025-03-31.basil'",
    5: "now()", 6: "'webhook'", 7: "'subscription'", 8: f"'sub_' || {HEX}", 9: "'cus_bench'",
    10: "NULL", 11: "repeat('x', {size})", 12: "NULL",
}


def stand_in():
    """A Stripe that answers as fast as it can, remembers nothing on disk and sends nothing."""
    return StandIn(prices=f"{PLAN}={PRICE}:2900:month")


def settings(stripe):
    """The settings of the service for it."""
    return {"STRIPE_SECRET_KEY": stripe.secret_key, "STRIPE_API_BASE": stripe.url,
            "STRIPE_WEBHOOK_SECRET": stripe.webhook_secret,
            "STRIPE_PRICES": f"{PLAN}:{PRICE}"}


def event_body(number):
    """An event of the size that Stripe's have, 1.9 KB."""
    price = {"id": PRICE, "object": "price", "active": True, "billing_scheme": "per_unit",
             "created": 1756555200, "currency": "usd", "livemode": False, "metadata": {},
             "product": "prod_bench", "recurring": {"interval": "month", "interval_count": 1,
             "meter": None, "usage_type": "licensed"}, "tax_behavior": "unspecified",
             "type": "recurring", "unit_amount": 2900, "unit_amount_decimal": "2900"}
    item = {"id": f"si_{number}", "object": "subscription_item", "created": 1760011200,
            "current_period_end": 1766491200, "current_period_start": 1763899200,
            "discounts": [], "metadata": {}, "price": price, "quantity": 1,
            "subscription": f"sub_{number}", "tax_rates": []}
    subscription = {
        "id": f"sub_{number}", "object": "subscription", "application": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": 1761220800, "cancel_at": None, "cancel_at_period_end": False,
        "canceled_at": None, "collection_method": "charge_automatically", "created": 1760011200,
        "currency": "usd", "customer": "cus_bench", "days_until_due": None,
        "default_payment_method": "pm_1SGHkpJx2WnvPYtbk3vN8sQa", "description": None,
        "discounts": [], "ended_at": None,
        "items": {"object": "list", "data": [item], "has_more": False,
                  "url": f"/v1/subscription_items?subscription=sub_{number}"},
        "latest_invoice": "in_1SGHkqJx2WnvPYtbInv00004", "livemode": False,
        "metadata": {"customer_id": customers.customer_id(1)}, "pause_collection": None,
        "schedule": None, "start_date": 1760011200, "status": "active", "test_clock": None,
        "trial_end": 1761220800, "trial_start": 1760011200}
    event = {"id": f"evt_{number}", "object": "event", "api_version": "2025-03-31.basil",
             "created": 1763899260, "data": {"object": subscription, "previous_attributes":
             {"latest_invoice": "in_1SGHkqJx2WnvPYtbInv00003"}}, "livemode": False,
             "pending_webhooks": 1, "request": {"id": None, "idempotency_key": None},
             "type": EVENT_TYPE}
    return json.dumps(event, separators=(",", ":"))


def events(secret, name, count):
    """Deliveries signed now, none twice as long as `name` differs."""
    now, body = int(time.time()), event_body("@")
    requests = []
    for number in range(count):
        text = body.replace("@", f"{name}_{number}")
        signed = hmac.new(secret.encode(), f"{now}.{text}".encode(), hashlib.sha256).hexdigest()
        requests.append(("POST", "/api/webhooks/stripe",
                         f"Stripe-Signature: t={now},v1={signed}", text))
    return requests


def checkouts(numbers):
    """A checkout of each customer, with its own key."""
    return [("POST", "/api/subscriptions/checkout", customers.api_key(number),
             json.dumps({"customer_id": customers.customer_id(number), "plan": PLAN}))
            for number in numbers]
