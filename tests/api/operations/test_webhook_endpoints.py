"""Events arrive at webhook endpoints, signed by the Standard Webhooks specification, whatever the receivers
do."""

import json
import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from support.client import expect
from support.drive import drive
from support.names import NameServer, through
from support.receiver import Receiver, make_certificates
from support.stack import ROOT, wait_for, within

ENDPOINTS = "/api/webhook-endpoints"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority, and a certificate by it with its key."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def names():
    """A server of the DNS."""
    made = NameServer()
    yield made
    made.close()


@pytest.fixture(scope="module")
def hooks(new_stack, certificates, names, tmp_path_factory):
    """A stack that may send to this machine by one of its addresses, and looks up names at that server where
    that can be had."""
    prefix = through(names, tmp_path_factory.mktemp("names"))
    made = new_stack(stripe=True, through=prefix or (), WEBHOOK_ALLOW="127.0.0.1", WEBHOOK_CA_FILE=certificates[0])
    yield made
    made.close()


@pytest.fixture(scope="module")
def receiver(certificates):
    """A receiver by TLS; tests choose the answers by path."""
    answers = {}
    made = Receiver(certificates[1], certificates[2], lambda message, handler: answers.get(
        message.path, lambda *_: (204, {}, b""))(message, handler))
    made.answers = answers
    yield made
    made.close()


class Endpoint:
    """A webhook endpoint at the receiver's path of the same name."""

    def __init__(self, stack, receiver, name, answer=None, **more):
        self.stack, self.receiver, self.path = stack, receiver, f"/{name}"
        if answer is not None:
            receiver.answers[self.path] = answer
        made = expect(stack.api.owner.post(
            ENDPOINTS, {"url": receiver.url(self.path), "types": ["stripe.parked"], **more}), 201)
        self.id, self.secret = made["endpoint"]["endpoint_id"], made["secret"]
        self.address = f"{ENDPOINTS}/{self.id}"

    @property
    def messages(self):
        """The messages that came."""
        return self.receiver.at(self.path)

    def arrived(self, count=1):
        """Waits for so many messages."""
        return wait_for(lambda: len(self.messages) >= count and self.messages)

    def show(self):
        """The endpoint as the API shows it."""
        return expect(self.stack.api.owner.get(self.address), 200)["endpoint"]

    def deliveries(self, state=None):
        """The deliveries, the newest first."""
        query = f"?state={state}" if state else ""
        return expect(self.stack.api.owner.get(f"{self.address}/deliveries{query}"), 200)["deliveries"]

    def attempted(self):
        """The only delivery, when an attempt is recorded."""
        return wait_for(lambda: [row for row in self.deliveries() if row["attempts"]])[0]

    def delivered(self, count=1):
        """The deliveries that succeeded, when they are so many."""
        return wait_for(lambda: len(rows := self.deliveries("delivered")) >= count and rows)

    def pass_time(self, interval="11 days"):
        """As if so much time had passed for what waits."""
        self.stack.sql(f"UPDATE webhook_deliveries SET due_at = due_at - interval '{interval}' "
                       f"WHERE endpoint_id = '{self.id}' AND state = 'pending'")

    def remove(self):
        """No more for this one."""
        expect(self.stack.api.owner.delete(self.address), 200)


@pytest.fixture(name="endpoint")
def fixture_endpoint(hooks, receiver):
    """A maker of endpoints, which are removed after the test. An endpoint begins with the events that some
    reader may not have seen yet; the events of the test before have been."""
    made = []
    wait_for(lambda: hooks.sql("SELECT count(*) FROM events WHERE position >= event_horizon()") == "0")

    def make(name, answer=None, **more):
        made.append(Endpoint(hooks, receiver, name, answer, **more))
        return made[-1]

    yield make
    for one in made:
        one.remove()


def happen(stack, kind="stripe.parked", count=1):
    """Writes events about no customer."""
    stack.sql(f"SELECT event_add('{kind}', NULL, now(), json_build_object('n', n)::text) "
              f"FROM generate_series(1, {count}) n")


