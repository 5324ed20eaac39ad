"""The changes that time makes to subscriptions, invoices and sessions."""

import calendar

import pytest

DAY = 86400
APRIL_1 = calendar.timegm((2027, 4, 1, 12, 0, 0))
MAY_1 = APRIL_1 + 30 * DAY


@pytest.fixture(autouse=True)
def april(stripe):
    """Begins on 1 April."""
    stripe.set_clock(APRIL_1)


def checkout(stripe, customer, **params):
    """An open session."""
    return stripe.call("POST", "/v1/checkout/sessions", {
        "mode": "subscription", "customer": customer, "success_url": "https://a.example/ok",
        "line_items[0][price]": "price_starter", "line_items[0][quantity]": "1", **params})["id"]


def test_checkout_and_renewals(stripe):
    """Paid at once, then once for each month."""
    customer = stripe.customer(card=None)
    done = stripe.complete(checkout(stripe, customer, **{
        "subscription_data[metadata][customer_id]": "42"}))
    one = stripe.subscription(done["subscription"])
    assert (one["status"], one["plan"], one["metadata"]) == (
        "active", "starter", {"customer_id": "42"})
    assert (one["current_period_start"], one["current_period_end"]) == (APRIL_1, MAY_1)
    assert stripe.types()[-3:] == ["invoice.payment_succeeded", "customer.subscription.created",
                                   "checkout.session.completed"]
    stripe.advance(days=30 + 31 + 30)
    assert stripe.state()["charged"] == {customer: 4 * 2900}
    invoices = stripe.call("GET", "/v1/invoices", {"customer": customer})["data"]
    newest = invoices[0]
    assert (newest["period_start"], newest["period_end"]) == (MAY_1 + 31 * DAY, MAY_1 + 61 * DAY)
    assert newest["lines"]["data"][0]["period"]["start"] == newest["period_end"]
    assert newest["billing_reason"] == "subscription_cycle"


def test_trial(stripe):
    """Free until its end, announced three days before, then paid."""
    customer = stripe.customer(card=None)
    done = stripe.complete(checkout(stripe, customer, **{
        "subscription_data[trial_period_days]": "14"}))
    id = done["subscription"]
    session = stripe.call("GET", "/v1/checkout/sessions", {"customer": customer})["data"][0]
    assert (session["payment_status"], session["status"]) == ("no_payment_required", "complete")
    one = stripe.subscription(id)
    assert (one["status"], one["trial_end"]) == ("trialing", APRIL_1 + 14 * DAY)
    assert one["current_period_end"] == one["trial_end"]
    stripe.advance(days=10)
    assert "customer.subscription.trial_will_end" not in stripe.types()
    stripe.advance(days=1)
    assert stripe.types()[-1] == "customer.subscription.trial_will_end"
    assert stripe.state()["charged"] == {}
    stripe.advance(days=3)
    one = stripe.subscription(id)
    assert (one["status"], one["current_period_end"]) == ("active", MAY_1 + 14 * DAY)
    assert stripe.state()["charged"] == {customer: 2900}


def test_short_trial(stripe):
    """A trial of less than three days is announced at once."""
    stripe.subscribe(trial_period_days=2)
    assert stripe.types()[-1] == "customer.subscription.trial_will_end"


@pytest.mark.parametrize("behaviour, status, event", [
    ("create_invoice", "past_due", "customer.subscription.updated"),
    ("pause", "paused", "customer.subscription.paused"),
    ("cancel", "canceled", "customer.subscription.deleted"),
])
def test_trial_without_a_card(stripe, behaviour, status, event):
    """The behaviour at the trial's end is set beforehand."""
    customer = stripe.customer(card=None)
    made = stripe.subscribe(customer, trial_period_days=7, **{
        "trial_settings[end_behavior][missing_payment_method]": behaviour})
    stripe.advance(days=8)
    assert stripe.subscription(made["id"])["status"] == status
    assert event in stripe.types()


def test_resume(stripe):
    """A paused subscription begins a period when it is resumed, and pays."""
    customer = stripe.customer(card=None)
    made = stripe.subscribe(customer, trial_period_days=7, **{
        "trial_settings[end_behavior][missing_payment_method]": "pause"})
    stripe.advance(days=40)
    stripe.card(customer, "good")
    now = stripe.now()
    resumed = stripe.call("POST", f"/v1/subscriptions/{made['id']}/resume",
                          {"billing_cycle_anchor": "now"})
    assert resumed["status"] == "active"
    assert resumed["items"]["data"][0]["current_period_start"] == now
    assert "customer.subscription.resumed" in stripe.types()
    assert stripe.state()["charged"] == {customer: 2900}


