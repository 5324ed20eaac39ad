"""Plan changes, cancellations and resumptions: at Stripe first, then stored as it answers."""

import datetime

import jwt
import pytest

from support.client import expect
from support.payments import ask, buy, seconds, sent, settled, stripe_id, subscription_of
from support.stack import wait_for


def theirs(stack, subscription):
    """The subscription as Stripe has it."""
    return stack.stripe.state()["subscriptions"][subscription["stripe_subscription_id"]]


def charged(stack, subscription):
    """The total amount that the customer has paid."""
    return stack.stripe.state()["charged"][theirs(stack, subscription)["customer"]]


def changes(stack, subscription):
    """The parameters of all requests to Stripe that change the subscription."""
    path = f"/v1/subscriptions/{subscription['stripe_subscription_id']}"
    return [one["params"] for one in stack.stripe.requests("POST", path)]


def claims_of(token):
    """The claims of a licence."""
    return jwt.decode(token, options={"verify_signature": False})


def everything(stack, customer, subscription):
    """All state, here and at Stripe, that a refused change must not alter."""
    state = stack.stripe.state()
    who = theirs(stack, subscription)["customer"]
    return (subscription_of(customer.client, customer.id),
            expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)["license"],
            theirs(stack, subscription), state["customers"][who]["balance"],
            stack.sql(f"SELECT count(*) FROM audit_log WHERE customer_id = '{customer.id}'"),
            charged(stack, subscription))


def in_hours(hours):
    """The time in so many hours, as the API writes it."""
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


@pytest.mark.quick
def test_upgrade(api, stack):
    customer = api.sign_up()
    bought = buy(stack, customer, "starter")
    before = theirs(stack, bought)
    answer = expect(ask(customer.client, "upgrade", customer.id, new_plan="professional"), 200)
    assert (answer["subscription"]["plan"], answer["subscription"]["status"]) == (
        "professional", "active")
    assert claims_of(answer["license"])["plan"] == "professional"
    assert changes(stack, bought) == [{
        "items": {"0": {"id": before["item"], "price": "price_professional_month",
                        "quantity": "1"}},
        "proration_behavior": "always_invoice", "payment_behavior": "error_if_incomplete"}]
    after = theirs(stack, bought)
    assert (after["item"], after["items"], after["plan"]) == (before["item"], 1, "professional")
    assert after["current_period_end"] == before["current_period_end"]
    assert charged(stack, bought) == pytest.approx(9900, abs=2)
    settled(stack, customer.id)
    assert subscription_of(customer.client, customer.id)["plan"] == "professional"


def test_a_plan_change_keeps_quantity_and_interval(api, stack, stripe):
    customer = api.sign_up()
    bought = buy(stack, customer, "starter", price_id="price_starter_year")
    item = theirs(stack, bought)["item"]
    stripe.call("POST", f"/v1/subscriptions/{bought['stripe_subscription_id']}",
                {"items[0][id]": item, "items[0][quantity]": 3})
    for plan in ("enterprise", "professional"):
        settled(stack, customer.id)  # an event that is stored at the moment of a change ends it
        expect(ask(customer.client, "upgrade", customer.id, new_plan=plan), 200)
        after = theirs(stack, bought)
        assert (after["price"], after["quantity"], after["items"]) == (f"price_{plan}_year", 3, 1)


@pytest.mark.parametrize("price, first, difference", [
    ("price_starter_month", 2900, 47000), ("price_starter_year", 29000, 470000)])
