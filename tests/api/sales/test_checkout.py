"""Checkout: a purchase up to the paid licence, and the requests that are refused."""

import concurrent.futures

import jwt
import pytest

from support.client import expect
from support.payments import (ask, buy, hold, open_checkout, seconds, sent, settled, stripe_id,
                              subscription_of)
from support.stack import FOURTH_PRICE


def sessions_of(stack, customer):
    """The customer's checkout sessions at Stripe: (id, status)."""
    theirs = stripe_id(stack, customer)
    return [(id, one["status"]) for id, one in stack.stripe.state()["sessions"].items()
            if one["customer"] == theirs]


def session_requests(stack, customer):
    """The parameters of the requests that opened the customer's sessions at Stripe."""
    return [one["params"] for one in stack.stripe.requests("POST", "/v1/checkout/sessions")
            if one["params"] and one["params"].get("client_reference_id") == customer.id]


@pytest.mark.quick
def test_a_checkout_leads_to_a_paid_licence(api, stack, stripe):
    customer = api.sign_up(company_name="Acme")
    session, url = open_checkout(customer)
    assert url.startswith(stripe.url) and sessions_of(stack, customer) == [(session, "open")]
    assert subscription_of(customer.client, customer.id)["status"] == "trialing"
    paid = stripe.complete(session)
    settled(stack, customer.id)
    bought = subscription_of(customer.client, customer.id)
    theirs = stripe.state()["subscriptions"][paid["subscription"]]
    assert bought["stripe_subscription_id"] == paid["subscription"]
    assert seconds(bought["current_period_ends_at"]) == theirs["current_period_end"]
    assert theirs["metadata"] == {"customer_id": customer.id}
    assert stripe.state()["charged"][stripe_id(stack, customer)] == 9900
    answer = expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)
    key = expect(api.nobody.get("/api/licenses/public-key"), 200)["public_key"]
    claims = jwt.decode(answer["license"], key, algorithms=["RS256"])
    assert (claims["plan"], claims["customerName"], claims["trial"]) == (
        "professional", "Acme", {"isTrialMode": False})
    assert claims["subscription"] == {"status": "active", "currentPeriodEndsAt":
                                      bought["current_period_ends_at"]}
    assert claims["features"]["maxDevices"] == 50
    assert answer["license"] != customer.license


def test_the_requests_to_stripe(api, stack):
    customer = api.sign_up(company_name="Acme")
    url = f"{stack.base_url}/account?paid=1"
    open_checkout(customer, "starter")
    open_checkout(customer, "enterprise", price_id="price_enterprise_year", success_url=url,
                  cancel_url=url)
    common = {"mode": "subscription", "customer": stripe_id(stack, customer),
              "client_reference_id": customer.id, "metadata": {"customer_id": customer.id},
              "subscription_data": {"metadata": {"customer_id": customer.id},
                                    "billing_mode": {"type": "classic"}}}
    assert session_requests(stack, customer) == [
        {**common, "line_items": {"0": {"price": "price_starter_month", "quantity": "1"}},
         "success_url": f"{stack.base_url}/checkout/done?plan=starter&session_id={{CHECKOUT_SESSION_ID}}",
         "cancel_url": f"{stack.base_url}/checkout/canceled?plan=starter"},
        {**common, "line_items": {"0": {"price": "price_enterprise_year", "quantity": "1"}},
         "success_url": url, "cancel_url": url}]
    made, = [one for one in stack.stripe.requests("POST", "/v1/customers")
             if one["params"] and one["params"].get("email") == customer.email]
    assert made["params"] == {"email": customer.email, "name": "Acme",
                              "metadata": {"customer_id": customer.id}}
    assert all(one["idempotency_key"] for one in stack.stripe.requests("POST")
               if one["headers"].get("user-agent", "").startswith("global-billing"))
    # The session that was left open cannot be paid any more.
    assert sorted(status for _, status in sessions_of(stack, customer)) == ["expired", "open"]


def test_a_yearly_price(api, stack, stripe):
    customer = api.sign_up()
    bought = buy(stack, customer, "professional", price_id="price_professional_year")
    assert stripe.state()["charged"][stripe_id(stack, customer)] == 99000
    days = (seconds(bought["current_period_ends_at"]) - stripe.now()) / 86400
    assert 364 < days < 367


