"""Slow clients, which send a byte a second or never read, do not delay the reports of others."""

import contextlib
import os
import socket
import ssl
import threading

import pytest
from chaos.load import Load
from chaos.usage import Sender
from support.raw import build
from support.stack import wait_for

STACK = {"WORKERS": 2}
SLOW = 400

pytestmark = pytest.mark.skipif(os.environ.get("FULL") != "1",
                                reason="waits for nginx's time limits: FULL=1")


class SlowClients(contextlib.AbstractContextManager):
    """A third of the clients send headers and a third a body, at a byte a second. The others
    request large answers and never read them."""

    def __init__(self, stack, count, customer):
        self.stack, self.count = stack, count
        context = ssl.create_default_context(cafile=stack.ca_cert)
        self.connect = lambda: context.wrap_socket(socket.create_connection(
            ("localhost", stack.https_port), timeout=10), server_hostname="localhost")
        key = [("Authorization", f"Bearer {stack.admin_key}")]
        self.starts = (
            b"GET /api/usage HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
            build("POST", "/api/usage/reports", [*key, ("Content-Length", "100000"),
                                                 ("Content-Type", "application/json")]),
            build("GET", f"/api/usage/{customer}?limit=100", key) * 20)
        self.alive = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._trickle)

    def __enter__(self):
        for number in range(self.count):
            peer = self.connect()
            peer.sendall(self.starts[number % 3])
            self.alive.append((peer, number % 3))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        for peer, _ in self.alive:
            peer.close()

    def _trickle(self):
        while not self.over.wait(1):
            for one in list(self.alive):
                peer, kind = one
                try:
                    if kind < 2:
                        peer.sendall(b" ")
                except OSError:
                    peer.close()
                    self.alive.remove(one)


def p99(answers):
    """The 99th percentile of the times until an answer."""
    took = sorted(seconds for _, seconds, *_ in answers)
    return took[len(took) * 99 // 100]


def test_slow_clients_do_not_delay_others(stack, rng, report):
    sender = Sender(stack, rng)
    with Load(stack, 8, sender.visit, rng.random()) as load:
        wait_for(lambda: len(load.answers) > 500 or load.check())
        before = p99(load.answers)
        with SlowClients(stack, SLOW, sender.customers[0]) as slow:
            mark = len(load.answers)
            wait_for(lambda: len(load.answers) > mark + 1000 or load.check())
            during = p99(load.answers[mark:])
            # Headers must arrive within ten seconds; a slow body may take longer.
            wait_for(lambda: not [1 for _, kind in slow.alive if kind == 0], every=0.2)
            left = len(slow.alive)
    report(slow_clients=SLOW, left_at_the_end=left, answers_to_others=len(load.answers),
           p99_before=f"{1000 * before:.0f} ms", p99_during=f"{1000 * during:.0f} ms",
           differences=sender.differences(stack))
    assert not load.unexpected(200, 201) and not load.retries
    assert during < 1 and sender.differences(stack) == 0
