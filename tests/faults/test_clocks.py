"""Wrong clocks: a host's clock that is wrong, or that is set while the service runs, makes it
accept or refuse nothing wrongly and makes no duration negative. The service uses the database's
time."""

import base64
import datetime
import json
import time
from contextlib import contextmanager

import pytest
from chaos.processes import FAKETIME, LogTail, Skewed
from support.fcgi import ask
from support.stack import VARIANT, wait_for

STACK = {"WORKERS": 2}
MINUTE, DAY = 60, 86400
NEAR = 60  # the smallest error of a clock is an hour

pytestmark = pytest.mark.skipif(VARIANT == "sanitize", reason="AddressSanitizer wants to be the "
                                "first library")


@contextmanager
def skewed(stack, offset="+0"):
    """A running billingd with this clock."""
    daemon = Skewed(stack, WORKERS=2, LICENSE_EXPIRY="ttl")
    daemon.set(offset)
    daemon.start()
    try:
        yield daemon
    finally:
        assert daemon.stop() == 0


def text_of(seconds):
    """A time as the API writes it."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def seconds_of(text):
    """The seconds since 1970 of a time that the API wrote."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Caller:
    """Sends requests to billingd's socket, without nginx, whose clock is right."""

    def __init__(self, stack, daemon):
        self.daemon, self.key = daemon, stack.admin_key

    def __call__(self, method, path, body=None):
        data = b"" if body is None else json.dumps(body).encode()
        return ask(self.daemon.socket, method, path, data,
                   HTTP_AUTHORIZATION=f"Bearer {self.key}")


def check_times(call, customer):
    """Checks everything that depends on the present time."""
    now = time.time()
    for ago, status in ((35 * DAY - 2 * MINUTE, 201), (-4 * MINUTE, 201),
                        (35 * DAY + 2 * MINUTE, 400), (-6 * MINUTE, 400)):
        got, answer = call("POST", "/api/usage/report", {
            "customer_id": customer, "reported_at": text_of(now - ago), "instance_id": "a"})
        assert got == status, (ago, answer)
    got, answer = call("POST", "/api/usage/report", {"customer_id": customer, "instance_id": "b"})
    assert got == 201 and abs(seconds_of(answer["report"]["reported_at"]) - now) < NEAR
    # The two instances that have just reported are counted, and no others.
    got, answer = call("GET", f"/api/usage/{customer}/limits")
    assert (got, answer["instances"]["current"]) == (200, 2), answer
    got, answer = call("POST", "/api/customers", {"email": f"{now}@clocks.example"})
    assert got == 201
    claims = json.loads(base64.urlsafe_b64decode(answer["license"].split(".")[1] + "=="))
    assert abs(claims["iat"] - now) < NEAR and abs(claims["exp"] - now - 14 * DAY) < NEAR


@pytest.mark.parametrize("offset", ["+1h", "-3d"])
def test_a_wrong_clock_from_the_start(stack, offset):
    with skewed(stack, offset) as daemon:
        call = Caller(stack, daemon)
        check_times(call, stack.sql("SELECT customer_id FROM customers LIMIT 1") or
             call("POST", "/api/customers", {"email": "first@clocks.example"})[1]["customer"][
                 "customer_id"])
        status, answer = call("GET", "/health/ready")
        assert status == 503 and not answer["checks"]["clock"]["ok"]


def test_a_clock_that_is_set_repeatedly(stack, report):
    with skewed(stack) as daemon:
        call, tail, steps = Caller(stack, daemon), LogTail(stack), 0
        customer = call("POST", "/api/customers", {"email": "again@clocks.example"})[1]["customer"]
        for offset in ("+1h", "-1h", "+3d", "-3d", "+0", "+12y", "+0"):
            daemon.set(offset)
            steps += 1
            check_times(call, customer["customer_id"])
        # A worker logs a request after its answer.
        requests = wait_for(lambda: (found := tail.find("request"))[7 * steps:] and found)
        assert all(0 <= line["ms"] < 60000 and 0 <= line["db_ms"] < 60000 for line in requests)
        assert not tail.find("process died")
        report(steps=steps, requests=len(requests))
