"""Plan changes and cancellations at difficult times: before the event of a purchase has arrived,
beside another change, and again after a lost answer."""

import concurrent.futures
import uuid

import pytest
from support.client import expect
from support.payments import ask, buy, hold, open_checkout, settled, subscription_of
from support.stack import wait_for


def theirs(stack, subscription):
    """The subscription as Stripe has it."""
    return stack.stripe.state()["subscriptions"][subscription["stripe_subscription_id"]]


def paid_without_event(stack):
    """A customer in its trial who has just paid; the events of the purchase are held back."""
    customer = stack.api.sign_up()
    session, _ = open_checkout(customer, "starter")
    hold(stack)
    stack.stripe.complete(session)
    assert subscription_of(customer.client, customer.id)["status"] == "trialing"
    return customer


@pytest.mark.parametrize("name, more, after", [
    ("cancel", {}, ("starter", "canceled", False)),
    ("cancel", {"at_period_end": True}, ("starter", "active", True)),
    ("upgrade", {"new_plan": "professional"}, ("professional", "active", False))])
def test_a_change_right_after_the_purchase(stack, stripe, name, more, after):
    """If only the trial were cancelled, the customer would go on paying."""
    customer = paid_without_event(stack)
    answer = expect(ask(customer.client, name, customer.id, **more), 200)["subscription"]
    assert (answer["plan"], answer["status"], answer["cancel_at_period_end"]) == after
    at_stripe = theirs(stack, answer)
    assert (at_stripe["plan"], at_stripe["status"], at_stripe["cancel_at_period_end"]) == after
    stripe.hold(False)
    settled(stack, customer.id)
    assert subscription_of(customer.client, customer.id) == answer


def test_a_trial_with_an_open_checkout_is_cancelled_here(api, stack, stripe):
    """Stripe is asked first whether a plan was bought; without an answer nothing ends."""
    customer = api.sign_up()
    open_checkout(customer, "starter")
    stripe.fault("status", method="GET", path="^/v1/subscriptions", status=503, times="forever")
    expect(ask(customer.client, "cancel", customer.id, faults=True), 502, "stripe_error")
    assert subscription_of(customer.client, customer.id)["status"] == "trialing"
    stripe.faults([])
    answer = expect(ask(customer.client, "cancel", customer.id), 200)["subscription"]
    assert (answer["status"], answer["stripe_subscription_id"]) == ("canceled", None)


def test_one_payment_request_of_a_customer_runs_at_a_time(api, stack, stripe):
    """Another one is refused at once, whatever it is; other customers are served."""
    customer, other = api.sign_up(), api.sign_up()
    bought = buy(stack, customer, "starter")
    path = f"/v1/subscriptions/{bought['stripe_subscription_id']}"
    stripe.reset_requests()
    stripe.fault("slow_after", method="GET", path=f"^{path}", seconds=60, times="forever")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(ask, api.keyed(customer.api_key), "upgrade", customer.id,
                           new_plan="professional")
        wait_for(lambda: stripe.requests("GET", path))
        for name, more in (("upgrade", {"new_plan": "enterprise"}), ("portal", {}), ("cancel", {}),
                           ("preview", {"new_plan": "enterprise"}), ("resume", {}),
                           ("checkout", {"plan": "starter"})):
            for client in (customer.client, api.owner):
                answer = ask(client, name, customer.id, **more)
                expect(answer, 409, "operation_in_progress")
                assert answer.headers["Retry-After"] == "1"
        expect(customer.client.post("/api/subscriptions/portal", {"customer_id": customer.id},
                                    headers={"Idempotency-Key": uuid.uuid4().hex}), 409,
               "idempotency_in_progress")
        expect(ask(other.client, "checkout", other.id, plan="starter"), 200)
        stripe.let_go()
        expect(slow.result(), 200)
    expect(ask(customer.client, "portal", customer.id), 200)


def lose_answers(stack, customer):
    """Deletes the stored answers, as if the process had crashed before storing them."""
    stack.sql("DELETE FROM idempotency_keys")
    assert stack.sql("SELECT count(*) FROM stripe_calls WHERE kind = 'nothing' AND state = 'done' "
                     f"AND intent IS NOT NULL AND customer_id = '{customer.id}'") == "1"


def test_a_trial_is_cancelled_once_when_the_answer_is_lost(api, stack):
    customer, key = api.sign_up(), {"Idempotency-Key": f"end {uuid.uuid4()}"}

    def cancel(at_period_end=False):
        return customer.client.post("/api/subscriptions/cancel", {
            "customer_id": customer.id, "at_period_end": at_period_end}, headers=key)

    first = expect(cancel(), 200)
    lose_answers(stack, customer)
    expect(cancel(at_period_end=True), 422, "idempotency_key_reused")
    assert expect(cancel(), 200) == first
    assert stack.sql("SELECT count(*) FROM audit_log WHERE action = 'trial_cancel' AND "
                     f"customer_id = '{customer.id}'") == "1"


def test_a_plan_is_scheduled_once_when_the_answer_is_lost(other_rules):
    customer, key = other_rules.api.sign_up(), {"Idempotency-Key": f"less {uuid.uuid4()}"}
    expect(ask(customer.client, "cancel", customer.id), 200)
    buy(other_rules, customer, "professional")

    def step_down():
        return expect(customer.client.post("/api/subscriptions/upgrade", {
            "customer_id": customer.id, "new_plan": "starter"}, headers=key), 200)["subscription"]

    first = step_down()
    assert first["scheduled_plan"] == "starter"
    lose_answers(other_rules, customer)
    assert step_down() == first


def test_a_change_of_unknown_outcome_drops_the_scheduled_plan(other_rules):
    """Otherwise the greater plan would change to the smaller one with the next period."""
    customer, stripe = other_rules.api.sign_up(), other_rules.stripe
    expect(ask(customer.client, "cancel", customer.id), 200)
    bought = buy(other_rules, customer, "professional")
    expect(ask(customer.client, "upgrade", customer.id, new_plan="starter"), 200)
    hold(other_rules)
    stripe.fault("reset_after", method="POST", path="/v1/subscriptions/", times="forever")
    expect(ask(customer.client, "upgrade", customer.id, new_plan="enterprise", faults=True), 502,
           "stripe_error")
    stripe.faults([])
    stripe.hold(False)
    assert theirs(other_rules, bought)["plan"] == "enterprise"
    other_rules.sql("UPDATE stripe_calls SET next_try_at = now() WHERE state = 'pending' AND "
                    f"customer_id = '{customer.id}'; NOTIFY stripe_jobs")
    settled(other_rules, customer.id)
    after = subscription_of(customer.client, customer.id)
    assert (after["plan"], after["scheduled_plan"]) == ("enterprise", None)
    expect(ask(customer.client, "upgrade", customer.id, new_plan="starter"), 200)
    assert subscription_of(customer.client, customer.id)["scheduled_plan"] == "starter"


def test_a_revocation_does_not_alter_a_subscription_that_has_ended(api, stack):
    """The cancellation was scheduled, then made at once; then the licence is revoked as well."""
    customer = api.sign_up()
    buy(stack, customer, "starter")
    expect(ask(customer.client, "cancel", customer.id, at_period_end=True), 200)
    ended = expect(ask(customer.client, "cancel", customer.id), 200)["subscription"]
    settled(stack, customer.id)
    expect(api.owner.post(f"/api/licenses/{customer.id}/revoke"), 200)
    assert subscription_of(customer.client, customer.id) == ended
    assert ended["cancel_at_period_end"] == theirs(stack, ended)["cancel_at_period_end"]
