"""Contracts that Stripe bills by invoices: one subscription at Stripe for each, whatever goes wrong."""

import datetime

import jwt
import pytest

from support.client import expect
from support.payments import caught_up, hold, seconds, settled, stripe_id, subscription_of
from support.stack import wait_for

PRICE = {"amount_minor": 50000, "currency": "eur", "interval": "month"}


def at(days):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return when.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def make(api, customer, **terms):
    """Makes a contract, and returns it and its path."""
    path = f"/api/customers/{customer.id}/contracts"
    made = expect(api.owner.post(path, {
        "plan": "enterprise", "billing": "stripe_invoice", "ends_at": at(365), "price": PRICE,
        **terms}), 201)["contract"]
    return made, f"{path}/{made['contract_id']}"


def contract_of(api, customer):
    """The customer's only contract."""
    contract, = expect(api.owner.get(f"/api/customers/{customer.id}/contracts"), 200)["contracts"]
    return contract


def billed(stack, customer, wait=settled):
    """Waits until nothing is on its way; all subscriptions that Stripe has of the customer."""
    wait(stack, customer.id)
    return stack.stripe.call("GET", "/v1/subscriptions", {
        "customer": stripe_id(stack, customer), "status": "all"})["data"]


def billing_requests(stack, contract):
    """The requests to Stripe that make or change the contract's price and subscription."""
    ids = [contract["contract_id"], contract["stripe_subscription_id"]]
    return [one for path in ("/v1/prices", "/v1/subscriptions") for one in stack.stripe.requests("POST", path)
            if any(id in one["path"] + one["body"] for id in ids)]


def the_one(stack, customer, wait=settled):
    one, = billed(stack, customer, wait)
    return one


def test_stripe_bills_a_contract(api, stack):
    customer = api.sign_up()
    contract, path = make(api, customer, days_until_due=14, reference="PO 7")
    assert contract["status"] == "incomplete"
    theirs = the_one(stack, customer)
    assert (theirs["status"], theirs["collection_method"], theirs["days_until_due"]) == (
        "active", "send_invoice", 14)
    assert theirs["cancel_at"] == seconds(contract["ends_at"])
    assert theirs["metadata"] == {"customer_id": customer.id,
                                  "contract_id": contract["contract_id"]}
    price = theirs["items"]["data"][0]["price"]
    assert (price["unit_amount"], price["currency"]) == (50000, "eur")
    contract = contract_of(api, customer)
    assert (contract["status"], contract["stripe_subscription_id"]) == ("active", theirs["id"])
    ours = subscription_of(customer.client, customer.id)
    assert (ours["kind"], ours["plan"], ours["status"]) == ("contract", "enterprise", "active")
    # The trial is over, and nothing else counts.
    assert stack.sql("SELECT count(*) FROM subscriptions WHERE status NOT IN ('canceled') AND "
                     f"customer_id = '{customer.id}'") == "1"
    invoice, = expect(customer.client.get(f"/api/subscriptions/{customer.id}/invoices"),
                      200)["invoices"]
    assert (invoice["status"], invoice["amount_due"]) == ("open", 50000)

    # Terms that Stripe need not know leave it alone; the plan is the contract's, not the price's.
    sent = len(billing_requests(stack, contract))
    expect(api.owner.patch(path, {"version": 1, "plan": "professional"}), 200)
    stack.stripe.pay(invoice["id"])
    settled(stack, customer.id)
    assert len(billing_requests(stack, contract)) == sent
    assert subscription_of(customer.client, customer.id)["plan"] == "professional"

    # Price and end reach the same subscription.
    expect(api.owner.patch(path, {"version": 2, "ends_at": at(100),
                                  "price": {**PRICE, "amount_minor": 70000}}), 200)
    theirs = the_one(stack, customer)
    assert theirs["items"]["data"][0]["price"]["unit_amount"] == 70000
    assert theirs["cancel_at"] == seconds(contract_of(api, customer)["ends_at"])
    expect(api.owner.patch(path, {"version": 3, "price": {**PRICE, "currency": "usd"}}), 400,
           "invalid_request")

    expect(api.owner.post(path + "/end", {"reason": "paid elsewhere"}), 200)
    assert the_one(stack, customer)["status"] == "canceled"
    assert subscription_of(customer.client, customer.id)["status"] == "canceled"
    assert contract_of(api, customer)["end_reason"] == "paid elsewhere"


def test_a_contract_that_begins_later(api, stack):
    customer = api.sign_up()
    _, path = make(api, customer, starts_at=at(5), ends_at=at(100))
    theirs = the_one(stack, customer)
    contract = contract_of(api, customer)
    assert (theirs["status"], theirs["trial_end"]) == (
        "trialing", seconds(contract["starts_at"]))
    assert contract["status"] == "incomplete"
    ours = subscription_of(customer.client, customer.id)
    assert (ours["kind"], ours["status"]) == ("trial", "trialing")
    assert ours["trial_ends_at"] == contract["starts_at"]
    # It begins by its dates, before Stripe says so.
    stack.sql("UPDATE subscriptions SET starts_at = now(), trial_ends_at = now(), version = "
              f"version + 1 WHERE customer_id = '{customer.id}' AND contract_id IS NOT NULL")
    ours = subscription_of(customer.client, customer.id)
    assert (ours["kind"], ours["status"]) == ("contract", "active")
    token = expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)["license"]
    assert jwt.decode(token, options={"verify_signature": False})["trial"] == {
        "isTrialMode": False}
    expect(api.owner.post(path + "/end", {}), 200)
    assert the_one(stack, customer)["status"] == "canceled"


