"""Stripe's webhook: which requests are accepted, what is stored, and that no event does
harm."""

import concurrent.futures
import contextlib
import hashlib
import hmac
import json
import os
import statistics
import time
import uuid
from pathlib import Path

import pytest
import stripe as official

from support.client import expect
from support.payments import (ask, buy, deliver, event, hold, open_checkout, settled, stripe_id,
                              subscription_of)
from support.stack import wait_for
from support.webhook import signature

PATH = "/api/webhooks/stripe"


@pytest.fixture(scope="module", autouse=True)
def nothing_left(stack):
    """Deletes the events, whose objects do not exist and would be fetched again and again."""
    yield
    stack.sql("DELETE FROM stripe_events WHERE state IN ('pending', 'parked')")


def digest(body, secret, at):
    """The v1 signature of the bytes."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def post(stack, body, header, client=None):
    """Posts the bytes with this Stripe-Signature."""
    headers = {} if header is None else {"Stripe-Signature": header}
    return (client or stack.api.nobody).request(
        "POST", PATH, data=body, headers={"Content-Type": "application/json", **headers})


def row(stack, event_id, columns="state"):
    """The stored row of the event."""
    return stack.sql(f"SELECT {columns} FROM stripe_events WHERE event_id = '{event_id}'")


# Each makes a header from the time, the right v1 and the secret.
GOOD = {
    "plain": lambda t, v, s, b: f"t={t},v1={v}",
    "with the fake scheme": lambda t, v, s, b: f"t={t},v1={v},v0={'0' * 64}",
    "the other way round": lambda t, v, s, b: f"v0=x,v1={v},t={t}",
    "second of two": lambda t, v, s, b: f"t={t},v1={'0' * 64},v1={v}",
    "first of two": lambda t, v, s, b: f"t={t},v1={v},v1={'0' * 64}",
    "last of a hundred": lambda t, v, s, b: f"t={t}," + f"v1={'f' * 64}," * 99 + f"v1={v}",
    "nearly 300 s old": lambda t, v, s, b: signature(b, s, t - 285),
    "nearly 300 s ahead": lambda t, v, s, b: signature(b, s, t + 290),
    "a scheme of the future": lambda t, v, s, b: f"t={t},v2=abc,v1={v}",
}
BAD = {
    "none": lambda t, v, s, b: None, "empty": lambda t, v, s, b: "",
    "no time": lambda t, v, s, b: f"v1={v}", "no signature": lambda t, v, s, b: f"t={t}",
    "only the fake scheme": lambda t, v, s, b: f"t={t},v0={v}",
    "time that is none": lambda t, v, s, b: f"t=x,v1={digest(b, s, 'x')}",
    "empty time": lambda t, v, s, b: f"t=,v1={digest(b, s, '')}",
    "negative time": lambda t, v, s, b: f"t=-{t},v1={digest(b, s, f'-{t}')}",
    "time with a fraction": lambda t, v, s, b: f"t={t}.5,v1={digest(b, s, f'{t}.5')}",
    "time beyond all numbers": lambda t, v, s, b: f"t={t}{'0' * 20},v1={v}",
    "another time": lambda t, v, s, b: f"t={t + 1},v1={v}",
    "302 s old": lambda t, v, s, b: signature(b, s, t - 302),
    "years old": lambda t, v, s, b: signature(b, s, 1760011205),
    "310 s ahead": lambda t, v, s, b: signature(b, s, t + 310),
    "another secret": lambda t, v, s, b: signature(b, "whsec_other", t),
    "no secret": lambda t, v, s, b: signature(b, "", t),
    "half the secret": lambda t, v, s, b: signature(b, s.removeprefix("whsec_"), t),
    "upper case": lambda t, v, s, b: f"t={t},v1={v.upper()}",
    "cut": lambda t, v, s, b: f"t={t},v1={v[:-1]}", "longer": lambda t, v, s, b: f"t={t},v1={v}0",
    "empty v1": lambda t, v, s, b: f"t={t},v1=", "blank": lambda t, v, s, b: f"t={t}, v1={v}",
    "semicolons": lambda t, v, s, b: f"t={t};v1={v}", "no names": lambda t, v, s, b: f"{t},{v}",
    "equals": lambda t, v, s, b: f"t=={t},v1=={v}", "nonsense": lambda t, v, s, b: "=,=,,,=",
    "of nothing": lambda t, v, s, b: signature(b"", s, t),
    "of the body alone": lambda t, v, s, b:
        f"t={t},v1={hmac.new(s.encode(), b, hashlib.sha256).hexdigest()}",
    "4 kB of nothing": lambda t, v, s, b: f"t={t}," + "v1=0," * 800,
}


@pytest.mark.parametrize("case", GOOD)
def test_accepted_signatures(stack, case):
    sent = event()
    body, now, secret = json.dumps(sent).encode(), int(time.time()), stack.webhook_secret
    header = GOOD[case](now, digest(body, secret, now), secret, body)
    assert expect(post(stack, body, header), 200) == {"received": True}
    assert row(stack, sent["id"]) == "ignored"


@pytest.mark.parametrize("case", BAD)
def test_refused_signatures(stack, case):
    sent = event()
    body, now, secret = json.dumps(sent).encode(), int(time.time()), stack.webhook_secret
    header = BAD[case](now, digest(body, secret, now), secret, body)
    expect(post(stack, body, header), 400, "invalid_signature")
    assert row(stack, sent["id"]) == ""


def test_each_byte_counts(stack):
    sent = event()
    body = json.dumps(sent).encode()
    header = signature(body, stack.webhook_secret)
    for at in range(0, len(body), 9):
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]
        expect(post(stack, changed, header), 400, "invalid_signature")
    for changed in (body + b" ", body + b"\n", b" " + body, body[:-1], b""):
        expect(post(stack, changed, header), 400, "invalid_signature")
    for at in range(len(header) - 64, len(header), 7):
        bad = header[:at] + ("0" if header[at] != "0" else "1") + header[at + 1:]
        expect(post(stack, body, bad), 400, "invalid_signature")
    assert row(stack, sent["id"]) == ""
    expect(post(stack, body, header), 200)


def test_the_official_library_signs_for_us(stack):
    sent = event()
    body, now = json.dumps(sent, indent=2).encode(), int(time.time())
    v1 = official.WebhookSignature._compute_signature(  # pylint: disable=protected-access
        f"{now}.{body.decode()}", stack.webhook_secret)
    header = f"t={now},v1={v1}"
    assert official.Webhook.construct_event(body, header, stack.webhook_secret)["id"] == sent["id"]
    expect(post(stack, body, header), 200)
    assert row(stack, sent["id"]) == "ignored"


@contextlib.contextmanager
def secrets(stack, key=None, webhook=None):
    """Writes other secrets into the settings and has billingd read them, until the end."""
    files = {Path(stack.settings[name + "_FILE"]): value for name, value in (
        ("STRIPE_SECRET_KEY", key), ("STRIPE_WEBHOOK_SECRET", webhook)) if value is not None}
    before = {path: path.read_text(encoding="ascii") for path in files}

    def use(values):
        for path, value in values.items():
            path.write_text(value, encoding="ascii")
        stack.reload()

    use(files)
    try:
        yield
    finally:
        use(before)


def test_a_secret_is_replaced_without_a_gap(stack):
    """First both secrets are set, then only the new one."""
    old, new = stack.webhook_secret, "whsec_" + "n" * 32

    def verdict(*with_secrets):
        body = json.dumps(event()).encode()
        now = int(time.time())
        header = f"t={now}" + "".join(f",v1={digest(body, one, now)}" for one in with_secrets)
        return post(stack, body, header).status_code

    with secrets(stack, webhook=f"{new}, {old}\n"):
        assert [verdict(new), verdict(old), verdict(old, new), verdict("whsec_x")] == [
            200, 200, 200, 400]
        assert verdict(f"{new},{old}") == verdict(f"{new}, {old}\n") == 400
    with secrets(stack, webhook=new):
        assert [verdict(new), verdict(old), verdict(old, new)] == [200, 400, 200]
    assert [verdict(new), verdict(old)] == [400, 200]


def test_without_a_key_nothing_is_sold(api, stack):
    customer, buyer = api.sign_up(), api.sign_up()
    bought = buy(stack, buyer)
    with secrets(stack, key="", webhook=""):
        for name, more in (("checkout", {"plan": "starter"}), ("upgrade", {"new_plan": "starter"}),
                           ("preview", {"new_plan": "starter"}), ("resume", {}), ("portal", {}),
                           ("cancel", {})):
            answer = ask(buyer.client, name, buyer.id, faults=True, **more)
            expect(answer, 503, "stripe_not_configured")
            assert answer.headers["Retry-After"].isdigit()
        body = json.dumps(event()).encode()
        for header in (None, signature(body, ""), signature(body, stack.webhook_secret)):
            answer = stack.api.nobody.request("POST", PATH, data=body, faults=True,
                                              headers={"Stripe-Signature": header})
            expect(answer, 503, "stripe_not_configured")
            assert answer.headers["Retry-After"].isdigit()
        # Everything else works.
        ready = expect(api.nobody.get("/health/ready"), 200)
        assert ready["checks"]["stripe"] == {"ok": True, "detail": "is not configured"}
        assert subscription_of(buyer.client, buyer.id) == bought
        assert len(expect(buyer.client.get(f"/api/subscriptions/{buyer.id}/invoices"), 200)[
            "invoices"]) == 1
        expect(ask(customer.client, "cancel", customer.id), 200)
    settled(stack, buyer.id)


def test_a_mebibyte_is_enough(stack):
    # The customer is unknown, so that the event is kept and nothing is fetched.
    frame = {**event("customer.updated"),
             "data": {"object": {"id": "cus_nobody", "object": "customer", "x": ""}}}
    frame["data"]["object"]["x"] = "x" * (2**20 - len(json.dumps(frame)))
    body = json.dumps(frame).encode()
    assert len(body) == 2**20
    expect(deliver(stack, body), 200)
    assert row(stack, frame["id"], "octet_length(payload)") == str(2**20)
    answer = deliver(stack, body + b" ")
    assert answer.status_code == 413


@pytest.mark.quick
def test_an_idle_service_processes_an_event_at_once(stack):
    # The regular look is every five seconds: without notifications each event but the first would wait for the
    # next one. A busy machine may delay some of them, but not most.
    took = []
    for number in range(6):
        # An event finishes older ones of its customer, which are then not attempted.
        frame = {**event("customer.updated"),
                 "data": {"object": {"id": f"cus_idle{number}", "object": "customer"}}}
        started = time.monotonic()
        expect(deliver(stack, json.dumps(frame).encode()), 200)
        wait_for(lambda: row(stack, frame["id"], "attempts") != "0")  # pylint: disable=W0640
        took.append(time.monotonic() - started)
    assert statistics.median(took[1:]) < 2.5, took


def test_an_unknown_event_is_stored_and_ignored(stack, stripe):
    assert stripe.thin("v1.billing.meter.no_meter_found") == 200
    thin = event("v2.core.account.created", object="v2.core.event",
                 created="2025-10-09T12:00:05.123Z", livemode=False)
    del thin["data"]
    others = [event("invoice.x"), event("tax.settings.updated"), event("x"), event(""),
              event("customer.subscription.updated", data={}),
              event("invoice.paid", data={"object": {"object": "invoice"}}),
              event("invoice.paid", data={"object": {"object": "charge", "id": "ch_1"}}),
              event("invoice.paid", data={"object": []}), event("invoice.paid", data=None),
              event(created=9 * 10**18), event(created=-1), event(created="x"), event(created={}),
              event(livemode=None), event(api_version=17), event(account="acct_1")]
    for sent in [thin, *others]:
        assert expect(deliver(stack, sent), 200) == {"received": True}
        assert row(stack, sent["id"]) == "ignored", sent
    assert row(stack, thin["id"], "happened_at = '2025-10-09T12:00:05.123Z'") == "t"


def test_events_of_the_other_mode_are_ignored(api, stack, stripe):
    """With a test key, live events have no effect."""
    customer = api.sign_up()
    bought = buy(stack, customer)
    about = {"object": {"object": "subscription", "id": bought["stripe_subscription_id"],
                        "customer": stripe_id(stack, customer), "metadata": {}}}
    live = event("customer.subscription.deleted", livemode=True, data=about)
    stripe.reset_requests()
    expect(deliver(stack, live), 200)
    assert row(stack, live["id"], "state, error, livemode") == "ignored|other_mode|t"
    assert not stripe.requests("GET", f"/v1/subscriptions/{bought['stripe_subscription_id']}")
    # In our mode the event only causes a fetch: Stripe's object counts.
    ours = event("customer.subscription.deleted", data=about)
    expect(deliver(stack, ours), 200)
    wait_for(lambda: row(stack, ours["id"]) == "done")
    assert stripe.requests("GET", f"/v1/subscriptions/{bought['stripe_subscription_id']}")
    assert subscription_of(customer.client, customer.id) == bought


def test_fifty_deliveries_of_one_event(api, stack, stripe):
    customer = api.sign_up()
    session, _ = open_checkout(customer)
    settled(stack, customer.id)
    hold(stack)
    paid = stripe.complete(session)
    told, = [one for one in stripe.events("customer.subscription.created")
             if one["object"] == paid["subscription"]]
    answers = stripe.deliver([told], times=50, parallel=True)
    assert [one["status"] for one in answers] == 50 * [200]
    wait_for(lambda: row(stack, told["id"]) == "done")

    def effects():
        return [stack.sql(f"SELECT count(*) FROM {table} WHERE customer_id = '{customer.id}'")
                for table in ("subscriptions", "audit_log", "licenses")]

    assert row(stack, told["id"], "attempts") == "1"
    assert stack.sql("SELECT count(*) FROM subscriptions WHERE stripe_subscription_id = "
                     f"'{paid['subscription']}'") == "1"
    before = effects()
    stripe.reset_requests()
    stripe.deliver([told], times=50, parallel=True)
    assert row(stack, told["id"], "state, attempts") == "done|1"
    assert effects() == before
    assert not stripe.requests("GET", f"/v1/subscriptions/{paid['subscription']}")
    # With another signature and other members it is still the same event.
    forged = event("customer.subscription.deleted", id=told["id"])
    expect(deliver(stack, forged), 200)
    assert row(stack, told["id"], "type") == "customer.subscription.created"


def text(**more):
    """An event as text, with an id of its own."""
    return json.dumps(event(**more))


HOSTILE = {
    "not JSON": lambda: b"x", "cut": lambda: text()[:-1].encode(), "empty": lambda: b"  ",
    "an array": lambda: b"[]", "a text": lambda: b'"evt_1"', "null": lambda: b"null",
    "a number": lambda: b"1e999", "an empty object": lambda: b"{}",
    "an array of events": lambda: f"[{text()}]".encode(),
    "deep": lambda: b'{"id":' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
    "deeper": lambda: b"[" * 400000, "deep data": lambda:
        text(data="DEEP").replace('"DEEP"', "[" * 300 + "]" * 300).encode(),
    "lone surrogate": lambda: text(type="inv\ud800oice.paid").encode(),
    "lone surrogate as id": lambda: text(id="evt_\udfff" + uuid.uuid4().hex).encode(),
    "NUL in the type": lambda: text(type="invoice\0paid").encode(),
    "NUL in the id": lambda: text(id=f"evt_{uuid.uuid4().hex}\0x").encode(),
    "only NUL": lambda: text(id="\0").encode(),
    "NUL in what it is about": lambda: text(type="invoice.paid", data={"object": {
        "object": "invoice", "id": "in_\0", "customer": "cus_\0x"}}).encode(),
    "a raw NUL": lambda: text().encode().replace(b"nothing", b"not\0ing"),
    "broken UTF-8": lambda: text().encode().replace(b"nothing", b"not\xffing"),
    "broken UTF-8 as id": lambda: text().encode().replace(b"evt_", b"evt_\xc3"),
    "surrogates in UTF-8": lambda: text().encode().replace(b"nothing", b"not\xed\xa0\x80ing"),
    "too long UTF-8": lambda: text().encode().replace(b"nothing", b"not\xc0\xafing"),
    "a byte order mark": lambda: b"\xef\xbb\xbf" + text().encode(),
    "UTF-16": lambda: text().encode("utf-16"), "two objects": lambda: (text() + text()).encode(),
    "quotes": lambda: text(id=f"evt_';DROP TABLE stripe_events;--{uuid.uuid4()}").encode(),
    "paths": lambda: text(type="invoice.paid", data={"object": {
        "object": "invoice", "id": "../customers/cus_1?x=y#"}}).encode(),
    "controls": lambda: text(type="\x01\x1f\x7f\u0085\u2028").encode(),
    "no id": lambda: text(id=None).encode(), "an empty id": lambda: text(id="").encode(),
    "an id that is a number": lambda: text(id=1).encode(),
    "a long id": lambda: text(id="evt_" + os.urandom(10000).hex()).encode(),
    "a long type": lambda: text(type="invoice." + os.urandom(200000).hex()).encode(),
    "an object as type": lambda: text(type={"a": 1}).encode(),
    "a long subject": lambda: text(type="invoice.paid", data={"object": {
        "object": "invoice", "id": "in_" + os.urandom(50000).hex(),
        "customer": os.urandom(50000).hex()}}).encode(),
    "a long hint": lambda: text(type="customer.updated", data={"object": {
        "object": "customer", "id": "cus_none", "metadata": {
            "customer_id": os.urandom(50000).hex()}}}).encode(),
    "metadata of all sorts": lambda: text(type="customer.updated", data={"object": {
        "object": "customer", "id": "cus_none", "metadata": {"customer_id": ["x"]}}}).encode(),
    "metadata that lies": lambda: text(type="customer.subscription.updated", data={"object": {
        "object": "subscription", "id": "sub_none", "customer": {"id": 1},
        "metadata": {"customer_id": "' OR ''='"}}}).encode(),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_no_body_does_harm(stack, case):
    """The bodies are signed, so that they are read. The log of the database must have no
    error."""
    answer = deliver(stack, HOSTILE[case]())
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 400:
        assert answer.json()["code"] == "invalid_event"


def test_many_events_at_once_delay_no_request(api, stack):
    """Each event is stored once, with many senders at once."""
    sent = [event() for _ in range(40)]

    def one(number):
        return deliver(stack, sent[number % 40], api.bearer("x")).status_code

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        assert set(pool.map(one, range(120))) == {200}
    ids = ", ".join(f"'{one['id']}'" for one in sent)
    assert stack.sql(f"SELECT count(*) FROM stripe_events WHERE event_id IN ({ids})") == "40"
