"""Idempotency keys do what Stripe's do."""

import json
import threading

import handle


def post(stripe, key, params, path="/v1/customers"):
    """A post with a key: status, whether it was replayed, JSON."""
    status, headers, body = stripe.exchange("POST", path, params, {
        "Authorization": "Bearer " + stripe.secret_key, "Stripe-Version": handle.BASIL,
        "Content-Type": "application/x-www-form-urlencoded", "Idempotency-Key": key})
    return status, headers.get("idempotent-replayed") == "true", json.loads(body)


def test_replay(stripe):
    """The first answer is given again, and nothing happens twice."""
    first = post(stripe, "k1", "email=a")
    again = post(stripe, "k1", "email=a")
    assert first[:2] == (200, False) and again == (200, True, first[2])
    assert stripe.counters()["customers"] == 1
    assert post(stripe, "k2", "email=a")[2]["id"] != first[2]["id"]


def test_other_parameters_or_path(stripe):
    """A key is refused with other parameters than at first."""
    customer = post(stripe, "k", "email=a")[2]["id"]
    for params, path in (("email=b", "/v1/customers"), ("email=a&name=x", "/v1/customers"),
                         ("email=a", "/v1/customers/" + customer)):
        status, _, answer = post(stripe, "k", params, path)
        assert (status, answer["error"]["type"]) == (400, "idempotency_error")
    assert post(stripe, "x" * 256, "email=a")[0] == 400


def test_failed_checks_are_not_kept(stripe):
    """A request that never ran, 400 or 401, leaves the key free."""
    assert post(stripe, "k", "colour=red")[0] == 400
    assert post(stripe, "k", "email=a")[:2] == (200, False)
    stripe.secret_key = "sk_test_wrong"
    assert post(stripe, "m", "email=a")[0] == 401
    stripe.secret_key = handle.SECRET_KEY
    assert post(stripe, "m", "email=a")[:2] == (200, False)


def test_failures_of_the_operation_are_kept(stripe):
    """A payment that was refused stays refused under its key, also with a better card."""
    customer = stripe.customer("pm_card_chargeCustomerFail")
    params = (f"customer={customer}&items[0][price]=price_pro"
              "&payment_behavior=error_if_incomplete")
    assert post(stripe, "k", params, "/v1/subscriptions")[0] == 402
    stripe.card(customer, "good")
    assert post(stripe, "k", params, "/v1/subscriptions")[:2] == (402, True)
    assert post(stripe, "k2", params, "/v1/subscriptions")[:2] == (200, False)


def test_500_after_the_effect_is_kept(stripe):
    """A 500 is given again although the effect is done."""
    stripe.fault("status_after", status=500)
    assert post(stripe, "k", "email=a")[:2] == (500, False)
    assert post(stripe, "k", "email=a")[:2] == (500, True)
    assert stripe.counters()["customers"] == 1


def test_lost_answer(stripe):
    """After a reset the same key brings the answer; refusals before running keep nothing."""
    stripe.fault("reset_after")
    stripe.exchange("POST", "/v1/customers", "email=a", {
        "Authorization": "Bearer " + stripe.secret_key, "Stripe-Version": handle.BASIL,
        "Content-Type": "application/x-www-form-urlencoded", "Idempotency-Key": "k"})
    assert post(stripe, "k", "email=a")[:2] == (200, True)
    stripe.fault("status", status=503)
    assert post(stripe, "m", "email=a")[0] == 503
    assert post(stripe, "m", "email=a")[:2] == (200, False)
    assert stripe.counters()["customers"] == 2


def test_key_in_use(process):
    """While the first still runs, the same key is refused with 409."""
    process.fault("slow", path="^/v1/customers$", seconds=120)
    answers = []
    slow = threading.Thread(target=lambda: answers.append(post(process, "busy", "email=a")))
    slow.start()
    process.wait(lambda: process.counters()["keys_in_use"] == 1)
    status, _, answer = post(process, "busy", "email=a")
    assert (status, answer["error"]["code"]) == (409, "idempotency_key_in_use")
    process.faults([])
    slow.join()
    assert answers[0][0] == 200 and post(process, "busy", "email=a") == (200, True, answers[0][2])


def test_keys_end_after_a_day(stripe):
    """A key acts anew after 24 hours."""
    post(stripe, "k", "email=a")
    stripe.advance(hours=23)
    assert post(stripe, "k", "email=a")[1] is True
    stripe.advance(hours=2)
    assert post(stripe, "k", "email=b")[:2] == (200, False)
