"""Limits by network and by customer, load balancers, and the addresses on which the service listens."""

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
from support.client import expect
from support.raw import build
from support.stack import ROOT, wait_for, within

BURST = 200
SLOW = 60
CONNECTIONS = 32
BODY_TIMEOUT = 5
PORTAL = "/api/subscriptions/portal"


@pytest.fixture(scope="module", name="balanced")
def fixture_balanced(new_stack):
    """A stack with nginx's limits, behind a load balancer at 127.0.0.1."""
    stack = new_stack(stripe=True, RATE_LIMITS="on")
    path = stack.run_dir / "nginx/billing/billing-http.conf"
    text = path.read_text(encoding="utf-8")
    for name, value in (("set_real_ip_from", "127.0.0.1"), ("real_ip_header", "X-Forwarded-For"),
                        ("real_ip_recursive", "on")):
        text, count = re.subn(rf"^#{name} +(10\.0\.0\.0/8|{value});", f"{name} {value};", text,
                              flags=re.MULTILINE)
        assert count == 1, name
    path.write_text(text, encoding="utf-8")
    reload_nginx(stack)
    assert not limited(stack, [f"198.51.{n // 250}.{n % 250}" for n in range(3 * BURST)])
    yield stack
    stack.close()


def reload_nginx(stack):
    """Has nginx read its files again. On return the processes that had the earlier ones have ended."""
    master = int((stack.run_dir / "pids/nginx").read_text(encoding="ascii").split()[0])
    children = Path(f"/proc/{master}/task/{master}/children")
    old = set(children.read_text(encoding="ascii").split())
    assert old
    os.kill(master, signal.SIGHUP)
    wait_for(lambda: not old & set(children.read_text(encoding="ascii").split()))


class Connection:
    """One TLS connection to nginx over IPv4."""

    def __init__(self, stack, source="127.0.0.1"):
        context = ssl.create_default_context(cafile=stack.ca_cert)
        plain = socket.create_connection(("127.0.0.1", stack.https_port), timeout=30,
                                         source_address=(source, 0))
        self.peer = context.wrap_socket(plain, server_hostname="localhost")
        self.text = b""

    def send(self, method, path, headers=(), body=b""):
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}",
                 *(f"{name}: {value}" for name, value in headers)]
        self.peer.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def has_answer(self):
        """Whether something of an answer, or the connection's end, has arrived."""
        self.peer.setblocking(False)
        try:
            self.text += self.peer.recv(65536)
            return True
        except ssl.SSLWantReadError:
            return False
        except (ConnectionError, ssl.SSLError):
            return True
        finally:
            self.peer.settimeout(30)

    def receive(self):
        """The status of the next answer."""
        while b"\r\n\r\n" not in self.text:
            got = self.peer.recv(65536)
            if not got:
                raise ConnectionResetError("closed")
            self.text += got
        head, _, rest = self.text.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
        while len(rest) < length:
            rest += self.peer.recv(65536)
        self.text = rest[length:]
        return int(head.split()[1])


def limited(stack, addresses, source="127.0.0.1"):
    """How many of the requests, one from each address, are refused for their number. Many are under way at a time,
    so that they come faster than a limit allows."""
    connection = Connection(stack, source)
    refused = 0
    for first in range(0, len(addresses), 50):
        some = addresses[first:first + 50]
        for address in some:
            connection.send("GET", "/health", [("X-Forwarded-For", address)])
        refused += sum(connection.receive() == 429 for _ in some)
    connection.peer.close()
    return refused


