"""Valid and invalid requests, generated from the OpenAPI document: the status is one that the
document has, the body matches its schema, nothing is ever a fault of ours, and nothing bad is
accepted."""

import json
import uuid

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from urllib3.exceptions import LocationParseError

from support.document import load
from support.generate import EFFORT, Request, mutate
from support.payments import buy, event
from support.webhook import signed

OPERATIONS = load().operations
BROKEN = {400, 404, 405, 409, 413, 414, 415, 422, 431}
# Only for those who have bought something.
OF_BUYERS = {"change_plan", "preview_plan", "resume_subscription", "open_portal", "list_invoices"}

# Metrics of the plans that are sold here.
METRICS = st.none() | st.dictionaries(st.sampled_from(["mqtt_messages", "api_calls", "storage_mb"]),
                                      st.integers(0, 2**53 - 1))

# Lists whose cursor has a form of its own.
OWN_CURSOR = {"list_limits": {"cursor"}}


class Subject:
    """The customer that requests name; a new one after it was deleted."""

    def __init__(self, stack):
        self.stack = stack
        self.api = stack.api
        self.customer = None
        self.buyer = None

    def of(self, operation):
        """The customer for this operation."""
        if self.customer is None:
            self.customer = self.api.sign_up()
        if operation.id not in OF_BUYERS:
            return self.customer
        if self.buyer is None:
            self.buyer = self.api.sign_up()
            buy(self.stack, self.buyer)
        return self.buyer

    def known(self, operation):
        """Values that only mean something when they are real."""
        customer = self.of(operation)
        url = f"{self.stack.base_url}/account?a=b#c"
        return {"customer_id": customer.id, "cursor": self.cursor(),
                "plan": "professional" if operation.id == "open_checkout" else "enterprise",
                "price_id": "price_professional_year", "new_plan": "enterprise", "proration_at": None,
                "success_url": url, "cancel_url": url, "return_url": url,
                "features": {"maxDevices": 80}, "limits": {"maxUsers": None}, "expires_at": None,
                "at": None, "starts_at": None, "ends_at": "2040-01-01T00:00:00.000Z",
                "price": {"amount_minor": 100, "currency": "eur", "interval": "year"},
                "overage": {"maxDevices": 1.5}, "addons": {}, "metrics": METRICS,
                "reported_at": None, "from": "2025-02-01T00:00:00Z", "to": "2025-02-15",
                "reports": [{"customer_id": customer.id, "report_id": "fuzz"}, {"x": 1}],
                "license": customer.license, "key_id": "key_" + "0" * 24,
                "If-None-Match": '"lic_0"'}

    def cursor(self):
        """A cursor that all lists take."""
        return "MTcwNTI3NjgwMDAwMDox"

    def forget(self, answer, operation):
        """After a deletion."""
        if operation.id == "delete_customer" and answer.status_code == 200:
            self.customer = None


@pytest.fixture(scope="module")
def subject(stack):
    """One customer for the whole module, so that requests meet the effects of earlier ones."""
    return Subject(stack)


def sign(request, stack):
    """Signs an event of Stripe."""
    if request.operation.id == "receive_stripe_event":
        request.headers.update(signed(request.data, stack.webhook_secret))


def good_request(data, document, subject, operation):
    """A valid request."""
    request = Request(data.draw, document, operation, subject.known(operation))
    if operation.id == "receive_stripe_event":
        request.body = {**request.body, **event()}
        request.data = json.dumps(request.body).encode()
    if operation.id == "open_session":
        request.headers["X-Billing-Console"] = "1"
    sign(request, subject.stack)
    return request


def send(client, request, method=None):
    """Sends the request; the client compares the answer with the document."""
    try:
        return client.request(method or request.operation.method, request.address, data=request.data,
                              headers=request.headers)
    except LocationParseError:
        # The client takes a path as "//::" for the name of a host, and sends nothing.
        return reject()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.id)
@settings(max_examples=20 * EFFORT)
@given(data=st.data())
def test_good_requests(api, document, subject, figures, operation, data):
    request = good_request(data, document, subject, operation)
    if "Idempotency-Key" in request.headers:
        request.headers["Idempotency-Key"] += uuid.uuid4().hex
        request.headers["Idempotency-Key"] = request.headers["Idempotency-Key"][-255:]
    answer = send(api.owner, request)
    subject.forget(answer, operation)
    figures["generated requests"] = figures.get("generated requests", 0) + 1
    if answer.status_code == 400:
        # A schema cannot say these: the form of an address, that two ways through a list at once are
        # refused, that numbers depend on each other, which days a calendar has, which characters a
        # name or a reason may hold, how a plan is sold, and which members only Stripe's invoices have,
        # that a key and a link exclude each other, which URL a webhook may have, that one event and a range
        # of them do.
        fields = {detail["field"] for detail in answer.json()["details"]}
        assert fields <= {"email", "offset", "active_devices", "from", "to", "name", "company_name",
                          "reason", "interval", "interval_count", "price", "currency", "quantity",
                          "days_until_due", "api_key", "url", "event_id"} | \
            OWN_CURSOR.get(operation.id, set()), answer.text
    else:
        # 429: one customer's keys and licences are bounded.
        assert answer.status_code in (200, 201, 202, 304, 401, 404, 409, 429), answer.text
        assert answer.status_code != 401 or operation.id in ("verify_license", "open_session")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.id)
@settings(max_examples=40 * EFFORT)
@given(data=st.data())
def test_broken_requests(api, document, subject, figures, operation, data):
    request = good_request(data, document, subject, operation)
    for _ in range(data.draw(st.integers(1, 2))):
        mutate(data.draw, request)
        try:
            request.body = json.loads(request.data) if request.data else {}
        except ValueError:
            break
        if not isinstance(request.body, dict):
            break
    if data.draw(st.booleans()):
        sign(request, subject.stack)
    answer = send(api.owner, request)
    subject.forget(answer, operation)
    figures["generated requests"] = figures.get("generated requests", 0) + 1
    if operation.body is not None and request.data is not None:
        try:
            good = document.is_valid(operation.body, json.loads(request.data))
        except ValueError:
            good = not request.data
        # Each item of a batch has its own result.
        if not good and operation.id != "report_usage_batch":
            # The header Origin is judged before the body.
            assert answer.status_code in BROKEN or (
                answer.status_code == 403 and answer.json()["code"] == "origin_refused"), \
                f"accepted {request.data}: {answer.text}"


@settings(max_examples=60 * EFFORT)
@given(data=st.data())
def test_any_caller_any_method(api, document, subject, stack, data):
    draw = data.draw
    operation = draw(st.sampled_from(OPERATIONS))
    request = good_request(data, document, subject, operation)
    method = draw(st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]))
    client = draw(st.sampled_from([api.nobody, api.viewer, api.keyed(subject.customer.api_key),
                                   api.keyed("x"), api.bearer(stack.viewer_key[:-1])]))
    answer = send(client, request, method)
    # A viewer may end sessions of its own.
    if (method, client) == ("DELETE", api.viewer) and not operation.path.startswith("/api/session"):
        assert answer.status_code in (403, 405)
