"""Events arrive at webhook endpoints, signed by the Standard Webhooks specification."""

import pytest

from support.client import expect
from support.receiver import Receiver, make_certificates
from support.stack import wait_for

ENDPOINTS = "/api/webhook-endpoints"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def hooks(new_stack, certificates):
    """A stack that may send to this machine."""
    made = new_stack(WEBHOOK_ALLOW="127.0.0.0/8, ::1", WEBHOOK_CA_FILE=certificates[0])
    yield made
    made.close()


@pytest.fixture(scope="module")
def receiver(certificates):
    made = Receiver(certificates[1], certificates[2])
    yield made
    made.close()


def make(stack, url, **more):
    """An endpoint's id and secret."""
    made = expect(stack.api.owner.post(ENDPOINTS, {"url": url, **more}), 201)
    return made["endpoint"]["endpoint_id"], made["secret"]


def arrived(receiver, path, count=1):
    """Waits for that many messages at the path."""
    return wait_for(lambda: len(receiver.at(path)) >= count and receiver.at(path))


def happen(stack, kind="stripe.parked", count=1):
    """Writes events about no customer."""
    stack.sql(f"SELECT event_add('{kind}', NULL, now(), json_build_object('n', n)::text) "
              f"FROM generate_series(1, {count}) n")


def test_an_event_arrives_signed(hooks, receiver):
    endpoint, secret = make(hooks, receiver.url("/signed"), types=["stripe.parked"])
    happen(hooks)
    message, = arrived(receiver, "/signed")
    assert message.json["type"] == "stripe.parked" and message.json["data"] == {"n": 1}
    assert message.json["id"] == message.id
    public = expect(hooks.api.nobody.get("/.well-known/webhook-key"), 200)["public_key"]
    assert message.is_by(secret) and message.is_by_key(public)
    row, = expect(hooks.api.owner.get(f"{ENDPOINTS}/{endpoint}/deliveries"), 200)["deliveries"]
    wait_for(lambda: expect(hooks.api.owner.get(f"{ENDPOINTS}/{endpoint}/deliveries"), 200)
             ["deliveries"][0]["state"] == "delivered")
    assert row["event_id"] == message.id
