"""The differences between versions: billing modes, pauses, automatic tax, and the parameters that one
version takes and another refuses."""

import handle
import pytest
from standin import shapes

SESSION = {"mode": "subscription", "success_url": "https://a.example/",
           "line_items[0][price]": "price_pro", "line_items[0][quantity]": "1"}
CLOVER = "2025-09-30.clover"
JUNE, JULY = "2025-06-30.basil", "2025-07-30.basil"
BERLIN = {"city": "Berlin", "country": "DE", "line1": "Weg 1", "line2": None,
          "postal_code": "10115", "state": None}


def mode_of(subscription):
    """The type of a subscription's billing mode."""
    return subscription["billing_mode"]["type"]


def flexible(stripe, customer=None):
    """The id of a subscription in flexible billing mode."""
    return stripe.subscribe(customer, **{"billing_mode[type]": "flexible"})["id"]


@pytest.fixture(autouse=True)
def newest(monkeypatch):
    """Sends every request in the newest version unless it names another one."""
    call = handle.StandIn.api

    def api(self, method, path, params=None, *, version=handle.NEWEST, **more):
        return call(self, method, path, params, version=version, **more)
    monkeypatch.setattr(handle.StandIn, "api", api)


@pytest.mark.parametrize("version, shape", [
    ("2020-08-27", shapes.OLD), ("2025-02-24.acacia", shapes.OLD),
    ("2025-03-31.basil", shapes.BASIL), ("2026-02-25.clover", shapes.BASIL),
    ("2026-03-25.dahlia", shapes.NEWEST), ("2026-10-28.endive", shapes.NEWEST)])
def test_the_shape_of_a_version(version, shape):
    assert shapes.shape_of(version) == shape


@pytest.mark.parametrize("version, mode", [
    ("2023-10-16", None), (handle.BASIL, "classic"), (JUNE, "classic"), (CLOVER, "flexible"),
    (handle.NEWEST, "flexible")])
def test_the_billing_mode_that_a_version_gives(stripe, version, mode):
    """Flexible unless asked otherwise, from clover on; the oldest shape does not show it."""
    made = stripe.call("POST", "/v1/subscriptions", {
        "customer": stripe.customer(), "items[0][price]": "price_pro"}, version=version)
    assert made.get("billing_mode", {"type": None})["type"] == mode
    session = stripe.call("POST", "/v1/checkout/sessions", SESSION, version=version)
    bought = stripe.complete(session["id"])["subscription"]
    assert mode_of(stripe.call("GET", f"/v1/subscriptions/{bought}")) == (mode or "classic")


@pytest.mark.parametrize("mode", ["classic", "flexible"])
def test_the_billing_mode_that_is_asked_for(stripe, mode):
    session = stripe.call("POST", "/v1/checkout/sessions", {
        **SESSION, "subscription_data[billing_mode][type]": mode})
    bought = stripe.complete(session["id"])["subscription"]
    assert mode_of(stripe.call("GET", f"/v1/subscriptions/{bought}")) == mode


@pytest.mark.parametrize("version, path, params, param", [
    (handle.BASIL, "checkout/sessions", {"subscription_data[billing_mode][type]": "classic"},
     "subscription_data[billing_mode]"),
    (handle.NEWEST, "checkout/sessions", {"payment_method_types[0]": "card"},
     "payment_method_types"),
    (handle.NEWEST, "checkout/sessions", {"ui_mode": "hosted"}, "ui_mode"),
    (handle.BASIL, "checkout/sessions", {"ui_mode": "hosted_page"}, "ui_mode"),
    (JUNE, "subscriptions/{sub}", {"cancel_at": "max_period_end"}, "cancel_at"),
    (CLOVER, "subscriptions/{sub}", {"billing_cycle_anchor[type]": "now"},
     "billing_cycle_anchor"),
    (handle.NEWEST, "subscriptions/{sub}", {"billing_cycle_anchor": "now"},
     "billing_cycle_anchor"),
    (CLOVER, "subscriptions/{sub}/resume", {"payment_behavior": "resume_on_payment_success"},
     "payment_behavior")])
def test_parameters_that_a_version_refuses(stripe, version, path, params, param):
    made = stripe.subscribe()["id"]
    if path == "checkout/sessions":
        params = {**SESSION, **params}
    status, answer = stripe.api("POST", "/v1/" + path.format(sub=made), params, version=version)
    assert (status, answer["error"]["param"]) == (400, param)


@pytest.mark.parametrize("version, step", [(handle.BASIL, "migrate"), (CLOVER, "pause")])
def test_operations_that_a_version_lacks(stripe, version, step):
    made = stripe.subscribe()["id"]
    assert stripe.api("POST", f"/v1/subscriptions/{made}/{step}", version=version)[0] == 404


