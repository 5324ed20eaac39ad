"""Seats, add-ons, currencies and intervals: what `stripe setup` makes of plans.json is sold, changed,
synced and compared."""

import json
import re

import jwt
import pytest

from support.client import expect
from support.payments import (ask, buy, charged, restart, sell, settled, stripe_id,
                              subscription_of)
from support.stack import wait_for


def price(amount, currency="eur", interval="month", **more):
    return {"amount_minor": amount, "currency": currency, "interval": interval, **more}


PLANS = {
    "version": 1, "metrics": {"storage_mb": "level", "api_calls": "sum"},
    "meters": {"calls": [{"amount_minor": "0.5", "currency": "eur"},
                         {"amount_minor": "1", "currency": "jpy"}]},
    "trial": {"days": 14, "plan": "team", "features": {"region": "eu"},
              "limits": {"seats": 3, "projects": 1}},
    "plans": [
        {"plan": "team", "name": "Team", "quantity": "seats", "metric": "storage_mb",
         "prices": [price(900), price(1500, "jpy"), price(2500, interval_count=3),
                    price(9000, interval="year")],
         "features": {"region": "eu"}, "limits": {"projects": 2},
         "usage": {"meters": {"api_calls": "calls"}}},
        {"plan": "crew", "name": "Crew", "quantity": "seats", "per": 5,
         "prices": [price(8000), price(12000, "jpy"), price(22000, interval_count=3),
                    price(80000, interval="year")],
         "features": {"region": "eu"}, "limits": {"projects": 20}},
        {"plan": "house", "name": "House", "prices": [price(50000)], "features": {"region": "eu"},
         "limits": {"seats": None, "projects": None}}],
    "addons": [
        {"addon": "sso", "name": "Single sign-on", "features": {"sso": True},
         "prices": [price(300), price(500, "jpy"), price(3000, interval="year")]},
        {"addon": "more", "name": "More projects", "quantity": "projects", "per": 10,
         "prices": [price(400), price(4000, interval="year")]}]}


@pytest.fixture(scope="module")
def shop(tmp_path_factory, new_stack):
    """A stack that sells these plans."""
    folder = tmp_path_factory.mktemp("seats")
    for place in (folder, folder.parent, folder.parent.parent):
        place.chmod(0o755)
    (folder / "plans.json").write_text(json.dumps(PLANS), encoding="utf-8")
    made = new_stack(stripe=True, PLANS_FILE=folder / "plans.json", STRIPE_PRICES="")
    sell(made)
    yield made
    made.close()


@pytest.fixture
def patient(shop):
    """The stack, while less begins with the next period."""
    restart(shop, STRIPE_DOWNGRADE="period_end")
    yield shop
    restart(shop, STRIPE_DOWNGRADE="now")


def items(shop, bought):
    """Price and quantity of each item at Stripe, the plan's first."""
    found = shop.stripe.call("GET", f"/v1/subscriptions/{bought['stripe_subscription_id']}")
    return [(one["price"]["id"], one.get("quantity")) for one in found["items"]["data"]]


def refused(answer, *fields):
    details = expect(answer, 400, "invalid_request")["details"]
    assert [one["field"] for one in details] == list(fields), details


def bought_of(shop, customer):
    """Plan, quantity and add-ons as stored once all events are processed."""
    settled(shop, customer.id)
    row = subscription_of(customer.client, customer.id)
    return row["plan"], row["quantity"], row["addons"]


def licensed(customer):
    """The features and limits of the licence."""
    token = expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)["license"]
    claims = jwt.decode(token, options={"verify_signature": False})
    return claims["features"], claims["limits"]


def report_seats(customer, count):
    expect(customer.client.post("/api/usage/report", {
        "customer_id": customer.id, "metrics": {"storage_mb": count}}), 201)


def item_of(shop, bought, name):
    found = shop.stripe.call("GET", f"/v1/subscriptions/{bought['stripe_subscription_id']}")
    return next(one["id"] for one in found["items"]["data"]
                if one["price"]["id"] in shop.prices[name])


