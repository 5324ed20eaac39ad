"""Addresses: one customer and one trial for each, whatever its spelling and the database's locale."""

import json
import uuid

import pytest

from support.client import expect
from support.scratch import cluster, new_scratch  # noqa: F401 pylint: disable=unused-import

TURKISH = "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR' LOCALE 'C.UTF-8'"


def trials(api, emails):
    """Whether each of the addresses, which sign up in turn, gets a trial."""
    answers = [api.owner.post("/api/customers", {"email": email}) for email in emails]
    return [expect(answer, 201)["subscription"] is not None for answer in answers]


@pytest.mark.parametrize("hidden", ["\u200b", "\u2060", "\u00ad", "\ufeff", "\u202e", "\u200d", "\u00a0",
                                    "\u0085", "\u009b", "\u2028", "\u3164", "\ufe0f", "\u0378"])
def test_an_address_with_hidden_characters_is_refused(api, stack, hidden):
    for email in (f"ja{hidden}ne@{stack.mail_domain}", f"jane@{stack.mail_domain}{hidden}"):
        refused = expect(api.owner.post("/api/customers", {"email": email}), 400, "invalid_request")
        assert [detail["field"] for detail in refused["details"]] == ["email"]


def test_addresses_that_look_alike_have_one_trial(api, stack):
    name = f"jane{uuid.uuid4().hex[:10]}"
    domain = stack.mail_domain
    assert trials(api, [f"{name}@{domain}", f"{name.replace('a', 'а', 1)}@{domain}",
                        f"{name.replace('j', 'ј', 1)}+x@{domain}", f"2{name}@{domain}"]) == [
                            True, False, False, True]
    # The first need not be the plain one.
    name = f"coco{uuid.uuid4().hex[:10]}"
    assert trials(api, [f"{name.replace('o', 'о')}@{domain}", f"{name}@{domain}"]) == [True, False]
    # Plain addresses differ, however they look.
    name = f"bob{uuid.uuid4().hex[:10]}"
    assert trials(api, [f"{name}1@{domain}", f"{name}l@{domain}"]) == [True, True]


def test_a_domain_in_both_of_its_forms_is_one(api):
    name = uuid.uuid4().hex[:10]
    expect(api.owner.post("/api/customers", {"email": f"jane@{name}bücher.example"}), 201)
    ascii_form = f"{name}bücher".encode("idna").decode()
    for email in (f"jane@{ascii_form}.example", f"Jane@{name}BÜCHER.example"):
        expect(api.owner.post("/api/customers", {"email": email}), 409, "customer_exists")


def test_a_trial_that_is_asked_for_later_counts_for_look_alikes(api, stack):
    name = f"late{uuid.uuid4().hex[:10]}"
    first = expect(api.owner.post("/api/customers", {"email": f"{name}@{stack.mail_domain}"}), 201)
    other = expect(api.owner.post("/api/customers", {
        "email": f"{name.replace('a', 'а', 1)}@{stack.mail_domain}"}), 201)
    assert first["subscription"] and other["subscription"] is None
    expect(api.keyed(other["api_key"]).post("/api/subscriptions/trial", {
        "customer_id": other["customer"]["customer_id"]}), 409, "trial_used")


def test_a_customer_does_not_learn_whose_an_address_is(api, stack):
    customer, other = api.sign_up(), api.sign_up()
    path = f"/api/customers/{customer.id}"
    answers = {}
    for email in (other.email, api.email(), other.email.upper()):
        answer = customer.client.patch(path, {"email": email})
        changed = expect(answer, 200)["customer"]
        answers[email] = {name: value for name, value in changed.items() if name != "updated_at"}
        assert (changed["email"], changed["pending_email"]) == (customer.email, email)
    assert len({str(answer).replace(email, "") for email, answer in answers.items()}) == 1
    assert stack.sql("SELECT email FROM customers WHERE customer_id = "
                     f"'{customer.id}'") == customer.email


def test_an_owner_decides_on_a_pending_address(api):
    customer = api.sign_up()
    path, wanted = f"/api/customers/{customer.id}", api.email()
    expect(customer.client.patch(path, {"email": wanted, "company_name": "At Once"}), 200)
    got = expect(api.viewer.get(path), 200)["customer"]
    assert (got["email"], got["pending_email"], got["company_name"]) == (
        customer.email, wanted, "At Once")
    # A change of the name leaves it, the owner's previous address refuses it, the new one accepts.
    expect(api.owner.patch(path, {"company_name": "Later"}), 200)
    assert expect(api.viewer.get(path), 200)["customer"]["pending_email"] == wanted
    refused = expect(api.owner.patch(path, {"email": customer.email}), 200)["customer"]
    assert (refused["email"], refused["pending_email"]) == (customer.email, None)
    expect(customer.client.patch(path, {"email": wanted}), 200)
    accepted = expect(api.owner.patch(path, {"email": wanted}), 200)["customer"]
    assert (accepted["email"], accepted["pending_email"]) == (wanted, None)


