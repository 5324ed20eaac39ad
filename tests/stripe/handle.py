"""A handle on the stand-in for tests: starts it as a process of its own, and has a method for
each part of the control interface that __main__.py documents.

    with StandIn(webhook_url=..., prices="starter=price_s:2900:month") as stripe:
        stripe.complete(session)
        stripe.advance(days=31)
        assert stripe.state()["charged"][customer] == 5800
"""

import contextlib
import http.client
import json
import pathlib
import ssl
import subprocess
import sys
import time
import urllib.parse

PROGRAM = pathlib.Path(__file__).parent
SECRET_KEY = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"
WEBHOOK_SECRET = "whsec_test_7Qp2mVb9Xc4ZtN1s"
CONTROL_TOKEN = "control_test_8Vd3nRk5"
BASIL = "2025-03-31.basil"
OLD = "2023-10-16"
NEWEST = "2026-10-28.endive"
PYTHON = "/usr/bin/python3"


class ControlError(Exception):
    """A control request was refused."""


class StandIn:
    """A stand-in that runs. The keyword arguments are its options with underscores; `port` stays
    the same over restarts."""

    def __init__(self, *, secret_key=SECRET_KEY, webhook_secret=WEBHOOK_SECRET, retry_scale=0.05,
                 log=None, **options):
        self.secret_key = secret_key
        self.webhook_secret = webhook_secret
        self.control_token = CONTROL_TOKEN
        self.options = {"retry_scale": retry_scale, **options}
        self.log = log
        self.process = None
        self.port = options.get("port", 0)
        self.url = None
        self.last_headers = {}
        self.tls = None
        if options.get("tls_cert"):
            self.tls = ssl.create_default_context()
            self.tls.check_hostname = False
            self.tls.verify_mode = ssl.CERT_NONE
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Starts it, on the port it had before."""
        command = [PYTHON, str(PROGRAM), "--secrets-file", "-"]
        for name, value in {**self.options, "port": self.port}.items():
            if value is not None:
                command += ["--" + name.replace("_", "-"), str(value)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log or sys.stderr, text=True)
        # Not on the command line, which every user of the machine can read.
        with self.process.stdin as secrets:
            json.dump({"secret_key": self.secret_key, "webhook_secret": self.webhook_secret,
                       "control_token": self.control_token}, secrets)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the stand-in ended with {self.process.wait()}")
        ready = json.loads(line)
        self.port, self.url = ready["port"], ready["url"]

    def stop(self):
        """Ends it."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
        self.reap()

    def kill(self):
        """Ends it as a crash would."""
        self.process.kill()
        self.reap()

    def reap(self):
        """Waits for its end."""
        if self.process:
            self.process.wait(60)
            self.process.stdout.close()
            self.process = None

    def restart(self):
        """Ends and starts it; what it knew is there again when it has a data_file."""
        self.stop()
        self.start()

    # Requests

    def exchange(self, method, path, body=None, headers=None, timeout=60):
        """One request on a connection of its own: status, headers in small letters, body."""
        kind = http.client.HTTPSConnection if self.tls else http.client.HTTPConnection
        more = {"context": self.tls} if self.tls else {}
        link = kind("127.0.0.1", self.port, timeout=timeout, **more)
        with contextlib.closing(link):
            link.request(method, path, body, headers or {})
            answer = link.getresponse()
            return answer.status, {name.lower(): value for name, value in
                                   answer.getheaders()}, answer.read()

    def api(self, method, path, params=None, *, version=BASIL, key=None, headers=None):
        """One call of the API with flat parameters ({"items[0][price]": "price_1"}): status and
        JSON. The answer's headers are in last_headers."""
        sent = {"Authorization": "Bearer " + self.secret_key, "Stripe-Version": version,
                **(headers or {})}
        if key:
            sent["Idempotency-Key"] = key
        text = urllib.parse.urlencode(params or {})
        body = None
        if method == "POST":
            body = text
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        elif text:
            path += "?" + text
        status, self.last_headers, answer = self.exchange(method, path, body, sent)
        return status, json.loads(answer)

    def call(self, method, path, params=None, **more):
        """api() that must succeed: the JSON."""
        status, answer = self.api(method, path, params, **more)
        assert status == 200, f"{method} {path}: {status} {answer}"
        return answer

    def control(self, action, wish=None):
        """One control request: GET without a wish, POST with one."""
        status, _, answer = self.exchange(
            "GET" if wish is None else "POST", "/_control/" + action,
            None if wish is None else json.dumps(wish),
            {"Authorization": "Bearer " + self.control_token})
        if status != 200:
            raise ControlError(f"{action}: {status} {answer.decode()}")
        return json.loads(answer)

    # Time, cards, people

    def advance(self, seconds=0, *, hours=0, days=0, to=None):
        """Moves time on; everything due on the way has happened then."""
        wish = {"to": to} if to else {"seconds": seconds + 3600 * hours + 86400 * days}
        return self.control("advance", wish)["now"]

    def now(self):
        """The stand-in's time."""
        return self.control("ping")["now"]

    def settings(self, **wishes):
        """Changes settings; gives all."""
        return self.control("settings", wishes)

    def account(self, id):
        """Has the key be of another account; each keeps its own objects."""
        self.control("account", {"account": id})

    def lose(self, id):
        """Loses an object without any event."""
        self.control("lose", {"id": id})

    def card(self, customer, behaviour):
        """Sets how a customer's card behaves."""
        return self.control("card", {"customer": customer, "behaviour": behaviour})

    def complete(self, session, card="good", **more):
        """Pays a checkout session."""
        return self.control("complete", {"session": session, "card": card, **more})

    def expire(self, session):
        """Lets a checkout session expire."""
        return self.control("expire", {"session": session})

    def pay(self, invoice, card=None):
        """Pays an invoice."""
        wish = {"invoice": invoice}
        if card:
            wish["card"] = card
        return self.control("pay", wish)["paid"]

    def refund(self, customer, amount=None):
        """Gives back a customer's newest charge, or a part of it. The charge's id."""
        charge = [one for one in self.state()["charges"] if one["customer"] == customer][-1]["id"]
        self.call("POST", "/v1/refunds", {"charge": charge,
                                          **({"amount": amount} if amount else {})})
        return charge

    def dispute(self, customer, status="needs_response"):
        """A customer disputes his newest charge at his bank. The dispute's id."""
        return self.control("dispute", {"customer": customer, "status": status})["dispute"]

    def close_dispute(self, dispute, status):
        """The bank decides: won, lost or warning_closed."""
        self.control("close_dispute", {"dispute": dispute, "status": status})

    def migrate(self, subscription):
        """Moves a subscription to flexible billing mode."""
        return self.call("POST", f"/v1/subscriptions/{subscription}/migrate",
                         {"billing_mode[type]": "flexible"}, version=NEWEST)

    # Events and webhooks

    def webhook(self, url, **more):
        """Sets where events go; secrets, api_version and enabled_events too."""
        more.setdefault("secrets", self.webhook_secret.split(","))
        return self.control("webhook", {"url": url, **more})

    def hold(self, held=True):
        """Keeps deliveries back, or lets them go."""
        self.control("hold", {"held": held})

    def queue(self):
        """The events that wait to be delivered."""
        return self.control("queue")

    def hurry(self):
        """Lets retries begin now."""
        self.control("hurry", {})

    def events(self, type=None, customer=None):
        """The event log, oldest first."""
        return [event for event in self.control("events")
                if type in (None, event["type"])
                and customer in (None, event["customer"], event["object"])]

    def deliver(self, events, **more):
        """Sends events now, in this order: times, parallel, version, endpoint."""
        ids = [event if isinstance(event, str) else event["id"] for event in events]
        return self.control("deliver", {"events": ids, **more})

    def drop(self, events="all"):
        """Never delivers what is pending."""
        return self.control("drop", {"events": events})

    def send(self, event=None, **more):
        """Sends anything: event or body, url, secrets, timestamp, headers. The status."""
        wish = dict(more)
        if event is not None:
            wish["event"] = event
        return self.control("send", wish)["status"]

    def thin(self, type, related=None, **more):
        """Sends a thin event. The status."""
        return self.control("thin", {"type": type, "related": related, **more})["status"]

    def deliveries(self):
        """Every attempt so far."""
        return self.control("deliveries")

    def wait_idle(self, seconds=60):
        """Waits until every delivery has succeeded or was given up."""
        self.wait(lambda: self.control("idle")["idle"], seconds)

    @staticmethod
    def wait(condition, seconds=60):
        """Waits for a condition."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds} s")
            time.sleep(0.02)

    # Faults and what happened

    def fault(self, kind, *, method=None, path="", agent="", times=1, skip=0, **details):
        """Sets one fault rule in place of all others; `agent`: how the User-Agent begins."""
        self.faults([{"match": {"method": method, "path": path, "agent": agent}, "times": times,
                      "skip": skip, "fault": {"kind": kind, **details}}])

    def faults(self, rules):
        """Sets the fault rules; none lets everything go well, also what hangs."""
        self.control("faults", {"rules": rules})

    def let_go(self, seconds=60):
        """No faults any more; on return, what they held up has run, whoever waited for it."""
        self.faults([])
        self.wait(lambda: self.counters()["under_way"] == 0, seconds)

    def requests(self, method=None, path=None):
        """The requests to the API since the last reset."""
        return [request for request in self.control("requests")
                if method in (None, request["method"])
                and (path is None or request["path"].startswith(path))]

    def reset_requests(self):
        """Forgets the requests."""
        self.control("requests/reset", {})

    def state(self):
        """Everything it knows in one canonical form."""
        return self.control("state")

    def counters(self):
        """How many of everything."""
        return self.control("counters")