def test_the_previewed_amount_is_charged(api, stack, price, first, difference):
    customer = api.sign_up()
    bought = buy(stack, customer, "starter", price_id=price)
    shown = expect(ask(customer.client, "preview", customer.id, new_plan="enterprise"), 200)
    assert (shown["plan"], shown["new_plan"], shown["effective"], shown["currency"]) == (
        "starter", "enterprise", "now", "usd")
    assert sum(line["amount"] for line in shown["lines"]) == shown["amount_due"]
    assert all(line["proration"] for line in shown["lines"]) and len(shown["lines"]) == 2
    assert shown["amount_due"] == pytest.approx(difference, abs=10)
    assert charged(stack, bought) == first and not changes(stack, bought)
    expect(ask(customer.client, "upgrade", customer.id, new_plan="enterprise",
               proration_at=shown["proration_at"]), 200)
    assert charged(stack, bought) == first + shown["amount_due"]
    assert [one["proration_date"] for one in changes(stack, bought)] == [
        str(seconds(shown["proration_at"]))]


@pytest.mark.parametrize("name", ["upgrade", "preview"])
def test_the_time_of_proration_must_come_from_a_preview(api, stack, name):
    customer = api.sign_up()
    bought = buy(stack, customer, "starter")
    for hours in (-1.1, 0.3, 24 * 29, 24 * 365):
        refused = expect(ask(customer.client, name, customer.id, new_plan="enterprise",
                             proration_at=in_hours(hours)), 400, "invalid_request")
        assert [one["field"] for one in refused["details"]] == ["proration_at"], hours
    assert charged(stack, bought) == 2900 and not changes(stack, bought)


def test_a_declined_card_changes_nothing(api, stack, stripe):
    customer = api.sign_up()
    bought = buy(stack, customer, "starter")
    stripe.card(theirs(stack, bought)["customer"], "declined")
    before = everything(stack, customer, bought)
    expect(ask(customer.client, "upgrade", customer.id, new_plan="professional"), 402,
           "payment_failed")
    settled(stack, customer.id)
    assert everything(stack, customer, bought) == before
    stripe.card(theirs(stack, bought)["customer"], "good")
    expect(ask(customer.client, "upgrade", customer.id, new_plan="professional"), 200)


def test_downgrade_now(api, stack):
    customer = api.sign_up()
    bought = buy(stack, customer, "professional")
    shown = expect(ask(customer.client, "preview", customer.id, new_plan="starter"), 200)
    assert (shown["effective"], shown["amount_due"]) == ("now", 0)
    answer = expect(ask(customer.client, "upgrade", customer.id, new_plan="starter"), 200)
    assert answer["subscription"]["plan"] == claims_of(answer["license"])["plan"] == "starter"
    sent, = changes(stack, bought)
    assert sent["proration_behavior"] == "create_prorations" and "payment_behavior" not in sent
    assert charged(stack, bought) == 9900 and theirs(stack, bought)["pending_lines"] == 2


@pytest.mark.parametrize("name", ["upgrade", "preview"])
def test_a_change_to_the_present_plan_is_refused(api, stack, name):
    customer = api.sign_up()
    bought = buy(stack, customer, "professional")
    expect(ask(customer.client, name, customer.id, new_plan="professional"), 409,
           "nothing_to_change")
    for plan in ("trial", "Starter", "price_starter_month"):
        refused = expect(ask(customer.client, name, customer.id, new_plan=plan), 400,
                         "invalid_request")
        assert [one["field"] for one in refused["details"]] == ["new_plan"]
    assert not changes(stack, bought)


def without_trial(stack):
    """A customer whose trial has ended, so that a purchase is charged at once."""
    customer = stack.api.sign_up()
    expect(ask(customer.client, "cancel", customer.id), 200)
    return customer


def run_due_jobs(stack):
    """All jobs run when a process starts."""
    stack.reload()