def test_an_event_arrives_signed(hooks, endpoint, figures):
    one = endpoint("signed")
    hooks.sql("SELECT event_add('stripe.unknown_price', NULL, now(), '{}')")
    started = time.monotonic()
    happen(hooks)
    message, = one.arrived()
    figures["webhook after its commit"] = f"{message.at - started:.2f} s"
    assert message.json["type"] == "stripe.parked" and message.json["data"] == {"n": 1}
    assert message.json["id"] == message.id
    assert message.headers["Content-Type"] == "application/json"
    public = expect(hooks.api.nobody.get("/.well-known/webhook-key"), 200)["public_key"]
    assert message.is_by(one.secret) and message.is_by_key(public)
    row, = one.delivered()
    assert (row["status"], row["event_id"]) == (204, message.id)
    assert one.show()["last_success_at"] and len(one.messages) == 1
    assert one.secret not in hooks.pg_dump()


def test_a_rotation_keeps_the_old_secret_for_a_day(hooks, endpoint):
    one = endpoint("rotated")
    answer = expect(hooks.api.owner.post(one.address + "/rotate"), 200)
    assert answer["secret"] != one.secret and answer["endpoint"]["old_secret_until"]
    happen(hooks)
    message, = one.arrived()
    assert message.is_by(one.secret) and message.is_by(answer["secret"])
    hooks.sql("UPDATE webhook_endpoints SET old_secret_until = now() - interval '1 minute' "
              f"WHERE endpoint_id = '{one.id}'")
    # The sender sees this at its next look, the first of which may lie behind the first event.
    wait_for(lambda: happen(hooks) or not one.messages[-1].is_by(one.secret), every=0.3)
    assert one.messages[-1].is_by(answer["secret"])


def test_a_change_of_the_key_keeps_the_old_one_for_a_day(hooks, endpoint):
    one = endpoint("key")
    before = expect(hooks.api.nobody.get("/.well-known/webhook-key"), 200)["public_key"]
    made = json.loads(hooks.billingctl("webhooks", "key", "--json").stdout)["public_key"]
    keys = expect(hooks.api.nobody.get("/.well-known/webhook-key"), 200)
    assert keys["public_key"] == made != before and keys["public_keys"] == [made, before]
    # billingd takes the new key when it sees it, and nothing is lost meanwhile.
    wait_for(lambda: happen(hooks) or any(message.is_by_key(made) for message in one.messages),
             every=0.3)
    message = [message for message in one.messages if message.is_by_key(made)][0]
    assert message.is_by_key(before) and message.is_by(one.secret)
    assert "the secret of a webhook endpoint cannot be opened" not in hooks.log_text("billingd.log")


def test_a_test_and_a_replay(hooks, endpoint):
    one = endpoint("replayed")
    sent = expect(hooks.api.owner.post(one.address + "/test"), 202)["delivery"]
    message, = one.arrived()
    assert (message.json["type"], message.id) == ("endpoint.test", sent["event_id"])
    assert message.is_by(one.secret)
    happen(hooks)
    event = one.arrived(2)[1]
    one.delivered(2)
    replay = {"event_id": event.id}
    assert expect(hooks.api.owner.post(one.address + "/replay", replay), 202)["replayed"] == 1
    again = one.arrived(3)[2]
    assert (again.id, again.body) == (event.id, event.body)
    happen(hooks, count=5)
    one.arrived(8)
    one.delivered(7)
    span = {"from": "2020-01-01T00:00:00Z", "to": "2040-01-01T00:00:00Z"}
    answer = expect(hooks.api.owner.post(one.address + "/replay", span), 202)
    assert answer["replayed"] >= 6 and answer["next_cursor"] is None
    wait_for(lambda: len({m.id for m in one.messages[8:]}) >= 6)
    for body in ({}, {"from": span["to"]}, {**span, **replay}, {"from": span["to"], "to": span["from"]}):
        expect(hooks.api.owner.post(one.address + "/replay", body), 400, "invalid_request")
    expect(hooks.api.owner.post(one.address + "/replay", {"event_id": "evt_" + "0" * 32}), 404,
           "event_not_found")


def redirect(_message, handler):
    """To a path that must not be asked."""
    return 307, {"Location": f"https://localhost:{handler.server.server_port}/elsewhere"}, b""


