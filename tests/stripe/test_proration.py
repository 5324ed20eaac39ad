"""Periods and amounts against numbers that were worked out by hand."""

import calendar

import pytest
from conftest import make_price
from standin import proration

DAY = 86400
MONTH = 30 * DAY
APRIL_1 = calendar.timegm((2027, 4, 1, 12, 0, 0))  # April has 30 days


def at(year, month, day, hour=12):
    """A second in UTC."""
    return calendar.timegm((year, month, day, hour, 0, 0))


@pytest.mark.parametrize("start, interval, count, end", [
    (at(2027, 1, 31), "month", 1, at(2027, 2, 28)),
    (at(2028, 1, 31), "month", 1, at(2028, 2, 29)),
    (at(2027, 1, 31), "month", 2, at(2027, 3, 31)),
    (at(2027, 12, 15), "month", 1, at(2028, 1, 15)),
    (at(2028, 2, 29), "year", 1, at(2029, 2, 28)),
    (at(2027, 3, 15), "month", -1, at(2027, 2, 15)),
    (at(2027, 4, 1), "week", 2, at(2027, 4, 15)),
    (at(2027, 4, 1), "day", 30, at(2027, 5, 1)),
])
def test_add(start, interval, count, end):
    """Calendar months and years, whole days and weeks."""
    assert proration.add(start, interval, count) == end


def test_periods_keep_the_anchor_day():
    """A subscription of the 31st comes back to the 31st."""
    anchor, ends = at(2027, 1, 31), []
    second = anchor
    for _ in range(4):
        second = proration.period_end(anchor, second, "month", 1)
        ends.append(second)
    assert ends == [at(2027, 2, 28), at(2027, 3, 31), at(2027, 4, 30), at(2027, 5, 31)]


def prepared(stripe, price="price_starter", quantity=1):
    """A subscription that begins on 1 April: its customer, id and item."""
    stripe.set_clock(APRIL_1)
    customer = stripe.customer()
    made = stripe.subscribe(customer, price, **{"items[0][quantity]": quantity})
    return customer, made["id"], made["items"]["data"][0]["id"]


def upgrade(stripe, id, item, **params):
    """A change of the item."""
    return stripe.api("POST", f"/v1/subscriptions/{id}", {
        "items[0][id]": item, "items[0][price]": "price_pro", **params})


def lines(invoice):
    """The amounts of an invoice's lines."""
    return [line["amount"] for line in invoice["lines"]["data"]]


# Days into the 30 days of April, credit for Starter (2900), debit for Professional (9900).
HALVES = [(0, -2900, 9900), (15, -1450, 4950), (10, -1933, 6600), (20, -967, 3300),
          (29, -97, 330)]


@pytest.mark.parametrize("days, credit, debit", HALVES)
def test_upgrade_now(stripe, days, credit, debit):
    """always_invoice bills both lines at once, as the preview said."""
    customer, id, item = prepared(stripe)
    stripe.advance(days=days)
    preview = stripe.call("POST", "/v1/invoices/create_preview", {
        "subscription": id, "subscription_details[items][0][id]": item,
        "subscription_details[items][0][price]": "price_pro",
        "subscription_details[proration_behavior]": "always_invoice",
        "subscription_details[proration_date]": APRIL_1 + days * DAY})
    assert (lines(preview), preview["amount_due"]) == ([credit, debit], credit + debit)
    assert len(stripe.state()["invoices"]) == 1
    status, _ = upgrade(stripe, id, item, proration_behavior="always_invoice")
    assert status == 200
    state = stripe.state()
    newest = list(state["invoices"].values())[-1]
    assert [amount for _, amount in newest["lines"]] == [credit, debit]
    assert (newest["reason"], newest["status"]) == ("subscription_update", "paid")
    assert state["charged"][customer] == 2900 + credit + debit
    one = state["subscriptions"][id]
    assert (one["plan"], one["item"], one["current_period_end"]) == (
        "professional", item, APRIL_1 + MONTH)


