"""Customers: sign-up, reading, listing, changing and deleting."""

import uuid
from urllib.parse import quote

import pytest

from support.client import expect

UNKNOWN = "cust_" + "0" * 32


@pytest.mark.quick
def test_sign_up_returns_customer_trial_licence_and_key(api, stack):
    email = api.email()
    made = expect(api.owner.post("/api/customers", {"email": email, "company_name": "Acme Corp"}),
                  201)
    customer, subscription = made["customer"], made["subscription"]
    assert customer["email"] == email
    assert customer["company_name"] == "Acme Corp"
    assert customer["stripe_customer_id"] is None
    assert subscription["customer_id"] == customer["customer_id"]
    assert (subscription["plan"], subscription["status"]) == ("starter", "trialing")
    assert made["api_key"].startswith(customer["customer_id"] + "_")
    assert stack.sql("SELECT trial_ends_at - created_at FROM subscriptions WHERE customer_id = "
                     f"'{customer['customer_id']}'") == "14 days"
    client = api.keyed(made["api_key"])
    assert expect(client.get(f"/api/licenses/{customer['customer_id']}"), 200)["license"] == \
        made["license"]


def test_sign_up_without_a_company(api):
    for more in ({}, {"company_name": None}):
        assert api.sign_up(**more).answer["customer"]["company_name"] is None


def test_sign_up_is_in_the_audit_log(api, stack):
    answer = api.owner.post("/api/customers", {"email": api.email()})
    customer_id = answer.json()["customer"]["customer_id"]
    actor, request_id = stack.sql(
        "SELECT actor, request_id FROM audit_log WHERE action = 'sign_up' "
        f"AND customer_id = '{customer_id}'").split("|")
    assert actor.startswith("operator:key_")
    assert request_id == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("email", [
    "", "a", "nobody", "@example.com", "a@", "a@b", "a@@example.com", "a b@example.com",
    "a@exam ple.com", "a@.example.com", "a@example..com", "a@example.com.", "a\n@example.com",
    "<a@example.com>", "a@example.com,b@example.com", "x" * 65 + "@example.com",
    "a@" + "b" * 250 + ".com", "a@-example.com"])
def test_sign_up_refuses_invalid_addresses(api, email):
    refused = expect(api.owner.post("/api/customers", {"email": email}), 400, "invalid_request")
    assert [detail["field"] for detail in refused["details"]] == ["email"]


@pytest.mark.parametrize("name", ["", "   ", "a\tb", "a\x00b", "a\x1bb", "a\x7fb", "x" * 201, 1,
                                  True, [], {}, "\u200b", "\u00a0", "a\u2028b", "a\u0085b", "a\u009b31m",
                                  "a\u202egnp.exe", "a\u2060", "a\ufeff", "\u3164", "a\u200db", "a\u0378"])
def test_sign_up_refuses_invalid_names(api, name):
    body = {"email": api.email(), "company_name": name}
    answer = api.owner.post("/api/customers", body)
    assert answer.status_code == 400
    assert answer.json()["code"] == ("invalid_json" if name == "a\x00b" else "invalid_request")


def test_names_may_be_in_any_language_and_200_characters_long(api):
    for name in ("Müller & Söhne", "株式会社", "🚀" * 200, "'; DROP TABLE customers; --", "نمی‌خواهم"):
        assert api.sign_up(company_name=name).answer["customer"]["company_name"] == name


def test_every_bad_field_is_named_at_once(api):
    refused = expect(api.owner.post("/api/customers", {
        "email": 5, "company_name": "", "plan": "enterprise", "customer_id": UNKNOWN}),
        400, "invalid_request")
    assert {detail["field"] for detail in refused["details"]} == {
        "email", "company_name", "plan", "customer_id"}


def test_one_customer_per_address(api):
    customer = api.sign_up()
    for email in (customer.email, customer.email.upper(), customer.email.title()):
        expect(api.owner.post("/api/customers", {"email": email}), 409, "customer_exists")


def test_get(api):
    customer = api.sign_up(company_name="Acme")
    for client in (customer.client, api.owner, api.viewer, api.bearer(customer.api_key)):
        got = expect(client.get(f"/api/customers/{customer.id}"), 200)
        assert got == {name: customer.answer[name] for name in ("customer", "subscription")}


