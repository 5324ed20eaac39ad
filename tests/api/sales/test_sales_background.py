"""The background work for sales: the order of events and calls, races, and deleted customers."""

import concurrent.futures

import pytest
from support.client import expect
from support.payments import settled
from support.stack import wait_for, within


@pytest.fixture
def buyer(api, stack, stripe):
    """Creates a customer with a paid plan: buyer("starter"). Its events are processed, unless it is enough that the
    plan is active."""

    def make(plan, is_settled=True):
        customer = api.sign_up()
        session = expect(customer.client.post("/api/subscriptions/checkout",
                                              {"customer_id": customer.id, "plan": plan}), 200)
        stripe.complete(session["session_id"])
        wait_for(lambda: subscription_of(customer)["status"] == "active")
        if is_settled:
            settled(stack, customer.id)
        return customer

    return make


def subscription_of(customer):
    """The customer's subscription by our API."""
    return expect(customer.client.get(f"/api/subscriptions/{customer.id}"), 200)["subscription"]


def test_calls_do_not_wait_for_a_long_queue_of_events(stack, stripe, buyer):
    """Stripe is slow for each event; a customer's change is sent between them."""
    customer = buyer("starter")
    stripe.fault("slow", path="^/v1/subscriptions/sub_slow", seconds=0.4, times=1000)
    stack.sql("INSERT INTO stripe_events (event_id, type, livemode, received_at, origin, family, "
              "subject, state, next_try_at) SELECT 'evt_slow' || i, 'customer.subscription.updated',"
              " false, now(), 'webhook', 'subscription', 'sub_slow' || i, 'pending', now() "
              "FROM generate_series(1, 200) i; NOTIFY stripe_jobs")
    wait_for(lambda: stripe.requests("GET", "/v1/subscriptions/sub_slow"))
    expect(customer.client.patch(f"/api/customers/{customer.id}", {"company_name": "New"}), 200)
    known = subscription_of(customer)["stripe_subscription_id"]
    theirs = stripe.call("GET", f"/v1/subscriptions/{known}")["customer"]
    wait_for(lambda: stripe.call("GET", f"/v1/customers/{theirs}")["name"] == "New")
    untried = stack.sql("SELECT count(*) FROM stripe_events WHERE event_id LIKE 'evt_slow%' AND "
                        "attempts = 0")
    stack.sql("DELETE FROM stripe_events WHERE event_id LIKE 'evt_slow%'")
    assert int(untried) > 10


def test_other_times_of_proration_than_the_previewed_one_are_refused(stripe, buyer):
    """The end of the period would be cheapest; its beginning would give most credit."""
    customer = buyer("starter")
    body = {"customer_id": customer.id, "new_plan": "professional"}
    ends = subscription_of(customer)["current_period_ends_at"]
    shown = expect(customer.client.post("/api/subscriptions/preview", body), 200)
    for moment in (ends, "2026-01-01T00:00:00.000Z", "2100-01-01T00:00:00.000Z"):
        for route in ("preview", "upgrade"):
            answer = expect(customer.client.post(f"/api/subscriptions/{route}",
                                                 {**body, "proration_at": moment}), 400,
                            "invalid_request")
            assert [one["field"] for one in answer["details"]] == ["proration_at"]
    assert subscription_of(customer)["plan"] == "starter"
    expect(customer.client.post("/api/subscriptions/upgrade",
                                {**body, "proration_at": shown["proration_at"]}), 200)