def test_upgrade_later(stripe):
    """create_prorations waits for the next invoice; none forgets the difference."""
    customer, id, item = prepared(stripe)
    stripe.advance(days=15)
    preview = stripe.call("POST", "/v1/invoices/create_preview", {
        "subscription": id, "subscription_details[items][0][id]": item,
        "subscription_details[items][0][price]": "price_pro"})
    assert lines(preview) == [-1450, 4950, 9900]
    upgrade(stripe, id, item)
    assert stripe.state()["charged"][customer] == 2900
    stripe.advance(days=16)
    assert stripe.state()["charged"][customer] == 2900 + 3500 + 9900
    upgrade(stripe, id, item, proration_behavior="none", **{"items[0][price]": "price_starter"})
    stripe.advance(days=31)
    assert stripe.state()["charged"][customer] == 2900 + 3500 + 9900 + 2900


def test_several_items_in_yen(stripe):
    """Seats and an add-on change in one update; yen have no smaller unit."""
    seat, addon = (make_price(stripe, currency="jpy", unit_amount_decimal=amount, interval="month")
                   for amount in ("1500", "500"))
    stripe.set_clock(APRIL_1)
    customer = stripe.customer()
    made = stripe.subscribe(customer, price=seat, **{"items[0][quantity]": 2,
                                                     "items[1][price]": addon})
    found = stripe.call("GET", f"/v1/subscriptions/{made['id']}")["items"]["data"]
    stripe.advance(days=15)
    stripe.call("POST", f"/v1/subscriptions/{made['id']}", {
        "items[0][id]": found[0]["id"], "items[0][quantity]": 4,
        "items[1][id]": found[1]["id"], "items[1][deleted]": "true",
        "proration_behavior": "always_invoice"})
    newest = stripe.call("GET", "/v1/invoices", {"customer": made["customer"]})["data"]
    assert sorted(lines(newest[0])) == [-1500, -250, 3000]
    assert "(at JPY 1500 / month)" in newest[1]["lines"]["data"][0]["description"]


def test_a_subscription_keeps_its_currency(stripe):
    """A price in another currency is refused, also where it replaces the only item."""
    dollars = make_price(stripe, currency="usd", unit_amount_decimal="100", interval="month")
    euros = make_price(stripe, currency="eur", unit_amount_decimal="100", interval="month")
    made = stripe.subscribe(stripe.customer(), price=dollars)
    item = stripe.call("GET", f"/v1/subscriptions/{made['id']}")["items"]["data"][0]["id"]
    status, answer = stripe.api("POST", f"/v1/subscriptions/{made['id']}", {
        "items[0][id]": item, "items[0][price]": euros})
    assert status == 400
    assert "another currency" in answer["error"]["message"]


def test_downgrade_gives_credit(stripe):
    """A negative invoice is paid and becomes balance, which the next invoices use up."""
    customer, id, item = prepared(stripe, "price_pro")
    stripe.advance(days=15)
    upgrade(stripe, id, item, proration_behavior="always_invoice",
            **{"items[0][price]": "price_starter"})
    state = stripe.state()
    assert state["customers"][customer]["balance"] == -3500
    assert state["charged"][customer] == 9900
    stripe.advance(days=16)
    assert stripe.state()["customers"][customer]["balance"] == -600
    stripe.advance(days=31)
    state = stripe.state()
    assert (state["customers"][customer]["balance"], state["charged"][customer]) == (0, 12200)


def test_quantity(stripe):
    """More seats cost their share; a new price without a quantity means one."""
    customer, id, item = prepared(stripe, quantity=2)
    stripe.advance(days=15)
    upgrade(stripe, id, item, proration_behavior="always_invoice",
            **{"items[0][price]": "price_starter", "items[0][quantity]": 5})
    assert stripe.state()["charged"][customer] == 5800 - 2900 + 7250
    upgrade(stripe, id, item, proration_behavior="none")
    assert stripe.subscription(id)["quantity"] == 1