def break_off(_message, handler):
    """A success that ends in the middle."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


def hang_up(_message, _handler):
    """No answer."""


def much(_message, handler):
    """10 MB; the sender does not read them."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(10_000_000))
    handler.end_headers()
    try:
        for _ in range(1000):
            handler.wfile.write(b"x" * 10_000)
    except OSError:
        handler.server.broken = True


@pytest.mark.parametrize("name, answer, status, reason", [
    ("redirect", redirect, 307, "redirects are not followed"),
    ("breaks", break_off, 200, "transfer closed"),
    ("hangs-up", hang_up, None, ""),
    ("fails", lambda *_: (500, {}, b"<p>\xff\x00 out of order"), 500, "answered 500")])
def test_a_failure_is_tried_again(hooks, receiver, endpoint, name, answer, status, reason):
    one = endpoint(name, answer)
    happen(hooks)
    row = one.attempted()
    assert (row["state"], row["status"]) == ("pending", status) and reason in row["reason"], row
    assert one.show()["failing_since"] and not receiver.at("/elsewhere")
    assert name != "fails" or row["answer"] == "<p>?  out of order"
    receiver.answers[one.path] = lambda *_: (200, {}, b"thanks")
    one.pass_time()
    row, = one.delivered()
    assert (row["status"], row["reason"], row["answer"]) == (200, None, "thanks")
    # A message whose kept connection ends without an answer is sent again at once.
    assert len({message.id for message in one.messages}) == 1 and len(one.messages) >= 2
    assert one.show()["failing_since"] is None


def test_of_a_long_answer_the_beginning_is_read(hooks, receiver, endpoint):
    one = endpoint("long", much)
    happen(hooks)
    row, = one.delivered()
    assert row["answer"] == "x" * 500
    assert wait_for(lambda: getattr(receiver.server, "broken", False))


def test_a_receiver_that_is_gone_gets_nothing_more(hooks, receiver, endpoint):
    other = endpoint("beside", types=["endpoint.disabled"])
    one = endpoint("gone", lambda *_: (410, {}, b""))
    happen(hooks)
    told, = other.arrived()
    assert told.json["data"]["endpoint_id"] == one.id
    assert (one.show()["enabled"], one.show()["disabled_reason"]) == (False, "gone")
    happen(hooks, count=3)
    other_one = endpoint("after")
    happen(hooks)
    other_one.arrived()
    assert len(one.messages) == 1
    ready = expect(hooks.api.nobody.get("/health/ready"), 200)["checks"]["webhooks"]
    assert not ready["ok"] and "1 are disabled" in ready["detail"]
    doctor = json.loads(hooks.billingctl("doctor", "--json", check=False).stdout)["checks"]
    assert [row["state"] for row in doctor if row["check"] == "webhooks"] == ["wrong"]
    expect(hooks.api.owner.post(one.address + "/test"), 409, "endpoint_disabled")
    receiver.answers.pop(one.path)
    hooks.billingctl("webhooks", "enable", one.id)
    # A message whose kept connection ends without an answer comes twice.
    wait_for(lambda: len({message.id for message in one.messages}) >= 5)
    assert len({message.id for message in one.messages}) == 5


def test_five_days_of_failures_disable(hooks, endpoint):
    other = endpoint("told", types=["endpoint.disabled"])
    one = endpoint("dead", lambda *_: (500, {}, b""))
    happen(hooks)
    one.attempted()
    earlier = "SET failing_since = failing_since - interval '5 days'"
    # Days without any attempt do not count.
    hooks.sql(f"UPDATE webhook_endpoints {earlier}, last_failure_at = last_failure_at - "
              f"interval '5 days' WHERE endpoint_id = '{one.id}'")
    a_day_ago = hooks.sql("SELECT to_char(now() - interval '1 day', 'YYYY-MM-DD')")
    one.pass_time()
    wait_for(lambda: one.show()["failing_since"] > a_day_ago)
    assert one.show()["disabled_reason"] is None
    hooks.sql(f"UPDATE webhook_endpoints {earlier} WHERE endpoint_id = '{one.id}'")
    one.pass_time()
    told, = other.arrived()
    assert told.json["data"]["disabled_reason"] == "failing"
    assert told.json["data"]["endpoint_id"] == one.id and not one.show()["enabled"]
    assert hooks.sql("SELECT action FROM audit_log WHERE subject = "
                     f"'{one.id}' ORDER BY audit_id DESC LIMIT 1") == "webhook_endpoint_disable"


