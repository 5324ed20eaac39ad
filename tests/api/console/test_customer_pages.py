"""The customers' pages in a real browser: prices, sign-up and payment, and the account."""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium.webdriver.common.keys import Keys

from support.browser import Browser, inaccessible
from support.client import expect
from support.payments import ask, buy, sell
from support.stack import ROOT, wait_for

MARKUP = ('<img src=x onerror=pwned(1)>', '"><script>pwned(2)</script>', "javascript:pwned(3)", "{{constructor.constructor('pwned(4)')()}}",
          "${pwned(5)}", "<svg/onload=pwned(6)>")
SHOWN = {("light", 1280), ("dark", 360)}


@pytest.fixture(scope="module")
def shop(new_stack, tmp_path_factory):
    """A stack that sells seats, add-ons, by month and year, in two currencies, to anybody."""
    folder = tmp_path_factory.mktemp("shop")
    for place in (folder, folder.parent, folder.parent.parent):
        place.chmod(0o755)
    (folder / "plans.json").write_bytes((ROOT / "tests/support/another-trade.json").read_bytes())
    (folder / "brand.json").write_text(json.dumps({"name": "Acme Tools", "color": "#ffb000", "support": "help@acme.example"}),
                                       encoding="utf-8")
    made = new_stack(stripe=True, PUBLIC_SIGNUP="on", PLANS_FILE=folder / "plans.json", BRAND_FILE=folder / "brand.json", STRIPE_PRICES="")
    sell(made)
    yield made
    made.close()


@pytest.fixture(scope="module")
def window(shop):
    """A browser, which stores files in a folder."""
    made = Browser(shop)
    made.downloads = shop.place / "downloads"
    made.downloads.mkdir()
    made.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(made.downloads))
    yield made
    made.close()


@pytest.fixture
def browser(shop, window):
    """The browser of a new person: it knows nothing, and nothing has gone wrong."""
    window.driver.get("about:blank")
    window.command("Storage.clearDataForOrigin", origin=shop.base_url, storageTypes="all")
    window.driver.get_log("browser")
    window.loaded()
    return window


def sign_in(browser, customer):
    """Opens the account with the customer's key."""
    browser.open("/account/")
    browser.enter("API key", customer.api_key)
    browser.press("Sign in")
    browser.sees("Contact and sign-in")
    browser.settle()


def fine(browser, name):
    """Nothing went wrong, the page can be read in both themes and on a phone, and moves nothing while it loads."""
    browser.sees("Acme Tools")
    assert browser.faults() == []
    for scheme, width in (("light", 1280), ("dark", 1280), ("dark", 360), ("light", 360)):
        browser.theme(scheme)
        browser.resize(width)
        assert inaccessible(browser) == [], (name, scheme, width)
        if (scheme, width) in SHOWN:
            browser.resize(width, min(browser.run("return document.documentElement.scrollHeight"), 4000))
            browser.shot(f"{name}-{scheme}-{width}")
    browser.theme("light")
    browser.resize(1280)


def test_prices(browser):
    """All prices, intervals and currencies, and what each plan gives, in words."""
    browser.open("/pricing/")
    browser.sees("Prices", "Acme Tools", "help@acme.example", "€29.00", "or €290.00 per year", "5 seats", "20 projects", "Unlimited projects",
                 "Storage: 50 GB", "Support: e-mail", "per 5 seats and month", "On request", "Ten projects more", "Compare the plans", "30 days")
    browser.settle()
    assert browser.run("return shift") < 0.1
    assert browser.find("a", "Contact us").get_attribute("href").startswith("mailto:help@acme.example")
    fine(browser, "pricing")
    browser.run("document.querySelector('[value=jpy]').click()")
    browser.sees("¥4,800")
    browser.run("document.querySelector('[value=eur]').click(); document.querySelector('[value=\"1 year\"]').click()")
    browser.sees("€290.00\nper year")