def test_metrics_are_open_to_the_addresses_that_are_named(balanced):
    """The file of one's own comes first: it opens them to a Prometheus elsewhere, and closes them to this host,
    where another proxy passes requests on."""
    def allowed(address):
        connection = Connection(balanced)
        try:
            connection.send("GET", "/metrics", [("X-Forwarded-For", address)])
            return connection.receive() == 200
        finally:
            connection.peer.close()

    assert [allowed(address) for address in ("127.0.0.1", "203.0.113.9")] == [True, False]
    place = balanced.run_dir / "nginx/billing/local"
    place.mkdir()
    (place / "metrics-allow.conf").write_text("allow 203.0.113.9;\ndeny 127.0.0.1;\n", encoding="utf-8")
    try:
        reload_nginx(balanced)
        assert [allowed(address) for address in ("203.0.113.9", "203.0.113.8", "127.0.0.1")] == [True, False, False]
    finally:
        shutil.rmtree(place)
        # Later tests read the metrics from this host.
        reload_nginx(balanced)
    assert allowed("127.0.0.1")


def test_all_addresses_of_a_network_share_one_limit(balanced):
    """An IPv6 network of 64 bits counts as one address; other networks have limits of their own."""
    count = 4 * BURST

    def refused():
        start = time.monotonic()
        refusals = limited(balanced, [f"2001:db8:1:2:{n:x}::{n:x}" for n in range(count)])
        assert count - refusals <= BURST + 1 + 100 * (time.monotonic() - start)
        return refusals

    wait_for(refused)
    assert not limited(balanced, [f"2001:db8:1:{n:x}::1" for n in range(1000, 1000 + count)])
    assert not limited(balanced, [f"192.0.2.{n}" for n in range(200)])


def test_a_client_cannot_name_its_address_itself(balanced):
    """The header counts only from the network of the load balancer."""
    addresses = [f"192.0.2.{number % 250}" for number in range(4 * BURST)]
    wait_for(lambda: limited(balanced, addresses, "127.0.0.7"))


@pytest.fixture(scope="module", name="strict")
def fixture_strict(new_stack):
    """A stack with nginx's limits."""
    stack = new_stack(stripe=True, RATE_LIMITS="on")
    yield stack
    stack.close()


def test_the_keys_of_a_customer_share_one_limit(strict):
    """However the keys are sent. Another customer at the same address is not affected."""
    loud, quiet = strict.api.sign_up(), strict.api.sign_up()
    keys = [loud.api_key] + [strict.api.mint(loud)[0] for _ in range(4)]
    ways = (lambda key: {"X-API-Key": key}, lambda key: {"Authorization": f"Bearer {key}"},
            lambda key: {"X-API-Key": key, "Authorization": f"Bearer {key}"},
            lambda key: {"X-API-Key": key, "Authorization": "Basic eDp5"})
    start = time.monotonic()
    statuses = [ways[number % 4](keys[number % 5]) for number in range(80)]
    statuses = [strict.api.nobody.post(PORTAL, {"customer_id": loud.id}, headers=one).status_code
                for one in statuses]
    took = time.monotonic() - start
    assert set(statuses) == {409, 429} and statuses.count(409) <= 21 + 2 * took + 1
    expect(quiet.client.post(PORTAL, {"customer_id": quiet.id}), 409, "checkout_needed")


def test_invented_keys_do_not_use_up_a_customers_limit(strict):
    """A stranger who knows a customer's id sends keys that begin with it, from another address."""
    customer = strict.api.sign_up()
    peer = Connection(strict, source="127.0.0.8")
    statuses = []
    for _ in range(60):
        peer.send("POST", PORTAL, [("X-API-Key", f"{customer.id}_{64 * '0'}"),
                                   ("Content-Type", "application/json")], b"{}")
        statuses.append(peer.receive())
    assert set(statuses) == {401, 429}
    expect(customer.client.post(PORTAL, {"customer_id": customer.id}), 409, "checkout_needed")


def test_slow_bodies_of_one_address_are_bounded(strict, figures):
    """An address can hold some connections with slow bodies; others are still served."""
    head = build("POST", "/api/usage/reports", [("Content-Type", "application/json"),
                                                ("Content-Length", "100000")])
    slow = [Connection(strict, source="127.0.0.3") for _ in range(SLOW)]
    for one in slow:
        one.peer.sendall(head + b" ")
    answered = []

    def refused():
        """A connection that is held is closed after a while, without an answer."""
        answered.extend(one for one in slow if one not in answered and one.has_answer() and one.text)
        return answered if len(answered) >= SLOW - CONNECTIONS else None

    wait_for(refused)
    assert [one.receive() for one in answered] == [429] * (SLOW - CONNECTIONS)
    figures[f"slow bodies that one address can hold of {SLOW}"] = SLOW - len(answered)
    expect(strict.api.nobody.get("/health"), 200)
    # A body of which nothing more comes is not waited for.
    for one in slow:
        if one not in answered:
            one.peer.settimeout(60)
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                assert one.peer.recv(1) == b""