@pytest.mark.parametrize("status, headers, least", [
    (429, {"Retry-After": "120"}, 120), (502, {}, 5), (503, {"Retry-After": "99999999999"}, 86400)])
def test_a_receiver_asks_for_time(hooks, endpoint, status, headers, least):
    name = f"busy-{status}-{headers.get('Retry-After')}"
    one = endpoint(name, lambda *_: (status, headers, b""))
    happen(hooks)
    row = one.attempted()
    waits = hooks.sql("SELECT extract(epoch FROM due_at - attempted_at)::int, extract(epoch FROM "
                      "e.paused_until - attempted_at)::int FROM webhook_deliveries JOIN "
                      f"webhook_endpoints e USING (endpoint_id) WHERE endpoint_id = '{one.id}'")
    due, pause = map(int, waits.split("|"))
    assert row["state"] == "pending" and least <= due <= least * 1.1 + within(2)
    assert max(10, least) - 1 <= pause <= max(10, least) + within(2)
    happen(hooks, count=2)
    wait_for(lambda: len(one.deliveries()) == 3)
    # Nothing came within the pause, however long the test took.
    assert all(message.at - one.messages[0].at >= 9 for message in one.messages[1:])


def test_a_receiver_that_was_away_for_a_day_gets_all_when_it_is_back(hooks, receiver, endpoint):
    """Its attempts have used up most of the schedule by then; it gets all at once, not in hours."""
    one = endpoint("away", lambda *_: (500, {}, b""))
    happen(hooks, count=20)
    wait_for(lambda: sum(row["attempts"] > 0 for row in one.deliveries()) == 20)
    hooks.sql("UPDATE webhook_endpoints SET failing_since = failing_since - interval '1 day' "
              f"WHERE endpoint_id = '{one.id}'; UPDATE webhook_deliveries SET attempts = 6, "
              f"due_at = now() + interval '14 hours' WHERE endpoint_id = '{one.id}'")
    receiver.answers.pop(one.path)
    happen(hooks)
    one.delivered(21)


def test_a_new_url_begins_anew(hooks, receiver, endpoint):
    """The failures of the old one count no more, and what waits is sent at once."""
    one = endpoint("old", lambda *_: (500, {}, b""))
    happen(hooks)
    one.attempted()
    hooks.sql("UPDATE webhook_endpoints SET failing_since = failing_since - interval '4 days' WHERE endpoint_id = "
              f"'{one.id}'; UPDATE webhook_deliveries SET due_at = now() + interval '9 hours' "
              f"WHERE endpoint_id = '{one.id}'")
    shown = expect(hooks.api.owner.patch(one.address, {"url": receiver.url("/new")}), 200)["endpoint"]
    assert shown["failing_since"] is None
    one.delivered()
    assert {message.id for message in receiver.at("/new")} == {message.id for message in one.messages}


def counted(stack):
    """The counters of attempts by their outcome, and of deliveries that were given up ("total")."""
    text = stack.api.nobody.get("/metrics").text
    return {name: int(value) for name, value in re.findall(
        r'^billing_webhook(?:_attempts_total.outcome="|s_failed_)(\w+)\S* (\d+)$', text, re.M)}


def all_counted(stack):
    """The counters, when the process that sends has added everything that was recorded until now."""
    now = int(stack.sql("SELECT ceil(extract(epoch FROM clock_timestamp()))"))
    wait_for(lambda: float(re.search(r"^billing_webhooks_last_run_seconds (\S+)$", stack.api.nobody.get(
        "/metrics").text, re.M)[1]) > now)
    return counted(stack)