def test_setup_makes_prices_of_all_currencies_and_intervals(shop):
    made = {one["id"]: (one["currency"], one["unit_amount"], one["recurring"]["interval"],
                        one["recurring"]["interval_count"], one["metadata"])
            for one in shop.stripe.call("GET", "/v1/prices", {"limit": 100})["data"]}
    assert [made[one][:4] for one in shop.prices["team"]] == [
        ("eur", 900, "month", 1), ("jpy", 1500, "month", 1), ("eur", 2500, "month", 3),
        ("eur", 9000, "year", 1)]
    assert [made[one][4] for one in shop.prices["sso"]] == [{"addon": "sso"}] * 3
    assert [made[one][0] for one in shop.prices["calls"]] == ["eur", "jpy", "eur", "eur"]
    said = [one["what"] for one in shop.setup["objects"]]
    assert "price Team, 1500 JPY a month" in said and "price Team, 25.00 EUR every 3 months" in said
    assert "price Single sign-on, 3.00 EUR a month" in said
    again = json.loads(shop.billingctl("stripe", "setup", "--json").stdout)
    assert {one["state"] for one in again["objects"]} == {"there"}
    doctor = json.loads(shop.billingctl("doctor", "--json", check=False).stdout)
    checks = {one["check"]: one["state"] for one in doctor["checks"]}
    assert (checks["stripe_prices"], checks["stripe_meters"]) == ("ok", "ok")


def test_the_list_shows_what_is_sold(shop):
    shown = expect(shop.api.nobody.get("/api/plans"), 200)
    plans = {one["plan"]: one for one in shown["plans"]}
    assert plans["team"]["prices"][2] == {"amount_minor": 2500, "currency": "eur",
                                          "interval": "month", "interval_count": 3}
    assert (plans["crew"]["quantity"], plans["crew"]["per"], plans["crew"]["limits"]["seats"]) == (
        "seats", 5, 5)
    assert plans["house"]["quantity"] is None
    assert [(one["addon"], one["quantity"], one["features"]) for one in shown["addons"]] == [
        ("sso", None, {"sso": True}), ("more", "projects", {})]


@pytest.mark.parametrize("more, place, total, interval", [
    ({}, 0, 900, ("month", 1, "eur")), ({"currency": "jpy"}, 1, 1500, ("month", 1, "jpy")),
    ({"interval": "month"}, 0, 900, ("month", 1, "eur")),
    ({"interval": "month", "interval_count": 3}, 2, 2500, ("month", 3, "eur")),
    ({"interval": "year", "currency": "eur"}, 3, 9000, ("year", 1, "eur"))])
def test_a_checkout_chooses_interval_and_currency(shop, more, place, total, interval):
    customer = shop.api.sign_up()
    bought = buy(shop, customer, "team", quantity=2, **more)
    assert items(shop, bought)[0] == (shop.prices["team"][place], 2)
    assert charged(shop, customer) == 2 * total
    assert (bought["interval"], bought["interval_count"], bought["currency"]) == interval


def test_a_checkout_with_seats_and_addons(shop):
    customer = shop.api.sign_up()
    bought = buy(shop, customer, "team", quantity=7, addons={"sso": 1, "more": 3})
    team, sso, more, calls = (shop.prices[name][0] for name in ("team", "sso", "more", "calls"))
    assert items(shop, bought) == [(team, 7), (sso, 1), (more, 3), (calls, None)]
    assert (bought["quantity"], bought["addons"]) == (7, {"sso": 1, "more": 3})
    assert charged(shop, customer) == 7 * 900 + 300 + 3 * 400
    assert licensed(customer) == ({"region": "eu", "sso": True}, {"seats": 7, "projects": 2 + 30})


