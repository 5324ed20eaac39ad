"""Buying with the stand-in for Stripe, as a customer does."""

import datetime
import json
import uuid

from .client import expect
from .stack import wait_for
from .webhook import signed


def ask(client, name, customer_id, faults=False, **body):
    """POST /api/subscriptions/<name> about the customer."""
    return client.post(f"/api/subscriptions/{name}", {"customer_id": customer_id, **body},
                       faults=faults)


def subscription_of(client, customer_id):
    """The customer's subscription as the service has it."""
    return expect(client.get(f"/api/subscriptions/{customer_id}"), 200)["subscription"]


def stripe_id(stack, customer):
    """The customer's id at Stripe, or nothing."""
    return stack.sql("SELECT stripe_customer_id FROM customers WHERE customer_id = "
                     f"'{customer.id}'")


def seconds(moment):
    """A time in Stripe's format."""
    return int(datetime.datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp())


def settled(stack, customer_id):
    """Waits until no event and no call of the customer is pending."""
    stack.stripe.wait_idle()
    wait_for(lambda: stack.sql(f"""
        SELECT count(*) FROM (
            SELECT customer_id FROM stripe_calls WHERE state = 'pending'
            UNION ALL SELECT customer_hint FROM stripe_events WHERE state = 'pending'
            UNION ALL SELECT c.customer_id FROM stripe_events e JOIN customers c
                USING (stripe_customer_id) WHERE e.state = 'pending') waiting
        WHERE customer_id = '{customer_id}'""") == "0")


def open_checkout(customer, plan="professional", **more):
    """A checkout session: its id and its address."""
    answer = expect(ask(customer.client, "checkout", customer.id, plan=plan, **more), 200)
    return answer["session_id"], answer["checkout_url"]


def buy(stack, customer, plan="professional", **more):
    """Checks out and pays; the subscription as it is then, with all that Stripe tells about it."""
    session, _ = open_checkout(customer, plan, **more)
    stack.stripe.complete(session)
    settled(stack, customer.id)
    bought = subscription_of(customer.client, customer.id)
    assert (bought["plan"], bought["status"]) == (plan, "active"), bought
    return bought


def event(type="nothing.we_know", **more):
    """A new event of Stripe."""
    return {"id": f"evt_{uuid.uuid4().hex}", "object": "event", "type": type, "livemode": False,
            "created": 1760011205, "api_version": "2025-03-31.basil", "data": {"object": {}},
            **more}


def deliver(stack, sent, client=None, **more):
    """Posts the bytes, or the event, to the webhook, with a valid signature."""
    data = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    return (client or stack.api.nobody).post(
        "/api/webhooks/stripe", data=data, headers=signed(data, stack.webhook_secret), **more)


def hurry(stack):
    """Makes everything that waits for its next try, here and at Stripe, due now."""
    stack.stripe.hurry()
    stack.sql("UPDATE stripe_calls SET next_try_at = now() WHERE state = 'pending';"
              "UPDATE stripe_events SET next_try_at = now() WHERE state = 'pending';"
              "NOTIFY stripe_jobs")
