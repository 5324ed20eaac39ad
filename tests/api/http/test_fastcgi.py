"""Requests that reach billingd without nginx, and parameters that only nginx sends."""

import time

import pytest
from support.fcgi import ask
from support.stack import wait_for

KIB = 1024
LIMIT = 64 * KIB
LATE = 12


def test_both_pools_serve_routes_without_stripe(stack):
    for path in (stack.socket, stack.stripe_socket):
        assert ask(path, "GET", "/health/ready")[0] == 200


@pytest.mark.parametrize("size", [LIMIT + 1, 1024 * KIB, 1024 * KIB + 1])
def test_billingd_refuses_large_bodies_without_nginx(stack, size):
    status, body = ask(stack.socket, "POST", "/api/licenses/verify", b" " * size)
    assert (status, body["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("ago, status", [(11, 200), (12.5, 503), (1e6, 503), (-60, 200)])
def test_a_request_that_waited_too_long_is_refused(stack, ago, status):
    """nginx passes on the time of arrival; after too long its client is about to get 504."""
    def answered():
        arrived = time.time() - ago
        got, body = ask(stack.socket, "GET", "/api/plans", ARRIVED=f"{arrived:.3f}")
        # On a busy machine the request itself may have waited until it was too late.
        return None if status == 200 and time.time() - arrived > LATE else (got, body)

    got, body = wait_for(answered)
    assert got == status
    assert status == 200 or body["code"] == "service_unavailable"


@pytest.mark.parametrize("arrived", ["", ".", "0", "1.2", "x.123", "-1.000", "1" * 40 + ".000"])
def test_an_invalid_arrival_time_is_ignored(stack, arrived):
    assert ask(stack.socket, "GET", "/api/plans", ARRIVED=arrived)[0] == 200
