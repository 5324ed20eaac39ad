"""API keys of customers: creating, listing and revoking them, and what their scopes allow."""

import concurrent.futures
import itertools
import uuid

import pytest

from support.client import expect

SCOPES = ("license", "usage", "billing")


@pytest.mark.quick
def test_create(api, stack):
    customer = api.sign_up()
    path = f"/api/customers/{customer.id}/keys"
    made = expect(customer.client.post(path, {"name": "production", "scopes": ["usage"]}), 201)
    key = made["key"]
    assert (key["name"], key["scopes"], key["last_used_at"], key["revoked_at"]) == (
        "production", ["usage"], None, None)
    assert made["api_key"].startswith(key["prefix"])
    assert key in expect(customer.client.get(path), 200)["keys"]
    actor, subject = stack.sql("SELECT actor, subject FROM audit_log WHERE action = 'key_create' "
                               f"AND customer_id = '{customer.id}'").split("|")
    assert actor.startswith("customer:key_") and subject == key["key_id"]


def test_create_with_defaults(api):
    customer = api.sign_up()
    for answer in (customer.client.post(f"/api/customers/{customer.id}/keys", {}),
                   api.owner.post(f"/api/customers/{customer.id}/keys")):
        key = expect(answer, 201)["key"]
        assert key["name"] is None and set(key["scopes"]) == set(SCOPES)


def test_repeated_scopes_count_once(api):
    customer = api.sign_up()
    made = expect(customer.client.post(f"/api/customers/{customer.id}/keys",
                                       {"scopes": ["usage", "usage", "license"]}), 201)
    assert sorted(made["key"]["scopes"]) == ["license", "usage"]


@pytest.mark.parametrize("body", [
    {"scopes": []}, {"scopes": ["admin"]}, {"scopes": ["license", "usage", "billing", "usage"]},
    {"scopes": "license"}, {"scopes": [1]}, {"scopes": None}, {"scopes": ["License"]},
    {"name": ""}, {"name": " "}, {"name": "x" * 101}, {"name": "a\nb"}, {"name": 1},
    {"role": "owner"}, {"customer_id": "cust_" + "0" * 32}, {"key_id": "key_" + "0" * 24}])
def test_create_refuses_invalid_fields(api, body):
    customer = api.sign_up()
    path = f"/api/customers/{customer.id}/keys"
    expect(customer.client.post(path, body), 400, "invalid_request")
    assert len(expect(customer.client.get(path), 200)["keys"]) == 1


def test_the_list_contains_no_secret(api):
    customer = api.sign_up()
    secret, key_id = api.mint(customer, "license")
    answer = api.viewer.get(f"/api/customers/{customer.id}/keys")
    keys = expect(answer, 200)["keys"]
    assert [key["key_id"] for key in keys].count(key_id) == 1 and len(keys) == 2
    assert secret[-58:] not in answer.text and customer.api_key[-58:] not in answer.text


def test_last_use_is_stored_once_a_day(api, stack):
    customer = api.sign_up()
    _, key_id = api.mint(customer, "usage")
    before = stack.sql("SELECT current_date")
    expect(customer.client.get(f"/api/customers/{customer.id}"), 200)
    keys = expect(api.owner.get(f"/api/customers/{customer.id}/keys"), 200)["keys"]
    used = {key["key_id"] == key_id: key["last_used_at"] for key in keys}
    assert used[True] is None
    assert used[False].startswith((before, stack.sql("SELECT current_date")))
    expect(customer.client.get(f"/api/customers/{customer.id}"), 200)
    again = expect(api.owner.get(f"/api/customers/{customer.id}/keys"), 200)["keys"]
    assert {key["key_id"] == key_id: key["last_used_at"] for key in again} == used or \
        stack.sql("SELECT current_date") != before, "one a day"


def test_revoke(api):
    customer = api.sign_up()
    secret, key_id = api.mint(customer)
    path = f"/api/customers/{customer.id}"
    expect(api.keyed(secret).get(path), 200)
    assert expect(customer.client.delete(f"{path}/keys/{key_id}"), 200)["key_id"] == key_id
    expect(api.keyed(secret).get(path), 401, "unauthenticated")
    expect(api.bearer(secret).get(f"/api/licenses/{customer.id}"), 401, "unauthenticated")
    expect(customer.client.delete(f"{path}/keys/{key_id}"), 404, "key_not_found")
    keys = expect(customer.client.get(path + "/keys"), 200)["keys"]
    assert {key["key_id"]: key["revoked_at"] is not None for key in keys}[key_id]
    expect(customer.client.get(path), 200)


def test_a_key_can_revoke_itself(api):
    customer = api.sign_up()
    path = f"/api/customers/{customer.id}/keys"
    own = expect(customer.client.get(path), 200)["keys"][0]["key_id"]
    expect(customer.client.delete(f"{path}/{own}"), 200)
    expect(customer.client.get(path), 401, "unauthenticated")


@pytest.mark.parametrize("key_id", ["key_" + "0" * 24, "x", "' OR ''='", "key_" + "A" * 24])
def test_revoke_of_an_unknown_key(api, key_id):
    customer = api.sign_up()
    answer = api.owner.delete(f"/api/customers/{customer.id}/keys/{key_id}")
    assert answer.status_code == 404


def test_revoke_of_the_key_of_another_customer(api):
    customer, other = api.sign_up(), api.sign_up()
    _, key_id = api.mint(other)
    for client in (customer.client, api.owner):
        expect(client.delete(f"/api/customers/{customer.id}/keys/{key_id}"), 404, "key_not_found")
    keys = expect(other.client.get(f"/api/customers/{other.id}/keys"), 200)["keys"]
    assert all(key["revoked_at"] is None for key in keys)


