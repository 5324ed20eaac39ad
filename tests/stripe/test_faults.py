"""Scripted faults happen as they are written, and are recorded."""

import http.client
import json
import threading
import time
import types

import handle
import pytest
from standin import faults


@pytest.fixture(autouse=True)
def clean(process):
    """Leaves no rules behind."""
    process.reset_requests()
    yield
    process.faults([])


def test_rules(process):
    """A rule is used as often as it says, on what it matches, after what it skips."""
    process.faults([
        {"match": {"method": "POST", "path": "^/v1/customers$"}, "skip": 1, "times": 2,
         "fault": {"kind": "status", "status": 503}},
        {"match": {"path": "^/v1/prices"}, "times": "forever",
         "fault": {"kind": "status", "status": 429, "headers": {"Stripe-Should-Retry": "true"}}}])
    assert [process.api("POST", "/v1/customers")[0] for _ in range(4)] == [200, 503, 503, 200]
    assert process.api("GET", "/v1/customers")[0] == 200
    answers = [process.exchange("GET", "/v1/prices") for _ in range(3)]
    assert [(one[0], one[1]["stripe-should-retry"]) for one in answers] == [(429, "true")] * 3
    assert json.loads(answers[0][2])["error"]["code"] == "rate_limit"
    used = [rule["used"] for rule in process.control("faults")]
    assert used == [2, 3]
    recorded = [one["fault"] for one in process.requests("POST", "/v1/customers")]
    assert recorded == [None, "status", "status", None]


def test_for_one_client_alone(process):
    """A rule may be meant for those whose User-Agent begins so."""
    process.fault("status", status=503, agent="shop/", times="forever")
    answers = [process.api("GET", "/v1/customers", headers=headers)[0]
               for headers in ({}, {"User-Agent": "other shop/1"}, {"User-Agent": "shop/1"})]
    assert answers == [200, 200, 503]


def test_unknown_kind(process):
    """A rule that cannot be is refused."""
    with pytest.raises(Exception, match="kind"):
        process.fault("earthquake")


@pytest.mark.parametrize("kind, error, made", [
    ("reset", (ConnectionResetError, http.client.RemoteDisconnected), 0),
    ("reset_after", (ConnectionResetError, http.client.RemoteDisconnected), 1),
    ("truncate", (ConnectionResetError, http.client.IncompleteRead), 1),
])
def test_broken_connections(process, kind, error, made):
    """The connection breaks before any byte or half-way; the operation has run or not."""
    before = process.counters()["customers"]
    process.fault(kind)
    with pytest.raises(error):
        process.api("POST", "/v1/customers")
    assert process.counters()["customers"] == before + made


def test_hang_and_release(process):
    """A hanging request ends when the rules change, without having run."""
    process.fault("hang", path="^/v1/customers$")
    before = process.counters()["customers"]
    failures = []

    def wait():
        try:
            process.api("POST", "/v1/customers")
        except OSError as error:
            failures.append(error)
    waiting = threading.Thread(target=wait)
    waiting.start()
    process.wait(lambda: any(one["fault"] == "hang" for one in process.requests()))
    assert process.api("GET", "/v1/customers")[0] == 200  # nobody else has to wait
    process.faults([])
    waiting.join(60)
    assert failures and process.counters()["customers"] == before


def test_slow(process):
    """Slow before or after the operation; others are served meanwhile."""
    for kind in ("slow", "slow_after"):
        process.fault(kind, seconds=0.2)
        began = time.monotonic()
        assert process.api("POST", "/v1/customers")[0] == 200
        assert 0.2 <= time.monotonic() - began < 20


def test_whoever_waited_went_away(process):
    """A held operation runs when the faults are released, and not before."""
    process.fault("slow", path="^/v1/customers$", seconds=60)
    before = process.counters()["customers"]
    with pytest.raises(TimeoutError):
        process.exchange("POST", "/v1/customers", "", {
            "Authorization": "Bearer " + process.secret_key, "Stripe-Version": handle.BASIL},
            timeout=0.2)
    # The request may be read only now.
    process.wait(lambda: process.counters()["under_way"] == 1)
    assert process.counters()["customers"] == before
    process.let_go()
    counters = process.counters()
    assert (counters["customers"], counters["under_way"]) == (before + 1, 0)


@pytest.mark.parametrize("kind", ["slow", "slow_after", "hang"])
def test_let_go_before_it_waits(kind):
    """A request that met its rule is let go even if it comes to its wait later."""
    known = faults.Faults()
    known.set([{"fault": {"kind": kind, "seconds": 60}}])
    met = known.take(types.SimpleNamespace(method="GET", path="/", headers={}))
    known.set([])
    began = time.monotonic()
    known.before(met)
    known.while_running(met)
    known.after(met, None)
    assert time.monotonic() - began < 10


def test_strange_answers(process):
    """Garbage, a redirect, a huge body."""
    process.fault("garbage")
    with pytest.raises(ValueError):
        process.api("GET", "/v1/customers")
    process.fault("redirect", location="http://127.0.0.1:9/")
    status, headers, _ = process.exchange("GET", "/v1/customers")
    assert (status, headers["location"]) == (302, "http://127.0.0.1:9/")
    process.fault("huge", megabytes=3)
    assert len(process.exchange("GET", "/v1/customers")[2]) > 3_000_000


def test_recorded(process):
    """Requests are recorded with parameters, but without the key; connections are counted."""
    process.api("POST", "/v1/customers", {"metadata[a]": "ü"}, key="k-recorded")
    one = process.requests()[-1]
    assert one["params"] == {"metadata": {"a": "ü"}}
    assert (one["idempotency_key"], one["status"]) == ("k-recorded", 200)
    assert process.secret_key not in json.dumps(one)
    process.reset_requests()
    link = http.client.HTTPConnection("127.0.0.1", process.port)
    for _ in range(5):
        link.request("GET", "/v1/customers", headers={
            "Authorization": "Bearer " + process.secret_key, "Stripe-Version": "2023-10-16"})
        assert link.getresponse().read()
    link.close()
    assert process.counters()["connections"] == 1
