"""Time in the stand-in: real time plus an offset that tests move, and an agenda of what is due.

Actions run with the clock standing at the second they were due, also when time is moved over
many of them or when the process wakes late, so that periods and dates come out exactly."""

import contextlib
import heapq
import itertools
import time


class Clock:
    """The time, in whole seconds since the epoch."""

    def __init__(self):
        self.offset = 0
        self.standing = None

    def now(self):
        """The current second."""
        if self.standing is not None:
            return self.standing
        return int(time.time() + self.offset)

    @contextlib.contextmanager
    def at(self, second):
        """Lets the clock stand at a second."""
        before, self.standing = self.standing, second
        try:
            yield
        finally:
            self.standing = before


class Agenda:
    """Objects by the time at which they are due. The reader of an entry checks whether something is
    due, so objects are entered anew after each change and old entries need not be removed."""

    def __init__(self):
        self.entries = []
        self.order = itertools.count()

    def enter(self, second, kind, id):
        """Has an object looked at from a second on. None: never."""
        if second is not None:
            heapq.heappush(self.entries, (second, next(self.order), kind, id))

    def run(self, clock, until, handlers):
        """Runs everything due up to a second, in order of time."""
        while self.entries and self.entries[0][0] <= until:
            second, _, kind, id = heapq.heappop(self.entries)
            with clock.at(second):
                handlers[kind](id)
