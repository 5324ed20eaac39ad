"""Events reach the endpoint: signed, again after failures, in any order that is asked for."""

import json
import ssl
import time

import handle
import pytest
from conftest import make_certificate
from standin import courier

stripe_library = pytest.importorskip(
    "stripe", reason="not here: Stripe's library for Python (python3-stripe)")


def event_of(delivery, secret=handle.WEBHOOK_SECRET, **more):
    """The event that the official library reads from a delivery."""
    headers, body = delivery
    return stripe_library.Webhook.construct_event(body, headers["Stripe-Signature"], secret,
                                                  **more)


def new_customer(stripe, **params):
    """A customer, whose event will be delivered."""
    return stripe.call("POST", "/v1/customers", params)["id"]


def test_signed(delivering, receiver):
    """The official library takes the signature, and not with another secret or body."""
    customer = new_customer(delivering, name="Ünïcode")
    delivering.wait_idle()
    event = event_of(receiver.got[0])
    assert (event["type"], event["data"]["object"]["id"]) == ("customer.created", customer)
    assert event["request"]["id"].startswith("req_")
    refused = stripe_library.error.SignatureVerificationError
    with pytest.raises(refused):
        event_of(receiver.got[0], "whsec_other")
    headers, body = receiver.got[0]
    with pytest.raises(refused):
        event_of((headers, body + b" "))
    assert ",v0=" in headers["Stripe-Signature"]
    assert headers["Content-Type"].startswith("application/json")


def test_rolled_secret(delivering, receiver):
    """While a secret is rolled there is a v1 for each."""
    delivering.webhook(receiver.url, secrets=["whsec_new", handle.WEBHOOK_SECRET])
    new_customer(delivering)
    delivering.wait_idle()
    for secret in ("whsec_new", handle.WEBHOOK_SECRET):
        assert event_of(receiver.got[0], secret)["type"] == "customer.created"


def test_retries(delivering, receiver):
    """4xx, 5xx and redirects are failures; each attempt is signed anew; then it is delivered."""
    receiver.answers = [500, 400, 302]
    customer = new_customer(delivering)
    delivering.wait_idle()
    assert [json.loads(body)["data"]["object"]["id"] for _, body in receiver.got] == [customer] * 4
    event = delivering.call("GET", "/v1/events", {"limit": 1})["data"][0]
    assert event["pending_webhooks"] == 0
    statuses = [one["status"] for one in delivering.deliveries() if one["event"] == event["id"]]
    assert statuses == [500, 400, 302, 200]


def test_given_up(receiver):
    """After the last attempt the event counts as not delivered."""
    with handle.StandIn(retry_scale=0.001, attempts=3) as stripe:
        stripe.webhook(receiver.url)
        receiver.answers = [500] * 3
        new_customer(stripe)
        stripe.wait_idle()
        assert len(receiver.got) == 3
        assert new_customer(stripe)
        stripe.wait_idle()
        missed = stripe.call("GET", "/v1/events", {"delivery_success": "false"})["data"]
        fine = stripe.call("GET", "/v1/events", {"delivery_success": "true"})["data"]
        assert (len(missed), len(fine)) == (1, 1)
        assert stripe.deliver([missed[0]["id"]]) == [{"event": missed[0]["id"], "status": 200}]
        assert not stripe.call("GET", "/v1/events", {"delivery_success": "false"})["data"]


def test_delivered_after_a_month(delivering, receiver):
    """An event that time left behind is no longer listed, but still delivered."""
    def listed():
        return [one["data"]["object"]["id"] for one in
                delivering.call("GET", "/v1/events", {"type": "customer.created"})["data"]]
    delivering.hold()
    customer = new_customer(delivering)
    delivering.advance(days=31)
    assert customer not in listed()
    delivering.hold(False)
    delivering.wait_idle()
    assert customer in [json.loads(body)["data"]["object"]["id"] for _, body in receiver.got]
    later = new_customer(delivering)
    delivering.wait_idle()
    assert listed() == [later]