@pytest.mark.parametrize("customer_id", [
    UNKNOWN, "cust_", "cust_" + "0" * 31, "cust_" + "0" * 33, "cust_" + "A" * 32, "CUST_" + "0" * 32,
    "x", "%00", "%ff", "..%2f", "cust_" + "0" * 31 + "%0a", "' OR ''='", "null", "%2e%2e"])
def test_an_unknown_customer(api, customer_id):
    answer = api.owner.get(f"/api/customers/{customer_id}")
    assert answer.status_code == (400 if "%00" in customer_id else 404)


@pytest.mark.quick
def test_patch_changes_the_given_fields(api):
    customer = api.sign_up(company_name="Old")
    path = f"/api/customers/{customer.id}"
    assert expect(customer.client.patch(path, {"company_name": "New"}), 200)["customer"][
        "company_name"] == "New"
    email = api.email()
    changed = expect(api.owner.patch(path, {"email": email}), 200)["customer"]
    assert (changed["email"], changed["company_name"]) == (email, "New")
    cleared = expect(customer.client.patch(path, {"company_name": None}), 200)["customer"]
    assert (cleared["email"], cleared["company_name"]) == (email, None)
    assert cleared["created_at"] == customer.answer["customer"]["created_at"]
    assert expect(api.viewer.get(path), 200)["customer"] == cleared


def test_an_empty_patch_changes_nothing(api):
    customer = api.sign_up(company_name="Same")
    for answer in (customer.client.patch(f"/api/customers/{customer.id}", {}),
                   customer.client.patch(f"/api/customers/{customer.id}")):
        assert expect(answer, 200)["customer"] == customer.answer["customer"]


@pytest.mark.parametrize("body", [
    {"email": None}, {"email": "no address"}, {"company_name": ""}, {"company_name": " "},
    {"customer_id": UNKNOWN}, {"stripe_customer_id": "cus_1"}, {"created_at": "2020-01-01T00:00:00Z"},
    {"deleted_at": None}, {"plan": "enterprise"}])
def test_patch_refuses_invalid_fields(api, body):
    customer = api.sign_up(company_name="Same")
    path = f"/api/customers/{customer.id}"
    expect(customer.client.patch(path, body), 400, "invalid_request")
    assert expect(api.owner.get(path), 200)["customer"] == customer.answer["customer"]


def test_an_owner_cannot_give_the_address_of_another_customer(api):
    customer, other = api.sign_up(), api.sign_up()
    path = f"/api/customers/{customer.id}"
    expect(api.owner.patch(path, {"email": other.email.upper()}), 409, "customer_exists")
    changed = customer.client.patch(path, {"email": customer.email.upper()})
    assert expect(changed, 200)["customer"]["email"] == customer.email.upper()


def walk(api, query, limit, follow=True):
    """The ids of all pages, followed by cursor."""
    ids, cursor = [], None
    while True:
        path = f"/api/customers?limit={limit}&{query}" + (f"&cursor={cursor}" if cursor else "")
        page = expect(api.viewer.get(path), 200)
        assert page["limit"] == limit and len(page["customers"]) <= limit
        ids += [customer["customer_id"] for customer in page["customers"]]
        cursor = page["next_cursor"]
        if cursor is None or not follow:
            return ids


@pytest.mark.quick
def test_lists_are_complete_and_newest_first(api):
    word = f"list{uuid.uuid4().hex[:10]}"
    made = [api.sign_up(company_name=f"{word} {number}").answer["customer"] for number in range(7)]
    # The clocks of two workers may be milliseconds apart.
    ids = [one["customer_id"] for one in sorted(made, key=lambda one: (one["created_at"],
                                                                       one["customer_id"]))]
    for limit in (1, 3, 7, 100):
        assert walk(api, f"q={word}", limit) == ids[::-1]
    page = expect(api.owner.get(f"/api/customers?q={word}&limit=2&offset=3"), 200)
    assert [c["customer_id"] for c in page["customers"]] == ids[::-1][3:5]
    assert (page["limit"], page["offset"]) == (2, 3)
    page = expect(api.owner.get(f"/api/customers?q={word}&offset=7"), 200)
    assert (page["customers"], page["next_cursor"], page["limit"]) == ([], None, 50)


