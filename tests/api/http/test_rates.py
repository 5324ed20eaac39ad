"""How often one may ask: who guesses keys or forges events is slowed to what nginx allows, and so
is who clicks all the time on what waits for Stripe; nobody else notices."""

import collections
import subprocess
import time

import pytest
from support.client import expect

UNKNOWN = "cust_" + 32 * "0"
# Each attempt: its name, its request, its answer, and how many at once and a second get that answer.
TRIES = {
    "keys guessed": (f"/api/subscriptions/{UNKNOWN}", ["-H", "X-API-Key: guess"], "401", 200, 100),
    "checkouts with guessed keys": ("/api/subscriptions/checkout", [
        "-H", "X-API-Key: guess", "-d", "{}"], "401", 200, 100),
    "sign-ins guessed": ("/api/session", [
        "-H", "X-Billing-Console: 1", "-d", '{"api_key": "guess"}'], "401", 20, 0.5),
    "events forged": ("/api/webhooks/stripe", [
        "-H", "Stripe-Signature: t=1,v1=00", "-d", "{}"], "400", 500, 100),
}


@pytest.fixture(scope="module", name="limited")
def fixture_limited(new_stack):
    """A stack with nginx's limits."""
    stack = new_stack(stripe=True, RATE_LIMITS="on")
    yield stack
    stack.close()


def ask_often(stack, times, path, options):
    """Repeats a request as fast as one address can: the statuses, and the seconds."""
    start = time.monotonic()
    done = subprocess.run(
        ["curl", "-sS", "-4", "-Z", "--parallel-max", "40", "--interface", "127.0.0.9",
         "--cacert", stack.ca_cert, "-H", "Content-Type: application/json", *options,
         "-w", "%{stderr}%{http_code}\\n", f"{stack.base_url}{path}#[1-{times}]"],
        text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    return collections.Counter(done.stderr.split()), time.monotonic() - start


@pytest.mark.parametrize("what", TRIES)
def test_guesses_are_rate_limited(limited, figures, what):
    path, options, refused, burst, rate = TRIES[what]
    honest = limited.api.sign_up()
    times = 2 * burst + 400
    answers, took = ask_often(limited, times, path, options)
    figures[f"{what}, answered of {times} in {took:.1f} s"] = answers[refused]
    assert answers[refused] + answers["429"] == times, answers
    assert answers[refused] <= 1 + burst + rate * took
    expect(honest.client.get(f"/api/subscriptions/{honest.id}"), 200)


def test_payment_requests_are_rate_limited(limited, figures):
    """Requests to Stripe: 2 a second and key, 20 at once. Other requests are still served."""
    loud, quiet = limited.api.sign_up(), limited.api.sign_up()
    answers, took = ask_often(limited, 100, "/api/subscriptions/portal", [
        "-H", f"X-API-Key: {loud.api_key}", "-d", f'{{"customer_id": "{loud.id}"}}'])
    figures[f"clicks answered of 100 in {took:.1f} s"] = answers["409"]
    assert answers["409"] + answers["429"] == 100, answers
    assert answers["409"] <= 21 + 2 * took
    expect(loud.client.get(f"/api/licenses/{loud.id}"), 200)
    expect(quiet.client.post("/api/subscriptions/portal", {"customer_id": quiet.id}), 409,
           "checkout_needed")
