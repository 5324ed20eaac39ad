"""nginx and billingd agree on the requests that may wait for Stripe, and on how large a
body may be."""

import re
import subprocess

import pytest
from support.client import expect
from support.fcgi import ask
from support.stack import ROOT, VARIANT

KIB = 1024
LIMIT = 64 * KIB


def routes_of(pool):
    """Method and pattern of the pool's routes."""
    lines = subprocess.run([ROOT / "build" / VARIANT / "billingd", "--routes"], check=True,
                           text=True, stdout=subprocess.PIPE).stdout.splitlines()
    return [line.split()[:2] for line in lines if line.split()[4] == pool]


STRIPE = sorted({pattern for _, pattern in routes_of("stripe")})


def test_nginx_sends_exactly_the_routes_of_the_stripe_pool_there():
    text = (ROOT / "nginx/billing-locations.conf").read_text(encoding="utf-8")
    places = re.findall(r"location (~ )?(\S+) \{([^{}]*)fastcgi_pass +billing_stripe;", text)
    assert len(places) == 1
    prefix, names = re.fullmatch(r"\^(/[a-z/]+/)\(([a-z|]+)\)\$", places[0][1]).groups()
    assert sorted(prefix + name for name in names.split("|")) == STRIPE
    assert not {pattern for _, pattern in routes_of("main")} & set(STRIPE)


@pytest.mark.parametrize("path", STRIPE)
def test_requests_for_stripe_reach_the_stripe_pool(stack, path):
    """Through nginx the request is answered; a worker of the main pool refuses it."""
    method = next(method for method, pattern in routes_of("stripe") if pattern == path)
    answer = stack.api.owner.request(method, path, body={}, faults=True)
    assert answer.json()["code"] not in ("wrong_pool", "not_found", "method_not_allowed")
    status, body = ask(stack.socket, method, path, b"{}")
    assert (status, body["code"]) == (503, "wrong_pool")


def test_misdirected_requests_are_logged(stack):
    """Each worker logs once what nginx has to include."""
    for _ in range(100):
        assert ask(stack.socket, "POST", STRIPE[0], b"{}")[0] == 503
    lines = [line for line in stack.billingd_log() if "BILLING_STRIPE_SOCKET" in line["message"]]
    assert 0 < len(lines) <= len(stack.pids())
    assert lines[0]["level"] == "error" and "billing-locations.conf" in lines[0]["message"]


def test_an_event_may_be_larger_than_other_bodies(stack):
    """A megabyte is refused for its signature, and one byte more for its size."""
    nobody = stack.api.nobody
    path = "/api/webhooks/stripe"
    for size in (LIMIT + 1, 1024 * KIB):
        answer = nobody.request("POST", path, data=b"x" * size, faults=True)
        assert answer.status_code != 413, answer.text
    expect(nobody.request("POST", path, data=b"x" * (1024 * KIB + 1)), 413, "body_too_large")


def test_requests_right_after_a_start_are_answered(new_stack):
    """The first request after `stack.sh start billingd` is answered, and so is the next."""
    stack = new_stack()
    for _ in range(5):
        stack.script("stop", "billingd")
        stack.script("start", "billingd")
        expect(stack.api.nobody.get("/api/plans"), 200)
    stack.close()