def test_a_smaller_plan_begins_with_the_next_period(other_rules):
    stripe, customer = other_rules.stripe, without_trial(other_rules)
    bought = buy(other_rules, customer, "professional")
    shown = expect(ask(customer.client, "preview", customer.id, new_plan="starter"), 200)
    assert (shown["effective"], shown["amount_due"], shown["lines"]) == ("period_end", 0, [])
    assert shown["period_ends_at"] == bought["current_period_ends_at"]

    def schedule(plan):
        answer = expect(ask(customer.client, "upgrade", customer.id, new_plan=plan), 200)
        return answer["subscription"]["plan"], answer["subscription"]["scheduled_plan"]

    assert schedule("starter") == ("professional", "starter")
    expect(ask(customer.client, "upgrade", customer.id, new_plan="starter"), 409,
           "nothing_to_change")
    assert schedule("professional") == ("professional", None)
    expect(ask(customer.client, "upgrade", customer.id, new_plan="professional"), 409,
           "nothing_to_change")
    assert schedule("starter") == ("professional", "starter")
    assert not changes(other_rules, bought)
    # A greater plan begins at once and replaces the scheduled one.
    assert schedule("enterprise") == ("enterprise", None)
    assert schedule("starter") == ("enterprise", "starter")
    paid = charged(other_rules, bought)
    # The period now ends in half an hour, so the jobs may change the plan at any time.
    stripe.reset_requests()
    stripe.call("POST", f"/v1/subscriptions/{bought['stripe_subscription_id']}",
                {"trial_end": stripe.now() + 1800, "proration_behavior": "none"})
    settled(other_rules, customer.id)
    kept = subscription_of(customer.client, customer.id)
    assert (kept["plan"], kept["scheduled_plan"]) in (("enterprise", "starter"), ("starter", None))
    run_due_jobs(other_rules)
    wait_for(lambda: theirs(other_rules, bought)["plan"] == "starter")
    assert [one["proration_behavior"] for one in changes(other_rules, bought) if "items" in one] == ["none"]
    stripe.advance(seconds=2 * 3600)
    settled(other_rules, customer.id)
    renewed = subscription_of(customer.client, customer.id)
    assert (renewed["plan"], renewed["status"], renewed["scheduled_plan"]) == (
        "starter", "active", None)
    assert charged(other_rules, bought) == paid + 2900


def test_a_scheduled_plan_that_begins_late_is_credited(other_rules):
    customer = without_trial(other_rules)
    bought = buy(other_rules, customer, "professional")
    expect(ask(customer.client, "upgrade", customer.id, new_plan="starter"), 200)
    # The period for which it was scheduled is over, and Stripe's next one has begun.
    other_rules.sql("UPDATE subscriptions SET current_period_ends_at = now() - interval '1 day', "
              "scheduled_for = now() - interval '1 day', scheduled_at = now() - interval '2 days' "
              f"WHERE customer_id = '{customer.id}' AND NOT superseded")
    run_due_jobs(other_rules)
    wait_for(lambda: theirs(other_rules, bought)["plan"] == "starter")
    assert [one["proration_behavior"] for one in changes(other_rules, bought)] == ["create_prorations"]
    settled(other_rules, customer.id)
    after = wait_for(lambda: subscription_of(customer.client, customer.id))
    assert (after["plan"], after["current_period_ends_at"]) == (
        "starter", bought["current_period_ends_at"])


def test_cancel_now(api, stack, stripe):
    customer = api.sign_up()
    bought = buy(stack, customer)
    events = stripe.events(customer=theirs(stack, bought)["customer"]) + [
        one for one in stripe.events() if one["object"] == bought["stripe_subscription_id"]]
    answer = expect(ask(customer.client, "cancel", customer.id), 200)
    assert answer["subscription"]["status"] == theirs(stack, bought)["status"] == "canceled"
    assert (answer["effective"], answer["message"]) == ("now", "The subscription has ended.")
    claims = claims_of(expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)["license"])
    assert claims["subscription"]["status"] == "canceled"
    assert claims["expiresAt"] - claims["issuedAt"] <= 24 * 3600
    for name in ("cancel", "resume", "upgrade", "preview"):
        more = {"new_plan": "starter"} if name in ("upgrade", "preview") else {}
        expect(ask(customer.client, name, customer.id, **more), 409, "subscription_ended")
    # Late events do not make the subscription active again.
    settled(stack, customer.id)
    stack.sql("DELETE FROM stripe_events WHERE event_id IN "
              f"({', '.join(repr(one['id']) for one in events)})")
    assert {one["status"] for one in stripe.deliver(events)} == {200}
    settled(stack, customer.id)
    assert subscription_of(customer.client, customer.id) == answer["subscription"]