@pytest.mark.parametrize("more, fields", [
    ({"quantity": 0}, ["quantity"]), ({"quantity": -3}, ["quantity"]),
    ({"quantity": 100001}, ["quantity"]), ({"quantity": 1.5}, ["quantity"]),
    ({"quantity": "2"}, ["quantity"]), ({"quantity": 2**53}, ["quantity"]),
    ({"plan": "house", "quantity": 2}, ["quantity"]),
    ({"addons": {"gold": 1}}, ["addons.gold"]), ({"addons": {"team": 1}}, ["addons.team"]),
    ({"addons": {"more": -1, "sso": 2}}, ["addons.more", "addons.sso"]),
    ({"addons": {"more": 100001}}, ["addons.more"]), ({"addons": {"more": None}}, ["addons.more"]),
    ({"addons": [1]}, ["addons"]), ({"addons": {"more": 1}, "currency": "jpy"}, ["addons.more"]),
    ({"addons": {"sso": 1}, "interval": "month", "interval_count": 3}, ["addons.sso"]),
    ({"interval_count": 3}, ["interval_count"]), ({"currency": "EUR"}, ["currency"]),
    ({"currency": "usd"}, ["currency"]), ({"interval": "month", "interval_count": 2}, ["interval"])])
def test_other_purchases_are_refused(shop, more, fields):
    customer = shop.api.sign_up()
    refused(ask(customer.client, "checkout", customer.id, **{"plan": "team", **more}), *fields)


def test_a_change_of_seats_and_addons(shop):
    """The preview's amount is charged; what is named changes, and the rest stays."""
    customer = shop.api.sign_up()
    bought = buy(shop, customer, "team", quantity=2, addons={"more": 1})
    expect(ask(customer.client, "upgrade", customer.id, plan="team", quantity=2, addons={"more": 1}),
           409, "nothing_to_change")
    change = {"plan": "team", "quantity": 5, "addons": {"sso": 1}}
    shown = expect(ask(customer.client, "preview", customer.id, **change), 200)
    assert (shown["quantity"], shown["addons"]) == (5, {"sso": 1, "more": 1})
    assert shown["amount_due"] == pytest.approx(3 * 900 + 300, abs=5)
    expect(ask(customer.client, "upgrade", customer.id, **change,
               proration_at=shown["proration_at"]), 200)
    assert charged(shop, customer) == 2 * 900 + 400 + shown["amount_due"]
    assert bought_of(shop, customer) == ("team", 5, {"sso": 1, "more": 1})
    # A year of all of it, but the metered item keeps the month.
    expect(ask(customer.client, "upgrade", customer.id, plan="team", interval="year"), 409,
           "interval_fixed")
    expect(ask(customer.client, "upgrade", customer.id, plan="team", addons={"more": 0}), 200)
    assert bought_of(shop, customer) == ("team", 5, {"sso": 1})
    # The item that bills use stays, and a plan that is bought once has one.
    expect(ask(customer.client, "upgrade", customer.id, plan="house"), 200)
    assert bought_of(shop, customer) == ("house", 1, {"sso": 1})
    assert items(shop, bought) == [(shop.prices["house"][0], 1), (shop.prices["calls"][0], None),
                                   (shop.prices["sso"][0], 1)]


@pytest.mark.parametrize("more, field", [({"interval": "year"}, "interval"), ({"currency": "jpy"}, "plan")])
def test_a_plan_that_is_not_sold_by_the_present_terms(shop, more, field):
    """The customer would pay by another interval, or in another currency, without a word of his."""
    customer = shop.api.sign_up()
    bought = buy(shop, customer, "crew", **more)
    before = items(shop, bought)
    for name in ("preview", "upgrade"):
        refused(ask(customer.client, name, customer.id, plan="house"), field)
    assert items(shop, bought) == before
    if field == "interval":
        expect(ask(customer.client, "upgrade", customer.id, plan="house", interval="month"), 200)
        assert items(shop, bought)[0] == (shop.prices["house"][0], 1)


