"""Guarantee 18: whatever comes in on billingd's socket, which only nginx can reach, harms nobody: who
sends what nginx sends is served, and a worker that dies of something else is replaced at once."""

import contextlib
import os
import random
import socket
import struct
import time

import pytest
from chaos.processes import children
from support.fcgi import ask
from support.stack import wait_for

# What the C library says when a worker ends because libfcgi wrote too far.
LAST_WORDS = b"*** stack smashing detected ***: terminated"
# FULL=1 sends more.
COUNT = 20000 if os.environ.get("FULL") == "1" else 300
BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES = range(1, 10)


@pytest.fixture(scope="module")
def stack(new_stack):
    """One whose workers may die with last words that are no line of the log's."""
    made = new_stack(WORKERS=3, STRIPE_WORKERS=1)
    yield made
    made.stop()
    log = made.run_dir / "log/billingd.log"
    log.write_bytes(b"".join(line for line in log.read_bytes().splitlines(True)
                             if line.strip() != LAST_WORDS))
    made.close()


def deaths(stack):
    """How many processes have died so far."""
    return (stack.run_dir / "log/billingd.log").read_bytes().count(b'"process died"')


def record(kind, content=b"", id=1, version=1, length=None, padding=0):
    """One record; its length may be a lie."""
    size = len(content) if length is None else length
    return struct.pack(">BBHHBB", version, kind, id, size, padding, 0) + content


def pair(name, value=b"", name_length=None, value_length=None):
    """A name and a value with lengths of four bytes, which may be lies."""
    lengths = (len(name) if name_length is None else name_length,
               len(value) if value_length is None else value_length)
    return b"".join(struct.pack(">I", length | 1 << 31) for length in lengths) + name + value


