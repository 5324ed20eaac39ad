"""An attack beside an honest client: how long the honest client waits, in quiet and under attack."""

import contextlib
import threading
import time

import requests.adapters
from support.client import Client
from support.stack import within

# The honest client does not come near a rate limit.
PAUSE = 0.03

# On a busy machine the quiet value is a matter of luck: below this, no difference is judged.
UNNOTICED = within(0.1)


def p99(seconds):
    """The 99th percentile."""
    return sorted(seconds)[len(seconds) * 99 // 100]


class _From(requests.adapters.HTTPAdapter):
    """Connects from an address of this host."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *arguments, **more):
        super().init_poolmanager(*arguments, source_address=(self.address, 0), **more)


def client_at(stack, address, key):
    """A client with an address of its own, so that nginx's limits by address tell it from others."""
    made = Client(stack, {"X-API-Key": key})
    made.session.mount("https://", _From(address))
    return made


def times_of(act, count):
    """How long each of so many calls takes, one after the other, in seconds."""
    taken = []
    for _ in range(count):
        start = time.monotonic()
        act()
        taken.append(time.monotonic() - start)
        time.sleep(PAUSE)
    return taken


class Attack(contextlib.AbstractContextManager):
    """Repeats the attackers' functions, each in a thread of its own, until the block ends. `count` is
    the number of calls; a function that fails makes the block fail."""

    def __init__(self, *attackers):
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(one,)) for one in attackers]
        self.count = 0
        self.failures = []

    def _run(self, attacker):
        try:
            while not self.over.is_set():
                attacker()
                self.count += 1
        except Exception as failure:  # pylint: disable=broad-exception-caught
            self.failures.append(failure)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
        if kind is None and self.failures:
            raise self.failures[0]


def unharmed(honest, attackers, count=200):
    """Asserts that the p99 of the honest client's calls stays under three times its quiet value while
    the attackers run. Both values in milliseconds, and how often the attackers called."""
    honest()
    quiet = p99(times_of(honest, count))
    with Attack(*attackers) as attack:
        loud = p99(times_of(honest, count))
    assert loud < max(3 * quiet, UNNOTICED), f"p99 {quiet:.3f} s in quiet, {loud:.3f} s under attack"
    return {"p99_quiet": f"{1000 * quiet:.1f} ms", "p99_attacked": f"{1000 * loud:.1f} ms",
            "calls_of_the_attackers": attack.count}
