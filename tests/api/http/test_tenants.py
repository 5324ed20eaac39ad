"""Tenant isolation: no request of customer A reads or changes data of customer B."""

import json
import uuid

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.client import expect
from support.document import load
from support.drive import events_of
from support.payments import buy
from support.stack import wait_for

# Operations that name a customer, by where they name it.
BY_PATH = [o for o in load().operations if "{customer_id}" in o.path]
BY_BODY = [o for o in load().operations if o.body is not None and
           "customer_id" in load().flat(o.body).get("properties", {})]


class Tenant:
    """A customer with every kind of data, and all words by which its data is recognised."""

    def __init__(self, stack, name):
        api = stack.api
        self.company = f"{name} {uuid.uuid4().hex}"
        customer = api.sign_up(company_name=self.company)
        bought = buy(stack, customer)
        invoice, = expect(customer.client.get(f"/api/subscriptions/{customer.id}/invoices"),
                          200)["invoices"]
        self.id, self.email = customer.id, customer.email
        self.keys = [customer.api_key] + [api.mint(customer, *scopes)[0] for scopes in (
            ("license",), ("usage",), ("billing",), ("license", "usage", "billing"))]
        signed_in = api.nobody.post("/api/session", {"api_key": customer.api_key},
                                    headers={"X-Billing-Console": "1"})
        self.browser = {"Cookie": signed_in.headers["Set-Cookie"].split(";")[0], "X-Billing-Console": "1"}
        self.idempotency_key = f"order-{uuid.uuid4().hex}"
        again = {"Idempotency-Key": self.idempotency_key}
        path = f"/api/licenses/{self.id}"
        rotated = expect(customer.client.post(path + "/rotate", headers=again), 200)
        minted = expect(customer.client.post(f"/api/customers/{self.id}/keys",
                                             {"name": self.company, "scopes": ["usage"]},
                                             headers={"Idempotency-Key": self.company}), 201)
        self.key_ids = [key["key_id"] for key in
                        expect(customer.client.get(f"/api/customers/{self.id}/keys"), 200)["keys"]]
        page = expect(customer.client.get(path + "/history?limit=1"), 200)
        self.cursor = page["next_cursor"]
        tokens = [customer.license, rotated["license"]]
        self.tag = customer.client.get(path).headers["ETag"]
        # They are shown once no earlier transaction is open.
        events = expect(wait_for(lambda: events_of(customer.client, customer.id)), 200)
        self.event_ids = [event["id"] for event in events["events"]]
        self.event_cursor = events["cursor"]
        self.words = {self.id, self.id.removeprefix("cust_"), self.email, self.company,
                      *self.key_ids, *self.event_ids, *self.keys, minted["api_key"], *tokens,
                      *(token.split(".")[2] for token in tokens),
                      *(jwt.decode(token, options={"verify_signature": False})["jti"]
                        for token in tokens),
                      stack.sql("SELECT stripe_customer_id FROM customers WHERE customer_id = "
                                f"'{self.id}'"),
                      bought["stripe_subscription_id"], invoice["id"], invoice["number"],
                      invoice["hosted_invoice_url"]}

    def state(self, stack):
        """All rows about the tenant but for what being asked changes."""
        return [stack.sql(f"SELECT * FROM {table} t WHERE customer_id = '{self.id}' ORDER BY t::text")
                for table in ("customers", "subscriptions", "licenses", "trial_redemptions",
                              "audit_log", "invoices", "stripe_calls", "stripe_events", "overrides")] + [
            stack.sql("SELECT key_id, name, scopes, revoked_at FROM api_keys WHERE customer_id = "
                      f"'{self.id}' ORDER BY 1")]


@pytest.fixture(scope="module")
def tenants(stack):
    """A, whose credentials are used, and B, whose data is requested."""
    return Tenant(stack, "Alpha"), Tenant(stack, "Bravo")


