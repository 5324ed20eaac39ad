"""What is asked in an awkward moment: before Stripe's word came, beside another change, and again
after an answer that was lost."""

import concurrent.futures
import uuid

import pytest
from support.client import expect
from support.payments import ask, buy, open_checkout, settled, subscription_of
from support.stack import wait_for


def theirs(stack, subscription):
    """The subscription as Stripe has it."""
    return stack.stripe.state()["subscriptions"][subscription["stripe_subscription_id"]]


def paid_and_not_told(api, stripe):
    """A customer in its trial who has just paid, of which Stripe has said nothing yet."""
    customer = api.sign_up()
    session, _ = open_checkout(customer, "starter")
    stripe.hold()
    stripe.complete(session)
    assert subscription_of(customer.client, customer.id)["status"] == "trialing"
    return customer


@pytest.mark.parametrize("name, more, after", [
    ("cancel", {}, ("starter", "canceled", False)),
    ("cancel", {"at_period_end": True}, ("starter", "active", True)),
    ("upgrade", {"new_plan": "professional"}, ("professional", "active", False))])
def test_what_was_bought_a_moment_ago_is_what_changes(api, stack, stripe, name, more, after):
    """To end the trial alone would leave the customer paying for what it has just ended."""
    customer = paid_and_not_told(api, stripe)
    answer = expect(ask(customer.client, name, customer.id, **more), 200)["subscription"]
    assert (answer["plan"], answer["status"], answer["cancel_at_period_end"]) == after
    at_stripe = theirs(stack, answer)
    assert (at_stripe["plan"], at_stripe["status"], at_stripe["cancel_at_period_end"]) == after
    stripe.hold(False)
    settled(stack, customer.id)
    assert subscription_of(customer.client, customer.id) == answer


def test_a_trial_with_an_open_page_ends_here(api, stack, stripe):
    """Nothing was bought: Stripe says so, and without Stripe's word nothing is said to have ended."""
    customer = api.sign_up()
    open_checkout(customer, "starter")
    stripe.fault("status", method="GET", path="^/v1/subscriptions", status=503, times=9)
    expect(ask(customer.client, "cancel", customer.id, faults=True), 502, "stripe_error")
    assert subscription_of(customer.client, customer.id)["status"] == "trialing"
    stripe.faults([])
    answer = expect(ask(customer.client, "cancel", customer.id), 200)["subscription"]
    assert (answer["status"], answer["stripe_subscription_id"]) == ("canceled", None)


def test_what_was_seen_before_another_change_is_not_acted_upon(api, stack, stripe):
    """Two changes look at Stripe at once; the second to have its turn saw what is no longer so, and
    would have the step down charged as one up."""
    customer = api.sign_up()
    bought = buy(stack, customer, "starter")
    path = f"/v1/subscriptions/{bought['stripe_subscription_id']}"
    stripe.reset_requests()
    stripe.fault("slow_after", method="GET", path=f"^{path}", seconds=1.5, times=1)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(ask, api.keyed(customer.api_key), "upgrade", customer.id,
                           new_plan="professional")
        wait_for(lambda: stripe.requests("GET", path))
        expect(ask(customer.client, "upgrade", customer.id, new_plan="enterprise"), 200)
        expect(slow.result(), 409, "operation_in_progress")
    assert len(stripe.requests("POST", path)) == 1
    answer = expect(ask(customer.client, "upgrade", customer.id, new_plan="professional"), 200)
    assert answer["subscription"]["plan"] == theirs(stack, bought)["plan"] == "professional"
    assert stripe.requests("POST", path)[-1]["params"]["proration_behavior"] == "create_prorations"


def lose_answers(stack, customer):
    """As if the process had died between its work and the storing of its answer."""
    stack.sql("DELETE FROM idempotency_keys")
    assert stack.sql("SELECT count(*) FROM stripe_calls WHERE kind = 'nothing' AND state = 'done' "
                     f"AND intent IS NOT NULL AND customer_id = '{customer.id}'") == "1"


def test_a_trial_ends_once_though_the_answer_is_lost(api, stack):
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


def test_a_plan_is_scheduled_once_though_the_answer_is_lost(other_rules):
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


def test_what_was_scheduled_ends_with_a_change_of_unknown_outcome(other_rules):
    """The greater plan is there, and would become the smaller one with the next period."""
    customer, stripe = other_rules.api.sign_up(), other_rules.stripe
    expect(ask(customer.client, "cancel", customer.id), 200)
    bought = buy(other_rules, customer, "professional")
    expect(ask(customer.client, "upgrade", customer.id, new_plan="starter"), 200)
    stripe.hold()
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


def test_to_revoke_what_has_ended_changes_nothing_of_it(api, stack):
    """The end was planned, came at once instead, and then the licence is revoked as well."""
    customer = api.sign_up()
    buy(stack, customer, "starter")
    expect(ask(customer.client, "cancel", customer.id, at_period_end=True), 200)
    ended = expect(ask(customer.client, "cancel", customer.id), 200)["subscription"]
    settled(stack, customer.id)
    expect(api.owner.post(f"/api/licenses/{customer.id}/revoke"), 200)
    assert subscription_of(customer.client, customer.id) == ended
    assert ended["cancel_at_period_end"] == theirs(stack, ended)["cancel_at_period_end"]
