"""Delivers events to webhook endpoints: signed posts, a few at a time, with retries. Holding
keeps them back; by hand they can be sent in any order and number."""

import hashlib
import heapq
import hmac
import http.client
import itertools
import json
import ssl
import threading
import time
import urllib.parse

from . import shapes
from .operations import events

TIMEOUT = 20
MAX_LOG = 20_000


def sign(secrets, body, timestamp):
    """The Stripe-Signature header: one v1 for each secret, and a v0 that nobody should trust."""
    parts = [f"t={timestamp}"]
    for secret in secrets:
        signature = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
        parts.append("v1=" + signature.hexdigest())
    fake = hashlib.sha256(b"v0" + body).hexdigest()
    return ",".join([*parts, "v0=" + fake])


class Courier:
    """The deliverer. `retry_scale` is the wait before the first retry in seconds; each further
    wait is twice as long."""

    def __init__(self, state, *, workers=4, retry_scale=5.0, attempts=8, ca_file=None):
        self.state = state
        self.retry_scale = retry_scale
        self.attempts = attempts
        self.held = False
        self.queue = []
        self.order = itertools.count()
        self.waking = threading.Condition()
        self.in_flight = 0
        self.log = []
        self.tls = ssl.create_default_context(cafile=ca_file) if ca_file else None
        for _ in range(workers):
            threading.Thread(target=self.work, daemon=True).start()

    def announce(self, event):
        """Takes in a new event for every endpoint that listens to it."""
        for endpoint in self.state.endpoints.values():
            if events.listens(endpoint, event.type):
                event.deliveries[endpoint.id] = "pending"
                self.plan(event.id, endpoint.id, 1, 0)

    def resume_all(self):
        """Takes up what was pending before a restart."""
        for event in self.state.events.values():
            for endpoint, delivery in event.deliveries.items():
                if delivery == "pending":
                    self.plan(event.id, endpoint, 1, 0)

    def plan(self, event, endpoint, attempt, wait):
        """Enters an attempt."""
        with self.waking:
            heapq.heappush(self.queue, (time.monotonic() + wait, next(self.order), event,
                                        endpoint, attempt))
            self.waking.notify()

    def hold(self, held):
        """Keeps deliveries back, or lets them go."""
        with self.waking:
            self.held = held
            self.waking.notify_all()

    def hurry(self):
        """Lets waiting retries begin now."""
        with self.waking:
            self.queue = [(0, *entry[1:]) for entry in self.queue]
            heapq.heapify(self.queue)
            self.waking.notify_all()

    def next(self):
        """Waits for an attempt whose time has come."""
        with self.waking:
            while True:
                wait = None
                if self.queue and not self.held:
                    wait = self.queue[0][0] - time.monotonic()
                    if wait <= 0:
                        self.in_flight += 1
                        return heapq.heappop(self.queue)[2:]
                self.waking.wait(wait)

    def work(self):
        """One of the workers."""
        while True:
            event, endpoint, attempt = self.next()
            try:
                self.attempt(event, endpoint, attempt)
            finally:
                with self.waking:
                    self.in_flight -= 1

    def attempt(self, event_id, endpoint_id, attempt):
        """Makes one attempt, unless the event was delivered or dropped meanwhile."""
        with self.state.lock:
            event = self.state.events.get(event_id)
            endpoint = self.state.endpoints.get(endpoint_id)
            if event is None or event.deliveries.get(endpoint_id) != "pending":
                return
            if endpoint is None:
                event.deliveries[endpoint_id] = "dropped"
                return
        status = self.deliver(event, endpoint, attempt=attempt)
        if 200 <= status < 300:
            return
        if attempt < self.attempts:
            self.plan(event_id, endpoint_id, attempt + 1,
                      self.retry_scale * 2 ** (attempt - 1))
            return
        with self.state.lock:
            event.deliveries[endpoint_id] = "failed"

    def deliver(self, event, endpoint, *, attempt=0, version=None):
        """Sends an event to an endpoint and notes a success. The answer's status, 0 for none."""
        with self.state.lock:
            version = version or endpoint.api_version or event.api_version
            body = json.dumps(shapes.event_in_shape(
                self.state, event, shapes.shape_of(version), version)).encode()
            url, secrets = endpoint.url, list(endpoint.secrets)
        status = self.post(url, secrets, body, event.id, event.type, attempt)
        if 200 <= status < 300:
            with self.state.lock:
                event.deliveries[endpoint.id] = "delivered"
                self.state.save()
        return status

    def post(self, url, secrets, body, id, type, attempt, headers=None):
        """One signed post; redirects are not followed. The status, 0 when there is no answer.
        Its signature says real time, as the receiver compares it with its own clock."""
        began = time.monotonic()
        error = None
        try:
            status = self.exchange(url, body, headers or {
                "Stripe-Signature": sign(secrets, body, int(time.time()))})
        except (OSError, ValueError, http.client.HTTPException) as failure:
            status, error = 0, repr(failure)
        if len(self.log) >= MAX_LOG:
            del self.log[:MAX_LOG // 2]
        self.log.append({"event": id, "type": type, "url": url, "attempt": attempt,
                         "status": status, "error": error,
                         "seconds": round(time.monotonic() - began, 4)})
        return status

    def exchange(self, url, body, headers):
        """The bare request."""
        where = urllib.parse.urlsplit(url)
        if where.scheme == "https":
            link = http.client.HTTPSConnection(where.hostname, where.port, timeout=TIMEOUT,
                                               context=self.tls)
        else:
            link = http.client.HTTPConnection(where.hostname, where.port, timeout=TIMEOUT)
        try:
            link.request("POST", where.path + ("?" + where.query if where.query else ""), body, {
                "Content-Type": "application/json; charset=utf-8", "Accept": "*/*; q=0.5",
                "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
                "Cache-Control": "no-cache", **headers})
            answer = link.getresponse()
            answer.read(65536)
            return answer.status
        finally:
            link.close()

    def idle(self):
        """Whether nothing is queued or under way."""
        with self.waking:
            return not self.queue and self.in_flight == 0

    def pending(self):
        """The queue: event, type, endpoint, attempt, and seconds until it is sent."""
        with self.waking:
            queue = sorted(self.queue)
        now = time.monotonic()
        with self.state.lock:
            return [{"event": event, "type": self.state.events[event].type,
                     "endpoint": endpoint, "attempt": attempt, "seconds": max(0, due - now)}
                    for due, _, event, endpoint, attempt in queue
                    if event in self.state.events
                    and self.state.events[event].deliveries.get(endpoint) == "pending"]
