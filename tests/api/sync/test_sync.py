"""Changes here reach Stripe, and changes at Stripe reach us, also when Stripe was away
meanwhile."""

import jwt
import pytest

from support.client import expect
from support.payments import ask, buy, caught_up, settled, stripe_id, subscription_of
from support.stack import wait_for

AWAY = {"kind": "status", "status": 503, "times": "forever",
        "headers": {"Stripe-Should-Retry": "false"}}


def at_stripe(stack, customer):
    """The customer's name and e-mail at Stripe."""
    theirs = stack.stripe.state()["customers"][stripe_id(stack, customer)]
    return theirs["email"], theirs["name"]


def statuses(stack, bought):
    """The subscription's status at Stripe."""
    return stack.stripe.state()["subscriptions"][bought["stripe_subscription_id"]]["status"]


def failed_once(stack, customer):
    """Waits until a call about the customer has failed once."""
    wait_for(lambda: stack.sql("SELECT count(*) FROM stripe_calls WHERE state = 'pending' AND "
                               f"customer_id = '{customer.id}' AND error IS NOT NULL") != "0")


def test_a_changed_customer_reaches_stripe(api, stack, stripe):
    customer = api.sign_up(company_name="Acme")
    path = f"/api/customers/{customer.id}"
    stripe.reset_requests()
    expect(customer.client.patch(path, {"company_name": "Acme Ltd"}), 200)
    buy(stack, customer)
    assert at_stripe(stack, customer) == (customer.email, "Acme Ltd")
    email = api.email()
    for change in ({"email": email}, {"company_name": "Ümlaut & Söhne"}, {"company_name": None}):
        expect(api.owner.patch(path, change), 200)
        wanted = (change.get("email", email), change.get("company_name", "Acme Ltd"))
        wait_for(lambda now=wanted: at_stripe(stack, customer) == now)
    sent = stripe.requests("POST", f"/v1/customers/{stripe_id(stack, customer)}")
    assert [one["params"]["name"] for one in sent] == ["Acme Ltd", "Ümlaut & Söhne", ""]
    # The event of our own change changes nothing.
    settled(stack, customer.id)
    assert expect(customer.client.get(path), 200)["customer"]["company_name"] is None


def test_a_change_while_stripe_is_away_is_sent_later(api, stack, stripe):
    """Only the last of several changes is sent."""
    customer = api.sign_up(company_name="One")
    buy(stack, customer)
    stripe.fault(path=f"/v1/customers/{stripe_id(stack, customer)}", **AWAY)
    for name in ("Two", "Three"):
        expect(customer.client.patch(f"/api/customers/{customer.id}", {"company_name": name}), 200)
    failed_once(stack, customer)
    assert at_stripe(stack, customer)[1] == "One"
    stripe.faults([])
    caught_up(stack, customer.id)
    assert at_stripe(stack, customer)[1] == "Three"


def test_a_change_at_stripe_reaches_us(api, stack, stripe):
    customer, email = api.sign_up(), api.email()
    buy(stack, customer)
    stripe.call("POST", f"/v1/customers/{stripe_id(stack, customer)}",
                {"email": email, "name": "From the portal"})
    settled(stack, customer.id)
    ours = expect(customer.client.get(f"/api/customers/{customer.id}"), 200)["customer"]
    assert (ours["email"], ours["company_name"]) == (email, "From the portal")
    token = expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)["license"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["customerName"] == "From the portal"


def test_an_address_of_another_customer_is_not_taken_over(api, stack, stripe):
    """Two customers of Stripe's may share an address, ours may not."""
    customer, other = api.sign_up(), api.sign_up()
    buy(stack, customer)
    stripe.call("POST", f"/v1/customers/{stripe_id(stack, customer)}",
                {"email": other.email.upper(), "name": "Still changed"})
    settled(stack, customer.id)
    ours = expect(customer.client.get(f"/api/customers/{customer.id}"), 200)["customer"]
    assert ours["email"] == customer.email


@pytest.mark.parametrize("end", ["delete", "revoke"])
@pytest.mark.parametrize("away", [False, True])
def test_a_deleted_customer_is_not_charged_any_more(api, stack, stripe, end, away):
    customer = api.sign_up(company_name="Acme")
    bought = buy(stack, customer)
    who = stripe_id(stack, customer)
    told = [one for one in stripe.events() if one["customer"] == who]
    if away:
        stripe.fault(method="DELETE", path="/v1/subscriptions/", **AWAY)
    answer = api.owner.delete(f"/api/customers/{customer.id}") if end == "delete" else \
        api.owner.post(f"/api/licenses/{customer.id}/revoke", {"reason": "fraud"})
    expect(answer, 200)
    if away:
        failed_once(stack, customer)
        assert statuses(stack, bought) == "active"
        stripe.faults([])
        caught_up(stack, customer.id)
    wait_for(lambda: statuses(stack, bought) == "canceled")
    settled(stack, customer.id)
    # A late event does not restore it.
    late = f"event_id IN ({', '.join(repr(one['id']) for one in told)})"
    stack.sql(f"DELETE FROM stripe_events WHERE {late}")
    assert {one["status"] for one in stripe.deliver(told)} == {200}
    stripe.call("POST", f"/v1/customers/{who}", {"name": "Lazarus"})
    settled(stack, customer.id)
    wait_for(lambda: stack.sql("SELECT count(*) FROM stripe_events WHERE state = 'pending' AND "
                               f"({late} OR stripe_customer_id = '{who}')") == "0")
    assert stack.sql("SELECT DISTINCT status FROM subscriptions WHERE customer_id = "
                     f"'{customer.id}' AND stripe_subscription_id IS NOT NULL") == "canceled"
    if end == "delete":
        expect(api.owner.get(f"/api/customers/{customer.id}"), 404, "customer_not_found")
        for table in ("customers", "subscriptions", "invoices", "stripe_calls", "audit_log"):
            rows = stack.sql(f"SELECT * FROM {table} WHERE customer_id = '{customer.id}'")
            assert customer.email not in rows and "Lazarus" not in rows, table
    else:
        assert subscription_of(customer.client, customer.id)["status"] == "canceled"
        token = expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)["license"]
        assert jwt.decode(token, options={"verify_signature": False})["subscription"][
            "status"] == "canceled"


def test_a_subscription_bought_after_the_deletion_is_cancelled(api, stack, stripe):
    """A checkout page that was open at the deletion is paid afterwards."""
    customer = api.sign_up()
    session = expect(ask(customer.client, "checkout", customer.id, plan="starter"), 200)[
        "session_id"]
    # The deletion closes all open pages; this payment comes before that.
    stripe.fault("status", method="GET", path="^/v1/checkout/sessions", status=500, times="forever")
    expect(api.owner.delete(f"/api/customers/{customer.id}"), 200)
    paid = stripe.complete(session)["subscription"]
    stripe.wait_idle()
    wait_for(lambda: stripe.state()["subscriptions"][paid]["status"] == "canceled")
    expect(api.owner.get(f"/api/customers/{customer.id}"), 404, "customer_not_found")
