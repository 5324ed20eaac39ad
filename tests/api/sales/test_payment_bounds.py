"""The bounds of what a customer makes by payment requests: rows here and objects at Stripe."""

import pytest

from support.client import expect
from support.payments import ask, buy, open_checkout, sent, settled

DAY_MAX = 500
TABLES = ("stripe_calls", "audit_log", "subscriptions", "invoices", "stripe_events")


def rows(stack, customer):
    """The number of rows about the customer in each table that its payment requests fill."""
    return {table: int(stack.sql(f"SELECT count(*) FROM {table} WHERE customer_id = '{customer.id}'"))
            for table in TABLES}


def count(stack, customer, payments):
    """Pretends that the customer made so many payment requests today."""
    stack.sql("INSERT INTO audit_counts (customer_id, day, entries, payments) VALUES "
              f"('{customer.id}', date(timezone('UTC', now())), 0, {payments}) "
              f"ON CONFLICT (customer_id, day) DO UPDATE SET payments = {payments}")


def counted(stack, customer):
    """The payment requests of the customer that were counted."""
    return int(stack.sql("SELECT coalesce(sum(payments), 0) FROM audit_counts WHERE customer_id = "
                         f"'{customer.id}'"))


def refused(stack, customer, name, **body):
    """The request is refused for the day, stores nothing and sends nothing to Stripe that changes."""
    settled(stack, customer.id)
    before, requests = rows(stack, customer), len(sent(stack, customer))
    answer = ask(customer.client, name, customer.id, **body)
    expect(answer, 429, "too_many_changes")
    assert 0 < int(answer.headers["Retry-After"]) <= 86400
    settled(stack, customer.id)
    assert rows(stack, customer) == before and len(sent(stack, customer)) == requests


def test_checkouts_of_a_day_are_bounded(api, stack):
    """The last one is served. Operators and other customers are not bounded."""
    customer, other = api.sign_up(), api.sign_up()
    count(stack, customer, DAY_MAX - 1)
    open_checkout(customer)
    refused(stack, customer, "checkout", plan="starter")
    refused(stack, customer, "portal")
    expect(ask(api.owner, "checkout", customer.id, plan="starter"), 200)
    open_checkout(other)
    stack.sql(f"UPDATE audit_counts SET day = day - 1 WHERE customer_id = '{customer.id}'")
    open_checkout(customer)
    assert counted(stack, other) == 1


@pytest.mark.parametrize("name, body", [
    ("upgrade", {"new_plan": "enterprise"}), ("upgrade", {"new_plan": "starter"}),
    ("cancel", {"at_period_end": True}), ("cancel", {"at_period_end": False}), ("resume", {})])
def test_changes_of_a_day_are_bounded(api, stack, name, body):
    customer = api.sign_up()
    buy(stack, customer, "professional")
    if name == "resume":
        expect(ask(api.owner, "cancel", customer.id, at_period_end=True), 200)
    count(stack, customer, DAY_MAX)
    refused(stack, customer, name, **body)
    expect(ask(api.owner, name, customer.id, **body), 200)


def test_changes_that_stripe_is_told_of_are_bounded(api, stack):
    """Names are sent to Stripe once it has the customer."""
    customer = api.sign_up()
    path = f"/api/customers/{customer.id}"
    count(stack, customer, DAY_MAX)
    expect(customer.client.patch(path, {"company_name": "Before"}), 200)
    stack.sql(f"DELETE FROM audit_counts WHERE customer_id = '{customer.id}'")
    open_checkout(customer)
    count(stack, customer, DAY_MAX - 1)
    expect(customer.client.patch(path, {"company_name": "Last"}), 200)
    settled(stack, customer.id)
    before = rows(stack, customer)
    expect(customer.client.patch(path, {"company_name": "Beyond"}), 429, "too_many_changes")
    assert rows(stack, customer) == before
    assert expect(customer.client.get(path), 200)["customer"]["company_name"] == "Last"
    expect(api.owner.patch(path, {"company_name": "After"}), 200)


def test_stored_answers_of_payment_requests_are_bounded(api, stack):
    """Beyond the bound nothing is sent, an earlier answer is repeated, and no key is needed."""
    def accounts():
        return set(stack.sql("SELECT encode(account, 'hex') FROM idempotency_counts").split())

    customer, known = api.sign_up(), accounts()
    body = {"customer_id": customer.id, "plan": "starter"}
    path, key = "/api/subscriptions/checkout", {"Idempotency-Key": "the first"}
    first = customer.client.post(path, body, headers=key)
    expect(first, 200)
    account, = accounts() - known
    stack.sql("UPDATE idempotency_counts SET answers = 100000 WHERE account = "
              f"decode('{account}', 'hex')")
    settled(stack, customer.id)
    before, requests = rows(stack, customer), len(sent(stack, customer))
    expect(customer.client.post(path, body, headers={"Idempotency-Key": "another"}), 429,
           "too_many_stored_answers")
    again = customer.client.post(path, body, headers=key)
    assert again.content == first.content and again.headers["Idempotent-Replayed"] == "true"
    settled(stack, customer.id)
    assert rows(stack, customer) == before and len(sent(stack, customer)) == requests
    expect(customer.client.post(path, body), 200)


def test_rows_of_repeated_changes(api, stack, figures):
    """Each change leaves one call and at most two entries of the audit trail; what changes nothing leaves
    none, and neither does a repetition of an earlier request."""
    customer = api.sign_up()
    buy(stack, customer, "professional")
    start, start_count = rows(stack, customer), counted(stack, customer)
    key = {"Idempotency-Key": "the same again"}
    path, body = "/api/subscriptions/cancel", {"customer_id": customer.id, "at_period_end": True}
    for _ in range(5):
        expect(customer.client.post(path, body, headers=key), 200)
    expect(ask(customer.client, "cancel", customer.id, at_period_end=True), 409,
           "nothing_to_change")
    expect(ask(customer.client, "resume", customer.id), 200)
    for _ in range(4):
        expect(ask(customer.client, "cancel", customer.id, at_period_end=True), 200)
        expect(ask(customer.client, "resume", customer.id), 200)
    settled(stack, customer.id)
    grown = {table: number - start[table] for table, number in rows(stack, customer).items()}
    assert counted(stack, customer) - start_count == 10
    assert grown["stripe_calls"] == 10 and grown["audit_log"] <= 20
    assert grown["subscriptions"] == grown["invoices"] == 0
    figures["rows of 10 changes of a subscription"] = sum(grown.values())