def test_buy_and_use(shop, browser):
    """From the prices through the payment to the account, by mouse and keyboard."""
    browser.open("/pricing/")
    browser.press("Choose Crew")
    browser.enter("Packages of 5 seats", "3")
    browser.press("Single sign-on, €19.00 per month", "label")
    browser.sees("Total: €79.00 per month")
    email = shop.api.email()
    browser.enter("E-mail address", email)
    browser.enter("Company (optional)", "Müller & Söhne")
    browser.keys(Keys.TAB)
    browser.tab_to("Continue to payment")
    browser.settle()
    fine(browser, "order")
    browser.tab_to("Continue to payment")
    browser.keys(Keys.ENTER)
    browser.until(lambda: "/pay/" in browser.driver.current_url, "payment page")
    browser.sees("Due today: €79.00", "3 ×", email)
    browser.shot("stand-in-pay")
    assert inaccessible(browser) == []
    browser.press("Pay")
    browser.until(lambda: "/checkout/done" in browser.driver.current_url, "page of thanks")
    browser.sees("Thank you for your order", "Crew is active until", "licence follows by itself")
    browser.loaded()
    fine(browser, "done")
    browser.press("Go to your account")
    browser.sees("Müller & Söhne", "Crew", "It renews then")
    browser.settle()
    fine(browser, "account-new")
    browser.press("Change or cancel")
    browser.until(lambda: "/portal/" in browser.driver.current_url, "portal")
    browser.sees("active, renews")
    browser.shot("stand-in-portal")
    browser.press("Return")
    browser.sees("You are back")
    browser.loaded()
    fine(browser, "back")
    browser.open("/checkout/canceled?plan=crew")
    browser.sees("no money was taken")
    browser.until(lambda: "plan=crew" in browser.find("a", "Try again").get_attribute("href"), "way to the same plan")
    fine(browser, "canceled")
    browser.press("Try again")
    browser.sees("You are signed in", "Your order: Crew")
    browser.press("Continue to payment")
    browser.sees("has what you pay for")


@pytest.fixture(scope="module")
def customer(shop):
    """A customer with a paid plan, two installations and some days of use."""
    made = shop.api.sign_up(company_name="Nordwind GmbH")
    buy(shop, made, "studio")
    for instance, devices in (("plant-a", 4), ("plant-b", 3)):
        expect(made.client.put(f"/api/customers/{made.id}/instances/{instance}", {}), 201)
        expect(made.client.post("/api/usage/report", {"customer_id": made.id, "instance_id": instance,
                                                      "active_devices": devices, "total_devices": devices + 2}), 201)
    return made


def downloaded(browser, ending):
    """The file that the browser has stored."""
    found = browser.until(lambda: [one for one in browser.downloads.iterdir() if one.name.endswith(ending)], f"file {ending}")
    return Path(found[0])


