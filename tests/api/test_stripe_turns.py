"""What is done behind the requests that sell: in turns, as wished, and for whom it is meant."""

import pytest
from support.client import expect
from support.stack import wait_for


@pytest.fixture
def buyer(api, stripe):
    """Makes a customer that has paid for a plan and has it: buyer("starter")."""

    def make(plan):
        customer = api.sign_up()
        session = expect(customer.client.post("/api/subscriptions/checkout",
                                              {"customer_id": customer.id, "plan": plan}), 200)
        stripe.complete(session["session_id"])
        wait_for(lambda: subscription_of(customer)["status"] == "active")
        return customer

    return make


def subscription_of(customer):
    """As our API has it."""
    return expect(customer.client.get(f"/api/subscriptions/{customer.id}"), 200)["subscription"]


def test_a_long_queue_of_events_gives_way_to_calls(stack, stripe, buyer):
    """Each event takes Stripe a while; what a customer changes meanwhile does not wait for all."""
    customer = buyer("starter")
    stripe.fault("slow", path="^/v1/subscriptions/sub_turn", seconds=0.4, times=1000)
    stack.sql("INSERT INTO stripe_events (event_id, type, livemode, received_at, origin, family, "
              "subject, state, next_try_at) SELECT 'evt_turn' || i, 'customer.subscription.updated',"
              " false, now(), 'webhook', 'subscription', 'sub_turn' || i, 'pending', now() "
              "FROM generate_series(1, 40) i; NOTIFY stripe_jobs")
    wait_for(lambda: stripe.requests("GET", "/v1/subscriptions/sub_turn"))
    expect(customer.client.patch(f"/api/customers/{customer.id}", {"company_name": "Turn"}), 200)
    known = subscription_of(customer)["stripe_subscription_id"]
    theirs = stripe.call("GET", f"/v1/subscriptions/{known}")["customer"]
    wait_for(lambda: stripe.call("GET", f"/v1/customers/{theirs}")["name"] == "Turn")
    untried = stack.sql("SELECT count(*) FROM stripe_events WHERE event_id LIKE 'evt_turn%' AND "
                        "attempts = 0")
    stack.sql("DELETE FROM stripe_events WHERE event_id LIKE 'evt_turn%'")
    assert int(untried) > 10