def assert_nothing_of(tenant, answer):
    """No word of the tenant is in the answer."""
    text = answer.text + json.dumps(dict(answer.headers))
    leaks = [word for word in tenant.words if word.lower() in text.lower()]
    assert not leaks, f"{answer.request.method} {answer.request.path_url} leaks {leaks}"


def credential(draw, tenant):
    """One of the tenant's keys, sent in one of the two ways, or a session."""
    key = draw(st.sampled_from(tenant.keys))
    return dict(draw(st.sampled_from([{"X-API-Key": key}, {"Authorization": f"Bearer {key}"}, tenant.browser])))


BODIES = [None, {}, {"company_name": "Mallory"}, {"email": "mallory@example.com"},
          {"name": "mallory"}, {"scopes": ["usage"]}, {"reason": "mallory"}]

# Further members that bodies naming a customer need.
NEEDED = {"plan": "starter"}


def about(operation, tenant):
    """A valid body of the operation that names the tenant."""
    needed = load().needs(operation.body)
    return {"customer_id": tenant.id,
            **{name: value for name, value in NEEDED.items() if name in needed}}


@settings(max_examples=150)
@given(data=st.data())
def test_a_path_gives_no_access_to_another_tenant(api, stack, tenants, figures, data):
    alpha, bravo = tenants
    draw = data.draw
    operation = draw(st.sampled_from(BY_PATH))
    path = operation.path.replace("{customer_id}", bravo.id)
    if "{key_id}" in path:
        path = path.replace("{key_id}", draw(st.sampled_from(bravo.key_ids + alpha.key_ids)))
    path += draw(st.sampled_from(["", f"?cursor={bravo.cursor}", f"?customer_id={alpha.id}",
                                  "?limit=100"]))
    headers = credential(draw, alpha)
    if draw(st.booleans()):
        headers["If-None-Match"] = draw(st.sampled_from([bravo.tag, "*"]))
    if operation.method == "POST" and draw(st.booleans()):
        headers["Idempotency-Key"] = draw(st.sampled_from(
            [bravo.idempotency_key, bravo.company, alpha.idempotency_key, uuid.uuid4().hex]))
    method = draw(st.sampled_from([operation.method, "HEAD"])) \
        if operation.method == "GET" else operation.method
    answer = api.nobody.request(method, path, body=draw(st.sampled_from(BODIES)), headers=headers)
    assert answer.status_code == 404, answer.text
    if method != "HEAD":
        assert answer.json()["code"] == "customer_not_found"
    assert_nothing_of(bravo, answer)
    figures["ids of others asked for"] = figures.get("ids of others asked for", 0) + 1


@settings(max_examples=50)
@given(data=st.data())
def test_a_body_gives_no_access_to_another_tenant(api, tenants, data):
    alpha, bravo = tenants
    draw = data.draw
    operation = draw(st.sampled_from(BY_BODY))
    headers = credential(draw, alpha)
    if draw(st.booleans()):
        headers["Idempotency-Key"] = draw(st.sampled_from([bravo.idempotency_key, bravo.company]))
    answer = api.nobody.request(operation.method, operation.path, body=about(operation, bravo),
                                headers=headers)
    assert answer.status_code in (403, 404), answer.text
    assert answer.json()["code"] in ("scope_missing", "customer_not_found")
    assert_nothing_of(bravo, answer)