@pytest.mark.parametrize("body, field", [
    ({"plan": "trial"}, "plan"), ({"plan": "Starter"}, "plan"), ({"plan": "x" * 100}, "plan"),
    ({"plan": "price_starter_month"}, "plan"), ({"plan": "é"}, "plan"),
    ({"plan": "starter", "price_id": "price_professional_month"}, "price_id"),
    ({"plan": "starter", "price_id": "price_unknown"}, "price_id"),
    ({"plan": "starter", "price_id": "price_starter_month,price_starter_year"}, "price_id")])
def test_plans_and_prices_that_are_not_sold_are_refused(api, stack, body, field):
    customer = api.sign_up()
    refused = expect(ask(customer.client, "checkout", customer.id, **body), 400,
                     "invalid_request")
    assert [detail["field"] for detail in refused["details"]] == [field]
    assert not sent(stack, customer)


def foreign_urls(base):
    """URLs of other origins that resemble ours, `base`."""
    host = base.removeprefix("https://")
    name = host.split(":")[0]
    return [
        "https://evil.example/", f"https://evil.example/{base}", f"https://evil.example?{base}",
        f"https://evil.example#{base}", f"{base}@evil.example/", f"{base}:x@evil.example/",
        f"https://{host}%40evil.example/", f"https://{host}%2f@evil.example/",
        f"https://me@{host}/", f"https://me:pass@{host}/", f"https://@{host}/",
        f"{base}\\@evil.example/", f"{base}\\.evil.example/", f"https:\\\\{host}/",
        f"https:/\\{host}/", f"https:/{host}/", f"https:{host}/", f"https:///{host}/", f"//{host}/",
        "/account", host, f"{base}.evil.example/", f"{base}.", f"{base}0/", f"https://{name}/",
        f"https://{name}:/", f"https://{name}:443/", f"https://{name}.:{host.split(':')[1]}/",
        f"http://{host}/", f"ftp://{host}/", f"javascript:alert(1)//{base}/", f"data:,{base}/",
        f"{base}\t/", f" {base}/", f"{base}/\r\nX: y", f"{base}/ x", f"{base}/\x7f",
        f"{base}。evil.example/", f"https://{name.replace('l', 'ⅼ', 1)}:{host.split(':')[1]}/",
        "https://", "https:", "x"]


def test_return_urls_of_other_origins_are_refused(api, stack):
    customer = api.sign_up()
    for url in foreign_urls(stack.base_url):
        refused = expect(ask(customer.client, "checkout", customer.id, plan="starter",
                             success_url=url, cancel_url=url), 400, "invalid_request")
        assert [one["field"] for one in refused["details"]] == ["success_url", "cancel_url"], url
        refused = expect(ask(customer.client, "portal", customer.id, return_url=url), 400,
                         "invalid_request")
        assert [one["field"] for one in refused["details"]] == ["return_url"], url
    assert not sent(stack, customer)


@pytest.mark.parametrize("rest", ["", "/", "/a//b?c=https://x.example/@y#d", "?a", "#b", "/%0d%0a"])
def test_return_urls_of_our_origin_are_accepted(api, stack, rest):
    for base in (stack.base_url, stack.base_url.replace("localhost", "LocalHost")):
        customer = api.sign_up()
        open_checkout(customer, success_url=base + rest)
        assert [one["success_url"] for one in session_requests(stack, customer)] == [base + rest]


def test_origins_of_the_setting_are_accepted(other_rules):
    customer = other_rules.api.sign_up()
    for origin in ["https://app.example.com", "http://localhost:3000", other_rules.base_url,
                   "https://APP.example.com"]:
        open_checkout(customer, success_url=f"{origin}/done", cancel_url=origin)
        for bad in (f"{origin}.evil.example/", f"{origin}:1/", f"{origin}@evil.example",
                    "http://app.example.com/", "https://localhost:3000/", "https://example.com/"):
            refused = expect(ask(customer.client, "checkout", customer.id, plan="starter",
                                 cancel_url=bad), 400, "invalid_request")
            assert [one["field"] for one in refused["details"]] == ["cancel_url"], bad