def test_trickling_bodies_do_not_delay_others(strict, figures):
    """A sender of a byte a second holds as many requests as one address may have, for longer than nginx
    waits for a part of a body, and no more. Other addresses are served meanwhile."""
    customer = strict.api.sign_up()
    head = build("POST", "/api/usage/reports", [("Content-Type", "application/json"),
                                                ("Content-Length", "100000")])
    slow = [Connection(strict, source="127.0.0.4") for _ in range(CONNECTIONS)]
    for one in slow:
        one.peer.sendall(head + b" ")
    over = threading.Event()

    def trickle():
        while not over.wait(1):
            for one in slow:
                one.peer.sendall(b" ")

    sender = threading.Thread(target=trickle)
    sender.start()
    start, took = time.monotonic(), []
    try:
        while time.monotonic() - start < 1.4 * BODY_TIMEOUT:
            begin = time.monotonic()
            expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)
            expect(customer.client.post("/api/usage/report", {
                "customer_id": customer.id, "instance_id": "one", "active_devices": 1,
                "total_devices": 1}), 201)
            took.append(time.monotonic() - begin)
            more = Connection(strict, source="127.0.0.4")
            more.send("GET", f"/api/licenses/{customer.id}")
            assert more.receive() == 429
            over.wait(0.2)
    finally:
        over.set()
        sender.join()
    assert not [one for one in slow if one.has_answer()]
    assert max(took) < within(1)
    figures[f"pairs of requests beside {CONNECTIONS} trickling bodies"] = len(took)
    figures["the slowest of them in ms"] = round(1000 * max(took))
    for one in slow:
        one.peer.close()


def listening(port):
    """The addresses that listen on a port, as the kernel prints them."""
    rows = [line.split() for name in ("tcp", "tcp6")
            for line in open(f"/proc/net/{name}", encoding="ascii").readlines()[1:]]
    return {row[1].split(":")[0] for row in rows
            if row[3] == "0A" and int(row[1].split(":")[1], 16) == port}


LOOPBACK = {"0100007F", "00000000000000000000000001000000"}


def test_the_stack_listens_on_loopback_alone(stack):
    assert listening(stack.https_port) <= LOOPBACK
    assert "0100007F" in listening(stack.https_port)


def test_the_stack_listens_where_it_is_told_to(new_stack):
    for listen, expected in (("all", {"00000000", 32 * "0"}), ("127.0.0.5", {"0500007F"})):
        stack = new_stack(LISTEN=listen)
        found = listening(stack.https_port)
        stack.close()
        assert found and found <= expected, listen


def test_the_image_starts_without_ipv6():
    """Its second configuration has no IPv6 address, and its command chooses it on such a host."""
    docker = (ROOT / "conf/Dockerfile").read_text(encoding="utf-8")
    drop = re.search(r"sed '/(.+)/d' /etc/nginx/nginx.conf >/etc/nginx/nginx-ipv4.conf", docker).group(1)
    lines = (ROOT / "nginx/nginx.conf").read_text(encoding="utf-8").splitlines()
    dropped = [line.strip() for line in lines if re.search(drop, line)]
    assert dropped == ["listen [::]:8443 ssl http2;"]
    assert not any("[::]" in path.read_text(encoding="utf-8")
                   for path in (ROOT / "nginx").glob("*.conf") if path.name != "nginx.conf")
    assert "[ -e /proc/net/if_inet6 ] || file=-ipv4; exec nginx -c /etc/nginx/nginx$file.conf" in docker
