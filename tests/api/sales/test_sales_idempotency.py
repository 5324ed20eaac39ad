"""Idempotency-Key of requests that change Stripe: one effect there and one answer here, also for
parallel requests and after lost answers."""

import concurrent.futures
import uuid

import pytest

from support.client import expect
from support.payments import ask, buy, hold, settled, stripe_id, subscription_of

PARALLEL = 50


def new_key():
    """A new Idempotency-Key."""
    return {"Idempotency-Key": f"click {uuid.uuid4()}"}


def click(client, name, customer_id, key, faults=False, **body):
    """A request with an Idempotency-Key."""
    return client.post(f"/api/subscriptions/{name}", {"customer_id": customer_id, **body},
                       headers=key, faults=faults)


def at_stripe(stack, customer):
    """The number of the customer's objects of each kind at Stripe, and the amount charged."""
    who = stripe_id(stack, customer)
    state = stack.stripe.state()
    return {"customers": sum(one["metadata"].get("customer_id") == customer.id
                             for one in state["customers"].values()),
            **{kind: sum(one["customer"] == who for one in state[kind].values())
               for kind in ("sessions", "subscriptions", "invoices")},
            "charged": state["charged"].get(who, 0)}


def assert_replayed(first, again):
    """Checks that the second answer is the stored one and is marked so."""
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)


@pytest.mark.parametrize("name, more", [("checkout", {"plan": "starter"}),
                                        ("upgrade", {"new_plan": "enterprise"}),
                                        ("cancel", {}), ("cancel", {"at_period_end": True})])
def test_fifty_parallel_requests_with_one_key_have_one_effect(api, stack, name, more):
    customer, key = api.sign_up(), new_key()
    if name != "checkout":
        buy(stack, customer, "starter")

    def once(_):
        return click(api.keyed(customer.api_key), name, customer.id, key, **more)

    with concurrent.futures.ThreadPoolExecutor(25) as pool:
        answers = list(pool.map(once, range(PARALLEL)))
    good = [answer for answer in answers if answer.status_code == 200]
    for answer in answers:
        if answer.status_code != 200:
            assert expect(answer, 409, answer.json()["code"])["code"] in (
                "idempotency_in_progress", "operation_in_progress")
    assert len({answer.content for answer in good}) == 1
    again = once(None)
    assert again.content == good[0].content and again.headers["Idempotent-Replayed"] == "true"
    settled(stack, customer.id)
    assert at_stripe(stack, customer) == {
        "customers": 1, "sessions": 1, "subscriptions": int(name != "checkout"),
        "invoices": {"checkout": 0, "upgrade": 2, "cancel": 1}[name],
        "charged": {"checkout": 0, "upgrade": 49900, "cancel": 2900}[name]}


def test_a_key_belongs_to_one_request_of_one_caller(api, stack):
    customer, key = api.sign_up(), new_key()
    first = click(customer.client, "checkout", customer.id, key, plan="starter")
    for more in ({"plan": "enterprise"}, {"plan": "starter", "price_id": "price_starter_year"}):
        expect(click(customer.client, "checkout", customer.id, key, **more), 422,
               "idempotency_key_reused")
    expect(click(customer.client, "portal", customer.id, key), 422, "idempotency_key_reused")
    assert_replayed(first, click(customer.client, "checkout", customer.id, key, plan="starter"))
    assert at_stripe(stack, customer)["sessions"] == 1
    owners = click(api.owner, "checkout", customer.id, key, plan="starter")
    assert expect(owners, 200) != first.json() and "Idempotent-Replayed" not in owners.headers


@pytest.mark.parametrize("name, more, path", [
    ("checkout", {"plan": "starter"}, "/v1/checkout/sessions$"),
    ("checkout", {"plan": "starter"}, "/v1/customers$"),
    ("upgrade", {"new_plan": "enterprise"}, "/v1/subscriptions/"),
    ("cancel", {}, "/v1/subscriptions/")])