def test_items_of_which_none_is_bought(shop):
    """A quantity of 0 at Stripe: no higher plan, no add-on; a change gives the item its quantity."""
    customer = shop.api.sign_up()
    bought = buy(shop, customer, "crew", quantity=2, addons={"more": 1})
    path = f"/v1/subscriptions/{bought['stripe_subscription_id']}"
    shop.stripe.call("POST", path, {"items[0][price]": shop.prices["house"][0], "items[0][quantity]": 0,
                                    "items[1][id]": item_of(shop, bought, "more"), "items[1][quantity]": 0})
    assert bought_of(shop, customer) == ("crew", 2, {})
    house = shop.stripe.call("GET", path)["items"]["data"][-1]
    shop.stripe.call("POST", path, {"items[0][id]": house["id"], "items[0][deleted]": "true",
                                    "items[1][id]": item_of(shop, bought, "crew"), "items[1][quantity]": 0})
    assert bought_of(shop, customer) == ("crew", 0, {})
    expect(ask(customer.client, "upgrade", customer.id, plan="crew", quantity=5,
               addons={"more": 2}), 200)
    assert items(shop, bought) == [(shop.prices["crew"][0], 5), (shop.prices["more"][0], 2)]
    assert bought_of(shop, customer) == ("crew", 5, {"more": 2})


def test_a_change_of_interval_takes_the_addons_along(shop):
    customer = shop.api.sign_up()
    bought = buy(shop, customer, "crew", quantity=2, addons={"sso": 1})
    expect(ask(customer.client, "upgrade", customer.id, plan="crew", interval="year",
               addons={"more": 2}), 200)
    assert items(shop, bought) == [(shop.prices["crew"][3], 2), (shop.prices["sso"][2], 1),
                                   (shop.prices["more"][1], 2)]
    assert bought_of(shop, customer) == ("crew", 2, {"sso": 1, "more": 2})
    refused(ask(customer.client, "upgrade", customer.id, plan="crew", interval="month",
                interval_count=3), "addons.sso", "addons.more")


def test_a_declined_card_buys_nothing(shop):
    customer = shop.api.sign_up()
    bought = buy(shop, customer, "crew", addons={"more": 1})
    shop.stripe.card(stripe_id(shop, customer), "declined")
    before = items(shop, bought)
    for change in ({"quantity": 3}, {"addons": {"more": 2}}, {"addons": {"sso": 1}}):
        expect(ask(customer.client, "upgrade", customer.id, plan="crew", **change), 402,
               "payment_failed")
    assert items(shop, bought) == before
    # Less costs nothing.
    expect(ask(customer.client, "upgrade", customer.id, plan="crew", addons={"more": 0}), 200)
    assert bought_of(shop, customer) == ("crew", 1, {})
    assert licensed(customer) == ({"region": "eu"}, {"seats": 5, "projects": 20})


def test_fewer_than_are_in_use_is_told(shop):
    customer = shop.api.sign_up()
    buy(shop, customer, "team", quantity=10)
    report_seats(customer, 8)
    told = [{"name": "seats", "limit": 4, "in_use": 8}]
    change = {"plan": "team", "quantity": 4}
    assert expect(ask(customer.client, "preview", customer.id, **change), 200)["over_limit"] == told
    assert expect(ask(customer.client, "upgrade", customer.id, **change), 200)["over_limit"] == told
    said = shop.billingctl("subscription", "preview", customer.id, "team", "--quantity", "3",
                           "--addons", "more=2").stdout
    assert re.search(r"quantity +3\n", said) and re.search(r'addons +\{"more": ?2\}|more.* 2', said), said
    answer = expect(ask(customer.client, "upgrade", customer.id, plan="crew", quantity=2), 200)
    assert answer["over_limit"] == [] and answer["subscription"]["quantity"] == 2


