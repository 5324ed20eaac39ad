"""Access control: every route of the service's own table x every kind of caller. What is
expected follows from the table's two columns by one rule; a route with an unknown entry fails."""

import json
import subprocess
import uuid

import pytest

from support.payments import ask, buy, event
from support.stack import ROOT, VARIANT
from support.webhook import signed

ROUTES = [tuple(line.split()[:4]) for line in subprocess.run(
    [ROOT / "build" / VARIANT / "billingd", "--routes"], check=True, text=True,
    stdout=subprocess.PIPE).stdout.splitlines()]
SCOPES = {"license", "usage", "billing"}
UNKNOWN = ("none", "garbage", "garbage bearer", "unknown customer key", "unknown operator key",
           "basic", "revoked customer", "revoked operator", "unknown session")
KNOWN = ("owner", "viewer", "own", "own bearer", "other", "wrong scope", "both",
         "owner session", "viewer session", "own session")
ADMITTED = (None, None)
# The answer to a request that is admitted where the thing is there already, or is not.
HAS_NONE = {"/api/subscriptions/trial": "subscription_exists",
            "/api/operators/:operator_key_id": "key_not_found",
            "/api/stripe/parked/:parked_id/retry": "nothing_to_retry",
            "/api/stripe/parked/:parked_id/dismiss": "call_not_found",
            "/api/sessions/:session_id": "session_not_found",
            "/api/webhook-endpoints/:endpoint_id/test": "endpoint_disabled",
            "/api/webhook-endpoints/:endpoint_id/replay": "endpoint_disabled",
            "/api/events/:event_id": "event_not_found"}
# Only for those who have bought something, and what they have done before.
OF_BUYERS = {"upgrade": None, "preview": None, "resume": {"at_period_end": True}, "portal": None}


@pytest.fixture(scope="module")
def strangers(stack):
    """Another customer and a revoked operator, for all cells of the matrix."""
    name = "matrix-revoked"
    made = stack.billingctl("operator", "create", name, "--role", "owner")
    stack.sql(f"UPDATE api_keys SET revoked_at = now() WHERE name = '{name}'")
    operator = next(word for word in made.stdout.split() if word.startswith("gba_"))
    yield {"other": stack.api.sign_up(), "operator": operator}
    # No receiver is there: in time their endpoints would be faults.
    remove_endpoints(stack)


def remove_endpoints(stack):
    """Removes all, as the API does: the sender may be sending to them."""
    stack.sql("UPDATE webhook_endpoints SET state = 'deleted', disabled_reason = NULL, disabled_at = NULL")


def session(api, key):
    """The headers of a browser that has signed in with the key."""
    answer = api.nobody.post("/api/session", {"api_key": key}, headers={"X-Billing-Console": "1"})
    return {"Cookie": answer.headers["Set-Cookie"].split(";")[0], "X-Billing-Console": "1"}


def credentials(api, strangers, caller, customer, scope):
    """The headers of this kind of caller."""
    wrong = sorted(SCOPES - {scope})
    return {
        "none": lambda: {},
        "garbage": lambda: {"X-API-Key": "nonsense"},
        "garbage bearer": lambda: {"Authorization": "Bearer nonsense"},
        "unknown customer key": lambda: {"X-API-Key": f"{customer.id}_{'0' * 64}"},
        "unknown operator key": lambda: {"Authorization": f"Bearer gba_{'0' * 64}"},
        "basic": lambda: {"Authorization": "Basic Z2JhOng="},
        "revoked customer": lambda: {"X-API-Key": revoked(api, customer)},
        "revoked operator": lambda: {"Authorization": f"Bearer {strangers['operator']}"},
        "unknown session": lambda: {"Cookie": "__Host-billing=gbs_" + "0" * 64, "X-Billing-Console": "1"},
        "owner session": lambda: session(api, api.stack.admin_key),
        "viewer session": lambda: session(api, api.stack.viewer_key),
        "own session": lambda: session(api, customer.api_key),
        "owner": lambda: api.owner.headers,
        "viewer": lambda: api.viewer.headers,
        "own": lambda: customer.client.headers,
        "own bearer": lambda: {"Authorization": f"Bearer {customer.api_key}"},
        "other": lambda: strangers["other"].client.headers,
        "wrong scope": lambda: {"X-API-Key": api.mint(customer, *wrong)[0]},
        "both": lambda: {**customer.client.headers, **api.owner.headers},
    }[caller]()


