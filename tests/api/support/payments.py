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


def charged(stack, customer):
    """The sum of the customer's charges at Stripe."""
    return stack.stripe.state()["charged"].get(stripe_id(stack, customer), 0)


def restart(stack, **settings):
    """Starts billingd again, with other settings."""
    stack.settings.update(settings)
    for command in ("stop", "start"):
        stack.script(command, "billingd")
    wait_for(lambda: stack.api.owner.get("/api/customers", faults=True).status_code == 200)


def sell(stack):
    """Has `billingctl stripe setup` make all prices of PLANS_FILE, and billingd sell at them.
    `stack.setup` is what it printed; `stack.prices` has the ids by plan, add-on and meter, in the
    order of the file."""
    stack.setup = json.loads(
        stack.billingctl("stripe", "setup", "--secret-out", "-", "--json").stdout)
    lines = dict(line.split("=", 1) for line in stack.setup["settings"].splitlines()
                 if line.startswith(("STRIPE_PRICES", "STRIPE_METER_PRICES")))
    stack.env.update(lines)
    restart(stack, **lines)
    stack.prices = {}
    for pair in ",".join(lines.values()).split(","):
        name, _, one = pair.partition(":")
        stack.prices.setdefault(name, []).append(one)


def settled(stack, customer_id, again=None):
    """Waits until no event and no call of the customer is pending. A call of the jobs makes events, and an event
    may make calls: so both are counted again when Stripe has told everything. One that fails is tried again after
    5, 20 and 60 s. `again` is done before each count."""
    def work():
        return stack.sql(f"""
            SELECT count(*) FILTER (WHERE state = 'pending'), count(*) FROM (
                SELECT customer_id, state FROM stripe_calls
                UNION ALL SELECT customer_hint, state FROM stripe_events
                UNION ALL SELECT c.customer_id, e.state FROM stripe_events e JOIN customers c
                    USING (stripe_customer_id)) work
            WHERE customer_id = '{customer_id}'""")

    def rests():
        if again is not None:
            again()
        before = work()
        if before.startswith("0|"):
            stack.stripe.wait_idle()
        return before.startswith("0|") and work() == before

    stack.stripe.wait_idle()
    wait_for(rests, seconds=150)


def caught_up(stack, customer_id):
    """Waits like settled() after Stripe was away. What waits for its next try is made due again and again: an
    attempt that failed late may be recorded, and postponed, after one hurry()."""
    settled(stack, customer_id, again=lambda: hurry(stack))


def hold(stack):
    """Keeps Stripe's events back until hold(False) of the stand-in. The comparison with Stripe, which finds events
    that did not arrive, is not due for a quarter of an hour from now, and none is under way."""
    stack.sql("""
        BEGIN;
        SELECT pg_advisory_xact_lock(hashtextextended('stripe-sweep:' || name, 0)) FROM stripe_sweeps
            WHERE name IN ('events', 'subscriptions');
        UPDATE stripe_sweeps SET finished_at = now() WHERE name IN ('events', 'subscriptions');
        COMMIT""")
    stack.stripe.hold()


def sent(stack, customer, path=""):
    """The requests since the last reset that change something of the customer at Stripe. Other customers of the
    stack may have calls that are still on their way."""
    ids = stack.sql(f"""
        SELECT customer_id FROM customers WHERE customer_id = '{customer.id}'
        UNION SELECT stripe_customer_id FROM customers WHERE customer_id = '{customer.id}'
        UNION SELECT stripe_subscription_id FROM subscriptions WHERE customer_id = '{customer.id}'""").split()
    ids += [id for id, one in stack.stripe.state()["sessions"].items() if one["customer"] in ids]
    return [one for one in stack.stripe.requests("POST", path)
            if any(id in one["path"] + one["body"] for id in ids)]


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
    stack.sql("UPDATE stripe_calls SET next_try_at = now() WHERE state = 'pending' AND next_try_at > now();"
              "UPDATE stripe_events SET next_try_at = now() WHERE state = 'pending' AND next_try_at > now();"
              "NOTIFY stripe_jobs")