def test_trial_ends_now(stripe):
    """trial_end=now bills the whole period and moves the anchor."""
    customer = stripe.customer()
    made = stripe.subscribe(customer, trial_period_days=14)
    stripe.advance(days=2)
    stripe.call("POST", "/v1/subscriptions/" + made["id"], {"trial_end": "now"})
    one = stripe.subscription(made["id"])
    assert (one["status"], one["current_period_end"]) == ("active", MAY_1 + 2 * DAY)
    assert stripe.state()["charged"] == {customer: 2900}


def test_upgrade_during_trial_is_free(stripe):
    """A swap in the trial bills nothing until it ends, then the new price."""
    customer = stripe.customer()
    made = stripe.subscribe(customer, trial_period_days=14)
    stripe.call("POST", "/v1/subscriptions/" + made["id"], {
        "items[0][id]": made["items"]["data"][0]["id"], "items[0][price]": "price_pro",
        "proration_behavior": "always_invoice"})
    assert stripe.state()["charged"] == {}
    stripe.advance(days=15)
    assert stripe.state()["charged"] == {customer: 9900}


def test_direct_debit_that_bounces(stripe):
    """The renewal is in good standing until the bank gives the debit back, ten days later."""
    customer = stripe.customer()
    made = stripe.subscribe(customer)
    stripe.card(customer, "bounces")
    stripe.advance(days=35)
    one = stripe.subscription(made["id"])
    assert (one["status"], stripe.state()["invoices"][one["latest_invoice"]]["status"]) == \
        ("active", "open")
    stripe.advance(days=7)
    assert stripe.subscription(made["id"])["status"] == "past_due"
    failed = stripe.events("invoice.payment_failed")
    assert [one["created"] for one in failed] == [
        stripe.state()["invoices"][one["latest_invoice"]]["created"] + 10 * DAY]


def test_invoice_that_is_sent(stripe):
    """The subscription is past due from the day on when the invoice is due."""
    made = stripe.subscribe(stripe.customer(card=None), collection_method="send_invoice",
                            days_until_due=14)
    stripe.advance(days=13)
    assert stripe.subscription(made["id"])["status"] == "active"
    stripe.advance(days=2)
    assert stripe.subscription(made["id"])["status"] == "past_due"
    stripe.pay(made["latest_invoice"], "good")
    assert stripe.subscription(made["id"])["status"] == "active"


@pytest.mark.parametrize("behavior, status", [
    ("void", "void"), ("keep_as_draft", "draft"), ("mark_uncollectible", "uncollectible")])
def test_paused_collection(stripe, behavior, status):
    """Renewals are invoiced and not collected until the collection resumes by itself."""
    customer = stripe.customer()
    made = stripe.subscribe(customer)
    resumes = stripe.now() + 40 * DAY
    paused = stripe.call("POST", "/v1/subscriptions/" + made["id"], {
        "pause_collection[behavior]": behavior, "pause_collection[resumes_at]": resumes})
    assert paused["pause_collection"] == {"behavior": behavior, "resumes_at": resumes}
    stripe.advance(days=32)
    one = stripe.subscription(made["id"])
    assert (one["status"], stripe.state()["invoices"][one["latest_invoice"]]["status"]) == (
        "active", status)
    assert stripe.state()["charged"] == {customer: 2900}
    stripe.advance(days=9)
    now = stripe.call("GET", "/v1/subscriptions/" + made["id"])
    assert now["pause_collection"] is None
    assert stripe.events("customer.subscription.updated")[-1]["created"] == resumes
    stripe.advance(days=25)
    assert stripe.state()["charged"] == {customer: 5800}


