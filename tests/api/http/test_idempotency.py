"""Idempotency-Key: repeated requests have one effect and get one answer."""

import concurrent.futures
import subprocess
import uuid

import pytest

from support.client import SECRET, expect
from support.stack import wait_for


def new_key():
    """A new Idempotency-Key."""
    return {"Idempotency-Key": f"order {uuid.uuid4()}"}


def same(first, second):
    """The second answer is the first one, replayed."""
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert second.headers["X-Request-Id"] != first.headers["X-Request-Id"]


def counts(stack, customer):
    """The number of rows in each table."""
    return [stack.sql(f"SELECT count(*) FROM {table} WHERE customer_id = '{customer.id}'")
            for table in ("subscriptions", "licenses", "api_keys", "audit_log")]


@pytest.mark.quick
def test_sign_up(api, stack):
    headers, body = new_key(), {"email": api.email(), "company_name": "Acme"}
    first = api.owner.post("/api/customers", body, headers=headers)
    assert first.status_code == 201
    for _ in range(3):
        same(first, api.owner.post("/api/customers", body, headers=headers))
    assert stack.sql(f"SELECT count(*) FROM customers WHERE email = '{body['email']}'") == "1"
    customer_id = first.json()["customer"]["customer_id"]
    expect(api.keyed(first.json()["api_key"]).get(f"/api/customers/{customer_id}"), 200)


@pytest.mark.parametrize("route, body", [
    ("/api/customers/{}/keys", {"name": "one"}), ("/api/licenses/{}/rotate", None),
    ("/api/licenses/{}/rotate", {}), ("/api/licenses/{}/revoke", {"reason": "x"}),
    ("/api/licenses/{}/revoke", None)])
def test_every_post(api, stack, route, body):
    customer, headers = api.sign_up(), new_key()
    first = api.owner.post(route.format(customer.id), body, headers=headers)
    assert first.status_code in (200, 201)
    after = counts(stack, customer)
    same(first, api.owner.post(route.format(customer.id), body, headers=headers))
    assert counts(stack, customer) == after


def test_a_trial(api, stack):
    customer, headers = api.sign_up(), new_key()
    stack.sql(f"DELETE FROM subscriptions WHERE customer_id = '{customer.id}';"
              f"DELETE FROM trial_redemptions WHERE customer_id = '{customer.id}'")
    body = {"customer_id": customer.id}
    first = customer.client.post("/api/subscriptions/trial", body, headers=headers)
    assert first.status_code == 201
    same(first, customer.client.post("/api/subscriptions/trial", body, headers=headers))


def test_without_a_key_each_request_counts(api):
    customer = api.sign_up()
    path = f"/api/customers/{customer.id}/keys"
    assert len({customer.client.post(path).json()["api_key"] for _ in range(3)}) == 3


def test_a_refusal_is_replayed_too(api):
    customer, headers = api.sign_up(), new_key()
    body = {"email": customer.email}
    first = api.owner.post("/api/customers", body, headers=headers)
    expect(first, 409, "customer_exists")
    same(first, api.owner.post("/api/customers", body, headers=headers))
    expect(api.owner.delete(f"/api/customers/{customer.id}"), 200)
    same(first, api.owner.post("/api/customers", body, headers=headers))
    expect(api.owner.post("/api/customers", body, headers=new_key()), 201)


def test_a_refused_request_changes_nothing(api, stack):
    headers = new_key()
    customer_id = "cust_" + "0" * 32
    first = api.owner.post(f"/api/customers/{customer_id}/keys", {}, headers=headers)
    expect(first, 404, "customer_not_found")
    again = api.owner.post(f"/api/customers/{customer_id}/keys", {}, headers=headers)
    same(first, again)
    requests = "', '".join(answer.headers["X-Request-Id"] for answer in (first, again))
    assert stack.sql(f"SELECT count(*) FROM audit_log WHERE request_id IN ('{requests}') OR customer_id = "
                     f"'{customer_id}'") == "0"
    assert stack.sql(f"SELECT count(*) FROM api_keys WHERE customer_id = '{customer_id}'") == "0"


def in_progress(answer):
    """The refusal of a concurrent twin says when to come back."""
    expect(answer, 409, "idempotency_in_progress")
    assert answer.headers["Retry-After"] == "1"


def test_fifty_at_once_have_one_effect(api, stack, figures):
    headers, email = new_key(), api.email()

    def sign_up(_):
        return api.bearer(stack.admin_key).post("/api/customers", {"email": email},
                                                headers=headers)

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(sign_up, range(50)))
    made = [answer for answer in answers if answer.status_code == 201]
    for answer in answers:
        if answer.status_code != 201:
            in_progress(answer)
    assert len({answer.content for answer in made}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in made) == 1
    assert stack.sql(f"SELECT count(*) FROM customers WHERE email = '{email}'") == "1"
    first = next(answer for answer in made if "Idempotent-Replayed" not in answer.headers)
    same(first, sign_up(0))
    figures["parallel twins"] = 50