def test_revoke_of_the_key_of_an_operator(api, stack):
    customer = api.sign_up()
    key_id = stack.sql("SELECT key_id FROM api_keys WHERE role = 'viewer' LIMIT 1")
    expect(api.owner.delete(f"/api/customers/{customer.id}/keys/{key_id}"), 404, "key_not_found")
    expect(api.viewer.get("/api/customers?limit=1"), 200)


@pytest.mark.parametrize("scopes", [c for n in (1, 2, 3) for c in itertools.combinations(SCOPES, n)])
def test_scopes_allow_their_paths_only(api, scopes):
    customer = api.sign_up()
    client = api.keyed(api.mint(customer, *scopes)[0])
    for path, scope in ((f"/api/licenses/{customer.id}", "license"),
                        (f"/api/licenses/{customer.id}/history", "license"),
                        (f"/api/customers/{customer.id}", "billing"),
                        (f"/api/customers/{customer.id}/keys", "billing"),
                        (f"/api/subscriptions/{customer.id}", "billing")):
        if scope in scopes:
            expect(client.get(path), 200)
        else:
            refusal = expect(client.get(path), 403, "scope_missing")
            assert refusal["error"] == f"This needs a key with the scope {scope}; this key has {', '.join(scopes)}."


def test_a_refusal_names_the_role_that_is_missing(api):
    customer = api.sign_up()
    for client, words in ((customer.client, "This needs an operator's key; this key is a customer's."),
                          (api.viewer, "This needs a key with the role owner; this key has the role viewer.")):
        assert expect(client.delete(f"/api/customers/{customer.id}"), 403, "forbidden")["error"] == words


def test_a_key_cannot_create_a_key_with_more_scopes(api, stack):
    customer = api.sign_up()
    client = api.keyed(api.mint(customer, "billing", "usage")[0])
    path = f"/api/customers/{customer.id}/keys"
    before = stack.sql(f"SELECT count(*) FROM api_keys WHERE customer_id = '{customer.id}'")
    for scopes in (["license"], ["billing", "license"], list(SCOPES)):
        expect(client.post(path, {"scopes": scopes}), 403, "scope_exceeded")
    assert stack.sql("SELECT count(*) FROM api_keys WHERE customer_id = "
                     f"'{customer.id}'") == before
    assert set(expect(client.post(path), 201)["key"]["scopes"]) == {"billing", "usage"}
    assert expect(client.post(path, {"scopes": ["usage"]}), 201)["key"]["scopes"] == ["usage"]


def test_a_key_must_be_exact(api):
    customer = api.sign_up()
    key = customer.api_key
    path = f"/api/customers/{customer.id}"
    for wrong in (key[:-1], key + "0", key.upper(), key[:-1] + "g",
                  key[:-1] + ("0" if key[-1] != "0" else "1"), key.replace("cust_", "gba_")):
        expect(api.keyed(wrong).get(path), 401, "unauthenticated")
        expect(api.bearer(wrong).get(path), 401, "unauthenticated")
    for scheme in ("bearer", "BEARER", "Bearer "):
        answer = api.nobody.get(path, headers={"Authorization": f"{scheme} {key}"})
        expect(answer, 200)
    for other in (f"Basic {key}", key, "Bearer", f"Bearer{key}", f"Token {key}"):
        expect(api.nobody.get(path, headers={"Authorization": other}), 401, "unauthenticated")


def test_a_revoked_operator(api, stack):
    made = stack.billingctl("operator", "create", "leaving", "--role", "owner", "--json")
    key = next(iter(k for k in stack.secrets if k in made.stdout))
    client = api.bearer(key)
    expect(client.get("/api/customers?limit=1"), 200)
    stack.sql("UPDATE api_keys SET revoked_at = now() WHERE name = 'leaving'")
    expect(client.get("/api/customers?limit=1"), 401, "unauthenticated")


def test_live_keys_are_bounded(api, stack):
    """20 at most, also when they are made at the same time. A revoked key makes room."""
    customer, other = api.sign_up(), api.sign_up()
    path = f"/api/customers/{customer.id}/keys"

    def make(_):
        return api.bearer(stack.admin_key).post(path, {}).status_code

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(make, range(30)))
    assert sorted(statuses) == 19 * [201] + 11 * [409]
    expect(customer.client.post(path, {}), 409, "too_many_keys")
    keys = expect(customer.client.get(path), 200)["keys"]
    assert len(keys) == 20
    expect(customer.client.delete(f"{path}/{keys[0]['key_id']}"), 200)
    expect(customer.client.post(path, {}), 201)
    expect(other.client.post(f"/api/customers/{other.id}/keys", {}), 201)


def test_keys_made_in_a_day_are_bounded(api, stack):
    """Keys that are made and revoked again count for a day."""
    customer = api.sign_up()
    path = f"/api/customers/{customer.id}/keys"
    stack.sql(f"""
        INSERT INTO api_keys (key_id, customer_id, role, digest, prefix, scopes, created_at,
            revoked_at)
        SELECT 'key_' || substr(md5('{customer.id}' || n), 1, 24), '{customer.id}', 'customer',
            sha256(('{customer.id}' || n)::bytea), 'x', '{{usage}}',
            now() - n * interval '14 minutes', now() FROM generate_series(1, 98) n""")
    expect(customer.client.post(path, {}), 201)
    key = {"Idempotency-Key": uuid.uuid4().hex}
    expect(customer.client.post(path, {}, headers=key), 429, "too_many_keys_made")
    stack.sql("UPDATE api_keys SET created_at = created_at - interval '2 hours' "
              f"WHERE customer_id = '{customer.id}' AND revoked_at IS NOT NULL")
    # Such a refusal is not stored for the Idempotency-Key.
    expect(customer.client.post(path, {}, headers=key), 201)