def revoked(api, customer):
    """A revoked key of the customer."""
    secret, key_id = api.mint(customer)
    assert api.owner.delete(f"/api/customers/{customer.id}/keys/{key_id}").status_code == 200
    return secret


def expected(method, pattern, who, scope, caller):
    """Status and code of the refusal, or ADMITTED."""
    if who == "anybody":
        return ADMITTED
    assert who in ("sign_up", "customer", "operator", "caller"), f"no rule for {who}"
    if caller in UNKNOWN:
        return 401, "unauthenticated"
    caller = caller.removesuffix(" session")
    if caller == "both":
        return 400, "ambiguous_credentials"
    if caller == "owner" or (who == "caller" and (scope == "-" or caller != "wrong scope")):
        return ADMITTED
    if caller == "viewer":
        return ADMITTED if method == "GET" else (403, "forbidden")
    # Each report of a batch names its customer, and is refused or taken for itself.
    if caller == "other" and pattern == "/api/usage/reports":
        return ADMITTED
    if caller == "other" and (":customer_id" in pattern or who == "customer"):
        return 404, "customer_not_found"
    if who not in ("customer", "caller"):
        return 403, "forbidden"
    return (403, "scope_missing") if caller == "wrong scope" else ADMITTED


def make_contract(api, customer):
    """The id of a new contract of the customer."""
    answer = api.owner.post(f"/api/customers/{customer.id}/contracts", {
        "plan": "enterprise", "billing": "manual", "ends_at": "2040-01-01T00:00:00Z"})
    return answer.json()["contract"]["contract_id"]


def make_endpoint(api):
    """The id of a new webhook endpoint that gets nothing."""
    remove_endpoints(api.stack)
    made = api.owner.post("/api/webhook-endpoints", {"url": "https://receiver.invalid/"})
    endpoint_id = made.json()["endpoint"]["endpoint_id"]
    assert api.owner.patch(f"/api/webhook-endpoints/{endpoint_id}",
                           {"enabled": False}).status_code == 200
    return endpoint_id


def make_buyer(stack, customer, pattern):
    """Buys the subscription that a valid request of this kind needs."""
    name = pattern.removeprefix("/api/subscriptions/")
    if name not in OF_BUYERS:
        return
    buy(stack, customer)
    if OF_BUYERS[name]:
        assert ask(customer.client, "cancel", customer.id, **OF_BUYERS[name]).status_code == 200


