"""The dearest request that the limits of each route permit takes little of a worker's CPU time, so
that one caller cannot keep the workers busy. A new route needs an entry here."""

import json
import subprocess
import uuid
from pathlib import Path

import pytest
from support.client import expect
from support.payments import ask, buy, event
from support.stack import ROOT, VARIANT
from support.webhook import signed

MOST_MS = 20
TRIES = 3
KIB = 1024

pytestmark = pytest.mark.skipif(VARIANT != "release", reason="sanitizers cost time themselves")


def routes():
    """Method and pattern of each route, as the program has them."""
    lines = subprocess.run([ROOT / "build" / VARIANT / "billingd", "--routes"], check=True,
                           text=True, stdout=subprocess.PIPE).stdout.splitlines()
    return [" ".join(line.split()[:2]) for line in lines]


class Place:
    """A stack with one worker in each pool, and a customer who has all that a customer can have."""

    def __init__(self, stack):
        self.stack, self.api = stack, stack.api
        self.owner = self.api.owner
        self.customer = self.api.sign_up()
        self.id = self.customer.id
        buy(stack, self.customer, "starter")
        self.fill()
        names = {pid: Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
                 for pid in stack.pids()[1:]}
        self.workers = [pid for pid, name in names.items()
                        if name in ("billingd worker", "billingd stripe")]
        assert len(self.workers) == 2, names

    def fill(self):
        """Stores 10000 reports of 500 instances, and a hundred each of customers, invoices,
        licences; and all keys."""
        for first in range(0, 10000, 500):
            expect(self.owner.post("/api/usage/reports", {"reports": [
                self.report(first + number) for number in range(500)]}), 200)
        for _ in range(100):
            self.api.sign_up()
        for _ in range(19):
            self.api.mint(self.customer)
        self.stack.sql(f"""
            INSERT INTO licenses (jti, customer_id, kid, plan, reason, fingerprint, issued_at,
                expires_at)
            SELECT 'lic_' || replace(gen_random_uuid()::text, '-', ''), customer_id, kid, plan, reason, fingerprint, issued_at,
                expires_at
            FROM (SELECT * FROM licenses WHERE customer_id = '{self.id}' LIMIT 1) l,
            generate_series(1, 100)""")
        self.stack.sql("ANALYZE licenses, usage_reports, usage_daily, instances, customers")

    def activated(self):
        """A new instance in use."""
        name = uuid.uuid4().hex
        expect(self.owner.put(f"/api/customers/{self.id}/instances/{name}"), 201)
        return name

    def report(self, number=0):
        """A report with long names and all known metrics."""
        return {"customer_id": self.id, "instance_id": f"{number % 500:0100}",
                "report_id": f"{uuid.uuid4().hex:0>100}", "active_devices": 2**31 - 1,
                "total_devices": 2**31 - 1, "metrics": {"api_calls": number,
                                                        "mqtt_messages": 2**40 + number}}

    def spent_ns(self):
        """The CPU time of both workers."""
        return sum(int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0])
                   for pid in self.workers)

    def measure(self, make):
        """The least CPU time, in milliseconds, of a few tries of a request."""
        costs = []
        for _ in range(TRIES):
            method, path, more = make()
            before = self.spent_ns()
            answer = self.owner.request(method, path, faults=True, **more)
            costs.append((self.spent_ns() - before) / 1e6)
            why = [line for line in self.stack.billingd_log()[-200:]
                   if line["level"] in ("error", "warning")] if answer.status_code >= 500 else []
            assert answer.status_code < 500, f"{method} {path}: {answer.text[:500]} {why}"
        return min(costs)


def filled(size, start=b"{", item=b'"n%d":0,', end=b'"z":0}'):
    """JSON of at most so many bytes, made of many items."""
    parts, length, number = [start], len(start) + len(end), 0
    while True:
        part = item.replace(b"%d", b"%d" % number)
        length += len(part)
        if length > size:
            return b"".join([*parts, end])
        parts.append(part)
        number += 1


