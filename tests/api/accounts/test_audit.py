"""The audit log: actor, action and request of each change, written in the same transaction."""

import pytest

from support.client import expect


def actions(api, customer, key_id):
    """For each audited action, by its name in the log, a function that performs it."""
    path, license_path = f"/api/customers/{customer.id}", f"/api/licenses/{customer.id}"
    return {
        "sign_up": lambda by: by.post("/api/customers", {"email": api.email()}),
        "customer_update": lambda by: by.patch(path, {"company_name": "New"}),
        "key_create": lambda by: by.post(path + "/keys", {}),
        "key_revoke": lambda by: by.delete(f"{path}/keys/{key_id}"),
        "license_rotate": lambda by: by.post(license_path + "/rotate"),
        "override_set": lambda by: by.put(path + "/overrides", {
            "features": {"maxDevices": 99}, "reason": "pilot"}),
        "license_revoke": lambda by: by.post(license_path + "/revoke", {"reason": "late"}),
        "customer_delete": lambda by: by.delete(path),
    }


@pytest.mark.parametrize("action", ["sign_up", "customer_update", "key_create", "key_revoke",
                                    "license_rotate", "override_set", "license_revoke",
                                    "customer_delete"])
def test_every_action_is_recorded_once(api, stack, action):
    customer = api.sign_up()
    _, key_id = api.mint(customer)
    owner_key = stack.sql("SELECT key_id FROM api_keys WHERE role = 'owner' ORDER BY created_at "
                          "LIMIT 1")
    answer = actions(api, customer, key_id)[action](api.owner)
    assert answer.status_code in (200, 201), answer.text
    rows = stack.sql("SELECT action, actor FROM audit_log WHERE request_id = "
                     f"'{answer.headers['X-Request-Id']}'")
    assert rows == f"{action}|operator:{owner_key}"


def test_an_action_of_a_customer_names_its_key(api, stack):
    customer = api.sign_up()
    key_id = stack.sql(f"SELECT key_id FROM api_keys WHERE customer_id = '{customer.id}'")
    answer = customer.client.post(f"/api/licenses/{customer.id}/rotate")
    expect(answer, 200)
    assert stack.sql("SELECT actor, customer_id FROM audit_log WHERE request_id = "
                     f"'{answer.headers['X-Request-Id']}'") == f"customer:{key_id}|{customer.id}"


def test_refused_requests_are_not_recorded(api, stack):
    customer, other = api.sign_up(), api.sign_up()
    before = stack.sql("SELECT count(*) FROM audit_log")
    for perform in actions(api, customer, "key_" + "0" * 24).values():
        answer = perform(api.viewer)
        assert answer.status_code == 403
        answer = perform(other.client)
        assert answer.status_code in (403, 404)
    assert stack.sql("SELECT count(*) FROM audit_log") == before


def test_without_the_audit_entry_nothing_is_stored(api, new_stack):
    """A trigger makes the INSERT of the entry fail."""
    stack = new_stack(WORKERS=2)
    customer = stack.api.sign_up()
    stack.sql("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
              "$$ BEGIN RAISE 'no audit'; END $$;"
              "CREATE TRIGGER refuse BEFORE INSERT ON audit_log EXECUTE FUNCTION refuse()")
    tables = ("customers", "subscriptions", "licenses", "api_keys")
    key_id = stack.sql(f"SELECT key_id FROM api_keys WHERE customer_id = '{customer.id}'")
    before = [stack.sql(f"SELECT * FROM {table} t ORDER BY t::text") for table in tables]
    for action, perform in actions(stack.api, customer, key_id).items():
        answer = perform(Faulty(stack.api.owner))
        assert answer.status_code == 500, action
        assert answer.json()["code"] == "internal_error" and "audit" not in answer.text
    assert [stack.sql(f"SELECT * FROM {table} t ORDER BY t::text") for table in tables] == before
    stack.sql("DROP TRIGGER refuse ON audit_log")
    expect(stack.api.owner.post(f"/api/licenses/{customer.id}/rotate"), 200)
    stack.close()


class Faulty:
    """A client whose 5xx answers are expected."""

    def __init__(self, client):
        self.client = client

    def __getattr__(self, name):
        return lambda *arguments: getattr(self.client, name)(*arguments, faults=True)


def test_changes_by_a_customer_are_bounded(api, stack):
    """20000 within a day by all keys of a customer; a refused one changes nothing. Operators and other
    customers are not bounded, and the next day begins anew."""
    customer, other = api.sign_up(company_name="Before"), api.sign_up()
    path = f"/api/customers/{customer.id}"
    expect(customer.client.patch(path, {"company_name": "One"}), 200)

    def count(entries):
        stack.sql(f"UPDATE audit_counts SET entries = {entries} WHERE customer_id = '{customer.id}'")

    count(19999)
    expect(customer.client.patch(path, {"company_name": "Two"}), 200)
    refused = customer.client.patch(path, {"company_name": "Three"})
    expect(refused, 429, "too_many_changes")
    assert 0 < int(refused.headers["Retry-After"]) <= 86400
    expect(customer.client.put(f"{path}/instances/one", {}), 429, "too_many_changes")
    expect(customer.client.delete(f"{path}/keys/{api.mint(customer)[1]}"), 429, "too_many_changes")
    assert expect(api.viewer.get(path), 200)["customer"]["company_name"] == "Two"
    expect(api.owner.patch(path, {"company_name": "Four"}), 200)
    expect(other.client.patch(f"/api/customers/{other.id}", {"company_name": "Five"}), 200)
    stack.sql(f"UPDATE audit_counts SET day = day - 1 WHERE customer_id = '{customer.id}'")
    expect(customer.client.patch(path, {"company_name": "Six"}), 200)