def request_for(api, document, customer, method, pattern):
    """Path and body of a valid request about the customer."""
    path = pattern.replace(":customer_id", customer.id)
    if ":key_id" in path:
        path = path.replace(":key_id", api.mint(customer)[1])
    if ":instance_id" in path:
        path = path.replace(":instance_id", "plant-7")
        assert api.owner.put(path.removesuffix("/transfer")).status_code == 201
    if ":contract_id" in path:
        path = path.replace(":contract_id", make_contract(api, customer))
    if ":endpoint_id" in path:
        path = path.replace(":endpoint_id", make_endpoint(api))
    path = path.replace(":event_id", "evt_" + "0" * 32)
    path = path.replace(":operator_key_id", "key_" + "0" * 24).replace(":parked_id", "call:99999999")
    path = path.replace(":price_id", "price_matrix")
    if ":session_id" in path:
        path = path.replace(":session_id", "ses_" + "0" * 24)
    reported = 0
    if pattern.endswith(("/latest", "/corrections")):
        answer = api.owner.post("/api/usage/report", {"customer_id": customer.id})
        assert answer.status_code == 201
        reported = answer.json()["report"]["id"]
    operation = document.find(method, path)
    assert operation is not None, f"{method} {pattern} is not in the document"
    if operation.body is None:
        return path, None
    values = {"email": api.email(), "license": customer.license, "customer_id": customer.id,
              "to": "plant-8", "reports": [{"customer_id": customer.id}], "id": reported,
              "reason": "matrix", "url": "https://receiver.invalid/hook", "api_key": customer.api_key, "name": uuid.uuid4().hex,
              "billing": "manual", "ends_at": "2040-01-01T00:00:00Z", "version": 1,
              "plan": "enterprise" if pattern.endswith(("/upgrade", "/preview")) else "starter"}
    if operation.id == "receive_stripe_event":
        return path, event()
    if operation.id == "replay_events":
        return path, {"from": "2025-01-01T00:00:00Z", "to": "2025-01-02T00:00:00Z"}
    needed = document.needs(operation.body)
    if operation.id == "amend_contract":
        return path, {"version": 1, "note": "matrix"}
    return path, {name: values[name] for name in needed}


@pytest.mark.parametrize("method, pattern, who, scope", ROUTES, ids=lambda value: value)
def test_matrix(api, stack, document, strangers, figures, method, pattern, who, scope):
    unexpected = []
    for caller in UNKNOWN + KNOWN:
        for sent in (method, "HEAD") if method == "GET" else (method,):
            customer = api.sign_up()
            path, body = request_for(api, document, customer, method, pattern)
            headers = dict(credentials(api, strangers, caller, customer, scope))
            if pattern == "/api/webhooks/stripe":
                headers.update(signed(json.dumps(body).encode(), stack.webhook_secret))
            if pattern == "/api/session":
                headers["X-Billing-Console"] = "1"
            status, code = expected(method, pattern, who, scope, caller)
            if (status, code) == ADMITTED:
                make_buyer(stack, customer, pattern)
            answer = api.nobody.request(sent, path, body=body, headers=headers)
            good = answer.status_code < 300 or (pattern in HAS_NONE and (
                sent == "HEAD" or answer.json().get("code") == HAS_NONE[pattern])) \
                if status is None else answer.status_code == status and (
                    sent == "HEAD" or answer.json()["code"] == code)
            figures["authorisation cells"] = figures.get("authorisation cells", 0) + 1
            if not good:
                unexpected.append((sent, caller, status, code, answer.status_code, answer.text))
    assert not unexpected, unexpected


@pytest.mark.parametrize("pattern", sorted({route[1] for route in ROUTES}))
def test_options_need_no_key_and_name_the_methods(api, pattern):
    path = pattern.replace(":customer_id", "cust_" + "0" * 32).replace(":key_id", "key_x")
    answer = api.nobody.request("OPTIONS", path)
    assert answer.status_code == 204
    methods = {method for method, other, *_ in ROUTES if other == pattern}
    methods |= {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
    assert set(answer.headers["Allow"].split(", ")) == methods


def test_malformed_ids_look_unknown_to_a_known_caller(api):
    customer = api.sign_up()
    for customer_id in ("x", "cust_" + "0" * 32, api.sign_up().id):
        for path in ("/api/customers/", "/api/licenses/", "/api/subscriptions/"):
            answer = customer.client.get(path + customer_id)
            assert (answer.status_code, answer.json()["code"], answer.json()["error"]) == (
                404, "customer_not_found", "There is no such customer.")


def test_all_ids_look_alike_to_an_unknown_caller(api):
    for customer_id in ("x", "cust_" + "0" * 32, api.sign_up().id):
        for path in ("/api/customers/", "/api/licenses/", "/api/subscriptions/"):
            assert api.nobody.get(path + customer_id).status_code == 401
