"""Contracts: deals outside the price list, made, amended and ended by operators."""

import concurrent.futures
import datetime

import jwt
import pytest

from support.client import expect
from support.payments import ask, buy, seconds, settled, stripe_id


def at(days=0, seconds=0):
    """A time so far from now."""
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(
        days=days, seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def make(api, customer, status=201, code=None, **terms):
    """Makes a contract; its answer."""
    terms = {"plan": "enterprise", "billing": "manual", "ends_at": at(365), **terms}
    return expect(api.owner.post(f"/api/customers/{customer.id}/contracts", terms), status, code)


def path_of(contract):
    return f"/api/customers/{contract['customer_id']}/contracts/{contract['contract_id']}"


def current(customer):
    return expect(customer.client.get(f"/api/subscriptions/{customer.id}"), 200)["subscription"]


def claims(customer):
    """The claims of the customer's licence."""
    answer = expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)
    return jwt.decode(answer["license"], options={"verify_signature": False})


def test_a_trial_becomes_a_contract(api, stack):
    customer = api.sign_up()
    assert current(customer)["kind"] == "trial"
    made = make(api, customer, reference="PO 4711", note="for the second plant",
                price={"amount_minor": 1200000, "currency": "eur", "interval": "year"})
    contract = made["contract"]
    assert (contract["status"], contract["version"], contract["price"]["interval_count"]) == (
        "active", 1, 1)
    assert made["subscription"] == current(customer)
    assert (current(customer)["kind"], current(customer)["contract_id"]) == (
        "contract", contract["contract_id"])
    assert claims(customer)["plan"] == "enterprise"
    assert claims(customer)["trial"] == {"isTrialMode": False}
    listed = expect(api.viewer.get(f"/api/customers/{customer.id}/contracts"), 200)
    assert listed["contracts"] == [contract]
    assert stack.sql("SELECT action, subject FROM audit_log WHERE customer_id = "
                     f"'{customer.id}' AND action LIKE 'contract%'") == \
        f"contract_create|{contract['contract_id']}"
    assert stack.sql("SELECT value_before IS NULL, value_after->>'reference' IS NULL, "
                     "value_after->>'note' IS NULL FROM audit_log WHERE action = "
                     f"'contract_create' AND customer_id = '{customer.id}'") == "t|t|t"


def test_a_dry_run_changes_nothing(api):
    customer = api.sign_up()
    before = current(customer)
    made = make(api, customer, 200, dry_run=True)
    assert (made["dry_run"], made["subscription"]["kind"]) == (True, "contract")
    assert made["license_claims"]["plan"] == "enterprise"
    assert current(customer) == before
    contract = make(api, customer)["contract"]
    expect(api.owner.patch(path_of(contract), {"version": 1, "note": "x", "dry_run": True}), 200)
    expect(api.owner.post(path_of(contract) + "/end", {"dry_run": True}), 200)
    assert expect(api.owner.get(f"/api/customers/{customer.id}/contracts"), 200)[
        "contracts"] == [contract]


def test_amendments_and_the_end(api):
    customer = api.sign_up()
    contract = make(api, customer, plan="professional", note="first")["contract"]
    path = path_of(contract)
    amended = expect(api.owner.patch(path, {
        "version": 1, "plan": "enterprise", "features": {"maxDevices": 2000},
        "overage": {"maxDevices": 1.1}, "note": None}), 200)["contract"]
    assert (amended["version"], amended["note"]) == (2, None)
    assert [version["plan"] for version in amended["versions"]] == ["professional", "enterprise"]
    assert claims(customer)["plan"] == "enterprise"
    expect(api.owner.patch(path, {"version": 1, "plan": "starter"}), 409, "version_conflict")
    expect(api.owner.patch(path, {"version": 2}), 409, "nothing_to_change")
    wrong = expect(api.owner.patch(path, {"version": 2, "plan": "nothing", "overage": {
        "maxDevices": 0.5}, "features": {"maxDevices": "many"}}), 400, "invalid_request")
    assert len(wrong["details"]) == 3
    expect(api.owner.post(path + "/end", {"at": at(400)}), 400, "invalid_request")
    later = expect(api.owner.post(path + "/end", {"at": at(10), "reason": "moves"}), 200)
    assert (later["contract"]["version"], later["contract"]["end_reason"]) == (3, "moves")
    ended = expect(api.owner.post(path + "/end", {"version": 3}), 200)
    assert (ended["contract"]["status"], ended["subscription"]["status"]) == (
        "canceled", "canceled")
    assert claims(customer)["subscription"]["status"] == "canceled"
    expect(api.owner.post(path + "/end", {}), 409, "contract_ended")
    expect(api.owner.post(path + "x/end", {}), 404, "contract_not_found")


def test_one_of_two_operators_wins(api, stack):
    customer = api.sign_up()
    path = f"/api/customers/{customer.id}/contracts"
    terms = {"plan": "enterprise", "billing": "manual", "ends_at": at(30)}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: api.bearer(stack.admin_key).post(path, terms), range(4)))
        assert sorted(answer.status_code for answer in made) == [201, 409, 409, 409]
        contract = next(a for a in made if a.status_code == 201).json()["contract"]
        amended = list(pool.map(lambda number: api.bearer(stack.admin_key).patch(
            path_of(contract), {"version": 1, "note": f"operator {number}"}), range(4)))
        assert sorted(answer.status_code for answer in amended) == [200, 409, 409, 409]
    versions = expect(api.owner.get(path), 200)["contracts"][0]["versions"]
    assert [version["version"] for version in versions] == [1, 2]