@pytest.mark.parametrize("word", ["max_period_end", "min_period_end"])
def test_an_end_by_a_word(stripe, word):
    made = stripe.subscribe()["id"]
    ended = stripe.call("POST", f"/v1/subscriptions/{made}", {"cancel_at": word}, version=JULY)
    assert (ended["cancel_at"], ended["cancel_at_period_end"]) == (
        ended["items"]["data"][0]["current_period_end"], False)


def test_migration(stripe):
    """There is no way back, and no second time."""
    made = stripe.subscribe(**{"billing_mode[type]": "classic"})["id"]
    wish = {"billing_mode[type]": "flexible"}
    migrated = stripe.call("POST", f"/v1/subscriptions/{made}/migrate", wish)
    assert mode_of(migrated) == "flexible" and migrated["billing_mode"]["updated_at"]
    assert stripe.api("POST", f"/v1/subscriptions/{made}/migrate", wish)[0] == 400
    assert "customer.subscription.updated" in stripe.types()


def test_a_pause_by_request(stripe):
    """The period ends with the pause; it goes on when the new period is paid."""
    customer = stripe.customer()
    id = flexible(stripe, customer)
    stripe.advance(days=3)
    paused = stripe.call("POST", f"/v1/subscriptions/{id}/pause")
    assert paused["status"] == "paused"
    assert paused["items"]["data"][0]["current_period_end"] == stripe.now()
    assert paused["status_details"]["paused"]["subscription"] == {"type": "pause_requested"}
    assert "status_details" not in stripe.call("GET", f"/v1/subscriptions/{id}",
                                               version=handle.BASIL)
    assert stripe.call("POST", f"/v1/subscriptions/{id}/resume")["status"] == "paused"
    stripe.advance(hours=1)
    resumed = stripe.call("GET", f"/v1/subscriptions/{id}")
    assert resumed["status"] == "active" and "status_details" not in resumed
    assert stripe.types(customer).count("customer.subscription.paused") == 1
    assert stripe.types(customer).count("customer.subscription.resumed") == 1


def test_a_resumption_that_is_not_paid(stripe):
    customer = stripe.customer()
    id = flexible(stripe, customer)
    stripe.call("POST", f"/v1/subscriptions/{id}/pause")
    stripe.card(customer, "declined")
    stripe.call("POST", f"/v1/subscriptions/{id}/resume", {"billing_cycle_anchor[type]": "now"})
    stripe.advance(hours=1)
    assert stripe.subscription(id)["status"] == "past_due"


def test_a_classic_subscription_cannot_be_paused(stripe):
    made = stripe.subscribe(**{"billing_mode[type]": "classic"})["id"]
    assert stripe.api("POST", f"/v1/subscriptions/{made}/pause")[0] == 400


@pytest.mark.parametrize("wish, missing", [
    ({"automatic_tax[enabled]": "true"}, "customer_update[address]"),
    ({"tax_id_collection[enabled]": "true"}, "customer_update[name]")])
def test_tax_needs_what_is_kept_at_a_customer(stripe, wish, missing):
    """Stripe refuses it for a customer that exists unless its address or name may be kept."""
    wish = {**SESSION, "customer": stripe.customer(), **wish}
    status, answer = stripe.api("POST", "/v1/checkout/sessions", wish)
    assert status == 400 and missing in answer["error"]["message"]
    stripe.call("POST", "/v1/checkout/sessions", {**wish, missing: "auto"})


def test_automatic_tax(stripe):
    """Tax comes onto every invoice, and onto a preview that asks for it."""
    customer = stripe.customer(name="Ada")
    session = stripe.call("POST", "/v1/checkout/sessions", {
        **SESSION, "customer": customer, "automatic_tax[enabled]": "true",
        "customer_update[address]": "auto", "customer_update[name]": "auto"})
    bought = stripe.complete(session["id"], typed={"name": "Acme", "address": BERLIN})
    assert stripe.call("GET", f"/v1/customers/{customer}")["address"] == BERLIN
    assert stripe.state()["customers"][customer]["name"] == "Acme"
    assert stripe.state()["charged"][customer] == 9900 + 1980
    made = stripe.call("GET", f"/v1/subscriptions/{bought['subscription']}")
    assert made["automatic_tax"]["enabled"] is True
    wish = {"subscription": made["id"]}
    amounts = [stripe.call("POST", "/v1/invoices/create_preview", {**wish, **more})["amount_due"]
               for more in ({}, {"automatic_tax[enabled]": "true"})]
    assert amounts == [9900, 11880]
    invoice = stripe.call("GET", f"/v1/invoices/{made['latest_invoice']}")
    assert (invoice["total_excluding_tax"], invoice["total"]) == (9900, 11880)
    assert [tax["amount"] for tax in invoice["total_taxes"]] == [1980]