def test_items_that_the_portal_adds_count(shop):
    """By price id, and by the metadata of a price that no setting names; a removed item does not."""
    customer = shop.api.sign_up()
    bought = buy(shop, customer, "team")
    subscription = bought["stripe_subscription_id"]
    shop.stripe.call("POST", "/v1/subscription_items", {
        "subscription": subscription, "price": shop.prices["more"][0], "quantity": 4})
    assert bought_of(shop, customer) == ("team", 1, {"more": 4})
    deal = shop.stripe.call("POST", "/v1/prices", {
        "product": "global_billing_addon_sso", "currency": "eur", "unit_amount": 1,
        "recurring[interval]": "month"})["id"]
    shop.stripe.call("POST", f"/v1/subscriptions/{subscription}", {
        "items[0][price]": deal, "items[1][id]": item_of(shop, bought, "team"),
        "items[1][quantity]": 6})
    assert bought_of(shop, customer) == ("team", 6, {"sso": 1, "more": 4})
    # A change by the API keeps them.
    expect(ask(customer.client, "upgrade", customer.id, plan="team", quantity=7), 200)
    assert bought_of(shop, customer) == ("team", 7, {"sso": 1, "more": 4})
    shop.stripe.call("POST", f"/v1/subscriptions/{subscription}", {
        "items[0][id]": item_of(shop, bought, "more"), "items[0][deleted]": "true"})
    assert bought_of(shop, customer) == ("team", 7, {"sso": 1})


def test_a_negotiated_price_stays_when_the_quantity_changes(shop):
    customer = shop.api.sign_up()
    bought = buy(shop, customer, "team", quantity=2)
    deal = shop.stripe.call("POST", "/v1/prices", {
        "product": "global_billing_team", "currency": "eur", "unit_amount": 700,
        "recurring[interval]": "month", "metadata[plan]": "team"})["id"]
    shop.stripe.call("POST", f"/v1/subscriptions/{bought['stripe_subscription_id']}", {
        "items[0][id]": item_of(shop, bought, "team"), "items[0][price]": deal,
        "items[0][quantity]": 2, "proration_behavior": "none"})
    settled(shop, customer.id)
    expect(ask(customer.client, "upgrade", customer.id, plan="team", quantity=3,
               addons={"sso": 1}), 200)
    assert (deal, 3) in items(shop, bought)
    assert bought_of(shop, customer) == ("team", 3, {"sso": 1})


def test_what_is_not_paid_for_does_not_count(shop):
    """The dashboard adds items whose payment fails, at once or as a pending update."""
    customer = shop.api.sign_up()
    bought = buy(shop, customer, "team", quantity=2)
    path = f"/v1/subscriptions/{bought['stripe_subscription_id']}"
    shop.stripe.card(stripe_id(shop, customer), "declined")
    more = {"items[0][id]": item_of(shop, bought, "team"), "items[0][quantity]": 50,
            "items[1][price]": shop.prices["sso"][0], "proration_behavior": "always_invoice"}
    shop.stripe.call("POST", path, {**more, "payment_behavior": "pending_if_incomplete"})
    assert bought_of(shop, customer) == ("team", 2, {})
    shop.stripe.call("POST", path, {**more, "payment_behavior": "allow_incomplete"})
    assert bought_of(shop, customer) == ("team", 2, {})
    row = subscription_of(customer.client, customer.id)
    assert row["status"] == "past_due"
    expect(ask(customer.client, "upgrade", customer.id, plan="team", quantity=1), 409,
           "payment_due")
    assert licensed(customer) == ({"region": "eu"}, {"seats": 2, "projects": 2})
    done = json.loads(shop.billingctl("stripe", "reconcile", "--dry-run", "--json",
                                      check=False).stdout)
    assert not [one for one in done.get("differences", [])
                if one["id"] == bought["stripe_subscription_id"]], done
    invoice = shop.stripe.call("GET", path)["latest_invoice"]
    shop.stripe.pay(invoice, card="good")
    assert bought_of(shop, customer) == ("team", 50, {"sso": 1})
    assert licensed(customer)[1]["seats"] == 50