@pytest.mark.parametrize("outcome", ["cancel", "unpaid", "past_due"])
def test_failing_renewal(stripe, outcome):
    """past_due, four attempts in all, then what the account has set."""
    stripe.settings(after_retries=outcome, retry_days=[3, 5, 7])
    customer = stripe.customer()
    id = stripe.subscribe(customer)["id"]
    stripe.card(customer, "declined")
    stripe.advance(days=31)
    assert stripe.subscription(id)["status"] == "past_due"
    invoice = stripe.call("GET", "/v1/invoices", {"customer": customer})["data"][0]
    assert (invoice["status"], invoice["attempt_count"]) == ("open", 1)
    assert invoice["next_payment_attempt"] == MAY_1 + 3 * DAY
    stripe.advance(to=MAY_1 + 14 * DAY)
    assert stripe.subscription(id)["status"] == "past_due"
    stripe.advance(to=MAY_1 + 16 * DAY)
    assert stripe.subscription(id)["status"] == {"cancel": "canceled"}.get(outcome, outcome)
    assert stripe.types().count("invoice.payment_failed") == 4
    if outcome == "cancel":
        event = stripe.call("GET", "/v1/events", {"type": "customer.subscription.deleted"})
        details = event["data"][0]["data"]["object"]["cancellation_details"]
        assert details["reason"] == "payment_failed"
    else:
        stripe.pay(invoice["id"], "good")
        assert stripe.subscription(id)["status"] == "active"


def test_recovered_renewal(stripe):
    """A better card before the next attempt brings it back to active."""
    customer = stripe.customer()
    id = stripe.subscribe(customer)["id"]
    stripe.card(customer, "declined")
    stripe.advance(days=31)
    stripe.card(customer, "good")
    stripe.advance(days=3)
    assert stripe.subscription(id)["status"] == "active"
    assert stripe.state()["charged"] == {customer: 5800}


def test_cancel_at_period_end(stripe):
    """Scheduled, taken back, scheduled again, ended: charged once."""
    customer = stripe.customer()
    path = "/v1/subscriptions/" + stripe.subscribe(customer)["id"]
    stripe.advance(days=3)
    set_ = stripe.call("POST", path, {"cancel_at_period_end": "true"})
    assert (set_["cancel_at"], set_["canceled_at"], set_["status"]) == (
        MAY_1, APRIL_1 + 3 * DAY, "active")
    undone = stripe.call("POST", path, {"cancel_at_period_end": "false"})
    assert (undone["cancel_at"], undone["canceled_at"]) == (None, None)
    stripe.call("POST", path, {"cancel_at_period_end": "true"})
    stripe.advance(days=30)
    ended = stripe.call("GET", path)
    assert (ended["status"], ended["ended_at"]) == ("canceled", MAY_1)
    assert stripe.types().count("customer.subscription.deleted") == 1
    assert stripe.state()["charged"] == {customer: 2900}


def test_cancel_at(stripe):
    """A date of its own, which cancel_at_period_end=false does not take back."""
    path = "/v1/subscriptions/" + stripe.subscribe()["id"]
    when = APRIL_1 + 10 * DAY
    stripe.call("POST", path, {"cancel_at": when})
    assert stripe.call("POST", path, {"cancel_at_period_end": "false"})["cancel_at"] == when
    assert stripe.call("POST", path, {"cancel_at": ""})["cancel_at"] is None
    stripe.call("POST", path, {"cancel_at": when})
    stripe.advance(days=11)
    assert stripe.call("GET", path)["ended_at"] == when


def test_cancel_now(stripe):
    """Ends at once; again there is none; a canceled one cannot be changed but for its labels."""
    id = stripe.subscribe()["id"]
    assert stripe.call("DELETE", "/v1/subscriptions/" + id)["status"] == "canceled"
    status, answer = stripe.api("DELETE", "/v1/subscriptions/" + id)
    assert (status, answer["error"]["code"]) == (404, "resource_missing")
    assert stripe.api("POST", "/v1/subscriptions/" + id, {
        "cancel_at_period_end": "true"})[0] == 400
    stripe.call("POST", "/v1/subscriptions/" + id, {"metadata[a]": "1"})
    listed = stripe.call("GET", "/v1/subscriptions")["data"]
    assert listed == []
    assert len(stripe.call("GET", "/v1/subscriptions", {"status": "all"})["data"]) == 1
    stripe.advance(days=90)
    assert len(stripe.state()["charges"]) == 1


def test_incomplete(stripe):
    """A first payment that fails leaves 23 hours to pay."""
    customer = stripe.customer("pm_card_chargeCustomerFail")
    paid = stripe.subscribe(customer)
    lost = stripe.subscribe(customer)
    assert (paid["status"], lost["status"]) == ("incomplete", "incomplete")
    stripe.advance(hours=22)
    stripe.pay(paid["latest_invoice"], "good")
    stripe.advance(hours=2)
    state = stripe.state()
    assert state["subscriptions"][paid["id"]]["status"] == "active"
    assert state["subscriptions"][lost["id"]]["status"] == "incomplete_expired"
    assert state["invoices"][lost["latest_invoice"]]["status"] == "void"


