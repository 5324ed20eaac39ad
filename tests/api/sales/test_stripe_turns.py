"""What is done behind the requests that sell: in turns, as wished, and for whom it is meant."""

import concurrent.futures

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


def test_nobody_chooses_the_moment_of_proration(stripe, buyer):
    """The end of the period would be the cheapest moment, its beginning the one with most credit."""
    customer = buyer("starter")
    wish = {"customer_id": customer.id, "new_plan": "professional"}
    ends = subscription_of(customer)["current_period_ends_at"]
    shown = expect(customer.client.post("/api/subscriptions/preview", wish), 200)
    for moment in (ends, "2026-01-01T00:00:00.000Z", "2100-01-01T00:00:00.000Z"):
        for route in ("preview", "upgrade"):
            answer = expect(customer.client.post(f"/api/subscriptions/{route}",
                                                 {**wish, "proration_at": moment}), 400,
                            "invalid_request")
            assert [one["field"] for one in answer["details"]] == ["proration_at"]
    assert subscription_of(customer)["plan"] == "starter"
    expect(customer.client.post("/api/subscriptions/upgrade",
                                {**wish, "proration_at": shown["proration_at"]}), 200)


def test_an_event_that_stripe_refuses_holds_up_no_other(stack, stripe, buyer):
    """Its tries are counted, so that it is parked in the end; what Stripe cannot serve is not."""
    customer = buyer("starter")
    stripe.fault("status", path="^/v1/subscriptions/sub_refused", status=400, times=1000)
    stack.sql("INSERT INTO stripe_events (event_id, type, livemode, received_at, origin, family, "
              "subject, state, next_try_at) SELECT 'evt_refused' || i, "
              "'customer.subscription.updated', false, now(), 'webhook', 'subscription', "
              "'sub_refused' || i, 'pending', now() FROM generate_series(1, 8) i; "
              "NOTIFY stripe_jobs")
    tried = "SELECT count(*) FROM stripe_events WHERE event_id LIKE 'evt_refused%' AND attempts = 1"
    wait_for(lambda: stack.sql(tried) == "8", seconds=4)
    stack.sql("DELETE FROM stripe_events WHERE event_id LIKE 'evt_refused%'")
    assert subscription_of(customer)["status"] == "active"


def test_what_is_revoked_while_stripe_is_asked_stays_so(api, stack, stripe, buyer):
    """The answer that was under way, from before the end, is not stored over it."""
    customer = buyer("starter")
    known = subscription_of(customer)["stripe_subscription_id"]
    stripe.wait_idle()
    wait_for(lambda: stack.sql("SELECT count(*) FROM stripe_events WHERE state = 'pending' AND "
                               f"subject = '{known}'") == "0")
    stripe.reset_requests()
    stripe.fault("slow_after", method="GET", path=f"^/v1/subscriptions/{known}", seconds=1, times=1)
    stripe.call("POST", f"/v1/subscriptions/{known}", {"metadata[note]": "changed"})
    wait_for(lambda: stripe.requests("GET", f"/v1/subscriptions/{known}"))
    expect(api.owner.post(f"/api/licenses/{customer.id}/revoke"), 200)
    wait_for(lambda: stripe.call("GET", f"/v1/subscriptions/{known}")["status"] == "canceled")
    assert stack.sql("SELECT count(*) FROM audit_log WHERE action = 'subscription_sync' AND "
                     f"customer_id = '{customer.id}' AND detail = 'active' AND audit_id > (SELECT "
                     f"max(audit_id) FROM audit_log WHERE customer_id = '{customer.id}' AND "
                     "action = 'license_revoke')") == "0"
    assert subscription_of(customer)["status"] == "canceled"


def test_a_name_that_changes_while_stripe_makes_the_customer_reaches_it(api, stripe):
    """The change sees no customer of Stripe's yet, and who makes it saw the old name."""
    customer = api.sign_up(company_name="Before")
    stripe.reset_requests()
    stripe.fault("slow_after", method="POST", path="^/v1/customers$", seconds=1, times=1)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(api.keyed(customer.api_key).post, "/api/subscriptions/checkout",
                             {"customer_id": customer.id, "plan": "starter"})
        wait_for(lambda: stripe.requests("POST", "/v1/customers"))
        expect(customer.client.patch(f"/api/customers/{customer.id}", {"company_name": "After"}), 200)
        session = expect(answer.result(), 200)
    theirs = stripe.call("GET", f"/v1/checkout/sessions/{session['session_id']}")["customer"]
    wait_for(lambda: stripe.call("GET", f"/v1/customers/{theirs}")["name"] == "After")