def test_attempts_are_counted(hooks, endpoint):
    before = all_counted(hooks)
    assert sorted(before) == ["answered", "closed", "delivered", "total", "unanswered"]
    endpoint("well")
    endpoint("not-found", lambda *_: (404, {}, b""))
    endpoint("no-answer", hang_up)
    endpoint("left", lambda *_: (410, {}, b""))
    inner = endpoint("inner")
    hooks.sql(f"UPDATE webhook_endpoints SET url = 'https://127.0.0.2/' WHERE endpoint_id = '{inner.id}'")
    happen(hooks)
    least = {"delivered": 1, "answered": 2, "unanswered": 1, "closed": 1, "total": 1}
    wait_for(lambda: all(counted(hooks)[name] >= before[name] + count for name, count in least.items()))
    assert counted(hooks)["total"] == before["total"] + 1


def refused(stack, endpoint_id):
    """The reason why the endpoint's only delivery failed."""
    row = wait_for(lambda: [row for row in expect(stack.api.owner.get(
        f"{ENDPOINTS}/{endpoint_id}/deliveries"), 200)["deliveries"] if row["attempts"]])[0]
    return row["reason"]


CLOSED = ("127.0.0.2", "127.2", "2130706434", "0x7f000002", "0177.0.0.2", "[::1]",
          "[::ffff:127.0.0.2]", "[fe80::1]", "169.254.169.254", "10.0.0.1", "0.0.0.0",
          "[64:ff9b::7f00:2]")


def test_addresses_that_are_not_allowed(hooks):
    """Refused when the endpoint is made, and when an address gets into the database another way. A name of
    /etc/hosts that leads to loopback is judged by where it leads."""
    made = []
    with socket.socket(socket.AF_INET) as inner:
        inner.bind(("127.0.0.2", 0))
        inner.listen()
        inner.setblocking(False)
        port = inner.getsockname()[1]
        for host in CLOSED:
            answer = hooks.api.owner.post(ENDPOINTS, {"url": f"https://{host}:{port}/"})
            assert expect(answer, 400, "invalid_request")["details"][0]["field"] == "url"
            answer = hooks.api.owner.post(ENDPOINTS, {"url": "https://receiver.invalid/"})
            made.append(expect(answer, 201)["endpoint"]["endpoint_id"])
            hooks.sql(f"UPDATE webhook_endpoints SET url = 'https://{host}:{port}/' "
                      f"WHERE endpoint_id = '{made[-1]}'")
            expect(hooks.api.owner.post(f"{ENDPOINTS}/{made[-1]}/test"), 202)
        for endpoint_id in made:
            assert refused(hooks, endpoint_id) == "the address is not allowed"
        with pytest.raises(BlockingIOError):
            inner.accept()
    for endpoint_id in made:
        expect(hooks.api.owner.delete(f"{ENDPOINTS}/{endpoint_id}"), 200)


def listen(address, port):
    """A socket that nothing must connect to; None when the port is taken."""
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        made.bind((address, port))
    except OSError:
        made.close()
        return None
    made.listen()
    made.setblocking(False)
    return made


def end_sender(stack):
    """The process that sends is another one afterwards, which knows no addresses."""
    pid = [pid for pid in stack.pids()[1:]
           if Path(f"/proc/{pid}/comm").read_text(encoding="ascii").startswith("billingd webhoo")][0]
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: pid not in stack.pids())


def tried(stack, endpoint_id):
    """The delivery of a test, which is sent once; another one when a busy machine was too slow for it."""
    for _ in range(5):
        sent = expect(stack.api.owner.post(f"{ENDPOINTS}/{endpoint_id}/test"), 202)["delivery"]["event_id"]
        row = wait_for(lambda one=sent: [row for row in expect(stack.api.owner.get(
            f"{ENDPOINTS}/{endpoint_id}/deliveries"), 200)["deliveries"]
            if row["event_id"] == one and row["attempts"]])[0]
        if not re.search("timed? ?out", row["reason"] or ""):
            break
    return row