@settings(max_examples=60)
@given(data=st.data())
def test_other_ids_in_ones_own_path_give_no_access(api, tenants, data):
    """A's own paths, with B's ids in every other place."""
    alpha, bravo = tenants
    draw = data.draw
    headers = {"X-API-Key": alpha.keys[0]}
    if draw(st.booleans()):
        headers["If-None-Match"] = bravo.tag
    case = draw(st.sampled_from(["key", "cursor", "list", "member", "replay", "trial", "event",
                                  "events"]))
    if case == "key":
        answer = api.nobody.delete(f"/api/customers/{alpha.id}/keys/"
                                   f"{draw(st.sampled_from(bravo.key_ids))}", headers=headers)
        expect(answer, 404, "key_not_found")
    elif case == "cursor":
        answer = api.nobody.get(f"/api/licenses/{alpha.id}/history?cursor={bravo.cursor}",
                                headers=headers)
        assert answer.status_code == 200
    elif case == "list":
        word = draw(st.sampled_from([f"email={bravo.email}", f"q={bravo.company[:5]}",
                                     f"cursor={bravo.cursor}"]))
        answer = api.nobody.get(f"/api/customers?{word}", headers=headers)
        expect(answer, 403, "forbidden")
    elif case == "member":
        answer = api.nobody.patch(f"/api/customers/{alpha.id}", {"customer_id": bravo.id},
                                  headers=headers)
        expect(answer, 400, "invalid_request")
    elif case == "event":
        answer = api.nobody.get(f"/api/events/{draw(st.sampled_from(bravo.event_ids))}",
                                headers=headers)
        expect(answer, 404, "event_not_found")
        return
    elif case == "events":
        answer = api.nobody.get(f"/api/events?cursor={bravo.event_cursor}", headers=headers)
        assert {event["customer_id"] for event in expect(answer, 200)["events"]} <= {alpha.id}
        expect(api.nobody.get(f"/api/events?customer_id={bravo.id}", headers=headers), 404,
               "customer_not_found")
    elif case == "replay":
        answer = api.nobody.post(f"/api/licenses/{alpha.id}/rotate",
                                 headers={**headers, "Idempotency-Key": bravo.idempotency_key})
        assert answer.status_code == 200
    else:
        answer = api.nobody.post(f"/api/subscriptions/trial?customer_id={bravo.id}",
                                 {"customer_id": alpha.id}, headers=headers)
        expect(answer, 400, "invalid_request")
    assert_nothing_of(bravo, answer)


def test_a_used_address_is_answered_as_a_free_one(api, tenants):
    """The answer has nothing of its owner but the address that was sent."""
    alpha, bravo = tenants

    def asked(email):
        changed = expect(api.nobody.patch(f"/api/customers/{alpha.id}", {"email": email},
                                          headers={"X-API-Key": alpha.keys[0]}), 200)["customer"]
        assert changed.pop("pending_email") == email and changed.pop("updated_at")
        return changed

    assert asked(bravo.email) == asked(api.email())
    # Withdrawn, as other tests look for the address.
    expect(api.nobody.patch(f"/api/customers/{alpha.id}", {"email": alpha.email},
                            headers={"X-API-Key": alpha.keys[0]}), 200)


@pytest.mark.quick
def test_another_tenants_id_looks_like_one_that_does_not_exist(api, tenants):
    alpha, bravo = tenants
    for operation in BY_PATH:
        answers = []
        for customer_id in (bravo.id, "cust_" + "0" * 32):
            path = operation.path.replace("{customer_id}", customer_id)
            path = path.replace("{key_id}", bravo.key_ids[0])
            answers.append(api.nobody.request(operation.method, path,
                                              headers={"X-API-Key": alpha.keys[0]}))
        first, second = ({**answer.json(), "request_id": None} for answer in answers)
        assert first == second and answers[0].status_code == answers[1].status_code == 404
        names = [set(answer.headers) for answer in answers]
        assert names[0] == names[1]


def test_no_request_changes_another_tenants_rows(api, stack, tenants):
    """Every route with A's credentials and B's id leaves B's rows unchanged."""
    alpha, bravo = tenants
    before = bravo.state(stack)
    for key in alpha.keys:
        for operation in BY_PATH:
            path = operation.path.replace("{customer_id}", bravo.id)
            path = path.replace("{key_id}", bravo.key_ids[0])
            answer = api.nobody.request(operation.method, path, headers={"X-API-Key": key})
            assert answer.status_code == 404
        for operation in BY_BODY:
            api.nobody.request(operation.method, operation.path, headers={"X-API-Key": key},
                               body=about(operation, bravo))
    assert bravo.state(stack) == before