def in_their_order(stack, customers):
    """Sets the times of the customers apart, as the clocks of two workers may be milliseconds apart."""
    stack.sql("".join(f"UPDATE customers SET created_at = now() - interval '{age} minutes' WHERE customer_id = "
                      f"'{customer.id}';" for age, customer in enumerate(reversed(customers), 1)))


def test_a_new_customer_does_not_shift_the_next_page(api, stack):
    word = f"keyset{uuid.uuid4().hex[:10]}"
    made = [api.sign_up(company_name=word) for _ in range(4)]
    ids = [customer.id for customer in made]
    in_their_order(stack, made)
    first = expect(api.owner.get(f"/api/customers?q={word}&limit=2"), 200)
    api.sign_up(company_name=word)
    second = expect(api.owner.get(
        f"/api/customers?q={word}&limit=2&cursor={first['next_cursor']}"), 200)
    assert [c["customer_id"] for c in first["customers"] + second["customers"]] == ids[::-1]


def test_customers_with_equal_times_are_all_listed(api, stack):
    word = f"tie{uuid.uuid4().hex[:10]}"
    ids = {api.sign_up(company_name=word).id for _ in range(5)}
    stack.sql(f"UPDATE customers SET created_at = '2020-01-01' WHERE company_name = '{word}'")
    listed = walk(api, f"q={word}", 2)
    assert set(listed) == ids and len(listed) == 5


def test_list_finds_by_address_and_prefix(api):
    customer = api.sign_up(company_name=f"100%_{uuid.uuid4().hex} \\ Söhne")
    name = customer.answer["customer"]["company_name"]

    def found(**query):
        answer = api.viewer.request("GET", "/api/customers?" + "&".join(
            f"{key}={quote(value, safe='')}" for key, value in query.items()))
        return [c["customer_id"] for c in expect(answer, 200)["customers"]]

    assert found(email=customer.email) == [customer.id]
    assert found(email=customer.email.upper()) == [customer.id]
    assert found(email=customer.email[:-1]) == []
    assert found(q=customer.email[:20]) == [customer.id]
    assert found(q=name) == [customer.id]
    assert found(q=name.lower()[:20]) == [customer.id]
    assert found(q=name[1:]) == []
    assert found(q=name[:10], email=customer.email) == [customer.id]
    assert found(q="%" + name[:10]) == []
    assert found(email=api.email()) == []


@pytest.mark.parametrize("query, field", [
    ("limit=0", "limit"), ("limit=101", "limit"), ("limit=-1", "limit"), ("limit=x", "limit"),
    ("limit=", "limit"), ("limit=1.0", "limit"), ("limit=1e1", "limit"), ("limit=%31%00", "limit"),
    ("limit=99999999999999999999", "limit"), ("limit=1&limit=1", "limit"), ("offset=-1", "offset"),
    ("offset=1000001", "offset"), ("cursor=", "cursor"), ("cursor=nonsense", "cursor"),
    ("cursor=" + "x" * 201, "cursor"), ("cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk6eA", "cursor"),
    ("q=", "q"), ("q=" + "x" * 201, "q"), ("q=%ff", "q"), ("email=", "email"),
    ("email=" + "x" * 255, "email")])
def test_list_refuses_bad_queries(api, query, field):
    refused = expect(api.viewer.get(f"/api/customers?{query}"), 400, "invalid_request")
    assert [detail["field"] for detail in refused["details"]] == [field]


def test_list_refuses_unknown_parameters(api):
    refused = expect(api.viewer.get("/api/customers?limit=1&utm_source=mail&limit_=x"), 400,
                     "invalid_request")
    assert [detail["field"] for detail in refused["details"]] == ["utm_source", "limit_"]


def test_a_plus_in_an_address_is_a_plus(api, stack):
    local = f"jane{uuid.uuid4().hex[:10]}"
    customer = expect(api.owner.post("/api/customers", {
        "email": f"{local}+test@{stack.mail_domain}", "company_name": f"Plus {local} Ltd"}), 201)["customer"]
    for query in (f"email={local}+test@{stack.mail_domain}",
                  f"email={local}%2Btest@{stack.mail_domain}", f"q=plus+{local}+ltd"):
        found = expect(api.viewer.get(f"/api/customers?{query}"), 200)["customers"]
        assert [c["customer_id"] for c in found] == [customer["customer_id"]], query