def test_a_running_contract_keeps_its_interval(api, stack):
    """Stripe would invoice the new interval at once and credit nothing of the period that runs."""
    customer = api.sign_up()
    _, path = make(api, customer)
    theirs = the_one(stack, customer)
    invoice, = expect(customer.client.get(f"/api/subscriptions/{customer.id}/invoices"),
                      200)["invoices"]
    stack.stripe.pay(invoice["id"], card="good")
    settled(stack, customer.id)
    yearly = {"price": {**PRICE, "amount_minor": 550000, "interval": "year"}}
    for dry_run in (True, False):
        expect(api.owner.patch(path, {"version": 1, "dry_run": dry_run, **yearly}), 409,
               "interval_fixed")
    quarterly = {"price": {**PRICE, "interval_count": 3}}
    expect(api.owner.patch(path, {"version": 1, **quarterly}), 409, "interval_fixed")
    assert the_one(stack, customer)["items"] == theirs["items"]
    invoices = stack.stripe.call("GET", "/v1/invoices", {"customer": stripe_id(stack, customer)})
    assert [(one["status"], one["total"]) for one in invoices["data"]] == [("paid", 50000)]

    # A contract that follows has the other interval, also when it is amended before it begins.
    end = at(20)
    expect(api.owner.post(path + "/end", {"at": end}), 200)
    following, path = make(api, customer, starts_at=end)
    settled(stack, customer.id)
    expect(api.owner.patch(path, {"version": 1, **yearly}), 200)
    theirs, = [one for one in billed(stack, customer)
               if one["metadata"]["contract_id"] == following["contract_id"]]
    assert (theirs["status"], theirs["items"]["data"][0]["price"]["recurring"]["interval"]) == (
        "trialing", "year")


@pytest.mark.parametrize("kind", ["reset", "reset_after", "status_after"])
@pytest.mark.parametrize("path", ["/v1/prices$", "/v1/subscriptions$"])
def test_a_lost_answer(api, stack, kind, path):
    """A request to Stripe that was or was not carried out is not made twice."""
    customer = api.sign_up()
    stack.stripe.fault(kind, method="POST", path=path, times="forever",
                       **({"status": 500} if kind == "status_after" else {}))
    make(api, customer)
    wait_for(lambda: all(rule["used"] for rule in stack.stripe.control("faults")))
    wait_for(lambda: stack.sql("SELECT count(*) FROM stripe_calls WHERE state = 'pending' AND "
                               f"customer_id = '{customer.id}' AND error IS NOT NULL") == "1")
    stack.stripe.faults([])
    assert the_one(stack, customer, caught_up)["status"] == "active"
    assert contract_of(api, customer)["status"] == "active"


def test_it_ends_before_stripe_has_it(api, stack):
    customer = api.sign_up()
    # The subscription is made, and neither an event nor the next attempt tells of it.
    stack.stripe.faults([
        {"match": {"method": "POST", "path": "/v1/subscriptions$"}, "times": "forever",
         "fault": {"kind": "reset_after"}},
        {"match": {"method": "GET", "path": "^/v1/subscriptions"}, "times": "forever", "skip": 1,
         "fault": {"kind": "status", "status": 500}}])
    hold(stack)
    _, path = make(api, customer)
    wait_for(lambda: stack.stripe.control("faults")[0]["used"])
    expect(api.owner.post(path + "/end", {}), 200)
    stack.stripe.faults([])
    stack.stripe.hold(False)
    assert the_one(stack, customer, caught_up)["status"] == "canceled"
    # The contract has never counted, and the trial goes on.
    ours = subscription_of(customer.client, customer.id)
    assert (ours["kind"], ours["status"]) == ("trial", "trialing")


def test_what_stripe_refuses_is_parked(api, stack):
    """The contract waits, the trial goes on, and the operator sees the call."""
    customer = api.sign_up()
    stack.stripe.fault("status", method="POST", path="/v1/prices$", status=400)
    make(api, customer)
    wait_for(lambda: stack.sql("SELECT count(*) FROM stripe_calls WHERE state = 'parked' AND "
                               f"customer_id = '{customer.id}'") == "1")
    assert contract_of(api, customer)["status"] == "incomplete"
    assert subscription_of(customer.client, customer.id)["status"] == "trialing"
    stack.billingctl("stripe", "retry", "--all")
    assert the_one(stack, customer)["status"] == "active"


def test_a_deleted_customer_is_billed_no_more(api, stack):
    customer = api.sign_up()
    make(api, customer)
    theirs = the_one(stack, customer)
    expect(api.owner.delete(f"/api/customers/{customer.id}"), 200)
    settled(stack, customer.id)
    assert stack.stripe.call("GET", f"/v1/subscriptions/{theirs['id']}")["status"] == "canceled"