def test_customers_do_not_change_their_contract(api):
    customer = api.sign_up()
    contract = make(api, customer)["contract"]
    for name, body in (("checkout", {"plan": "starter"}), ("upgrade", {"new_plan": "starter"}),
                       ("preview", {"new_plan": "starter"}), ("cancel", {}), ("resume", {})):
        assert ask(customer.client, name, customer.id, **body).json()["code"] == \
            "contract_exists", name
    expect(customer.client.post("/api/subscriptions/trial", {"customer_id": customer.id}), 409,
           "subscription_exists")
    expect(customer.client.post(path_of(contract) + "/end", {}), 403, "forbidden")


def test_from_a_contract_to_stripe_and_back(api, stack):
    customer = api.sign_up()
    contract = make(api, customer)["contract"]
    expect(api.owner.post(path_of(contract) + "/end", {"at": at(0, 3600)}), 200)
    # The contract counts until its end, although the subscription has begun.
    assert ask(customer.client, "checkout", customer.id, plan="starter").status_code == 200
    expect(api.owner.post(path_of(contract) + "/end", {}), 200)
    bought = buy(stack, customer)
    assert (bought["kind"], bought["status"]) == ("stripe", "active")
    make(api, customer, 409, "subscription_exists")
    assert ask(customer.client, "cancel", customer.id, at_period_end=True).status_code == 200
    make(api, customer, 409, "subscription_exists")
    ends = current(customer)["current_period_ends_at"]
    made = make(api, customer, starts_at=ends)
    assert made["contract"]["status"] == "incomplete"
    assert current(customer)["kind"] == "stripe"
    assert ask(customer.client, "resume", customer.id).json()["code"] == "contract_exists"


def test_a_subscription_follows_a_contract(api, stack):
    """It begins to bill when the contract ends, whose end was set; until then the contract counts."""
    customer = api.sign_up()
    contract = make(api, customer)["contract"]
    ends = at(10)
    expect(api.owner.post(path_of(contract) + "/end", {"at": ends}), 200)
    session = expect(ask(customer.client, "checkout", customer.id, plan="starter"), 200)
    stack.stripe.complete(session["session_id"])
    settled(stack, customer.id)
    theirs, = stack.stripe.call("GET", "/v1/subscriptions", {
        "customer": stripe_id(stack, customer)})["data"]
    assert (theirs["status"], theirs["trial_end"]) == ("trialing", seconds(ends))
    assert (current(customer)["kind"], current(customer)["plan"]) == ("contract", "enterprise")
    assert claims(customer)["plan"] == "enterprise"
    stack.sql("UPDATE subscriptions SET ends_at = now(), version = version + 1 WHERE customer_id = "
              f"'{customer.id}' AND contract_id IS NOT NULL")
    assert (current(customer)["kind"], current(customer)["plan"]) == ("stripe", "starter")
    assert stack.sql("SELECT count(*) FROM audit_log WHERE action = 'second_subscription' AND "
                     f"customer_id = '{customer.id}'") == "0"


def test_the_end_comes_by_itself(api, stack):
    """With all jobs stopped: nothing but the time has to pass."""
    customer = api.sign_up()
    make(api, customer)
    stack.sql("UPDATE subscriptions SET starts_at = now() - interval '2 days', "
              "ends_at = now() - interval '1 second', status = 'active', version = version + 1 "
              f"WHERE customer_id = '{customer.id}' AND contract_id IS NOT NULL")
    assert current(customer)["status"] == "canceled"
    assert claims(customer)["subscription"]["status"] == "canceled"
    listed = expect(api.owner.get(f"/api/customers?email={customer.email}"), 200)["customers"]
    assert [(one["plan"], one["status"]) for one in listed] == [("enterprise", "canceled")]


@pytest.mark.parametrize("body, field", [
    ({"billing": "gold"}, "billing"), ({"plan": "none"}, "plan"), ({"ends_at": "soon"}, "ends_at"),
    ({"price": {"amount_minor": 1}}, "currency"), ({"more": 1}, "more"),
    ({"limits": {"maxUsers": True}}, "limits"), ({"overage": {"maxDevices": 11}}, "overage"),
    ({"note": "x" * 501}, "note"), ({"days_until_due": 0}, "days_until_due")])
def test_bad_terms(api, body, field):
    customer = api.sign_up()
    answer = make(api, customer, 400, "invalid_request", **body)
    assert any(field in detail["field"] for detail in answer["details"]), answer


@pytest.mark.parametrize("currency, most", [("eur", 99999999), ("idr", 999999999999)])
def test_amounts_that_stripe_charges(api, currency, most):
    """Where Stripe sends the invoices its bound holds; another payment has none of it."""
    customer = api.sign_up()
    terms = {"billing": "stripe_invoice", "dry_run": True}

    def priced(amount):
        return {"amount_minor": amount, "currency": currency, "interval": "year"}

    make(api, customer, price=priced(most), status=200, **terms)
    refused = make(api, customer, 400, "invalid_request", price=priced(most + 1), **terms)
    assert [one["field"] for one in refused["details"]] == ["amount_minor"]
    make(api, customer, 200, price=priced(most), dry_run=True)


def test_a_deleted_customer(api, stack):
    customer = api.sign_up()
    make(api, customer, note="call Jane", reference="PO 1")
    expect(api.owner.delete(f"/api/customers/{customer.id}"), 200)
    assert stack.sql("SELECT v.note, v.reference, s.status FROM contract_versions v JOIN "
                     "subscriptions s USING (contract_id) "
                     f"WHERE s.customer_id = '{customer.id}'") == "||canceled"