def test_a_retry_after_a_lost_answer_finds_the_work_done(api, stack, stripe, name, more, path):
    """Stripe does the work and then resets the connection on every try: 502, which is not stored.
    The client's next request with the key finds the work done."""
    customer, key = api.sign_up(), new_key()
    if name != "checkout":
        buy(stack, customer, "starter")
    stripe.fault("reset_after", method="DELETE" if name == "cancel" else "POST", path=path,
                 times="forever")
    for _ in range(1 + (name == "upgrade")):
        expect(click(customer.client, name, customer.id, key, faults=True, **more), 502,
               "stripe_error")
    stripe.faults([])
    if name == "upgrade":  # the key is bound to the first request
        expect(click(customer.client, name, customer.id, key, new_plan="professional"), 422,
               "idempotency_key_reused")
    first = click(customer.client, name, customer.id, key, **more)
    expect(first, 200)
    assert_replayed(first, click(customer.client, name, customer.id, key, **more))
    settled(stack, customer.id)
    assert at_stripe(stack, customer) == {
        "customers": 1, "sessions": 1, "subscriptions": int(name != "checkout"),
        "invoices": {"checkout": 0, "upgrade": 2, "cancel": 1}[name],
        "charged": {"checkout": 0, "upgrade": 49900, "cancel": 2900}[name]}


def test_without_a_key_the_jobs_process_fetches_the_outcome(api, stack, stripe):
    """The client does not retry after the 502; the Stripe jobs fetch the subscription."""
    customer = api.sign_up()
    buy(stack, customer, "starter")
    hold(stack)
    stripe.fault("reset_after", method="POST", path="/v1/subscriptions/", times="forever")
    expect(ask(customer.client, "upgrade", customer.id, new_plan="enterprise", faults=True), 502,
           "stripe_error")
    stripe.faults([])
    assert subscription_of(customer.client, customer.id)["plan"] == "starter"
    stack.sql("UPDATE stripe_calls SET next_try_at = now() WHERE state = 'pending' AND "
              f"customer_id = '{customer.id}'; NOTIFY stripe_jobs")
    stripe.wait(lambda: subscription_of(customer.client, customer.id)["plan"] == "enterprise")
    assert at_stripe(stack, customer)["invoices"] == 2


def test_a_refusal_is_stored_as_the_answer(api, stack, stripe):
    customer, key = api.sign_up(), new_key()
    buy(stack, customer, "starter")
    stripe.card(stripe_id(stack, customer), "declined")
    first = click(customer.client, "upgrade", customer.id, key, new_plan="enterprise")
    expect(first, 402, "payment_failed")
    stripe.card(stripe_id(stack, customer), "good")
    assert_replayed(first, click(customer.client, "upgrade", customer.id, key,
                                 new_plan="enterprise"))
    expect(click(customer.client, "upgrade", customer.id, new_key(), new_plan="enterprise"), 200)
    assert at_stripe(stack, customer)["charged"] == 49900


@pytest.mark.parametrize("fault", [
    {"kind": "status", "status": 500, "headers": {"Stripe-Should-Retry": "false"}},
    {"kind": "garbage", "status": 200, "body": "<html>"},
    {"kind": "redirect", "location": "https://evil.example/"}], ids=lambda fault: fault["kind"])
def test_faults_of_stripe_are_not_passed_on_or_stored(api, stack, stripe, fault):
    customer, key = api.sign_up(), new_key()
    stripe.fault(method="POST", path="/v1/checkout/sessions$", times="forever", **fault)
    refused = click(customer.client, "checkout", customer.id, key, faults=True, plan="starter")
    expect(refused, 502, "stripe_error")
    assert refused.headers["Retry-After"].isdigit()
    assert "evil" not in refused.text and "html" not in refused.text
    stripe.faults([])
    first = click(customer.client, "checkout", customer.id, key, plan="starter")
    expect(first, 200)
    assert at_stripe(stack, customer)["sessions"] == 1