def test_nothing_personal_of_a_deleted_customer_comes_back(api, stack, stripe, buyer):
    """Stripe goes on to send events about it."""
    customer = buyer("starter")
    expect(api.owner.delete(f"/api/customers/{customer.id}"), 200)
    last = ("SELECT count(*) FROM stripe_events WHERE type = 'customer.subscription.deleted' AND "
            f"state = 'done' AND customer_id = '{customer.id}'")
    wait_for(lambda: stack.sql(last) == "1")
    stripe.wait_idle()
    assert stack.sql("SELECT count(*) FROM stripe_events WHERE payload IS NOT NULL AND state <> "
                     f"'pending' AND customer_id = '{customer.id}'") == "0"
    assert stack.sql("SELECT count(*) FROM stripe_calls WHERE parameters <> '' AND customer_id = "
                     f"'{customer.id}' AND kind <> 'subscription_cancel'") == "0"


def test_a_deletion_waits_for_no_answer_of_stripes(api, stack, stripe, buyer):
    """An event of the customer is being dealt with, and Stripe takes its time; what the event says
    goes all the same when it ends."""
    customer = buyer("starter")
    known = subscription_of(customer)["stripe_subscription_id"]
    stripe.wait_idle()
    wait_for(lambda: stack.sql("SELECT count(*) FROM stripe_events WHERE state = 'pending' AND "
                               f"subject = '{known}'") == "0")
    stripe.reset_requests()
    stripe.fault("slow_after", method="GET", path=f"^/v1/subscriptions/{known}", seconds=3, times=1)
    stripe.call("POST", f"/v1/subscriptions/{known}", {"metadata[note]": "changed"})
    wait_for(lambda: stripe.requests("GET", f"/v1/subscriptions/{known}"))
    held = stack.sql("SELECT event_id FROM stripe_events WHERE state = 'pending' AND "
                     f"subject = '{known}'")
    expect(api.owner.delete(f"/api/customers/{customer.id}"), 200)
    assert stack.sql("SELECT state, payload IS NULL FROM stripe_events "
                     f"WHERE event_id = '{held}'") == "pending|f"
    wait_for(lambda: stack.sql("SELECT state, payload IS NULL FROM stripe_events "
                               f"WHERE event_id = '{held}'") == "done|t")


def test_a_key_from_long_ago_is_a_new_wish(stack, stripe, buyer):
    """Neither Stripe nor we remember it: what it did then is not done again, what is asked is."""
    customer = buyer("starter")
    wish, key = {"customer_id": customer.id}, {"Idempotency-Key": f"end {customer.id}"}
    expect(customer.client.post("/api/subscriptions/cancel", wish, headers=key), 200)
    session = expect(customer.client.post("/api/subscriptions/checkout",
                                          {**wish, "plan": "professional"}), 200)
    stripe.complete(session["session_id"])
    wait_for(lambda: subscription_of(customer)["status"] == "active")
    stack.sql("UPDATE stripe_calls SET created_at = created_at - interval '25 hours' WHERE "
              f"customer_id = '{customer.id}'; UPDATE idempotency_keys SET expires_at = now()")
    second = subscription_of(customer)["stripe_subscription_id"]
    expect(customer.client.post("/api/subscriptions/cancel", wish, headers=key), 200)
    assert stripe.call("GET", f"/v1/subscriptions/{second}")["status"] == "canceled"


def test_a_new_payment_comes_before_a_long_queue(stack, stripe, buyer):
    stripe.fault("slow", path="^/v1/subscriptions/sub_queue", seconds=0.3, times=1000)
    stack.sql("INSERT INTO stripe_events (event_id, type, livemode, received_at, origin, family, "
              "subject, state, next_try_at) SELECT 'evt_queue' || i, 'customer.subscription.updated',"
              " false, now(), 'webhook', 'subscription', 'sub_queue' || i, 'pending', now() "
              "FROM generate_series(1, 60) i; NOTIFY stripe_jobs")
    buyer("starter")
    untried = stack.sql("SELECT count(*) FROM stripe_events WHERE event_id LIKE 'evt_queue%' AND "
                        "attempts = 0")
    stack.sql("DELETE FROM stripe_events WHERE event_id LIKE 'evt_queue%'")
    assert int(untried) > 10


def test_what_means_nothing_here_leaves_no_text_behind(stack, stripe):
    stripe.send({"id": "evt_charge", "object": "event", "type": "charge.succeeded", "created": 1,
                 "livemode": False, "data": {"object": {"id": "ch_1", "object": "charge",
                                                        "receipt_email": "jane@mail.example"}}})
    assert stack.sql("SELECT state, payload IS NULL FROM stripe_events "
                     "WHERE event_id = 'evt_charge'") == "ignored|t"


def test_a_deleted_customers_open_page_cannot_be_paid(api, stripe):
    customer = api.sign_up()
    page = expect(customer.client.post("/api/subscriptions/checkout",
                                       {"customer_id": customer.id, "plan": "starter"}), 200)
    expect(api.owner.delete(f"/api/customers/{customer.id}"), 200)
    path = f"/v1/checkout/sessions/{page['session_id']}"
    wait_for(lambda: stripe.call("GET", path)["status"] == "expired")