def test_a_second_subscription_is_refused(api, stack, stripe):
    """A paid session counts also when its event has not arrived yet."""
    customer = api.sign_up()
    session, _ = open_checkout(customer, "starter")
    hold(stack)
    paid = stripe.complete(session)
    assert subscription_of(customer.client, customer.id)["status"] == "trialing"
    expect(ask(customer.client, "checkout", customer.id, plan="starter"), 409,
           "subscription_exists")
    # The refused checkout fetched the subscription from Stripe and stored it.
    bought = subscription_of(customer.client, customer.id)
    assert (bought["status"], bought["stripe_subscription_id"]) == ("active", paid["subscription"])
    assert all(status != "open" for _, status in sessions_of(stack, customer))
    stripe.reset_requests()
    expect(ask(customer.client, "checkout", customer.id, plan="enterprise"), 409,
           "subscription_exists")
    assert not sent(stack, customer)
    stripe.hold(False)
    settled(stack, customer.id)
    assert subscription_of(customer.client, customer.id) == bought


def test_after_a_cancellation_a_new_subscription_can_be_bought(api, stack):
    customer = api.sign_up()
    first = buy(stack, customer, "starter")
    expect(ask(customer.client, "cancel", customer.id), 200)
    settled(stack, customer.id)
    second = buy(stack, customer, "professional")
    assert second["stripe_subscription_id"] != first["stripe_subscription_id"]
    bought = [one for one in stack.stripe.state()["subscriptions"].values()
              if one["customer"] == stripe_id(stack, customer)]
    assert sorted(one["status"] for one in bought) == ["active", "canceled"]


def test_twenty_parallel_checkouts(api, stack, stripe):
    """They create one customer at Stripe and leave one session that can be paid."""
    customer = api.sign_up()

    def checkout(_):
        client = api.keyed(customer.api_key)
        return ask(client, "checkout", customer.id, plan="starter")

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(checkout, range(20)))
    for answer in answers:
        assert answer.status_code == 200 or expect(answer, 409, "operation_in_progress")
    assert any(answer.status_code == 200 for answer in answers)
    made = [id for id, one in stripe.state()["customers"].items()
            if one["metadata"] == {"customer_id": customer.id}]
    assert made == [stripe_id(stack, customer)]
    still_open = [id for id, status in sessions_of(stack, customer) if status == "open"]
    assert len(still_open) == 1
    stripe.complete(still_open[0])
    settled(stack, customer.id)
    assert stripe.counters()["live_subscriptions"][made[0]] == 1


def test_a_running_trial_continues_at_stripe(other_rules):
    customer = other_rules.api.sign_up()
    ends = subscription_of(customer.client, customer.id)["trial_ends_at"]
    session, _ = open_checkout(customer)
    asked, = session_requests(other_rules, customer)
    assert asked["subscription_data"] == {"metadata": {"customer_id": customer.id},
                                          "billing_mode": {"type": "classic"},
                                          "trial_end": str(seconds(ends))}
    other_rules.stripe.complete(session)
    settled(other_rules, customer.id)
    moved = subscription_of(customer.client, customer.id)
    assert (moved["plan"], moved["status"]) == ("professional", "trialing")
    assert seconds(moved["trial_ends_at"]) == seconds(ends)
    assert stripe_id(other_rules, customer) not in {
        id for id, amount in other_rules.stripe.state()["charged"].items() if amount}


def test_a_fourth_plan_is_sold(other_rules):
    """A plan can be bought when PLANS_FILE and STRIPE_PRICES contain it."""
    customer = other_rules.api.sign_up()
    session, _ = open_checkout(customer, "platinum")
    asked, = session_requests(other_rules, customer)
    assert asked["line_items"] == {"0": {"price": FOURTH_PRICE, "quantity": "1"}}
    other_rules.stripe.complete(session)
    settled(other_rules, customer.id)
    assert subscription_of(customer.client, customer.id)["plan"] == "platinum"
    assert expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)["plan"] == "platinum"


def test_a_trial_that_ends_within_two_days_does_not_continue_at_stripe(other_rules):
    """Stripe accepts no end of a trial that is less than two days away."""
    customer = other_rules.api.sign_up()
    other_rules.sql("UPDATE subscriptions SET trial_ends_at = now() + interval '48 hours' WHERE "
              f"customer_id = '{customer.id}'")
    bought = buy(other_rules, customer)
    asked, = session_requests(other_rules, customer)
    assert "trial_end" not in asked["subscription_data"] and bought["status"] == "active"


@pytest.mark.parametrize("name", ["upgrade", "preview", "resume", "portal"])
def test_a_checkout_must_come_first(api, stack, name):
    customer = api.sign_up()
    more = {"new_plan": "professional"} if name in ("upgrade", "preview") else {}
    expect(ask(customer.client, name, customer.id, **more), 409, "checkout_needed")
    assert not sent(stack, customer)