def whole(body=b"{}", **more):
    """A request as nginx sends it."""
    names = {"REQUEST_METHOD": "POST", "REQUEST_URI": "/api/usage/report", "REQUEST_ID": "fuzz",
             "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body)), **more}
    params = b"".join(pair(name.encode(), value.encode()) for name, value in names.items())
    return [record(BEGIN, b"\0\1\0\0\0\0\0\0"), record(PARAMS, params), record(PARAMS),
            record(STDIN, body), record(STDIN)]


class Records:
    """Makes what nginx would not send; each method one kind of it."""

    def __init__(self, rng):
        self.rng = random.Random(rng.random())
        self.kinds = [self.noise, self.cut, self.flipped, self.mixed, self.interleaved, self.lies,
                      self.long_names, self.values, self.unknown, self.body_lies]

    def noise(self):
        """Anything."""
        return self.rng.randbytes(self.rng.randrange(400))

    def cut(self):
        """The beginning of a request."""
        text = b"".join(whole())
        return text[:self.rng.randrange(len(text))]

    def flipped(self):
        """A request with some wrong bytes."""
        text = bytearray(b"".join(whole()))
        for _ in range(self.rng.randint(1, 8)):
            text[self.rng.randrange(len(text))] = self.rng.randrange(256)
        return bytes(text)

    def mixed(self):
        """Its records in another order, some twice or not at all."""
        return b"".join(self.rng.choices(whole(), k=self.rng.randint(1, 12)))

    def interleaved(self):
        """Records of other requests in between."""
        text = b""
        for one in whole():
            other = record(self.rng.randrange(1, 12), self.rng.randbytes(8), self.rng.randrange(9))
            text += one + other
        return text

    def lies(self):
        """Records that are shorter or longer than they say, of another version, padded."""
        return record(BEGIN, b"\0\1\0\0\0\0\0\0") + record(
            self.rng.randrange(12), self.rng.randbytes(self.rng.randrange(99)),
            version=self.rng.choice((0, 1, 2, 255)), length=self.rng.choice((0, 7, 65535)),
            padding=self.rng.randrange(256))

    def long_names(self):
        """Names and values of up to two gibibytes, of which some bytes come."""
        length = self.rng.choice((2**31 - 1, 2**31 - 8, 2**30, 2**24, 65536))
        lengths = self.rng.choice(({"name_length": length}, {"value_length": length},
                                   {"name_length": length, "value_length": length}))
        return record(BEGIN, b"\0\1\0\0\0\0\0\0") + record(PARAMS, pair(b"A", b"b", **lengths)) + \
            record(PARAMS, self.rng.randbytes(1000)) + record(PARAMS)

    def values(self):
        """Asks for values of the library, known and unknown, again and again."""
        names = (b"FCGI_MAX_CONNS", b"FCGI_MAX_REQS", b"FCGI_MPXS_CONNS", b"X" * 50)
        asked = b"".join(pair(self.rng.choice(names)) for _ in range(self.rng.randint(1, 40)))
        return record(GET_VALUES, asked, id=0) + b"".join(whole())

    def unknown(self):
        """Other roles and other kinds of records; a request that is aborted."""
        return record(BEGIN, struct.pack(">HB5x", self.rng.randrange(9), self.rng.randrange(2))
                      ) + record(ABORT) + record(self.rng.randrange(12, 256), b"x" * 8, id=0)

    def body_lies(self):
        """A body that is longer or shorter than announced, or announced by no number."""
        length = self.rng.choice(("0", "1", "-1", "99999", "9" * 30, "x", "", "0x10"))
        return b"".join(whole(self.rng.randbytes(self.rng.randrange(3000)),
                              CONTENT_LENGTH=length))


def throw(path, text):
    """Sends it and goes away; sometimes whoever listens has gone before."""
    with socket.socket(socket.AF_UNIX) as peer, contextlib.suppress(OSError):
        peer.settimeout(5)
        peer.connect(str(path))
        peer.sendall(text)
        peer.shutdown(socket.SHUT_WR)
        peer.recv(4096)


def insist(stack, *request, **params):
    """Asks as nginx does, which goes to the next worker when it was too slow for one of them: who
    connects and then says nothing for a fifth of a second is sent away."""
    for _ in range(5):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            return ask(stack.socket, *request, **params)
    return ask(stack.socket, *request, **params)


def honest(stack):
    """A request as nginx sends it; seconds until it was answered."""
    start = time.monotonic()
    status, answer = insist(stack, "GET", "/api/plans")
    assert status == 200 and answer["plans"]
    return time.monotonic() - start


def test_records_of_any_kind(stack, rng, report):
    records, customer = Records(rng), stack.api.sign_up()
    size = len(wait_for(lambda: len(children(stack)) >= 5 and children(stack)))
    stored = stack.sql("SELECT count(*) FROM usage_reports")
    waits, before = [], deaths(stack)
    for number in range(COUNT):
        kind = rng.choice(records.kinds)
        throw(stack.socket, kind())
        if number % 10 == 0:
            waits.append(honest(stack))
    wait_for(lambda: len(children(stack)) == size, every=0.01)
    report(records=COUNT, workers_died=deaths(stack) - before, slowest_answer=f"{max(waits):.3f} s")
    assert stack.api.owner.post("/api/usage/report", {"customer_id": customer.id}
                                ).status_code == 201
    assert stack.sql("SELECT count(*) FROM usage_reports") == str(int(stored) + 1)
    # Who dies without having served anybody comes back after a second.
    assert max(waits) < 10


def test_what_nginx_may_send_kills_nobody(stack, rng, report):
    """Whatever a client can make nginx pass on: any header values, any body, any address."""
    died, before = deaths(stack), set(children(stack))
    for number in range(COUNT):
        def text():
            return "".join(chr(rng.choice((rng.randrange(32, 127), rng.randrange(128, 256))))
                           for _ in range(rng.randrange(2000)))
        status, _ = insist(
            stack, rng.choice(("POST", "GET", "X", "")),
            "/api/usage/report" + text()[:rng.randrange(200)], rng.randbytes(rng.randrange(5000)),
            HTTP_AUTHORIZATION=text(), HTTP_X_API_KEY=text(), HTTP_IDEMPOTENCY_KEY=text(),
            QUERY_STRING=text(), CONTENT_TYPE=rng.choice(("application/json", text())))
        assert 400 <= status < 500, status
    report(requests=COUNT, workers_died=deaths(stack) - died)
    assert deaths(stack) == died and set(children(stack)) == before