def test_cursors_with_extreme_times_are_accepted(api):
    for cursor in ("OTIyMzM3MjAzNjg1NDc3NTgwNzp4", "LTkyMjMzNzIwMzY4NTQ3NzU4MDg6eA"):
        expect(api.viewer.get(f"/api/customers?cursor={cursor}"), 200)


def test_delete_erases_personal_data_and_revokes_access(api, stack):
    customer = api.sign_up(company_name="Forget Me Ltd")
    second, _ = api.mint(customer, "license")
    path = f"/api/customers/{customer.id}"
    assert expect(api.owner.delete(path), 200)["customer_id"] == customer.id
    for client in (customer.client, api.keyed(second)):
        expect(client.get(f"/api/licenses/{customer.id}"), 401, "unauthenticated")
    for asked in (path, f"/api/licenses/{customer.id}", f"/api/subscriptions/{customer.id}",
                  f"/api/licenses/{customer.id}/history", path + "/keys"):
        answer = api.owner.get(asked)
        assert answer.status_code == 404, asked
    expect(api.owner.delete(path), 404, "customer_not_found")
    expect(api.owner.patch(path, {"company_name": "Back"}), 404, "customer_not_found")
    expect(api.nobody.post("/api/licenses/verify", {"license": customer.license}), 401,
           "license_revoked")
    assert "Forget Me Ltd" not in stack.pg_dump()
    row = stack.sql("SELECT email IS NULL, company_name IS NULL, deleted_at IS NOT NULL, "
                    f"(SELECT status FROM subscriptions s WHERE s.customer_id = c.customer_id) "
                    f"FROM customers c WHERE customer_id = '{customer.id}'")
    assert row == "t|t|t|canceled"
    actions = stack.sql("SELECT string_agg(action, ',' ORDER BY audit_id) FROM audit_log "
                        f"WHERE customer_id = '{customer.id}'")
    assert actions == "sign_up,key_create,customer_delete"


def test_delete_erases_texts_of_contracts_and_overrides(api, stack):
    """Texts of operators about the customer go, also from copies and events."""
    customer = api.sign_up()
    path = f"/api/customers/{customer.id}"
    made = expect(api.owner.post(path + "/contracts", {
        "plan": "enterprise", "billing": "manual", "ends_at": "2035-02-15T00:00:00Z",
        "reference": "Forget This PO", "note": "Forget This Note"}), 201)["contract"]
    expect(api.owner.post(f"{path}/contracts/{made['contract_id']}/end", {
        "at": "2034-02-15T00:00:00Z", "reason": "Forget This Reason"}), 200)
    expect(api.owner.put(path + "/overrides", {
        "limits": {"maxUsers": 7}, "reason": "Forget This Override"}), 200)
    assert "Forget This PO" in stack.pg_dump()
    expect(api.owner.delete(path), 200)
    assert "Forget This" not in stack.pg_dump()


def test_delete_erases_names_and_reasons_from_events(api, stack):
    """Names of keys, also of one that was revoked before, and why licences were revoked."""
    customer = api.sign_up()
    path, keys = f"/api/customers/{customer.id}", []
    for name in ("Forget This Key", "Forget This Old Key"):
        keys.append(expect(api.owner.post(path + "/keys", {"name": name}), 201)["key"]["key_id"])
    expect(api.owner.delete(f"{path}/keys/{keys[1]}"), 200)
    expect(api.owner.post(f"/api/licenses/{customer.id}/revoke", {
        "reason": "Forget This Reason"}), 200)
    query = (f"SELECT (SELECT string_agg(data::text, ' ') FROM events WHERE customer_id = '{customer.id}') "
             f"|| (SELECT string_agg(revoke_reason, ' ') FROM licenses WHERE customer_id = '{customer.id}')"
             f"|| (SELECT string_agg(name, ' ') FROM api_keys WHERE customer_id = '{customer.id}')")
    before = stack.sql(query)
    assert before.count("Forget This Old Key") == 3 and before.count("Forget This Reason") == 2
    assert "Forget This Reason" not in stack.sql("SELECT string_agg(a::text, ' ') FROM audit_log a")
    expect(api.owner.delete(path), 200)
    after = stack.sql(query.replace("string_agg(name, ' ')", "count(name)"))
    assert "Forget This" not in after and '"licenses"' in after and after.endswith("erased0")