def test_a_concurrent_repetition_gets_409(api, stack):
    headers, body = new_key(), {"email": api.email()}
    with subprocess.Popen(["psql", "-XAtq", "-d", stack.database_url], env=stack.env, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as blocker, \
            concurrent.futures.ThreadPoolExecutor(1) as pool:
        blocker.stdin.write("BEGIN; LOCK TABLE customers IN SHARE ROW EXCLUSIVE MODE; SELECT 1;\n")
        blocker.stdin.flush()
        assert blocker.stdout.readline() == "1\n"
        running = pool.submit(api.bearer(stack.admin_key).post, "/api/customers", body,
                              headers=headers)
        # A job may wait for the table too: this is the request.
        wait_for(lambda: stack.sql(
            "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted "
            "AND l.relation = 'customers'::regclass AND a.query LIKE '%INSERT INTO customers%' AND "
            "a.pid <> pg_backend_pid()") != "0")
        twin = api.owner.post("/api/customers", body, headers=headers)
        blocker.communicate("ROLLBACK;\n")
        first = running.result()
    in_progress(twin)
    assert first.status_code == 201
    same(first, api.owner.post("/api/customers", body, headers=headers))


def test_another_request_under_the_same_key(api, stack):
    customer, headers = api.sign_up(), new_key()
    path = f"/api/customers/{customer.id}/keys"
    assert customer.client.post(path, {"name": "a"}, headers=headers).status_code == 201
    before = counts(stack, customer)
    for other_path, body in ((path, {"name": "b"}), (path, {}), (path, None),
                             (f"/api/licenses/{customer.id}/rotate", None)):
        expect(customer.client.post(other_path, body, headers=headers), 422,
               "idempotency_key_reused")
    # Byte for byte, not as JSON means it.
    expect(customer.client.request("POST", path, data='{"name":  "a"}', headers=headers), 422,
           "idempotency_key_reused")
    assert counts(stack, customer) == before


def test_each_caller_has_its_own_keys(api):
    headers, body = new_key(), {"name": "a"}
    one, other = api.sign_up(), api.sign_up()
    second = api.keyed(api.mint(one, "billing")[0])
    answers = [client.post(f"/api/customers/{customer.id}/keys", body, headers=headers)
               for client, customer in ((one.client, one), (other.client, other), (second, one),
                                        (api.owner, one))]
    assert [answer.status_code for answer in answers] == [201] * 4
    assert not any("Idempotent-Replayed" in answer.headers for answer in answers)
    assert len({answer.json()["api_key"] for answer in answers}) == 4
    same(answers[1], other.client.post(f"/api/customers/{other.id}/keys", body, headers=headers))


def test_a_stored_answer_needs_a_live_api_key(api):
    customer, headers = api.sign_up(), new_key()
    secret, key_id = api.mint(customer)
    client = api.keyed(secret)
    path = f"/api/customers/{customer.id}/keys"
    assert client.post(path, {}, headers=headers).status_code == 201
    expect(customer.client.delete(f"{path}/{key_id}"), 200)
    expect(client.post(path, {}, headers=headers), 401, "unauthenticated")


def test_a_key_expires_after_a_day(api, stack):
    customer, headers = api.sign_up(), new_key()
    path = f"/api/customers/{customer.id}/keys"
    first = customer.client.post(path, {}, headers=headers)
    newest = "(SELECT digest FROM idempotency_keys ORDER BY created_at DESC LIMIT 1)"
    assert stack.sql("SELECT expires_at - created_at FROM idempotency_keys WHERE digest = "
                     + newest) == "1 day"
    stack.sql("UPDATE idempotency_keys SET expires_at = now() + interval '1 minute' "
              f"WHERE digest = {newest}")
    same(first, customer.client.post(path, {}, headers=headers))
    stack.sql("UPDATE idempotency_keys SET expires_at = now() - interval '1 ms' "
              f"WHERE digest = {newest}")
    again = customer.client.post(path, {}, headers=headers)
    assert again.status_code == 201 and "Idempotent-Replayed" not in again.headers
    assert again.json()["api_key"] != first.json()["api_key"]
    same(again, customer.client.post(path, {}, headers=headers))


@pytest.mark.parametrize("key, good", [("x", True), ("x" * 255, True), ("a b~!", True),
                                       ("x" * 256, False), ("é".encode(), False),
                                       ("a\tb", False)])
def test_form_of_the_key(api, key, good):
    customer = api.sign_up()
    answer = customer.client.post(f"/api/customers/{customer.id}/keys", {},
                                  headers={"Idempotency-Key": key})
    if good:
        assert answer.status_code == 201
    else:
        expect(answer, 400, "invalid_idempotency_key")


def test_neither_key_nor_answer_can_be_read_in_the_database(api, stack):
    headers, body = new_key(), {"email": api.email()}
    made = expect(api.owner.post("/api/customers", body, headers=headers), 201)
    dump = stack.pg_dump()
    assert headers["Idempotency-Key"] not in dump
    assert headers["Idempotency-Key"].encode().hex() not in dump
    assert made["api_key"] not in dump and made["api_key"].encode().hex() not in dump
    assert not SECRET.findall(dump)