def test_account(shop, browser, customer):
    """State in words, an installation that is released, files that hold offline, a key made and revoked."""
    sign_in(browser, customer)
    browser.sees("Nordwind GmbH", "Studio", "Active until", "7, without a limit", "plant-a", "plant-b", "€29.00", "paid")
    fine(browser, "account")
    browser.press("Release plant-b")
    browser.sees("It stops counting at once")
    assert inaccessible(browser) == []
    browser.press("Release", "dialog[open] button")
    browser.sees("plant-b is released")
    states = {one["instance_id"]: one["state"] for one in expect(
        customer.client.get(f"/api/customers/{customer.id}/instances"), 200)["instances"]}
    assert states == {"plant-a": "active", "plant-b": "released"}
    browser.press("Download the licence")
    file = downloaded(browser, ".jwt")
    shop.billingctl("license", "verify", str(file))
    browser.press("Download the offline bundle")
    bundle = json.loads(downloaded(browser, ".json").read_text(encoding="utf-8"))
    assert bundle["format"] == "global-billing-license-1" and bundle["license"] == file.read_text(encoding="ascii")
    assert json.loads(bundle["keys"])["keys"] and bundle["revocations"].count(".") == 2
    browser.press("Make a key")
    browser.enter("Name", "plant c")
    browser.press("Make the key")
    browser.sees("It is shown only now")
    key = browser.find("dialog[open] textarea").get_attribute("value")
    shop.secrets.add(key)
    answer = shop.api.nobody.get(f"/api/licenses/{customer.id}", headers={"X-API-Key": key})
    assert answer.status_code == 200
    browser.press("Done")
    browser.sees("plant c")
    browser.settle()
    browser.run("document.querySelectorAll('.notices button').forEach((one) => one.click())")
    browser.press("Revoke plant c")
    browser.press("Revoke", "dialog[open] button")
    browser.sees("plant c is revoked")
    assert shop.api.nobody.get(f"/api/licenses/{customer.id}", headers={"X-API-Key": key}).status_code == 401
    stored = browser.run("return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert not re.search("cust_|gbs_", stored)
    browser.press("Send notices by e-mail: ends of a trial or licence, failed payments, use near a limit", "input")
    browser.press("Save")
    browser.sees("Saved.")
    assert expect(customer.client.get(f"/api/customers/{customer.id}"), 200)["customer"]["notices"] is False
    browser.press("Sign out")
    browser.sees("You are signed out")
    assert browser.faults("status of 401") == []


def test_states_in_words(shop, browser):
    """A cancelled plan, a failed payment, and a contract: until when the customer may use what, and the way on."""
    leaving, owing, dealt = (shop.api.sign_up(company_name=name) for name in ("Leaving", "Owing", "Dealt"))
    buy(shop, leaving, "solo")
    expect(ask(leaving.client, "cancel", leaving.id, at_period_end=True), 200)
    buy(shop, owing, "solo")
    # The first comparison with Stripe would set right what follows.
    wait_for(lambda: shop.sql("SELECT finished_at IS NOT NULL FROM stripe_sweeps WHERE name = 'subscriptions'") == "t")
    shop.sql(f"UPDATE subscriptions SET status = 'past_due', past_due_since = now() WHERE customer_id = '{owing.id}'")
    expect(shop.api.owner.post(f"/api/customers/{dealt.id}/contracts", {
        "plan": "on_premises", "ends_at": "2040-01-31T00:00:00.000Z", "billing": "manual"}), 201)
    for customer, words, way in ((leaving, ("Solo", "Active until", "It is cancelled and ends then"), "Change or cancel"),
                                 (owing, ("The last payment failed", "Your access goes on until"), "Pay now"),
                                 (dealt, ("On premises", "Your contract is active until Jan 31, 2040", "changed with us in person"), None)):
        browser.command("Storage.clearDataForOrigin", origin=shop.base_url, storageTypes="all")
        sign_in(browser, customer)
        browser.sees(*words)
        assert way is None or browser.find("button", way)
    browser.command("Emulation.setEmulatedMedia", media="print")
    assert browser.find("button") is None and "Your contract is active until" in browser.text()
    browser.shot("account-print")
    browser.command("Emulation.setEmulatedMedia", media="")
    assert browser.faults() == []


def test_one_time_link(shop, browser, customer):
    """A link opens the account once; then it is refused in words."""
    made = expect(shop.api.owner.post(f"/api/customers/{customer.id}/links", {}), 201)
    shop.secrets.add(made["url"].split("=")[-1])
    path = urlsplit(made["url"])
    for seen in ("Nordwind GmbH", "used already"):
        browser.open("/checkout/back")
        browser.open(f"{path.path}#{path.fragment}")
        browser.press("Sign in")
        browser.sees(seen)
        assert "link" not in browser.run("return location.href")
        browser.settle()
        if seen == "Nordwind GmbH":
            browser.press("Sign out")
            browser.sees("You are signed out")
    assert "Request" in browser.text() and "Nordwind" not in browser.text()


def test_others(shop, browser, customer):
    """Another customer sees nothing of the first; an operator's key opens no account."""
    other = shop.api.sign_up(company_name="Südwind")
    sign_in(browser, other)
    browser.sees("Südwind", "Trial until")
    assert "Nordwind" not in browser.text() and "plant-" not in browser.text()
    for path in ("/api/customers/{}", "/api/licenses/{}", "/api/usage/{}/daily", "/api/customers/{}/keys", "/api/customers/{}/instances"):
        assert browser.run("return fetch(arguments[0]).then((answer) => answer.status)", path.format(customer.id)) == 404
    browser.press("Sign out")
    browser.enter("API key", shop.viewer_key)
    browser.press("Sign in")
    browser.sees("operator's key")


def test_markup_is_text(shop, browser):
    """Nothing that a customer can name is ever run."""
    evil = shop.api.sign_up(company_name="".join(MARKUP)[:200])
    for index, markup in enumerate(MARKUP):
        expect(evil.client.post(f"/api/customers/{evil.id}/keys", {"name": markup[:100], "scopes": ["license"]}), 201)
        expect(evil.client.put(f"/api/customers/{evil.id}/instances/javascript:pwned.{index}", {}), 201)
        expect(evil.client.post("/api/usage/report", {"customer_id": evil.id, "instance_id": f"javascript:pwned.{index}",
                                                      "version": f"of {markup}"}), 201)
    sign_in(browser, evil)
    browser.sees(MARKUP[0], f"of {MARKUP[1]}", "javascript:pwned.1")
    browser.press("Release javascript:pwned.1")
    browser.press("Release", "dialog[open] button")
    browser.sees("javascript:pwned.1 is released")
    browser.open("/pricing/?plan=%3Cimg%20src=x%20onerror=pwned()%3E")
    browser.sees("You are signed in")
    browser.open("/checkout/done?plan=%22%3E%3Cscript%3Epwned()%3C/script%3E")
    browser.sees("Thank you for your order")
    assert browser.faults() == [] and browser.run("return executed") == []


def test_without_the_service(shop, browser, customer):
    """While the service is down, the page says so with the number of the request; it goes on by itself."""
    sign_in(browser, customer)
    shop.script("stop", "billingd")
    browser.press("Make a key")
    browser.enter("Name", "later")
    browser.press("Make the key")
    browser.sees("The service is not answering", "Request")
    shop.script("start", "billingd")
    browser.press("Make the key")
    browser.sees("It is shown only now")
    shop.secrets.add(browser.find("dialog[open] textarea").get_attribute("value"))


def test_without_sign_up(stack, browser):
    """Where customers cannot sign up by themselves, the page says how else."""
    browser.driver.get(stack.base_url + "/pricing/")
    browser.sees("New customers sign up with us in person", "$29.00", "sign in")
    assert browser.find("button", "Choose Starter") is None
