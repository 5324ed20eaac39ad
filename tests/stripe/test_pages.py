"""A person gets through the pages with forms alone."""

import html.parser
import json
import re
import urllib.parse

import pytest


class Forms(html.parser.HTMLParser):
    """Reads the forms of a page: fields with their preset values, and buttons."""

    def __init__(self, text):
        super().__init__()
        self.forms = []
        self.label = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Collects forms, fields and buttons."""
        attrs = dict(attrs)
        if tag == "form":
            self.forms.append({"fields": {}, "buttons": {}})
        elif tag == "input" and (attrs.get("type") != "radio" or "checked" in attrs):
            self.forms[-1]["fields"][attrs["name"]] = attrs.get("value", "")
        elif tag == "button":
            self.label = attrs

    def handle_data(self, data):
        """Takes the label of a button."""
        if self.label is not None:
            name = self.label.get("name")
            self.forms[-1]["buttons"][data] = {name: self.label["value"]} if name else {}
            self.label = None


class Browser:
    """Opens pages and presses buttons."""

    def __init__(self, stripe):
        self.stripe = stripe

    def open(self, url):
        """Goes to a page."""
        self.path = urllib.parse.urlsplit(url).path
        return self.show(self.stripe.exchange("GET", self.path))

    def press(self, label, **fields):
        """Presses the first button with a label, with some fields filled in."""
        form = next(one for one in self.forms if label in one["buttons"])
        data = {**form["fields"], **fields, **form["buttons"][label]}
        self.moved = False
        return self.show(self.stripe.exchange("POST", self.path, urllib.parse.urlencode(data)))

    def show(self, answer):
        """Reads an answer; where it leads, if elsewhere, or its text."""
        status, headers, body = answer
        self.status = status
        if status == 303:
            where = headers["location"]
            self.moved = where.startswith("/")
            return self.open(where) if self.moved else where
        assert headers["content-type"].startswith("text/html")
        assert b"<script" not in body
        assert headers["content-security-policy"].startswith("default-src 'none';")
        # Nothing is loaded, not even the icon that a browser asks for by itself.
        assert re.findall(rb'(?:src=|<link)[^>]*', body) == [b'<link rel="icon" href="data:,"']
        self.forms = Forms(body.decode()).forms
        return body.decode()


@pytest.fixture
def browser(stripe):
    """A browser."""
    return Browser(stripe)


def session(stripe, **params):
    """An open session."""
    return stripe.call("POST", "/v1/checkout/sessions", {
        "mode": "subscription", "success_url": "https://a.example/ok?s={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://a.example/no", "line_items[0][price]": "price_starter",
        "line_items[0][quantity]": "1", **params})


def test_pay(stripe, browser):
    """Product, amount and card are shown; paying leads back; once is enough."""
    customer = stripe.customer(card=None)
    made = session(stripe, customer=customer)
    text = browser.open(made["url"])
    for shown in ("Starter", "$29.00 / month", "Due today: $29.00", "ada@example.com", "4242"):
        assert shown in text
    assert browser.press("Pay") == "https://a.example/ok?s=" + made["id"]
    assert stripe.state()["charged"] == {customer: 2900}
    assert "already paid" in browser.open(made["url"])
    assert "already paid" in browser.show(stripe.exchange(
        "POST", browser.path, "action=pay&card=4242424242424242"))
    assert len(stripe.state()["charges"]) == 1


def test_declined_then_cancel(stripe, browser):
    """A refused card can be tried again; leaving keeps the session open."""
    made = session(stripe, customer=stripe.customer(card=None))
    browser.open(made["url"])
    assert "Your card was declined." in browser.press("Pay", card="4000000000000002")
    assert "incorrect" in browser.press("Pay", card="1234")
    assert browser.press("Cancel") == "https://a.example/no"
    assert stripe.call("GET", "/v1/checkout/sessions/" + made["id"])["status"] == "open"


def test_authentication(stripe, browser):
    """A card that asks its holder pays once he agrees."""
    made = session(stripe, customer=stripe.customer(card=None))
    browser.open(made["url"])
    assert "Your bank asks" in browser.press("Pay", card="4000002500003155")
    assert "unable to authenticate" in browser.press("Fail")
    browser.press("Pay", card="4000002500003155")
    assert browser.press("Complete").startswith("https://a.example/ok")


def test_trial_and_new_customer(stripe, browser):
    """A trial is free today; without a customer one is made from the address that is typed."""
    made = session(stripe, **{"subscription_data[trial_period_days]": "7"})
    assert "Due today: $0.00" in browser.open(made["url"])
    browser.press("Pay", email="new@example.com", card="4000000000000341")
    state = stripe.state()
    assert [one["email"] for one in state["customers"].values()] == ["new@example.com"]
    stripe.advance(days=8)
    assert list(stripe.state()["subscriptions"].values())[0]["status"] == "past_due"


def test_expired(stripe, browser):
    """An expired session says so; an unknown one is not found."""
    made = session(stripe)
    stripe.advance(hours=25)
    assert "expired" in browser.open(made["url"])
    browser.open("/pay/cs_no")
    assert browser.status == 404


def test_portal(stripe, browser):
    """Cancel, undo, switch, pay an open invoice, return."""
    customer = stripe.customer()
    id = stripe.subscribe(customer)["id"]
    visit = stripe.call("POST", "/v1/billing_portal/sessions", {
        "customer": customer, "return_url": "https://a.example/back?a=1&b=2"})
    text = browser.open(visit["url"])
    assert "https://a.example/back?a=1&amp;b=2" in text and "active, renews " in text
    assert "active, ends " in browser.press("Cancel at the end of the period")
    assert stripe.subscription(id)["cancel_at_period_end"] is True
    browser.press("Keep the subscription")
    assert stripe.subscription(id)["cancel_at"] is None
    browser.press("Switch to Professional, $99.00 / month")
    assert stripe.subscription(id)["plan"] == "professional"
    # Reloading the page that shows it does nothing twice.
    assert browser.moved
    stripe.card(customer, "declined")
    assert "declined" in browser.press("Switch to Enterprise, $990.00 / year") and not browser.moved
    stripe.advance(days=32)
    assert "expired" in browser.open(visit["url"])
    visit = stripe.call("POST", "/v1/billing_portal/sessions", {
        "customer": customer, "return_url": "https://a.example/"})
    assert "past_due" in browser.open(visit["url"])
    browser.press("Pay")
    assert stripe.subscription(id)["status"] == "active"


def test_invoice(stripe, browser):
    """An open invoice can be paid on its own page, once, with a card that works."""
    customer = stripe.customer("pm_card_chargeCustomerFail")
    made = stripe.subscribe(customer, **{"expand[]": "latest_invoice"})
    assert "$29.00" in browser.open(made["latest_invoice"]["hosted_invoice_url"])
    assert "declined" in browser.press("Pay", card="4000000000000002")
    assert "failed" in browser.press("Pay", card="4000000000000341")
    assert "(paid)" in browser.press("Pay", card="4000002500003155")
    assert browser.moved and not browser.forms
    assert stripe.subscription(made["id"])["status"] == "active"
    assert "(paid)" in browser.open(made["latest_invoice"]["invoice_pdf"])


def test_credit_is_shown_as_such(stripe, browser):
    """A credit has its sign before the currency, as people write it."""
    id = stripe.subscribe(stripe.customer())["id"]
    made = stripe.call("POST", f"/v1/subscriptions/{id}", {
        "items[0][id]": stripe.call("GET", f"/v1/subscriptions/{id}")["items"]["data"][0]["id"],
        "items[0][price]": "price_pro", "proration_behavior": "always_invoice",
        "expand[]": "latest_invoice"})
    text = browser.open(made["latest_invoice"]["hosted_invoice_url"])
    assert "<td>-$29.00</td>" in text and "Due: $70.00" in text


def test_portal_not_configured(stripe):
    """Without saved settings there is no portal, unless a configuration is named."""
    stripe.settings(portal_configured=False)
    customer = stripe.customer()
    params = {"customer": customer, "return_url": "https://a.example/"}
    status, answer = stripe.api("POST", "/v1/billing_portal/sessions", params)
    assert (status, "No configuration" in answer["error"]["message"]) == (400, True)
    made = stripe.call("POST", "/v1/billing_portal/configurations", {
        "features[invoice_history][enabled]": "true"})
    assert made["is_default"] is True
    stripe.call("POST", "/v1/billing_portal/sessions", params)


def test_nothing_of_the_page_is_markup(stripe, browser):
    """Names that look like markup are shown as text."""
    customer = stripe.customer(card=None, email="<b>@example.com")
    text = browser.open(session(stripe, customer=customer)["url"])
    assert "<b>@" not in text and "&lt;b&gt;@" in text


def test_browser_waits_for_the_webhook(delivering, receiver):
    """The way back begins when the endpoint has the event."""
    customer = delivering.call("POST", "/v1/customers")["id"]
    made = session(delivering, customer=customer)
    browser = Browser(delivering)
    browser.open(made["url"])
    assert browser.press("Pay").startswith("https://a.example/ok")
    types = [json.loads(body)["type"] for _, body in receiver.got]
    assert "checkout.session.completed" in types
