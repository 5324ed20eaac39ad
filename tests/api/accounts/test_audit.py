"""The audit trail: actor, action and request of each change, written in the same transaction."""

import json
import re
import shutil

import pytest

from support.client import Client, expect
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
    """A refused request is recorded only if it is an operator's."""
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


def count_entries(stack, whose, entries):
    """Sets the entries that are counted for a customer or a key, today and tomorrow."""
    stack.sql(f"INSERT INTO audit_counts SELECT '{whose}', date(timezone('UTC', now())) + later, {entries} "
              "FROM generate_series(0, 1) later "
              f"ON CONFLICT (customer_id, day) DO UPDATE SET entries = {entries}")


def test_unknown_keys_of_operators_are_recorded(api, stack):
    """A guess, and a revoked key, with the characters that operator list shows; at most so many a day."""
    count_entries(stack, "", 0)
    revoked = next(word for word in stack.billingctl(
        "operator", "create", "refused-one").stdout.split() if word.startswith("gba_"))
    stack.billingctl("operator", "revoke", "refused-one")
    for key in (revoked, "gba_" + "0" * 64):
        answer = api.nobody.get("/api/customers", headers={"X-API-Key": key})
        assert answer.status_code == 401
        assert stack.sql("SELECT actor, subject, detail FROM audit_log WHERE request_id = "
                         f"'{answer.headers['X-Request-Id']}'") == \
            f"nobody|{key[:10]}|unauthenticated: GET /api/customers"
    for key in ("nonsense", f"cust_{'0' * 32}_{'0' * 64}"):
        answer = api.nobody.get("/api/customers", headers={"X-API-Key": key})
        assert answer.status_code == 401
        assert stack.sql("SELECT count(*) FROM audit_log WHERE request_id = "
                         f"'{answer.headers['X-Request-Id']}'") == "0"


def test_unknown_keys_do_not_end_the_record_of_known_ones(api, stack):
    """At most 1000 refusals of a day are recorded of all unknown keys together, and of each known one, and
    the last entry says that it is the last."""
    revoked = next(word for word in stack.billingctl(
        "operator", "create", "refused-two").stdout.split() if word.startswith("gba_"))
    key_id = stack.sql("SELECT key_id FROM api_keys WHERE name = 'refused-two'")
    stack.billingctl("operator", "revoke", "refused-two")

    def details(answer, status):
        assert answer.status_code == status
        return stack.sql("SELECT detail FROM audit_log WHERE request_id = "
                         f"'{answer.headers['X-Request-Id']}'")

    def use(key):
        return details(api.nobody.get("/api/customers", headers={"X-API-Key": key}), 401)

    def unrecorded():
        return int(re.search("^billing_refusals_unrecorded_total ([0-9]+)", api.nobody.get("/metrics").text,
                             re.M)[1])

    for whose, key, who in (("", "gba_" + "1" * 64, "unknown keys"), (key_id, revoked, "this key")):
        count_entries(stack, whose, 999)
        assert use(key) == ("unauthenticated: GET /api/customers; the last that is recorded today of "
                            + who)
        before = unrecorded()
        assert use(key) == ""
        assert unrecorded() == before + 1
        if whose == "":
            assert use(revoked) == "unauthenticated: GET /api/customers"
            assert details(api.viewer.post("/api/customers", {"email": api.email()}), 403) == \
                "forbidden: POST /api/customers"
        count_entries(stack, whose, 0)


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


def test_the_trail_is_verified(stack, api, tmp_path):
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
    # A lost file of heads beside an old chain is a warning of doctor's, and a fault. The jobs would make it anew in
    # the folder of the stack.
    lost = tmp_path / "keys"
    shutil.copytree(heads.parent, lost, ignore=shutil.ignore_patterns(heads.name))
    stack.sql("UPDATE audit_chain SET chained_at = chained_at - interval '3 days'")
    env = {"KEYS_DIR": str(lost)}
    assert re.search(r"audit-heads\.jwt is missing", stack.billingctl("doctor", env=env, check=False).stdout)
    found = stack.billingctl("audit", "verify", env=env, check=False).stdout
    assert re.search(rf"^no_head .*there is no signed head in {lost / heads.name}", found, re.M), found
    stack.sql("UPDATE audit_chain SET chained_at = chained_at + interval '3 days'")
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


CONSOLE = {"X-Billing-Console": "1"}


def signed_in(api, credential):
    """A browser that has signed in."""
    answer = api.nobody.post("/api/session", credential, headers=CONSOLE)
    expect(answer, 201)
    return Client(api.stack, {"Cookie": answer.headers["Set-Cookie"].split(";")[0], **CONSOLE})


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
    assert expect(api.viewer.get(path), 200)["customer"]["company_name"] == "Two"
    expect(api.owner.patch(path, {"company_name": "Four"}), 200)
    expect(other.client.patch(f"/api/customers/{other.id}", {"company_name": "Five"}), 200)
    stack.sql(f"UPDATE audit_counts SET day = day - 1 WHERE customer_id = '{customer.id}'")
    expect(customer.client.patch(path, {"company_name": "Six"}), 200)


def test_a_stolen_key_cannot_prevent_its_revocation(api, stack):
    """When the changes of a customer's day are used up, its keys can be revoked, its licence be rotated, its
    browsers sign in and out; so many sign-ins of one key are refused, of another key not."""
    customer = api.sign_up()
    path = f"/api/customers/{customer.id}"
    count_entries(stack, customer.id, 20000)
    expect(customer.client.patch(path, {"company_name": "Refused"}), 429, "too_many_changes")
    stolen, stolen_id = api.mint(customer, "usage")
    by_link = {"link": expect(api.owner.post(f"{path}/links"), 201)["url"].split("link=")[1]}
    for sign_in in ({"api_key": customer.api_key}, by_link):
        browser = signed_in(api, sign_in)
        answer = browser.delete("/api/session")
        assert expect(answer, 200) == {"ended": 1} and "Max-Age=0" in answer.headers["Set-Cookie"]
        expect(browser.get(path), 401, "unauthenticated")
    ended = expect(signed_in(api, {"api_key": customer.api_key}).delete("/api/sessions"), 200)
    assert ended["ended"] >= 1
    expect(customer.client.post(f"/api/licenses/{customer.id}/rotate"), 200)
    # The sign-ins of the stolen key are used up: those of another one are not.
    count_entries(stack, stolen_id, 2000)
    answer = api.nobody.post("/api/session", {"api_key": stolen}, headers=CONSOLE)
    expect(answer, 429, "too_many_changes")
    assert 0 < int(answer.headers["Retry-After"]) <= 86400 and "Set-Cookie" not in answer.headers
    browser = signed_in(api, {"api_key": customer.api_key})
    expect(browser.delete(f"{path}/keys/{stolen_id}"), 200)
    expect(api.nobody.get(path, headers={"X-API-Key": stolen}), 401, "unauthenticated")
