"""Invalid FastCGI records on billingd's socket, which only nginx can reach. Valid requests are
still served, and a worker that crashes is replaced at once."""

import contextlib
import os
import random
import socket
import struct
import time

import pytest
from chaos.processes import children
from support.fcgi import ask
from support.stack import VARIANT, wait_for

# The C library prints this when a worker ends because libfcgi wrote past a buffer.
CRASH_LINE = b"*** stack smashing detected ***: terminated"
STACK = {"WORKERS": 3, "STRIPE_WORKERS": 1}
CHILDREN = 6  # the workers of both pools, the jobs process and the one of webhooks
# FULL=1 sends more.
COUNT = 20000 if os.environ.get("FULL") == "1" else 300
BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES = range(1, 10)


@pytest.fixture(scope="module")
def stack(new_stack):
    """A stack whose crashing workers may print a line to the log that is no JSON."""
    made = new_stack(**STACK)
    yield made
    made.stop()
    log = made.run_dir / "log/billingd.log"
    log.write_bytes(b"".join(line for line in log.read_bytes().splitlines(True)
                             if line.strip() != CRASH_LINE))
    made.close()


def deaths(stack):
    """The number of processes that have died so far."""
    return (stack.run_dir / "log/billingd.log").read_bytes().count(b'"process died"')


def record(kind, content=b"", id=1, version=1, length=None, padding=0):
    """One record; `length` may differ from the true one."""
    size = len(content) if length is None else length
    return struct.pack(">BBHHBB", version, kind, id, size, padding, 0) + content


def pair(name, value=b"", name_length=None, value_length=None):
    """A name and a value with lengths of four bytes, which may be wrong."""
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
    """Builds records that nginx would not send; each method builds one kind."""

    def __init__(self, rng):
        self.rng = random.Random(rng.random())
        self.kinds = [self.noise, self.truncated, self.flipped, self.mixed, self.interleaved,
                      self.wrong_lengths, self.long_names, self.values, self.unknown,
                      self.wrong_content_length]

    def noise(self):
        """Random bytes."""
        return self.rng.randbytes(self.rng.randrange(400))

    def truncated(self):
        """The first part of a request."""
        text = b"".join(whole())
        return text[:self.rng.randrange(len(text))]

    def flipped(self):
        """A request with some wrong bytes."""
        text = bytearray(b"".join(whole()))
        for _ in range(self.rng.randint(1, 8)):
            text[self.rng.randrange(len(text))] = self.rng.randrange(256)
        return bytes(text)

    def mixed(self):
        """The records of a request in random order, some twice or not at all."""
        return b"".join(self.rng.choices(whole(), k=self.rng.randint(1, 12)))

    def interleaved(self):
        """A request with records of other requests in between."""
        text = b""
        for one in whole():
            other = record(self.rng.randrange(1, 12), self.rng.randbytes(8), self.rng.randrange(9))
            text += one + other
        return text

    def wrong_lengths(self):
        """Records with a wrong length, another version or padding."""
        return record(BEGIN, b"\0\1\0\0\0\0\0\0") + record(
            self.rng.randrange(12), self.rng.randbytes(self.rng.randrange(99)),
            version=self.rng.choice((0, 1, 2, 255)), length=self.rng.choice((0, 7, 65535)),
            padding=self.rng.randrange(256))

    def long_names(self):
        """Names and values of up to two gibibytes, of which only some bytes are sent."""
        length = self.rng.choice((2**31 - 1, 2**31 - 8, 2**30, 2**24, 65536))
        lengths = self.rng.choice(({"name_length": length}, {"value_length": length},
                                   {"name_length": length, "value_length": length}))
        return record(BEGIN, b"\0\1\0\0\0\0\0\0") + record(PARAMS, pair(b"A", b"b", **lengths)) + \
            record(PARAMS, self.rng.randbytes(1000)) + record(PARAMS)

    def values(self):
        """Many queries for values of the library, known and unknown."""
        names = (b"FCGI_MAX_CONNS", b"FCGI_MAX_REQS", b"FCGI_MPXS_CONNS", b"X" * 50)
        asked = b"".join(pair(self.rng.choice(names)) for _ in range(self.rng.randint(1, 40)))
        return record(GET_VALUES, asked, id=0) + b"".join(whole())

    def unknown(self):
        """Unknown roles and kinds of records, and an aborted request."""
        return record(BEGIN, struct.pack(">HB5x", self.rng.randrange(9), self.rng.randrange(2))
                      ) + record(ABORT) + record(self.rng.randrange(12, 256), b"x" * 8, id=0)

    def wrong_content_length(self):
        """A body whose CONTENT_LENGTH is wrong or no number."""
        length = self.rng.choice(("0", "1", "-1", "99999", "9" * 30, "x", "", "0x10"))
        return b"".join(whole(self.rng.randbytes(self.rng.randrange(3000)),
                              CONTENT_LENGTH=length))


def throw(path, text):
    """Sends the bytes, and waits until the worker closes the connection: at its end, or when it crashes."""
    with socket.socket(socket.AF_UNIX) as peer, contextlib.suppress(OSError):
        peer.settimeout(5)
        peer.connect(str(path))
        peer.sendall(text)
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(4096):
            pass


def insist(stack, *request, **params):
    """Sends the request up to six times, as nginx does: a worker closes a connection on which
    nothing arrives for a fifth of a second."""
    for _ in range(5):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            return ask(stack.socket, *request, **params)
    return ask(stack.socket, *request, **params)


def time_valid_request(stack):
    """Sends a valid request; returns the seconds until its answer."""
    start = time.monotonic()
    status, answer = insist(stack, "GET", "/api/plans")
    assert status == 200 and answer["plans"]
    return time.monotonic() - start


@pytest.mark.skipif(VARIANT == "sanitize",
                    reason="libfcgi writes past its buffers, and AddressSanitizer reports that")
def test_invalid_records(stack, rng, report):
    records, customer = Records(rng), stack.api.sign_up()
    wait_for(lambda: len(children(stack)) == CHILDREN)
    stored = stack.sql("SELECT count(*) FROM usage_reports")
    waits, before = [], deaths(stack)
    for number in range(COUNT):
        kind = rng.choice(records.kinds)
        throw(stack.socket, kind())
        if number % 10 == 0:
            waits.append(time_valid_request(stack))
    wait_for(lambda: len(children(stack)) == CHILDREN, every=0.01)
    report(records=COUNT, workers_died=deaths(stack) - before, slowest_answer=f"{max(waits):.3f} s")
    assert stack.api.owner.post("/api/usage/report", {"customer_id": customer.id}
                                ).status_code == 201
    assert stack.sql("SELECT count(*) FROM usage_reports") == str(int(stored) + 1)
    # A worker that crashes before its first answer is replaced after a second.
    assert max(waits) < 10


def test_requests_that_nginx_passes_on_crash_no_worker(stack, rng, report):
    """Clients can make nginx pass on any header values, any body and any path."""
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