def test_the_setting_says_when_a_cancellation_takes_effect(other_rules):
    """SUBSCRIPTION_CANCEL=period_end holds where a request does not say when."""
    api = other_rules.api
    customer, trial = without_trial(other_rules), api.sign_up()
    bought = buy(other_rules, customer)
    answer = expect(ask(customer.client, "cancel", customer.id), 200)
    assert (answer["effective"], answer["message"]) == (
        "period_end", "The subscription ends with its period.")
    assert (answer["subscription"]["status"], answer["subscription"]["cancel_at"]) == (
        "active", bought["current_period_ends_at"])
    assert theirs(other_rules, bought)["cancel_at_period_end"] is True
    expect(ask(customer.client, "cancel", customer.id), 409, "nothing_to_change")
    expect(ask(customer.client, "cancel", customer.id, at_period_end="now"), 400,
           "invalid_request")
    answer = expect(ask(customer.client, "cancel", customer.id, at_period_end=False), 200)
    assert (answer["effective"], answer["subscription"]["status"]) == ("now", "canceled")
    # Nothing was paid for a trial, so it ends at once.
    answer = expect(ask(trial.client, "cancel", trial.id), 200)
    assert (answer["effective"], answer["subscription"]["status"]) == ("now", "canceled")


@pytest.mark.quick
def test_cancel_at_period_end_and_resume(api, stack):
    customer = api.sign_up()
    bought = buy(stack, customer)

    def cancel():
        return ask(customer.client, "cancel", customer.id, at_period_end=True)

    for _ in range(2):
        ends = expect(cancel(), 200)["subscription"]
        assert (ends["status"], ends["cancel_at_period_end"], ends["cancel_at"]) == (
            "active", True, bought["current_period_ends_at"])
        expect(cancel(), 409, "nothing_to_change")
        assert theirs(stack, bought)["cancel_at_period_end"] is True
        goes_on = expect(ask(customer.client, "resume", customer.id), 200)["subscription"]
        assert (goes_on["cancel_at_period_end"], goes_on["cancel_at"]) == (False, None)
        assert theirs(stack, bought)["cancel_at"] is None
        expect(ask(customer.client, "resume", customer.id), 409, "nothing_to_change")
    assert changes(stack, bought) == 2 * [{"cancel_at_period_end": "true"},
                                          {"cancel_at_period_end": "false"}]
    expect(cancel(), 200)
    expect(ask(customer.client, "cancel", customer.id), 200)
    settled(stack, customer.id)
    assert subscription_of(customer.client, customer.id)["status"] == "canceled"


def test_a_later_end_becomes_the_end_of_the_period(api, stack, stripe):
    """The vendor has the subscription end in some months; the customer does not want to pay until then."""
    customer = api.sign_up()
    bought = buy(stack, customer)
    stripe.call("POST", f"/v1/subscriptions/{bought['stripe_subscription_id']}",
                {"cancel_at": stripe.now() + 240 * 86400, "proration_behavior": "none"})
    settled(stack, customer.id)
    assert subscription_of(customer.client, customer.id)["cancel_at"] is not None
    ends = expect(ask(customer.client, "cancel", customer.id, at_period_end=True), 200)["subscription"]
    assert ends["cancel_at"] == bought["current_period_ends_at"]
    expect(ask(customer.client, "cancel", customer.id, at_period_end=True), 409,
           "nothing_to_change")


