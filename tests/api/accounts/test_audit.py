"""The audit log: actor, action and request of each change, written in the same transaction."""

import json
import re

import pytest

from support.client import expect
from support.stack import wait_for


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


def test_refused_requests_change_nothing(api, stack):
    """Of a refused request only an operator's is recorded."""
    customer, other = api.sign_up(), api.sign_up()
    viewer = stack.sql("SELECT key_id FROM api_keys WHERE role = 'viewer' ORDER BY created_at "
                       "LIMIT 1")
    for perform in actions(api, customer, "key_" + "0" * 24).values():
        answer = perform(api.viewer)
        assert answer.status_code == 403
        rows = stack.sql("SELECT action, actor, subject, detail FROM audit_log WHERE request_id = "
                         f"'{answer.headers['X-Request-Id']}'")
        assert re.fullmatch(rf"operator_refused\|operator:{viewer}\|{viewer}\|forbidden: "
                            r"(POST|PUT|PATCH|DELETE) /api/\S+", rows), rows
        answer = perform(other.client)
        assert answer.status_code in (403, 404)
        assert stack.sql("SELECT count(*) FROM audit_log WHERE request_id = "
                         f"'{answer.headers['X-Request-Id']}'") == "0"


def test_unknown_keys_of_operators_are_recorded(api, stack):
    """A guess, and a revoked key, with the characters that operator list shows; at most so many a day."""
    revoked = next(word for word in stack.billingctl(
        "operator", "create", "refused-one").stdout.split() if word.startswith("gba_"))
    stack.billingctl("operator", "revoke", "refused-one")
    for key in (revoked, "gba_" + "0" * 64):
        answer = api.nobody.get("/api/customers", headers={"X-API-Key": key})
        assert answer.status_code == 401
        assert stack.sql("SELECT actor, subject, detail FROM audit_log WHERE request_id = "
                         f"'{answer.headers['X-Request-Id']}'") == \
            f"nobody|{key[:10]}|unauthenticated: GET /api/customers"
    stack.sql("UPDATE audit_counts SET entries = 1000 WHERE customer_id = ''")
    answer = api.nobody.get("/api/customers", headers={"X-API-Key": revoked})
    assert answer.status_code == 401
    assert stack.sql("SELECT count(*) FROM audit_log WHERE request_id = "
                     f"'{answer.headers['X-Request-Id']}'") == "0"
    stack.sql("UPDATE audit_counts SET entries = 0 WHERE customer_id = ''")
    for key in ("nonsense", f"cust_{'0' * 32}_{'0' * 64}"):
        answer = api.nobody.get("/api/customers", headers={"X-API-Key": key})
        assert answer.status_code == 401
        assert stack.sql("SELECT count(*) FROM audit_log WHERE request_id = "
                         f"'{answer.headers['X-Request-Id']}'") == "0"


def test_exports_are_recorded(api, stack):
    customer = api.sign_up()
    for client, accept, detail in ((api.viewer, "text/csv", "csv"),
                                   (customer.client, "application/json", "json")):
        answer = client.get(f"/api/customers/{customer.id}/export", headers={"Accept": accept})
        assert answer.status_code == 200
        assert stack.sql("SELECT action, customer_id, detail FROM audit_log WHERE request_id = "
                         f"'{answer.headers['X-Request-Id']}'") == \
            f"customer_export|{customer.id}|{detail}"


def test_the_trail_is_read_in_pages(api, stack):
    customer = api.sign_up()
    for company in ("A", "B", "C"):
        expect(api.owner.patch(f"/api/customers/{customer.id}", {"company_name": company}), 200)
    actor = "operator:" + stack.sql("SELECT key_id FROM api_keys WHERE role = 'owner' "
                                    "ORDER BY created_at LIMIT 1")

    def read(**query):
        words = "&".join(f"{name}={value}" for name, value in query.items())
        return expect(api.viewer.get(f"/api/audit?{words}"), 200)

    def entries_of(answer):
        """The entries without their links, which a job makes a moment later."""
        return [{**row, "position": None, "hash": None} for row in answer["entries"]]

    page = read(customer_id=customer.id, limit=3)
    assert [row["action"] for row in page["entries"]] == ["customer_update"] * 3
    rest = read(customer_id=customer.id, limit=3, cursor=page["next_cursor"])
    assert [row["action"] for row in rest["entries"]] == ["sign_up"]
    assert rest["next_cursor"] is None
    for query in ({"actor": actor}, {"action": "customer_update"}, {},
                  {"actor": actor, "action": "customer_update"},
                  {"customer_id": customer.id, "actor": actor, "action": "customer_update"}):
        assert entries_of(read(**query, limit=3)) == entries_of(page) or not query
    assert read(action="nothing")["entries"] == read(actor="nobody:x")["entries"] == []
    assert api.viewer.get("/api/audit?cursor=eDp5").json()["details"][0]["field"] == "cursor"
    # A moment later each entry is a link of the chain.
    entries = wait_for(lambda: [row for row in read(customer_id=customer.id)["entries"]
                                if row["hash"]])
    assert wait_for(lambda: all(row["position"] for row in read(customer_id=customer.id)["entries"]))
    assert all(re.fullmatch("[0-9a-f]{64}", row["hash"]) for row in entries)


def test_the_trail_is_verified(stack, api):
    """billingctl finds what the superuser did to the trail of a stack, and knows the head that the jobs
    have signed."""
    customer = api.sign_up()
    heads = stack.run_dir / "keys/audit-heads.jwt"
    wait_for(lambda: heads.exists() and heads.read_text(encoding="ascii").endswith("\n"))
    wait_for(lambda: stack.sql("SELECT count(*) FROM audit_pending") == "0")
    done = stack.billingctl("audit", "verify", "--json")
    answer = json.loads(done.stdout)
    assert answer["found"] == 0 and answer["faults"] == [] and answer["signed_heads"] >= 1
    listed = json.loads(stack.billingctl("audit", "list", "--customer", customer.id, "--json").stdout)
    assert [row["action"] for row in listed["entries"]] == ["sign_up"]
    change = f"WHERE customer_id = '{customer.id}' AND action = 'sign_up'"
    stack.sql(f"UPDATE audit_log SET detail = 'x' {change}")
    done = stack.billingctl("audit", "verify", check=False)
    assert done.returncode == 3 and re.search(r"^changed +\d+ +\d+", done.stdout, re.M), done
    stack.sql(f"UPDATE audit_log SET detail = NULL {change}")
    assert stack.billingctl("audit", "verify").returncode == 0
    assert stack.billingctl("audit", "list").stdout.split()[:2] == ["id", "happened_at"]
    # A lost file of heads beside an old chain is a warning of doctor's, and a fault.
    aside = heads.rename(heads.with_suffix(".aside"))
    stack.sql("UPDATE audit_chain SET chained_at = chained_at - interval '3 days'")
    assert re.search(r"audit-heads\.jwt is missing", stack.billingctl("doctor", check=False).stdout)
    assert "no_head" in stack.billingctl("audit", "verify", check=False).stdout
    stack.sql("UPDATE audit_chain SET chained_at = chained_at + interval '3 days'")
    aside.rename(heads)
    assert stack.billingctl("audit", "verify").returncode == 0


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