def test_hold_reorder_drop(delivering, receiver):
    """Held events go in the wanted order and number; dropped ones never."""
    delivering.hold()
    first, second, third = [new_customer(delivering) for _ in range(3)]
    ids = [one["event"] for one in delivering.queue()]
    assert [delivering.events(customer=one)[0]["id"] for one in (first, second, third)] == ids
    statuses = delivering.deliver([ids[2], ids[0], ids[2]], times=2)
    assert [one["status"] for one in statuses] == [200] * 6
    delivering.drop([ids[1]])
    delivering.hold(False)
    delivering.wait_idle()
    got = [one["data"]["object"]["id"] for one in receiver.events()]
    assert got == [third, third, first, first, third, third]
    missed = delivering.call("GET", "/v1/events", {"delivery_success": "false"})["data"]
    assert ids[1] in [one["id"] for one in missed]


def test_other_shape(delivering, receiver):
    """An endpoint has its own version; by hand an event goes out in the other one."""
    delivering.webhook(receiver.url, api_version=handle.OLD)
    customer = new_customer(delivering, payment_method="pm_card_visa")
    delivering.call("POST", "/v1/subscriptions", {"customer": customer,
                                                  "items[0][price]": "price_starter"})
    delivering.wait_idle()
    made = [one for one in receiver.events() if one["type"] == "customer.subscription.created"]
    assert made[0]["api_version"] == handle.OLD
    assert "current_period_end" in made[0]["data"]["object"]
    delivering.deliver([made[0]["id"]], version=handle.BASIL)
    last = receiver.events()[-1]
    assert last["api_version"] == handle.BASIL
    assert "current_period_end" not in last["data"]["object"]


def test_chosen_types(delivering, receiver):
    """An endpoint gets only what it listens to, until it is disabled or deleted."""
    delivering.webhook(None)
    made = delivering.call("POST", "/v1/webhook_endpoints", {
        "url": receiver.url, "enabled_events[0]": "customer.updated"})
    assert made["secret"].startswith("whsec_")
    path = "/v1/webhook_endpoints/" + made["id"]
    assert "secret" not in delivering.call("GET", path)
    customer = new_customer(delivering)
    delivering.call("POST", "/v1/customers/" + customer, {"name": "A"})
    delivering.wait_idle()
    assert [event_of(one, made["secret"])["type"] for one in receiver.got] == ["customer.updated"]
    delivering.call("POST", path, {"disabled": "true"})
    delivering.call("POST", "/v1/customers/" + customer, {"name": "B"})
    delivering.call("DELETE", path)
    delivering.wait_idle()
    assert len(receiver.got) == 1


def test_hand_made(delivering, receiver):
    """Anything can be sent: events of no kind, old signatures, none, thin events."""
    assert delivering.send({"id": "evt_x", "type": "planet.created"}) == 200
    assert event_of(receiver.got[-1])["type"] == "planet.created"
    delivering.send({"id": "evt_y"}, timestamp=int(time.time()) - 301)
    with pytest.raises(stripe_library.error.SignatureVerificationError):
        event_of(receiver.got[-1], tolerance=300)
    delivering.send(body="nonsense", headers={"X": "1"})
    assert receiver.got[-1][1] == b"nonsense" and "Stripe-Signature" not in receiver.got[-1][0]
    assert delivering.thin("v1.billing.meter.error_report_triggered", {"id": "mtr_1"}) == 200
    thin = json.loads(receiver.got[-1][1])
    assert (thin["object"], "data" in thin) == ("v2.core.event", False)
    assert delivering.send({"id": "evt_z"}, url="http://127.0.0.1:9/") == 0


def test_https(tmp_path, receiver):
    """Over https only a certificate of the given authority is trusted."""
    cert, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    url = receiver.url.replace("http:", "https:")
    with handle.StandIn(webhook_ca=cert, attempts=1) as stripe:
        stripe.webhook(url)
        new_customer(stripe)
        stripe.wait_idle()
        assert len(receiver.got) == 1
    with handle.StandIn(attempts=1) as stripe:
        stripe.webhook(url)
        new_customer(stripe)
        stripe.wait_idle()
        assert "CERTIFICATE_VERIFY_FAILED" in stripe.deliveries()[0]["error"]
        assert len(receiver.got) == 1


def test_signature_of_the_vector():
    """The signature of a known body, secret and time."""
    secret, body = "whsec_test_7Qp2mVb9Xc4ZtN1s", b'{"id":"evt_1"}'
    header = courier.sign([secret], body, 1760011205)
    assert header.startswith("t=1760011205,v1=")
    assert stripe_library.WebhookSignature.verify_header(body.decode(), header, secret)