def test_an_event_that_stripe_refuses_does_not_delay_others(stack, stripe, buyer):
    """Each refusal counts as a try, so that the event is parked in the end."""
    customer = buyer("starter")
    stripe.fault("status", path="^/v1/subscriptions/sub_refused", status=400, times=1000)
    stack.sql("INSERT INTO stripe_events (event_id, type, livemode, received_at, origin, family, "
              "subject, state, next_try_at) SELECT 'evt_refused' || i, "
              "'customer.subscription.updated', false, now(), 'webhook', 'subscription', "
              "'sub_refused' || i, 'pending', now() FROM generate_series(1, 8) i; "
              "NOTIFY stripe_jobs")
    # If each of them ended a round of the jobs, all would take 40 s. The first ones are due again after 5 s.
    tried = "SELECT count(*) FROM stripe_events WHERE event_id LIKE 'evt_refused%' AND attempts > 0"
    wait_for(lambda: stack.sql(tried) == "8", seconds=within(4))
    stack.sql("DELETE FROM stripe_events WHERE event_id LIKE 'evt_refused%'")
    assert subscription_of(customer)["status"] == "active"


def test_a_revocation_during_a_fetch_is_not_overwritten(api, stack, stripe, buyer):
    """The state that was fetched before the revocation is not stored after it."""
    customer = buyer("starter")
    known = subscription_of(customer)["stripe_subscription_id"]
    stripe.reset_requests()
    stripe.fault("slow_after", method="GET", path=f"^/v1/subscriptions/{known}", seconds=60, times=1)
    stripe.call("POST", f"/v1/subscriptions/{known}", {"metadata[note]": "changed"})
    wait_for(lambda: stripe.requests("GET", f"/v1/subscriptions/{known}"))
    expect(api.owner.post(f"/api/licenses/{customer.id}/revoke"), 200)
    stripe.faults([])
    wait_for(lambda: stripe.call("GET", f"/v1/subscriptions/{known}")["status"] == "canceled")
    settled(stack, customer.id)
    assert stack.sql("SELECT count(*) FROM audit_log WHERE action = 'subscription_sync' AND "
                     f"customer_id = '{customer.id}' AND detail = 'active' AND audit_id > (SELECT "
                     f"max(audit_id) FROM audit_log WHERE customer_id = '{customer.id}' AND "
                     "action = 'license_revoke')") == "0"
    assert subscription_of(customer)["status"] == "canceled"


def test_a_change_of_name_while_stripe_creates_the_customer_is_pushed(api, stripe):
    """The change finds no customer of Stripe's yet, and the creation has the old name."""
    customer = api.sign_up(company_name="Before")
    stripe.reset_requests()
    stripe.fault("slow_after", method="POST", path="^/v1/customers$", seconds=60, times=1)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(api.keyed(customer.api_key).post, "/api/subscriptions/checkout",
                             {"customer_id": customer.id, "plan": "starter"})
        wait_for(lambda: [one for one in stripe.requests("POST", "/v1/customers") if customer.id in one["body"]])
        expect(customer.client.patch(f"/api/customers/{customer.id}", {"company_name": "After"}), 200)
        stripe.faults([])
        session = expect(answer.result(), 200)
    theirs = stripe.call("GET", f"/v1/checkout/sessions/{session['session_id']}")["customer"]
    wait_for(lambda: stripe.call("GET", f"/v1/customers/{theirs}")["name"] == "After")


def test_events_of_a_deleted_customer_store_no_personal_data(api, stack, stripe, buyer):
    """Stripe still sends events about the customer."""
    customer = buyer("starter")
    expect(api.owner.delete(f"/api/customers/{customer.id}"), 200)
    last = ("SELECT count(*) FROM stripe_events WHERE type = 'customer.subscription.deleted' AND "
            f"state = 'done' AND customer_id = '{customer.id}'")
    wait_for(lambda: stack.sql(last) == "1")
    settled(stack, customer.id)
    assert stack.sql("SELECT count(*) FROM stripe_events WHERE payload IS NOT NULL AND state <> "
                     f"'pending' AND customer_id = '{customer.id}'") == "0"
    assert stack.sql("SELECT count(*) FROM stripe_calls WHERE parameters <> '' AND customer_id = "
                     f"'{customer.id}' AND kind <> 'subscription_cancel'") == "0"