def test_session_expires(stripe):
    """After 24 hours, or by request; an expired one cannot be completed."""
    customer = stripe.customer()
    first, second = checkout(stripe, customer), checkout(stripe, customer)
    stripe.call("POST", f"/v1/checkout/sessions/{first}/expire")
    assert stripe.api("POST", f"/v1/checkout/sessions/{first}/expire")[0] == 400
    stripe.advance(hours=25)
    assert stripe.types().count("checkout.session.expired") == 2
    for id in (first, second):
        session = stripe.call("GET", "/v1/checkout/sessions/" + id)
        assert (session["status"], session["url"]) == ("expired", None)
    with pytest.raises(Exception, match="expired"):
        stripe.complete(second)


def test_declined_at_checkout(stripe):
    """Leaves the session open and makes no subscription."""
    session = checkout(stripe, stripe.customer(card=None))
    for card in ("declined", "refused"):
        with pytest.raises(Exception, match="declined"):
            stripe.complete(session, card)
    assert stripe.state()["subscriptions"] == {}
    stripe.complete(session, "authenticate")
    assert len(stripe.state()["charges"]) == 1


def test_deleted_customer(stripe):
    """Its subscriptions end; it can be read as deleted, not used."""
    customer = stripe.customer()
    id = stripe.subscribe(customer)["id"]
    stripe.call("DELETE", "/v1/customers/" + customer)
    assert stripe.subscription(id)["status"] == "canceled"
    assert stripe.call("GET", "/v1/customers/" + customer)["deleted"] is True
    assert stripe.api("POST", "/v1/customers/" + customer, {"name": "x"})[0] == 404
    assert stripe.types()[-2:] == ["customer.subscription.deleted", "customer.deleted"]


def test_events_last_thirty_days(stripe):
    """Older events are gone."""
    stripe.customer()
    stripe.advance(days=29)
    assert stripe.types() == ["customer.created"]
    stripe.advance(days=2)
    assert stripe.call("GET", "/v1/events")["data"] == []


def test_pending_update_ends_with_the_period(stripe):
    """A change that waits for payment does not outlive its period, nor its subscription."""
    customer = stripe.customer()
    made = stripe.subscribe(customer)
    stripe.advance(to=MAY_1 - 3600)
    stripe.card(customer, "declined")
    change = {"items[0][id]": made["items"]["data"][0]["id"], "items[0][price]": "price_pro",
              "proration_behavior": "always_invoice", "payment_behavior": "pending_if_incomplete"}
    stripe.call("POST", "/v1/subscriptions/" + made["id"], change)
    stripe.card(customer, "good")
    stripe.advance(days=1)
    one = stripe.subscription(made["id"])
    assert (one["plan"], one["pending_update"], one["status"]) == ("starter", False, "active")
    stripe.card(customer, "declined")
    stripe.call("POST", "/v1/subscriptions/" + made["id"], change)
    stripe.call("DELETE", "/v1/subscriptions/" + made["id"])
    assert list(stripe.state()["invoices"].values())[-1]["status"] == "void"


def test_upgrade_pays_off_past_due(stripe):
    """The standing follows the latest invoice: a paid upgrade brings it back."""
    customer = stripe.customer()
    made = stripe.subscribe(customer)
    stripe.card(customer, "declined")
    stripe.advance(days=31)
    stripe.card(customer, "good")
    stripe.call("POST", "/v1/subscriptions/" + made["id"], {
        "items[0][id]": made["items"]["data"][0]["id"], "items[0][price]": "price_pro",
        "proration_behavior": "always_invoice"})
    assert stripe.subscription(made["id"])["status"] == "active"


def test_flexible_portal(stripe):
    """In flexible mode the portal sets cancel_at without cancel_at_period_end."""
    customer = stripe.customer()
    id = stripe.subscribe(customer)["id"]
    stripe.migrate(id)
    visit = stripe.call("POST", "/v1/billing_portal/sessions", {
        "customer": customer, "return_url": "https://a.example/"})
    stripe.exchange("POST", "/portal/" + visit["id"], f"action=cancel&subscription={id}")
    one = stripe.subscription(id)
    assert (one["cancel_at"], one["cancel_at_period_end"]) == (MAY_1, False)
    stripe.advance(days=31)
    assert stripe.subscription(id)["status"] == "canceled"