def hostile(size):
    """Bodies of that size that are dear to read: many members, the same name twice at the end, a
    long name, a long text with escapes, numbers, deep nesting, bytes that are no JSON."""
    return {
        "members": filled(size),
        "a repeated name": filled(size, end=b'"n0":0}'),
        "objects": filled(size, item=b'"n%d":{"a":{}},'),
        "a long name": b'{"%s":0}' % (b"x" * (size - 8)),
        "a long text": b'{"email":"%s","customer_id":"%s"}' % (
            b"\\u00e9" * (size // 14), b"\\n" * (size // 5)),
        "numbers": b'{"reports":[%s1],"scopes":[]}' % (b"1e1," * (size // 5)),
        "depth": b"[" * size,
        "no JSON": b"\xff" * size,
    }


def subscribed(place, cancel=False):
    """A further customer who pays."""
    customer = place.api.sign_up()
    buy(place.stack, customer, "starter")
    if cancel:
        expect(ask(customer.client, "cancel", customer.id, at_period_end=True), 200)
    return customer.id


def deletable_key(place):
    """The id of a key of a further customer, and the customer's."""
    customer = place.api.sign_up()
    return f"/api/customers/{customer.id}/keys/{place.api.mint(customer)[1]}"


CONTRACT = {"plan": "enterprise", "billing": "manual", "note": "x" * 500,
            "ends_at": "2040-01-01T00:00:00Z"}


def contract(place):
    """The path of a new customer's contract."""
    path = f"/api/customers/{place.api.sign_up().id}/contracts"
    return f"{path}/{place.api.owner.post(path, CONTRACT).json()['contract']['contract_id']}"


def endpoint_body(place):
    """The longest of a webhook endpoint that gets nothing; earlier ones are removed."""
    place.stack.sql("UPDATE webhook_endpoints SET state = 'deleted', types = NULL")
    return {"url": "https://receiver.invalid/" + "x" * 1900, "types": ["endpoint.disabled"] * 100,
            "description": "x" * 500}


def endpoint(place):
    """The path of a new webhook endpoint."""
    made = expect(place.api.owner.post("/api/webhook-endpoints", endpoint_body(place)), 201)
    return f"/api/webhook-endpoints/{made['endpoint']['endpoint_id']}"


def batch(place):
    """As many good reports as a batch takes."""
    return {"reports": [place.report(number) for number in range(500)]}


def bad_items(place):
    """Reports full of unknown members."""
    members = ",".join(f'"n{number}":0' for number in range(700))
    return ('{"reports":[%s]}' % ",".join("{%s}" % members for _ in range(73))).encode()


def big_event(size):
    """An event of Stripe that is about something else."""
    return json.dumps(event(data={"object": {f"n{n}": n for n in range(size // 16)}})).encode()


# The requests sent to each route: functions of the place that make method, path and body. A function that
# changes something makes a new subject each time. Routes that read a body get hostile ones too.
def get(path):
    return lambda place: {"what it shows": lambda: ("GET", path.format(id=place.id), {})}


def send(method, path, body=None, **more):
    """A request with that body, or the body that a function of the place makes."""
    def make(place):
        def once():
            made = body(place) if callable(body) else body
            where = path(place) if callable(path) else path.format(id=place.id)
            return method, where, {"body": made, **more}
        return {"a good request": once}
    return make


def of_customer(name, *, cancel=False, **more):
    """A request to the Stripe pool about a further customer who pays."""
    return send("POST", f"/api/subscriptions/{name}",
                lambda place: {"customer_id": subscribed(place, cancel), **more})


def post_event(place):
    data = big_event(1000 * KIB)
    return {"an event": lambda: ("POST", "/api/webhooks/stripe", {
                "data": big_event(900 * KIB), "headers": signed(data, "x")}),
            "a signed event": lambda: (lambda sent: ("POST", "/api/webhooks/stripe", {
                "data": sent, "headers": signed(sent, place.stack.webhook_secret)}))(
                    big_event(900 * KIB)),
            "many signatures": lambda: ("POST", "/api/webhooks/stripe", {
                "data": data[:1024 * KIB], "headers": {
                    **signed(data, "x"), "Stripe-Signature": "t=1," + "v1=00," * 1000}})}


def post_batch(place):
    return {"good reports": lambda: ("POST", "/api/usage/reports", {"body": batch(place)}),
            "unknown members": lambda: ("POST", "/api/usage/reports", {"data": bad_items(place)}),
            "with a key": lambda: ("POST", "/api/usage/reports", {
                "body": batch(place), "headers": {"Idempotency-Key": uuid.uuid4().hex}})}


TABLE = {
    "GET /health": get("/health"),
    "GET /health/ready": get("/health/ready"),
    "GET /metrics": get("/metrics"),
    "GET /openapi.json": get("/openapi.json"),
    "GET /.well-known/jwks.json": get("/.well-known/jwks.json"),
    "GET /.well-known/webhook-key": get("/.well-known/webhook-key"),
    "GET /api/plans": get("/api/plans"),
    "GET /api/brand": get("/api/brand"),
    "GET /api/brand/logo": get("/api/brand/logo"),
    "GET /api/brand/style.css": get("/api/brand/style.css"),
    "POST /api/customers": send("POST", "/api/customers", lambda place: {
        "email": place.api.email(), "company_name": "x" * 200}),
    "GET /api/customers": get("/api/customers?limit=100"),
    "GET /api/customers/:customer_id": get("/api/customers/{id}"),
    "PATCH /api/customers/:customer_id": send(
        "PATCH", "/api/customers/{id}", lambda place: {"company_name": uuid.uuid4().hex * 6}),
    "DELETE /api/customers/:customer_id": send(
        "DELETE", lambda place: f"/api/customers/{place.api.sign_up().id}"),
    "POST /api/customers/:customer_id/keys": send(
        "POST", lambda place: f"/api/customers/{place.api.sign_up().id}/keys", {"name": "x" * 100}),
    "GET /api/customers/:customer_id/keys": get("/api/customers/{id}/keys"),
    "DELETE /api/customers/:customer_id/keys/:key_id": send("DELETE", deletable_key),
    "POST /api/customers/:customer_id/links": send("POST", "/api/customers/{id}/links", {}),
    "GET /api/customers/:customer_id/export": get("/api/customers/{id}/export?limit=10000"),
    "GET /api/customers/:customer_id/entitlements": get("/api/customers/{id}/entitlements"),
    "GET /api/customers/:customer_id/overrides": get("/api/customers/{id}/overrides"),
    "PUT /api/customers/:customer_id/overrides": send(
        "PUT", "/api/customers/{id}/overrides",
        {"features": {"maxDevices": 80}, "limits": {"maxUsers": None}, "reason": "x" * 500}),
    "GET /api/customers/:customer_id/instances": get("/api/customers/{id}/instances?limit=100"),
    "PUT /api/customers/:customer_id/instances/:instance_id": send(
        "PUT", lambda place: f"/api/customers/{place.id}/instances/{uuid.uuid4().hex}", {}),
    "DELETE /api/customers/:customer_id/instances/:instance_id": send(
        "DELETE", "/api/customers/{id}/instances/" + 100 * "x"),
    "POST /api/customers/:customer_id/instances/:instance_id/transfer": send(
        "POST", lambda place: f"/api/customers/{place.id}/instances/{place.activated()}/transfer",
        lambda place: {"to": uuid.uuid4().hex}),
    "POST /api/customers/:customer_id/contracts": send(
        "POST", lambda place: f"/api/customers/{place.api.sign_up().id}/contracts", CONTRACT),
    "GET /api/customers/:customer_id/contracts": get("/api/customers/{id}/contracts?limit=20"),
    "PATCH /api/customers/:customer_id/contracts/:contract_id": send("PATCH", contract, {
        "version": 1, "note": "x" * 500}),
    "POST /api/customers/:customer_id/contracts/:contract_id/end": send(
        "POST", lambda place: contract(place) + "/end", {"reason": "x" * 500}),
    "GET /api/licenses/public-key": get("/api/licenses/public-key"),
    "GET /api/licenses/revocations": get("/api/licenses/revocations"),
    "POST /api/licenses/verify": send("POST", "/api/licenses/verify", lambda place: {
        "license": place.customer.license}),
    "GET /api/licenses/:customer_id": get("/api/licenses/{id}"),
    "GET /api/licenses/:customer_id/history": get("/api/licenses/{id}/history?limit=100"),
    "POST /api/licenses/:customer_id/rotate": send(
        "POST", lambda place: f"/api/licenses/{place.api.sign_up().id}/rotate"),
    "POST /api/licenses/:customer_id/revoke": send(
        "POST", lambda place: f"/api/licenses/{place.api.sign_up().id}/revoke",
        {"reason": "x" * 100}),
    "POST /api/subscriptions/trial": send(
        "POST", "/api/subscriptions/trial", lambda place: {"customer_id": place.id}),
    "GET /api/subscriptions/:customer_id": get("/api/subscriptions/{id}"),
    "GET /api/subscriptions/:customer_id/invoices": get("/api/subscriptions/{id}/invoices?limit=100"),
    "POST /api/subscriptions/checkout": send("POST", "/api/subscriptions/checkout", lambda place: {
        "customer_id": place.api.sign_up().id, "plan": "starter"}),
    "POST /api/subscriptions/upgrade": of_customer("upgrade", new_plan="enterprise"),
    "POST /api/subscriptions/preview": send("POST", "/api/subscriptions/preview", lambda place: {
        "customer_id": place.id, "new_plan": "enterprise"}),
    "POST /api/subscriptions/cancel": of_customer("cancel"),
    "POST /api/subscriptions/resume": of_customer("resume", cancel=True),
    "POST /api/subscriptions/portal": send("POST", "/api/subscriptions/portal", lambda place: {
        "customer_id": place.id}),
    "POST /api/session": send("POST", "/api/session", lambda place: {
        "api_key": place.customer.api_key}, headers={"X-Billing-Console": "1"}),
    "GET /api/session": get("/api/session"),
    "DELETE /api/session": send("DELETE", "/api/session"),
    "GET /api/sessions": get("/api/sessions?customer_id={id}"),
    "DELETE /api/sessions": send("DELETE", "/api/sessions"),
    "DELETE /api/sessions/:session_id": send("DELETE", "/api/sessions/ses_" + "0" * 24),
    "GET /api/events": get("/api/events?limit=100"),
    "GET /api/events/:event_id": get("/api/events/evt_" + "0" * 32),
    "GET /api/operators": get("/api/operators"),
    "POST /api/operators": send("POST", "/api/operators", lambda place: {"name": uuid.uuid4().hex * 3}),
    "DELETE /api/operators/:operator_key_id": send("DELETE", lambda place: "/api/operators/" + expect(
        place.owner.post("/api/operators", {"name": uuid.uuid4().hex}), 201)["operator"]["key_id"]),
    "GET /api/stripe/parked": get("/api/stripe/parked"),
    "POST /api/stripe/parked/:parked_id/retry": send("POST", "/api/stripe/parked/call:99999999/retry"),
    "POST /api/stripe/parked/:parked_id/dismiss": send(
        "POST", "/api/stripe/parked/call:99999999/dismiss", {"reason": "x" * 500}),
    "GET /api/stripe/unknown-prices": get("/api/stripe/unknown-prices"),
    "PUT /api/stripe/prices/:price_id": send(
        "PUT", lambda place: f"/api/stripe/prices/price_{uuid.uuid4().hex}", {"plan": "starter"}),
    "GET /api/audit": get("/api/audit?limit=100"),
    "GET /api/notices": get("/api/notices?limit=100"),
    "POST /api/webhook-endpoints": send("POST", "/api/webhook-endpoints", endpoint_body),
    "GET /api/webhook-endpoints": get("/api/webhook-endpoints"),
    "GET /api/webhook-endpoints/:endpoint_id": send("GET", endpoint),
    "PATCH /api/webhook-endpoints/:endpoint_id": send("PATCH", endpoint, {"description": "x" * 500}),
    "DELETE /api/webhook-endpoints/:endpoint_id": send("DELETE", endpoint),
    "POST /api/webhook-endpoints/:endpoint_id/rotate": send(
        "POST", lambda place: endpoint(place) + "/rotate"),
    "POST /api/webhook-endpoints/:endpoint_id/test": send(
        "POST", lambda place: endpoint(place) + "/test"),
    "POST /api/webhook-endpoints/:endpoint_id/replay": send(
        "POST", lambda place: endpoint(place) + "/replay",
        {"from": "2025-01-01T00:00:00Z", "to": "2040-01-01T00:00:00Z"}),
    "GET /api/webhook-endpoints/:endpoint_id/deliveries": send(
        "GET", lambda place: endpoint(place) + "/deliveries?limit=100"),
    "GET /api/analytics/revenue": get("/api/analytics/revenue?from=2020-01&to=2029-12"),
    "GET /api/analytics/summary": get("/api/analytics/summary"),
    "GET /api/analytics/trials": get("/api/analytics/trials?from=2026-01-01&to=2026-12-31"),
    "GET /api/analytics/plans": get("/api/analytics/plans"),
    "GET /api/analytics/usage": get("/api/analytics/usage"),
    "GET /api/analytics/limits": get("/api/analytics/limits?above=50&limit=100"),
    "GET /api/analytics/renewals": get("/api/analytics/renewals?days=400&limit=100"),
    "GET /api/analytics/attention": get("/api/analytics/attention"),
    "GET /api/analytics/movements": get("/api/analytics/movements?limit=100"),
    "POST /api/webhooks/stripe": post_event,
    "POST /api/usage/report": send("POST", "/api/usage/report", Place.report),
    "POST /api/usage/reports": post_batch,
    "DELETE /api/usage/cleanup": send("DELETE", "/api/usage/cleanup?days=35"),
    "GET /api/usage/:customer_id": get("/api/usage/{id}?limit=100"),
    "GET /api/usage/:customer_id/latest": get("/api/usage/{id}/latest"),
    "GET /api/usage/:customer_id/daily": get("/api/usage/{id}/daily?from=0001-01-01&to=9999-12-31"),
    "GET /api/usage/:customer_id/limits": get("/api/usage/{id}/limits"),
    "POST /api/usage/:customer_id/corrections": send(
        "POST", "/api/usage/{id}/corrections", lambda place: {"reason": "x" * 100}),
}
BODY_SIZES = {"POST /api/usage/reports": 512 * KIB, "POST /api/webhooks/stripe": 1024 * KIB}


@pytest.fixture(scope="module", name="place")
def fixture_place(new_stack):
    stack = new_stack(stripe=True, WORKERS=1, STRIPE_WORKERS=1)
    yield Place(stack)
    stack.close()


def test_each_route_has_an_entry():
    assert list(TABLE) == routes()


@pytest.mark.parametrize("route", TABLE)
def test_the_dearest_request_is_cheap(place, figures, route):
    method, pattern = route.split(" ")
    requests = TABLE[route](place)
    if method in ("POST", "PATCH", "PUT"):
        path = pattern.replace(":customer_id", place.id).replace(":instance_id", "x")
        for what, data in hostile(BODY_SIZES.get(route, 64 * KIB)).items():
            requests[what] = lambda data=data: (method, path, {"data": data})
    costs = {what: place.measure(make) for what, make in requests.items()}
    if method == "GET":
        long = "&".join(f"n{number}=%41" for number in range(900))
        costs["a long query"] = place.measure(lambda: (
            "GET", pattern.replace(":customer_id", place.id) + "?" + long, {}))
    dearest = max(costs, key=costs.get)
    place.stack.costs = {**getattr(place.stack, "costs", {}), route: costs[dearest]}
    all_costs = place.stack.costs
    most = max(all_costs, key=all_costs.get)
    figures["dearest request of all routes"] = f"{most}: {all_costs[most]:.1f} ms of CPU time"
    assert costs[dearest] < MOST_MS, f"{dearest}: {costs}"


def test_a_large_export_comes_in_several_answers(place):
    """Each has 4000 reports at most, and all of them together have every report once."""
    path, found, cursor, answers = f"/api/customers/{place.id}/export?limit=10000", set(), "", 0
    while cursor is not None:
        page = expect(place.owner.get(path + cursor), 200)
        ids = [one["id"] for one in page["reports"]]
        assert len(ids) <= 4000 and not found & set(ids)
        found |= set(ids)
        answers += 1
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    assert len(found) >= 10000 and answers >= 3
    assert len(found) == int(place.stack.sql("SELECT count(*) FROM usage_reports WHERE customer_id = "
                                             f"'{place.id}'"))