def test_a_deletion_does_not_wait_for_stripe(api, stack, stripe, buyer):
    """An event of the customer is being processed while Stripe is slow. Its payload is deleted at
    once, and the processing ends."""
    customer = buyer("starter")
    known = subscription_of(customer)["stripe_subscription_id"]
    stripe.reset_requests()
    stripe.fault("slow_after", method="GET", path=f"^/v1/subscriptions/{known}", seconds=60, times="forever")
    stripe.call("POST", f"/v1/subscriptions/{known}", {"metadata[note]": "changed"})
    wait_for(lambda: stripe.requests("GET", f"/v1/subscriptions/{known}"))
    held = stack.sql("SELECT event_id FROM stripe_events WHERE state = 'pending' AND "
                     f"subject = '{known}'")
    expect(api.owner.delete(f"/api/customers/{customer.id}"), 200)
    assert stack.sql("SELECT state, payload IS NULL FROM stripe_events "
                     f"WHERE event_id = '{held}'") == "pending|t"
    stripe.faults([])
    wait_for(lambda: stack.sql("SELECT state, payload IS NULL FROM stripe_events "
                               f"WHERE event_id = '{held}'") == "done|t")


def test_an_expired_idempotency_key_starts_a_new_request(stack, stripe, buyer):
    """The key is forgotten here and at Stripe, so the request is performed on the present state."""
    customer = buyer("starter")
    body, key = {"customer_id": customer.id}, {"Idempotency-Key": f"end {customer.id}"}
    expect(customer.client.post("/api/subscriptions/cancel", body, headers=key), 200)
    session = expect(customer.client.post("/api/subscriptions/checkout",
                                          {**body, "plan": "professional"}), 200)
    stripe.complete(session["session_id"])
    settled(stack, customer.id)
    assert subscription_of(customer)["status"] == "active"
    stack.sql("UPDATE stripe_calls SET created_at = created_at - interval '25 hours' WHERE "
              f"customer_id = '{customer.id}'; UPDATE idempotency_keys SET expires_at = now()")
    second = subscription_of(customer)["stripe_subscription_id"]
    expect(customer.client.post("/api/subscriptions/cancel", body, headers=key), 200)
    assert stripe.call("GET", f"/v1/subscriptions/{second}")["status"] == "canceled"


def test_events_of_a_payment_come_before_a_long_queue(stack, stripe, buyer):
    stripe.fault("slow", path="^/v1/subscriptions/sub_queue", seconds=0.3, times=1000)
    stack.sql("INSERT INTO stripe_events (event_id, type, livemode, received_at, origin, family, "
              "subject, state, next_try_at) SELECT 'evt_queue' || i, 'customer.subscription.updated',"
              " false, now(), 'webhook', 'subscription', 'sub_queue' || i, 'pending', now() "
              "FROM generate_series(1, 200) i; NOTIFY stripe_jobs")
    buyer("starter", is_settled=False)
    untried = stack.sql("SELECT count(*) FROM stripe_events WHERE event_id LIKE 'evt_queue%' AND "
                        "attempts = 0")
    stack.sql("DELETE FROM stripe_events WHERE event_id LIKE 'evt_queue%'")
    assert int(untried) > 10


def test_the_payload_of_an_ignored_event_is_not_stored(stack, stripe):
    stripe.send({"id": "evt_charge", "object": "event", "type": "charge.succeeded", "created": 1,
                 "livemode": False, "data": {"object": {"id": "ch_1", "object": "charge",
                                                        "receipt_email": "jane@mail.example"}}})
    assert stack.sql("SELECT state, payload IS NULL FROM stripe_events "
                     "WHERE event_id = 'evt_charge'") == "ignored|t"


def test_the_open_checkout_of_a_deleted_customer_cannot_be_paid(api, stripe):
    customer = api.sign_up()
    page = expect(customer.client.post("/api/subscriptions/checkout",
                                       {"customer_id": customer.id, "plan": "starter"}), 200)
    expect(api.owner.delete(f"/api/customers/{customer.id}"), 200)
    path = f"/v1/checkout/sessions/{page['session_id']}"
    wait_for(lambda: stripe.call("GET", path)["status"] == "expired")