def test_resume_takes_back_a_cancellation_of_the_portal(api, stack, stripe):
    customer = api.sign_up()
    bought = buy(stack, customer)
    stripe.migrate(bought["stripe_subscription_id"])
    url = expect(ask(customer.client, "portal", customer.id), 200)["portal_url"]
    stripe.exchange("POST", url.removeprefix(stripe.url),
                    f"action=cancel&subscription={bought['stripe_subscription_id']}")
    settled(stack, customer.id)
    ends = subscription_of(customer.client, customer.id)
    assert (ends["cancel_at_period_end"], ends["cancel_at"]) == (
        False, bought["current_period_ends_at"])
    expect(ask(customer.client, "cancel", customer.id, at_period_end=True), 409,
           "nothing_to_change")
    goes_on = expect(ask(customer.client, "resume", customer.id), 200)["subscription"]
    assert goes_on["cancel_at"] is None and theirs(stack, bought)["cancel_at"] is None


def test_a_trial_is_cancelled_without_stripe(api, stack):
    customer = api.sign_up()
    expect(ask(customer.client, "cancel", customer.id, at_period_end=True), 409,
           "nothing_to_change")
    ended = expect(ask(customer.client, "cancel", customer.id), 200)["subscription"]
    assert ended["status"] == "canceled" and not sent(stack, customer)
    assert ended["canceled_at"] == ended["ended_at"] == ended["updated_at"]
    expect(ask(customer.client, "cancel", customer.id), 409, "subscription_ended")


def test_portal(api, stack, stripe):
    customer = api.sign_up()
    buy(stack, customer)
    stripe.reset_requests()
    back = f"{stack.base_url}/account"
    urls = [expect(ask(customer.client, "portal", customer.id, **more), 200)["portal_url"]
            for more in ({}, {"return_url": back}, {"return_url": back})]
    assert len(set(urls)) == 3 and all(url.startswith(stripe.url) for url in urls)
    sent = [one["params"] for one in stripe.requests("POST", "/v1/billing_portal/sessions")]
    who = stripe_id(stack, customer)
    assert sent == [{"customer": who, "return_url": f"{stack.base_url}/checkout/back"},
                    *2 * [{"customer": who, "return_url": back}]]


def test_invoices(api, stack, stripe):
    customer, stranger = api.sign_up(), api.sign_up()
    path = f"/api/subscriptions/{customer.id}/invoices"
    assert expect(customer.client.get(path), 200) == {"invoices": [], "next_cursor": None}
    bought = buy(stack, customer, "starter")
    for plan in ("professional", "enterprise"):
        expect(ask(customer.client, "upgrade", customer.id, new_plan=plan), 200)
    settled(stack, customer.id)
    listed = expect(customer.client.get(path), 200)["invoices"]
    known = stripe.state()["invoices"]
    assert {one["id"] for one in listed} == {
        id for id, one in known.items() if one["customer"] == theirs(stack, bought)["customer"]}
    assert len(listed) == 3
    for one in listed:
        other = known[one["id"]]
        assert (one["number"], one["status"], one["amount_due"], one["amount_paid"]) == (
            other["number"], "paid", other["amount_due"], other["amount_paid"])
    assert listed == sorted(listed, key=lambda one: (one["created_at"], one["id"]), reverse=True)
    pages, cursor = [], ""
    while cursor is not None:
        page = expect(customer.client.get(f"{path}?limit=1{cursor and '&cursor=' + cursor}"), 200)
        pages += page["invoices"]
        cursor = page["next_cursor"]
    assert pages == listed
    assert expect(api.viewer.get(f"{path}?limit=3"), 200) == {"invoices": listed,
                                                              "next_cursor": None}
    expect(stranger.client.get(path), 404, "customer_not_found")
    expect(customer.client.get(path + "?cursor=x"), 400, "invalid_request")
    expect(api.owner.get("/api/subscriptions/cust_" + "0" * 32 + "/invoices"), 404,
           "customer_not_found")