def test_a_difference_is_found_by_reconcile(shop):
    customer = shop.api.sign_up()
    bought = buy(shop, customer, "team", quantity=9, addons={"more": 1})
    shop.sql("UPDATE subscriptions SET quantity = 2, addons = '{\"sso\": 1}' "
             f"WHERE customer_id = '{customer.id}'")
    said = shop.billingctl("stripe", "reconcile", check=False).stdout
    mine = [line for line in said.splitlines() if bought["stripe_subscription_id"] in line]
    assert "quantity" in said and "addons" in said and len(mine) == 2, said
    wait_for(lambda: subscription_of(customer.client, customer.id)["quantity"] == 9)
    assert subscription_of(customer.client, customer.id)["addons"] == {"more": 1}


def test_less_begins_with_the_next_period(patient):
    """Where STRIPE_DOWNGRADE=period_end; more and less at once would evade that."""
    customer = patient.api.sign_up()
    expect(ask(customer.client, "cancel", customer.id), 200)  # the trial
    bought = buy(patient, customer, "crew", quantity=3, addons={"more": 2})
    expect(ask(customer.client, "upgrade", customer.id, plan="crew", quantity=1, addons={"sso": 1}),
           409, "mixed_change")
    change = {"plan": "crew", "quantity": 1, "addons": {"more": 0}}
    shown = expect(ask(customer.client, "preview", customer.id, **change), 200)
    assert (shown["effective"], shown["quantity"], shown["addons"]) == ("period_end", 1, {})
    answer = expect(ask(customer.client, "upgrade", customer.id, **change), 200)["subscription"]
    assert (answer["scheduled_plan"], answer["scheduled_quantity"], answer["scheduled_addons"]) == (
        "crew", 1, {"more": 0})
    expect(ask(customer.client, "upgrade", customer.id, **change), 409, "nothing_to_change")
    assert bought_of(patient, customer) == ("crew", 3, {"more": 2})
    # More begins at once, and takes the schedule back.
    expect(ask(customer.client, "upgrade", customer.id, plan="crew", quantity=4), 200)
    assert subscription_of(customer.client, customer.id)["scheduled_plan"] is None
    expect(ask(customer.client, "upgrade", customer.id, plan="crew", quantity=2), 200)
    settled(patient, customer.id)  # no event moves the end of the period back
    patient.sql("UPDATE subscriptions SET current_period_ends_at = now() - interval '1 day', "
                "scheduled_for = now() - interval '1 day', scheduled_at = now() - interval '2 days' "
                f"WHERE customer_id = '{customer.id}'")
    restart(patient)  # a process that starts runs each job
    wait_for(lambda: items(patient, bought)[0][1] == 2)
    assert bought_of(patient, customer) == ("crew", 2, {"more": 2})
    assert subscription_of(customer.client, customer.id)["scheduled_plan"] is None


def test_a_deal_on_an_addon(shop):
    """An item at a price that no setting names counts as soon as the price is mapped to an add-on, and
    no longer than that."""
    customer = shop.api.sign_up()
    bought = buy(shop, customer, "team", quantity=2)
    deal = shop.stripe.call("POST", "/v1/prices", {
        "currency": "eur", "unit_amount": "100", "recurring[interval]": "month",
        "product_data[name]": "Deal"})["id"]
    shop.stripe.call("POST", f"/v1/subscriptions/{bought['stripe_subscription_id']}", {
        "items[0][price]": deal, "items[0][quantity]": 3})
    assert bought_of(shop, customer) == ("team", 2, {})
    shop.billingctl("stripe", "map", deal, "more")
    wait_for(lambda: bought_of(shop, customer) == ("team", 2, {"more": 3}))
    shop.billingctl("stripe", "unmap", deal)
    wait_for(lambda: bought_of(shop, customer) == ("team", 2, {}))
    refused = shop.billingctl("stripe", "map", shop.prices["sso"][0], "more", check=False)
    assert "take it out of STRIPE_PRICES first" in refused.stderr