def test_a_customer_withdraws_a_pending_address(api):
    customer = api.sign_up()
    path = f"/api/customers/{customer.id}"
    expect(customer.client.patch(path, {"email": api.email()}), 200)
    again = expect(customer.client.patch(path, {"email": customer.email}), 200)["customer"]
    assert (again["email"], again["pending_email"]) == (customer.email, None)


def test_a_pending_address_is_erased_with_the_customer(api, stack):
    customer = api.sign_up()
    wanted = api.email()
    expect(customer.client.patch(f"/api/customers/{customer.id}", {"email": wanted}), 200)
    expect(api.owner.delete(f"/api/customers/{customer.id}"), 200)
    assert stack.sql("SELECT pending_email IS NULL AND email_key IS NULL AND company_key IS NULL "
                     f"FROM customers WHERE customer_id = '{customer.id}'") == "t"


def test_names_of_before_stay_readable(api, stack):
    customer = api.sign_up(company_name="Before")
    stack.sql("UPDATE customers SET company_name = U&'a\\009b31m\\202eb' WHERE customer_id = "
              f"'{customer.id}'")
    got = expect(customer.client.get(f"/api/customers/{customer.id}"), 200)["customer"]
    assert got["company_name"] == "a\u009b31m\u202eb"
    for arguments in (["customer", "show", customer.id], ["customer", "show", customer.id, "--json"]):
        shown = stack.billingctl(*arguments).stdout
        assert "a\\u009b31m\\u202eb" in shown and "\u009b" not in shown


def test_a_database_with_a_turkish_locale(new_scratch):  # noqa: F811 pylint: disable=redefined-outer-name
    scratch = new_scratch(TURKISH).ready()
    assert scratch.sql("SELECT lower('I')") == "ı"
    made = scratch("customer", "create", "INFO@ACME.IO", "--company", "ILLINI")
    assert made["plan"] is not None
    for email in ("info@acme.io", "Info@Acme.IO"):
        assert "customer with this e-mail address" in scratch.refuses("customer", "create", email)
    assert scratch("customer", "create", "info+2@acme.io")["plan"] is None
    for option in (["--email", "info@acme.io"], ["--query", "INFO@A"], ["--query", "illini"]):
        assert made["customer_id"] in {
            c["customer_id"] for c in scratch("customer", "list", *option)["customers"]}, option
    checks = {c["check"]: c for c in _doctor(scratch)}
    assert checks["collation"]["state"] == "wrong" and "tr" in checks["collation"]["detail"]
    assert checks["encoding"]["state"] == checks["addresses"]["state"] == "ok"


def _doctor(scratch):
    """The doctor's checks, whether or not all pass."""
    return json.loads(scratch.run("doctor", "--json").stdout)["checks"]


def test_customers_of_before_get_their_keys(new_scratch):  # noqa: F811 pylint: disable=redefined-outer-name
    """Customers that an older version wrote, some of them with one address in two spellings."""
    scratch = new_scratch().ready()
    rows = {"plain@x.example": "Plain", "JOSÉ@x.example": "Söhne", "straße@x.example": None,
            "strasse@x.example": None, "a\u200b@x.example": "\u200b"}
    for number, (email, name) in enumerate(rows.items()):
        company = "NULL" if name is None else f"'{name}'"
        scratch.sql("INSERT INTO customers (customer_id, email, company_name, created_at) VALUES "
                    f"('cust_' || md5('{number}'), '{email}', {company}, "
                    f"now() + interval '{number} s')")
    assert scratch.sql("SELECT count(*) FROM customers WHERE email_key IS NULL") == "3"
    scratch("migrate", "up")
    keys = scratch.sql("SELECT regexp_replace(email_key, 'cust_.*', 'cust') || '|' || "
                       "COALESCE(company_key, '-') FROM customers ORDER BY created_at").split("\n")
    assert keys == ["plain@x.example|plain", "josé@x.example|söhne", "strasse@x.example cust|-",
                    "strasse@x.example|-", "a@x.example|"]
    wrong = {c["check"]: c["detail"] for c in _doctor(scratch) if c["state"] == "wrong"}
    assert "one is cust_" in wrong["addresses"]
    assert "e-mail address" in scratch.refuses("customer", "create", "josé@X.example")
