"""Two pools of workers on two sockets: what befalls the one for Stripe leaves the other alone."""

import json
import signal
import socket
import stat
import struct

from chaos.load import Load, knock
from chaos.processes import Daemon, LogTail, is_alive, kill, role_of
from support.stack import wait_for

STACK = {"WORKERS": 2}
UNNAMED = {"", "billingd"}


def of_stripe(daemon):
    """The living workers of the Stripe pool, as soon as each has its name."""
    def found():
        children = daemon.pids()[1:]
        roles = {pid: role_of(pid) for pid in children}
        return not UNNAMED & set(roles.values()) and roles
    return [pid for pid, role in wait_for(found).items() if role == "billingd stripe"]


def record(kind, content):
    """A FastCGI record."""
    return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content


def send(peer, path, uri):
    """Connects and sends a GET, as nginx would."""
    pairs = {b"REQUEST_METHOD": b"GET", b"REQUEST_URI": uri.encode(), b"REQUEST_ID": b"by-hand"}
    params = b"".join(struct.pack(">BB", len(n), len(v)) + n + v for n, v in pairs.items())
    peer.settimeout(10)
    peer.connect(str(path))
    peer.sendall(record(1, b"\0\1\0\0\0\0\0\0") + record(4, params) + record(4, b"") +
                 record(5, b""))


def exactly(peer, size):
    """So many bytes."""
    received = b""
    while len(received) < size:
        chunk = peer.recv(size - len(received))
        assert chunk, "the answer has no end"
        received += chunk
    return received


def receive(peer):
    """The status and the body of the answer, which ends with a record of its own."""
    text, kind = b"", 0
    while kind != 3:
        _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", exactly(peer, 8))
        content = exactly(peer, length + padding)[:length]
        text += content if kind == 6 else b""
    head, _, body = text.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0], json.loads(body)


def ask(path, uri):
    """Sends and receives."""
    with socket.socket(socket.AF_UNIX) as peer:
        send(peer, path, uri)
        return receive(peer)


def test_each_pool_has_its_socket_and_a_stop_takes_both_away(stack):
    daemon = Daemon(stack, STRIPE_WORKERS=2).start()
    try:
        for path in (daemon.socket, daemon.stripe_socket):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            status, body = ask(path, "/health")
            assert status == b"Status: 200" and body["status"] == "healthy"
        assert len(of_stripe(daemon)) == 2
        roles = sorted(role_of(pid) for pid in daemon.pids()[1:])
        assert roles == ["billingd jobs"] + 2 * ["billingd stripe"] + 3 * ["billingd worker"]
    finally:
        assert daemon.stop() == 0
    assert not daemon.socket.exists() and not daemon.stripe_socket.exists()


def test_workers_of_stripe_die_and_come_back_alone(stack, rng):
    """Once they have served they are replaced at once, and nobody else notices."""
    daemon = Daemon(stack, STRIPE_WORKERS=1).start()
    tail = LogTail(stack)
    others = set(daemon.pids()) - set(of_stripe(daemon))
    try:
        with Load(stack, 4, knock, rng.random()) as load:
            for number in range(1, 6):
                assert ask(daemon.stripe_socket, "/health")[0] == b"Status: 200"
                dying, = of_stripe(daemon)
                kill(dying)
                line = tail.wait("process died", number)
                assert (line["process"], line["pid"]) == ("billingd stripe worker", dying)
                wait_for(lambda old=dying: set(of_stripe(daemon)) - {old})
                load.check()
            wait_for(lambda: load.count()[201] > 20)
        assert set(daemon.pids()) - set(of_stripe(daemon)) == others
        assert not load.unexpected(201)
    finally:
        assert daemon.stop() == 0


def test_a_reload_renews_both_pools(stack):
    """And takes up how many workers there shall be."""
    daemon = Daemon(stack, STRIPE_WORKERS=2).start()
    tail = LogTail(stack)
    try:
        old = daemon.pids()[1:]
        daemon.write(STRIPE_WORKERS=3, WORKERS=1)
        daemon.signal(signal.SIGHUP)
        tail.wait("reloaded")
        wait_for(lambda: not any(map(is_alive, old)))
        wait_for(lambda: len(daemon.pids()) == daemon.size() and len(of_stripe(daemon)) == 3)
        assert ask(daemon.stripe_socket, "/health/ready")[0] == b"Status: 200"
        assert ask(daemon.socket, "/health/ready")[0] == b"Status: 200"
        assert not tail.find("process died")
    finally:
        assert daemon.stop() == 0


def test_a_drain_finishes_what_waits_for_stripe(stack):
    """A request of the Stripe pool that has arrived is answered, though its name is gone."""
    daemon = Daemon(stack, STRIPE_WORKERS=1).start()
    tail = LogTail(stack)
    worker, = of_stripe(daemon)
    kill(worker, signal.SIGSTOP)
    with socket.socket(socket.AF_UNIX) as peer:
        send(peer, daemon.stripe_socket, "/health")
        daemon.signal(signal.SIGTERM)
        tail.wait("stopping")
        wait_for(lambda: not daemon.stripe_socket.exists())
        assert daemon.process.poll() is None
        kill(worker, signal.SIGCONT)
        assert receive(peer)[0] == b"Status: 200"
    assert daemon.process.wait(10) == 0
    assert not tail.find("process died")
