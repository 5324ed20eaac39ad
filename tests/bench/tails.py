#!/usr/bin/python3
"""tails.py: how long the slowest requests take: beside idle clients that keep their connections, and
while the service reloads its configuration. A part of bench.py.

`tests/bench/tails.py TREE...` measures several built checkouts of the project, an older one for
example, in turns.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import threading

import customers
import payments
import usage
from measures import SMALL, Measures
from rig import Rig, build, statements

IDLE = 400
RELOAD_SECONDS = 0.5
HEALTH, KEPT, REPORT = "GET /health", "licence kept", "usage report"


@contextlib.contextmanager
def idle_clients(rig, count=IDLE):
    """Makes `count` clients that have sent one request each and keep their connections."""
    trust = ssl.create_default_context(cafile=rig.env["CA_CERT"])
    with contextlib.ExitStack() as closing:
        for _ in range(count):
            plain = closing.enter_context(socket.create_connection(("127.0.0.1", rig.port), 30))
            peer = closing.enter_context(trust.wrap_socket(plain, server_hostname="localhost"))
            peer.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if not peer.recv(4096).startswith(b"HTTP/1.1 200"):
                raise RuntimeError("an idle client was refused")
        yield


@contextlib.contextmanager
def reloads(rig):
    """Reloads again and again meanwhile."""
    done = threading.Event()

    def reload():
        while not done.wait(RELOAD_SECONDS):
            os.kill(rig.pid("billingd"), signal.SIGHUP)

    thread = threading.Thread(target=reload)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def measure(measures):
    """Each request alone, beside idle clients, and in reloads."""
    rig = measures.rig
    kinds = {"alone": contextlib.nullcontext, "idle clients": lambda: idle_clients(rig),
             "reloads": lambda: reloads(rig)}
    for number in range(measures.rounds):
        for kind, context in kinds.items():
            with context():
                for name, requests, once in requests_of(kind, number, measures.seconds):
                    file = measures.requests(f"tail {name} {kind}".replace("/", " "), requests, once)
                    measures.serve(f"{name}, {kind}", file)


def requests_of(kind, number, seconds):
    """The requests, the reports new in each run."""
    return ((HEALTH, [("GET", "/health", "", "")], False),
            (KEPT, customers.license_requests(range(1, 17)), False),
            (REPORT, usage.singles(f"tail-{kind.replace(' ', '-')}-{number}", 8000 * seconds), True))


def rows():
    """The compared figures: the words, and both figures."""
    return [(f"{name}: p99 {words}", f"{name}, {kind}", f"{name}, alone")
            for kind, words in (("idle clients", f"beside {IDLE} idle clients / without"),
                                ("reloads", "in reloads / without"))
            for name in (HEALTH, KEPT, REPORT)]


def figures():
    """The p99 in microseconds of each request in each situation, of this tree."""
    programs = build()
    with payments.stand_in() as stripe, Rig(programs, payments.settings(stripe)) as rig:
        measures = Measures(rig, statements(programs), 2, 1, SMALL)
        customers.fill(rig, 1, SMALL, measures.plan)
        measure(measures)
        return {name: measures.median(name, lambda result: result.p99_us)
                for name in measures.figures}


def compare(trees, rounds=3):
    """Prints the medians over the rounds, and the last tree's over the first one's."""
    found = {tree: [] for tree in trees}
    for _ in range(rounds):
        for tree in trees:
            # The script is this one, its modules are the tree's.
            done = subprocess.run([sys.executable, "-P", __file__], check=True, text=True,
                                  stdout=subprocess.PIPE, env={
                                      **os.environ,
                                      "PYTHONPATH": str(pathlib.Path(tree, "tests/bench"))})
            found[tree].append(json.loads(done.stdout))
    print(f"{'p99 in ms, each tree, and last / first':40}", *trees)
    for name in found[trees[0]][0]:
        medians = [statistics.median(one[name] for one in found[tree]) / 1000 for tree in trees]
        print(f"{name:40}", *(f"{median:9.1f}" for median in medians),
              f"{medians[-1] / medians[0]:7.2f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        compare(sys.argv[1:])
    else:
        json.dump(figures(), sys.stdout)