def test_names_that_change_their_addresses(hooks, names, certificates):
    """By a server of the DNS: to closed addresses, alone, as IPv6, and behind an open one."""
    if not hooks.through:
        pytest.skip("not here: a resolv.conf of its own (unshare, as root): names that change their addresses")
    receiver = Receiver(*certificates[1:])
    while (inner := listen("127.0.0.2", receiver.port)) is None:
        receiver.close()
        receiver = Receiver(*certificates[1:])
    second = listen("127.0.0.2", 0)
    port = second.getsockname()[1]
    names.addresses |= {"moves.receiver.example": ["127.0.0.1"],
                        "both.receiver.example": ["127.0.0.1", "127.0.0.2"],
                        "six.receiver.example": ["::1", "::ffff:127.0.0.2", "64:ff9b::7f00:2"]}
    urls = [f"https://moves.receiver.example:{receiver.port}/", f"https://both.receiver.example:{port}/",
            f"https://six.receiver.example:{port}/"]
    made = [expect(hooks.api.owner.post(ENDPOINTS, {"url": url}), 201)["endpoint"]["endpoint_id"]
            for url in urls]
    assert tried(hooks, made[0])["status"] == 204
    count = len(receiver.messages)
    names.addresses["moves.receiver.example"] = ["127.0.0.2"]
    end_sender(hooks)
    rows = [tried(hooks, endpoint_id) for endpoint_id in made]
    assert rows[0]["reason"] == rows[2]["reason"] == "the address is not allowed"
    assert rows[1]["status"] is None
    for one in (inner, second):
        with pytest.raises(BlockingIOError):
            one.accept()
        one.close()
    for endpoint_id in made:
        expect(hooks.api.owner.delete(f"{ENDPOINTS}/{endpoint_id}"), 200)
    assert len(receiver.messages) == count
    receiver.close()


@pytest.mark.parametrize("url", ["https://user@example.com/", "https://a:b@example.com/",
                                 "ftp://example.com/", "file:///etc/passwd", "https://example.com/#x",
                                 "https://exa mple.com/", "x", "https://"])
def test_urls_that_no_endpoint_has(hooks, url):
    for body, field in (({"url": url, "types": ["nonsense"]}, "types"), ({"url": url}, "url")):
        answer = expect(hooks.api.owner.post(ENDPOINTS, body), 400, "invalid_request")
        assert [detail["field"] for detail in answer["details"]] == [field]


def test_a_certificate_of_another_authority_is_refused(hooks, tmp_path):
    _, certificate, key = make_certificates(tmp_path)
    stranger = Receiver(certificate, key)
    made = expect(hooks.api.owner.post(ENDPOINTS, {"url": stranger.url()}), 201)["endpoint"]
    expect(hooks.api.owner.post(f"{ENDPOINTS}/{made['endpoint_id']}/test"), 202)
    assert "certificate" in refused(hooks, made["endpoint_id"]) and not stranger.messages
    expect(hooks.api.owner.delete(f"{ENDPOINTS}/{made['endpoint_id']}"), 200)
    stranger.close()


def test_endpoints_are_bounded(hooks):
    made = []
    while (answer := hooks.api.owner.post(ENDPOINTS, {
            "url": "https://receiver.invalid/"})).status_code == 201:
        made.append(answer.json()["endpoint"]["endpoint_id"])
    expect(answer, 409, "too_many_endpoints")
    assert len(made) <= 50
    for endpoint_id in made:
        expect(hooks.api.owner.delete(f"{ENDPOINTS}/{endpoint_id}"), 200)
    assert expect(hooks.api.owner.get(ENDPOINTS), 200)["endpoints"] == []


def test_a_deleted_customers_data_is_not_sent(hooks, endpoint):
    """The body is made when it is sent, of the event as it is then; an answer that repeats it is erased."""
    # An attempt that has begun before the deletion has the address, also when it comes after that.
    one = endpoint("deleted", lambda message, _: (500, {}, message.body) if hooks.mail_domain in message.body.decode()
                   else (204, {}, b""), types=["customer.updated"])
    customer = hooks.api.sign_up()
    hooks.sql(f"SELECT event_add('customer.updated', '{customer.id}', now(), "
              f"json_build_object('customer_id', '{customer.id}', 'email', '{customer.email}')::text)")
    one.arrived()
    assert customer.email in one.messages[0].body.decode()
    assert customer.email in one.attempted()["answer"]
    expect(hooks.api.owner.delete(f"/api/customers/{customer.id}"), 200)
    assert one.deliveries()[0]["answer"] is None
    one.pass_time()
    one.delivered()
    message = one.messages[-1]
    assert message.id == one.messages[0].id and customer.email not in message.body.decode()


