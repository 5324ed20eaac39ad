"""What nginx would keep from billingd, or tells it alone."""

import time

import pytest
from support.fcgi import ask

KIB = 1024
LIMIT = 64 * KIB


def test_either_pool_serves_what_needs_no_stripe(stack):
    for path in (stack.socket, stack.stripe_socket):
        assert ask(path, "GET", "/health/ready")[0] == 200


@pytest.mark.parametrize("size", [LIMIT + 1, 1024 * KIB, 1024 * KIB + 1])
def test_billingd_refuses_large_bodies_by_itself(stack, size):
    status, body = ask(stack.socket, "POST", "/api/licenses/verify", b" " * size)
    assert (status, body["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("ago, status", [(11, 200), (12.5, 503), (1e6, 503), (-60, 200)])
def test_who_waited_too_long_in_the_queue_is_not_served(stack, ago, status):
    """nginx says when it passed the request on: its client is about to hear 504."""
    arrived = f"{time.time() - ago:.3f}"
    got, body = ask(stack.socket, "GET", "/api/plans", ARRIVED=arrived)
    assert got == status
    assert status == 200 or body["code"] == "service_unavailable"


@pytest.mark.parametrize("arrived", ["", ".", "0", "1.2", "x.123", "-1.000", "1" * 40 + ".000"])
def test_what_is_no_time_is_no_reason(stack, arrived):
    assert ask(stack.socket, "GET", "/api/plans", ARRIVED=arrived)[0] == 200