def test_a_deleted_customer_is_not_listed(api):
    word = f"gone{uuid.uuid4().hex[:10]}"
    customer = api.sign_up(company_name=word)
    expect(api.owner.delete(f"/api/customers/{customer.id}"), 200)
    assert walk(api, f"q={word}", 10) == []


def test_an_address_is_free_after_deletion_but_its_trial_is_not(api):
    customer = api.sign_up()
    expect(api.owner.delete(f"/api/customers/{customer.id}"), 200)
    again = expect(api.owner.post("/api/customers", {"email": customer.email}), 201)
    assert again["customer"]["customer_id"] != customer.id
    assert (again["subscription"], again["license"]) == (None, None)
    client = api.keyed(again["api_key"])
    new_id = again["customer"]["customer_id"]
    assert expect(client.get(f"/api/customers/{new_id}"), 200)["subscription"] is None
    expect(client.get(f"/api/licenses/{new_id}"), 404, "subscription_not_found")
    expect(client.post("/api/subscriptions/trial", {"customer_id": new_id}), 409, "trial_used")


def test_the_list_shows_and_filters_plans_and_states(api, stack):
    word = f"filter{uuid.uuid4().hex[:10]}"
    names = ("trialing", "expired", "active", "past_due", "none", "pending")
    made = {name: api.sign_up(company_name=f"{word} {name}") for name in names}
    ids = {name: customer.id for name, customer in made.items()}
    in_their_order(stack, list(made.values()))
    stripe = f"{uuid.uuid4().hex[:12]}"
    stack.sql(f"UPDATE subscriptions SET trial_ends_at = now() - interval '1 s' WHERE customer_id = "
              f"'{ids['expired']}'; "
              f"UPDATE subscriptions SET status = 'active', plan = 'professional', "
              f"stripe_subscription_id = 'sub_{stripe}' WHERE customer_id = '{ids['active']}'; "
              f"UPDATE customers SET stripe_customer_id = 'cus_{stripe}' WHERE customer_id = "
              f"'{ids['active']}'; "
              f"UPDATE subscriptions SET status = 'past_due' WHERE customer_id = '{ids['past_due']}'; "
              f"DELETE FROM subscriptions WHERE customer_id = '{ids['none']}'")
    wanted = api.email()
    expect(made["pending"].client.patch(f"/api/customers/{ids['pending']}", {"email": wanted}), 200)

    def found(query):
        path = f"/api/customers?q={word}&{query}"
        listed = expect(api.viewer.get(path), 200)["customers"]
        return [c["company_name"].split()[1] for c in listed]

    listed = {c["customer_id"]: (c["plan"], c["status"])
              for c in expect(api.viewer.get(f"/api/customers?q={word}"), 200)["customers"]}
    assert listed == {ids["trialing"]: ("starter", "trialing"), ids["expired"]: ("starter", "canceled"),
                      ids["active"]: ("professional", "active"), ids["past_due"]: ("starter", "past_due"),
                      ids["none"]: (None, None), ids["pending"]: ("starter", "trialing")}
    assert found("status=trialing") == ["pending", "trialing"]
    assert found("status=canceled") == ["expired"]
    assert found("status=past_due") == ["past_due"]
    assert found("status=none") == ["none"]
    assert found("plan=professional") == ["active"]
    assert found("plan=starter&status=canceled") == ["expired"]
    assert found("plan=starter&limit=2") == ["pending", "past_due"]
    assert found("pending_email=true") == ["pending"]
    assert found(f"email={made['active'].email}&status=active") == ["active"]
    for value in (f"cus_{stripe}", f"sub_{stripe}"):
        assert found(f"stripe={value}") == ["active"]
    assert found("stripe=cus_nobody") == found("plan=nothing") == []
    expect(api.viewer.get("/api/customers?status=paid"), 400, "invalid_request")
    shown = stack.billingctl("customer", "list", "--query", word, "--status", "active", "--json")
    assert '"plan":"professional","status":"active"' in shown.stdout
    shown = stack.billingctl("customer", "list", "--pending-email", "--query", word)
    assert wanted in shown.stdout