def test_without_item_id_the_price_is_added(stripe):
    """The two prices are billed from then on."""
    customer, id, _ = prepared(stripe)
    stripe.call("POST", f"/v1/subscriptions/{id}", {
        "items[0][price]": "price_pro", "proration_behavior": "always_invoice"})
    assert stripe.subscription(id)["items"] == 2
    assert stripe.state()["charged"][customer] == 2900 + 9900
    stripe.advance(days=31)
    assert stripe.state()["charged"][customer] == 2 * (2900 + 9900)


def test_other_interval_restarts(stripe):
    """From month to year: credit for the rest, the whole year now, a new anchor."""
    customer, id, item = prepared(stripe)
    stripe.advance(days=15)
    upgrade(stripe, id, item, **{"items[0][price]": "price_enterprise"})
    one = stripe.subscription(id)
    now = APRIL_1 + 15 * DAY
    assert (one["current_period_start"], one["current_period_end"]) == (now, at(2028, 4, 16))
    assert stripe.state()["charged"][customer] == 2900 - 1450 + 99000


def test_cancel_with_credit(stripe):
    """DELETE gives nothing back unless asked; prorate and invoice_now settle at once."""
    customer, id, _ = prepared(stripe)
    stripe.advance(days=15)
    stripe.call("DELETE", f"/v1/subscriptions/{id}?prorate=true&invoice_now=true")
    assert stripe.state()["customers"][customer]["balance"] == -1450


def test_fractions_of_a_cent(stripe):
    """Decimal prices are rounded once, half away from zero."""
    price = make_price(stripe, unit_amount_decimal="0.5", interval="month")
    made = stripe.subscribe(price=price, **{"items[0][quantity]": 3,
                                            "expand[]": "latest_invoice"})
    assert made["latest_invoice"]["total"] == 2
    assert made["items"]["data"][0]["price"]["unit_amount"] is None


BEHAVIOURS = [
    ("error_if_incomplete", 402, "starter", "active", False, 1),
    ("pending_if_incomplete", 200, "starter", "active", True, 2),
    ("allow_incomplete", 200, "professional", "past_due", False, 2),
    ("default_incomplete", 200, "professional", "past_due", False, 2),
]


@pytest.mark.parametrize("behaviour, status, plan, state, pending, invoices", BEHAVIOURS)
def test_upgrade_with_a_bad_card(stripe, behaviour, status, plan, state, pending, invoices):
    """The effect of each payment behaviour on a declined card, and on a later payment."""
    customer, id, item = prepared(stripe)
    stripe.card(customer, "declined")
    stripe.advance(days=15)
    got, answer = upgrade(stripe, id, item, proration_behavior="always_invoice",
                          payment_behavior=behaviour)
    assert got == status
    if got == 402:
        assert (answer["error"]["type"], answer["error"]["code"]) == (
            "card_error", "card_declined")
    one = stripe.subscription(id)
    assert (one["plan"], one["status"], one["pending_update"]) == (plan, state, pending)
    known = stripe.state()
    assert len(known["invoices"]) == invoices and known["charged"][customer] == 2900
    if invoices == 2:
        assert stripe.pay(list(known["invoices"])[-1], "good")
        one = stripe.subscription(id)
        assert (one["plan"], one["status"], one["pending_update"]) == (
            "professional", "active", False)
        assert stripe.state()["charged"][customer] == 2900 + 3500


def test_pending_update_expires(stripe):
    """After 23 hours the change is given up and its invoice void."""
    customer, id, item = prepared(stripe)
    stripe.card(customer, "declined")
    upgrade(stripe, id, item, proration_behavior="always_invoice",
            payment_behavior="pending_if_incomplete")
    stripe.advance(hours=24)
    state = stripe.state()
    assert [one["status"] for one in state["invoices"].values()] == ["paid", "void"]
    assert state["subscriptions"][id]["plan"] == "starter"
    assert "customer.subscription.pending_update_expired" in stripe.types()
