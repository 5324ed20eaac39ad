"""Fixtures of the stand-in's own tests: `/usr/bin/python3 -m pytest tests/stripe`."""

import http.server
import json
import os
import pathlib
import subprocess
import threading
import time

import handle
import pytest
from standin import clock, model, wire
from standin.operations import catalogue
from standin.server import StandIn as Inside
from standin.state import State

PRICES = ("starter=price_starter:2900:month,professional=price_pro:9900:month,"
          "enterprise=price_enterprise:99000:year")
SHARED = pathlib.Path(os.environ.get("SHARED_DIR",
                                     pathlib.Path(__file__).parents[3] / "shared")) / "stripe"


class Still(clock.Clock):
    """A clock that tests alone move: seconds that a busy machine takes change no time in an answer."""

    def __init__(self):
        super().__init__()
        self.began = int(time.time())

    def now(self):
        """The current second."""
        return self.standing if self.standing is not None else self.began + self.offset


class Local(handle.StandIn):
    """A stand-in inside this process, without a socket: for whatever needs none."""

    def __init__(self, *, prices=PRICES, live=False, version=handle.BASIL):
        self.secret_key = "sk_live_x" if live else handle.SECRET_KEY
        self.webhook_secret = handle.WEBHOOK_SECRET
        self.control_token = handle.CONTROL_TOKEN
        self.inside_state = State(livemode=live, api_version=version)
        self.inside_state.clock = Still()
        plans = catalogue.add_named(self.inside_state, prices)
        self.inside = Inside(self.inside_state, self.secret_key, plans=plans, workers=0,
                             control_token=self.control_token)
        self.inside_state.public_url = "http://127.0.0.1"

    def exchange(self, method, path, body=None, headers=None, timeout=0):
        """One request, straight to the code."""
        names = {name.lower(): value for name, value in (headers or {}).items()}
        body = body.encode() if isinstance(body, str) else body or b""
        answer = self.inside.respond(wire.Request(method, path, names, body, 1,
                                                  ("127.0.0.1", 0)))
        shown = {name.lower(): value for name, value in answer.headers.items()}
        return answer.status, shown, answer.body

    # Steps that many tests begin with

    def customer(self, card="pm_card_visa", **params):
        """A customer, with a card unless it is None."""
        params.setdefault("email", "ada@example.com")
        if card:
            params["payment_method"] = card
        return self.call("POST", "/v1/customers", params)["id"]

    def subscribe(self, customer=None, price="price_starter", **params):
        """A subscription."""
        return self.call("POST", "/v1/subscriptions", {
            "customer": customer or self.customer(), "items[0][price]": price, **params})

    def subscription(self, id):
        """A subscription as it is now, in canonical form."""
        return self.state()["subscriptions"][id]

    def types(self, customer=None):
        """The types of all events so far."""
        return [event["type"] for event in self.events(customer=customer)]

    def set_clock(self, second):
        """Puts the clock at a second before anything happens, also a past one."""
        self.inside_state.clock.offset = 0
        self.inside_state.clock.offset = second - self.inside_state.now()


@pytest.fixture
def stripe():
    """A fresh stand-in inside this process."""
    return Local()


@pytest.fixture(scope="session")
def process():
    """A stand-in as a process, shared by the tests that need real connections."""
    with handle.StandIn(prices=PRICES) as running:
        yield running


class Receiver:
    """A webhook endpoint that keeps what it gets and answers as it is told."""

    def __init__(self):
        receiver = self
        self.got = []
        self.answers = []

        class Handler(http.server.BaseHTTPRequestHandler):
            """Notes a delivery."""

            def do_POST(self):  # the name that the library asks for
                """Keeps headers and body, answers with the next status."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers), body))
                status = receiver.answers.pop(0) if receiver.answers else 200
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", receiver.url)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format, *args):
                """Keeps quiet."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook?x=1"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def events(self):
        """The delivered events, parsed."""
        return [json.loads(body) for _, body in self.got]

    def close(self):
        """Stops listening."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    """A webhook endpoint."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def delivering(process, receiver):
    """The process, delivering to the receiver, with nothing left over before or after."""
    process.drop()
    process.webhook(receiver.url)
    yield process
    process.faults([])
    process.hold(False)
    process.webhook(None)


def make_certificate(folder):
    """A certificate for 127.0.0.1 that signs itself: paths of it and its key."""
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days",
                    "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    return cert, key


def make_price(stripe, **more):
    """A price in the state of a local stand-in, of any kind."""
    more.setdefault("product", "prod_starter")
    price = model.Price(stripe.inside_state.new_id("price_"), 0, **more)
    stripe.inside_state.prices.add(price)
    return price.id