def bodies(document):
    """The schema of the body by type of event."""
    found = {}
    for one in document.raw["components"]["schemas"]["WebhookBody"]["oneOf"]:
        kind = document.resolve(one)["properties"]["type"]
        names = kind.get("enum", [kind.get("const")])
        assert not set(names) & set(found)
        found.update(dict.fromkeys(names, one))
    return found


def test_the_document_describes_each_delivery(hooks, endpoint, document, figures):
    """Headers and body of what is delivered while every operation is driven. There is a body for each type."""
    schemas = bodies(document)
    types = document.raw["components"]["schemas"]["EventType"]["enum"]
    assert set(schemas) == {*types, "endpoint.test"}
    one = endpoint("everything", types=["*"])
    expect(hooks.api.owner.post(one.address + "/test"), 202)
    for _ in drive(hooks.api, hooks):
        pass
    hooks.billingctl("keys", "add")
    hooks.sql("SELECT event_add('license.issued', NULL, now(), json_build_object('x', repeat('x', 20480))::text)")
    last = hooks.sql("SELECT event_id FROM events ORDER BY position DESC, number DESC LIMIT 1")
    wait_for(lambda: any(message.id == f"evt_{last.replace('-', '')}" for message in one.messages))
    # Deliveries may overtake each other, so that the last event need not arrive last.
    wait_for(lambda: not one.deliveries("pending"))
    headers = document.raw["webhooks"]["event"]["post"]["parameters"]
    for message in one.messages:
        body = message.json
        assert document.errors(schemas[body["type"]], body) == [], body
        for header in headers:
            assert document.errors(header["schema"], message.headers[header["name"]]) == [], header["name"]
    seen = {message.json["type"] for message in one.messages}
    assert len(seen) >= 20 and "endpoint.test" in seen, sorted(set(types) - seen)
    figures["types of events delivered"] = len(seen)


def test_the_document_has_the_schedule(document):
    """Waits between attempts, the time for an answer, and how long deliveries are listed, as in the code."""
    text = document.raw["webhooks"]["event"]["post"]["description"]
    units = {"s": 1, "min": 60, "h": 3600}
    waits = [int(number) * units[unit] for number, unit in
             re.findall(r"(\d+) (s|min|h) \|", text)]
    code = {name: (ROOT / "lib" / name).read_text(encoding="utf-8")
            for name in ("events/attempts.c", "webhooks/sender.c", "webhooks/queue.c", "events/attempts.h")}
    steps = re.search(r"steps_s\[.*?\] = \{(.*?)\}", code["events/attempts.c"], re.S)[1]
    assert waits == [int(step) for step in steps.split(",")]
    assert "timeout_ms = 15000" in code["webhooks/sender.c"] and "within 15 seconds" in text
    assert "KEEP_DAYS = 30 " in code["webhooks/queue.c"] and "listed for 30 days" in text
    assert "ATTEMPT_WAIT_MAX_S = 24 * 3600" in code["events/attempts.h"] and "up to 24 hours" in text


def test_data_of_events_has_the_members_of_the_object(document):
    """Events show an object as the API does, but for members that only one of the two has."""
    schemas = document.raw["components"]["schemas"]
    for data, shown, other in (
            ("CustomerData", "Customer", {"email"}), ("SubscriptionData", "Subscription", {"days_left"}),
            ("ContractData", "Contract", {"days_left", "versions"}), ("KeyData", "Key", {"prefix", "scopes"}),
            ("InvoiceData", "Invoice", {"hosted_invoice_url", "invoice_pdf"}),
            ("LicenseData", "IssuedLicense", {"days_left"}), ("OverrideData", "Overrides", {"reason"})):
        members, of_object = schemas[data]["properties"], schemas[shown]["properties"]
        differing = {name for name in {*members, *of_object} if members.get(name) != of_object.get(name)}
        assert differing == other, data
