"""Attacks on the console: markup in every text, requests and frames from other sites."""

import http.server
import threading
import uuid

import pytest

from support.client import Client, expect
from support.payments import buy

PAYLOADS = (
    "<script>pwned('script')</script>", "<img src=x onerror=pwned('img')>", "\"><svg onload=pwned('svg')>",
    "javascript:pwned('url')", "{{constructor.constructor('pwned()')()}}", "${pwned('template')}",
    "'-pwned('quote')-'", "</textarea><script>pwned('area')</script>", "<iframe srcdoc='<script>parent.pwned()</script>'>",
    "<a href=javascript:pwned()>x</a>", "<style>*{background:url(//evil.example/x)}</style>",
    "<details open ontoggle=pwned('toggle')>")
TABS = ("", "/licences", "/installations", "/usage", "/invoices", "/contracts", "/keys", "/timeline")


@pytest.fixture(scope="module", name="browser")
def fixture_browser(place, window):
    """The browser, signed in as an owner."""
    window.driver.get("about:blank")
    window.command("Network.clearBrowserCookies")
    window.open("/console/")
    window.settle()
    window.enter("Operator's key", place.admin_key)
    window.press("Sign in")
    window.sees("Sign out")
    window.faults(r".")
    return window


def attack(stack, payload):
    """A customer with the payload in every text that somebody can set; its id."""
    owner = stack.api.owner
    name = uuid.uuid4().hex[:8]
    customer = stack.api.sign_up(company_name=payload)
    path = f"/api/customers/{customer.id}"
    expect(customer.client.post(f"{path}/keys", {"name": payload[:100]}), 201)
    expect(customer.client.post("/api/usage/report", {"customer_id": customer.id, "instance_id": "a", "version": payload[:64]}), 201)
    expect(owner.put(f"{path}/overrides", {"features": {"maxDevices": 80}, "reason": payload}), 200)
    contract = expect(owner.post(f"{path}/contracts", {
        "plan": "enterprise", "billing": "manual", "ends_at": "2040-01-01T00:00:00Z",
        "reference": payload[:100], "note": payload}), 201)["contract"]["contract_id"]
    expect(owner.post(f"{path}/contracts/{contract}/end", {"reason": payload}), 200)
    expect(owner.post(f"/api/licenses/{customer.id}/revoke", {"reason": payload[:100]}), 200)
    expect(stack.api.nobody.post("/api/session", {"api_key": stack.viewer_key}, headers={
        "X-Billing-Console": "1", "User-Agent": payload}), 201)
    # An address and Stripe's own texts take any characters; so may what an older version stored.
    stack.sql(f"UPDATE customers SET email = $x$\"{name}{payload}\"@example.com$x$ WHERE customer_id = '{customer.id}'")
    return customer.id


def attack_webhook(stack, payload):
    """An endpoint whose description and whose receiver's answer are the payload; its id."""
    made = expect(stack.api.owner.post("/api/webhook-endpoints", {
        "url": "https://example.com/" + payload.replace(" ", ""), "description": payload}), 201)
    endpoint = made["endpoint"]["endpoint_id"]
    # It is over, so the sender leaves it as it is.
    stack.sql("INSERT INTO webhook_deliveries (endpoint_id, event_id, type, event_at, state, attempts, due_at, created_at, "
              "attempted_at, status, took_ms, reason, answer) "
              f"SELECT '{endpoint}', gen_random_uuid(), 'endpoint.test', now(), 'delivered', 1, now(), now(), now(), 200, 1, "
              f"$x${payload}$x$, $x${payload}$x$")
    return endpoint


def attack_invoice(stack, payload):
    """A customer whose invoice has the payload as number and as addresses."""
    customer = stack.api.sign_up(company_name="Invoiced " + payload[:20])
    buy(stack, customer, "starter")
    stack.sql(f"UPDATE invoices SET number = $x${payload}$x$, hosted_invoice_url = "
              f"$x$javascript:pwned('invoice')$x$, invoice_pdf = $x$data:text/html,{payload}$x$ "
              f"WHERE customer_id = '{customer.id}'")
    return customer.id


def attack_upkeep(stack, customer, payload):
    """Texts of Stripe's, of the plans file and of older versions, each with the payload: what is parked, prices and
    subscriptions that are not known, metrics, an address that waits to be confirmed."""
    text = f"$x${payload}$x$"
    stack.sql(f"""
        INSERT INTO stripe_calls (customer_id, kind, path, parameters, idempotency_key, state, created_at, error, error_message)
            SELECT '{customer}', 'customer_update', '/v1/x', '', {text}, 'parked', now(), {text}, {text};
        INSERT INTO stripe_events (event_id, type, livemode, received_at, origin, family, subject, customer_id, state, error)
            SELECT 'evt_' || {text}, {text}, false, now(), 'webhook', 'invoice', {text}, '{customer}', 'parked', {text};
        INSERT INTO meter_events (meter_event_id, customer_id, stripe_customer_id, day, metric, event_name, value, state, created_at,
            error) SELECT 'mev_' || md5({text}), '{customer}', {text}, current_date, {text}, {text}, 1, 'parked', now(), {text};
        INSERT INTO stripe_unknown_prices (stripe_subscription_id, price_id, customer_id, status, first_seen_at, seen_at)
            SELECT {text}, {text}, '{customer}', {text}, now(), now();
        INSERT INTO usage_limit_levels (customer_id, name, used, max, percent, measured_at)
            SELECT '{customer}', {text}, 9, 10, 90, now();
        INSERT INTO usage_daily (customer_id, day, instance_id, reports, active_devices_max, active_devices_sum, total_devices_max,
            total_devices_sum) SELECT '{customer}', current_date, {text}, 1, 1, 1, 1, 1;
        INSERT INTO usage_daily_metrics (customer_id, day, instance_id, metric, total, highest)
            SELECT '{customer}', current_date, {text}, {text}, 1, 1;
        UPDATE customers SET pending_email = {text} || '@example.com' WHERE customer_id = '{customer}'""")


def test_no_payload_runs(place, browser, figures):
    shown = 0
    for payload in PAYLOADS:
        customer = attack(place, payload)
        for tab in TABS if payload == PAYLOADS[0] else ("", "/contracts", "/keys", "/timeline"):
            browser.go(f"#/customer/{customer}{tab}")
            shown += 1
    invoiced = attack_invoice(place, PAYLOADS[0])
    endpoint = attack_webhook(place, PAYLOADS[1])
    expect(place.api.owner.post("/api/operators", {"name": PAYLOADS[1], "role": "viewer"}), 201)
    for payload in PAYLOADS[:2]:
        attack_upkeep(place, invoiced, payload)
    for page in (f"customer/{invoiced}", f"customer/{invoiced}/usage", f"customer/{invoiced}/invoices", "", "customers", "revenue", "movements", "trials",
                 "limits?above=50", "renewals", "webhooks", f"webhooks/{endpoint}", "stripe", "audit", "access"):
        browser.go(f"#/{page}")
        shown += 1
        for address in browser.run("return [...document.querySelectorAll('a[href]')].map((a) => a.href)"):
            assert address.startswith(("https://", "http://", "mailto:")), address
    browser.go(f"#/webhooks/{endpoint}")
    assert PAYLOADS[1] in browser.run("return [...document.querySelectorAll('details code')].map((one) => one.textContent)")
    browser.go("#/customers")
    assert "<script>pwned" in browser.text()
    assert browser.faults() == []
    figures["pages shown with payloads"] = f"{shown}, {len(PAYLOADS)} payloads, 0 executions"


@pytest.mark.parametrize("fragment", ["#link=<img src=x onerror=pwned()>", "#/customer/<img src=x onerror=pwned()>",
                                      "#/customers?q=\"><script>pwned()</script>", "#/audit?action=<svg onload=pwned()>",
                                      "#/<script>pwned()</script>", "#/customer/..%2f..%2fapi", "#/customer/%E0%A4%A", "#/constructor"])
def test_no_address_runs(browser, fragment):
    browser.open("/console/")
    browser.settle()
    browser.run("location.hash = arguments[0]", fragment)
    browser.settle()
    assert browser.faults(r"status of 4\d\d") == []


def test_an_address_from_data_leads_to_no_other_kind_of_place(browser):
    browser.open("/console/")
    browser.settle()
    made = browser.run("return import('/shared/ui.js').then(({ h }) => arguments[0].map((href) => "
                       "h('a', { href }).getAttribute('href')))",
                       ["/account/", "/", "#/x", "https://a.example/", "mailto:a@b.example", "//evil.example", "/\\evil.example",
                        "/\t/evil.example", "javascript:pwned()", "JavaScript:pwned()", " javascript:pwned()", "data:text/html,x"])
    assert made == ["/account/", "/", "#/x", "https://a.example/", "mailto:a@b.example", *[None] * 7]
    # A payload that runs is told.
    browser.run("pwned('control')")
    assert browser.faults() == ["executed: control"]
    browser.run("window.executed = []")


def test_the_policy_stops_what_gets_in(browser):
    """Even if markup got into a page, it would not run."""
    browser.go("#/")
    assert browser.run("try { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=pwned()>'); "
                       "return 'done'; } catch (fault) { return fault.name; }") == "TypeError"
    browser.run("const s = document.createElement('script'); s.append(\"pwned('inline')\"); document.body.append(s)")
    browser.run("const i = document.createElement('img'); i.src = 'https://evil.example/x'; document.body.append(i)")
    found = []

    def told():
        found.extend(browser.faults())
        return any("img-src https://evil.example" in one for one in found)

    browser.until(told, "violation of the policy")
    assert not any("executed:" in one for one in found), found


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """Another site, whose pages the test sets."""

    pages = {}

    def do_GET(self):  # pylint: disable=invalid-name
        """Sends the page."""
        body = self.pages.get(self.path, "<!DOCTYPE html><title>x</title>").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        """Says nothing."""


@pytest.fixture(scope="module", name="elsewhere")
def fixture_elsewhere():
    """The address of another site."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # Another port of the same name is the same site: there the browser does send the cookie.
    yield [f"http://{name}:{server.server_port}" for name in ("127.0.0.1", "localhost")]
    server.shutdown()


def test_other_sites_change_nothing(place, browser, elsewhere):
    customer = place.api.sign_up(company_name="Untouched")
    target = f"{place.base_url}/api/licenses/{customer.id}/rotate"
    before = place.sql(f"SELECT count(*) FROM licenses WHERE customer_id = '{customer.id}'")
    Elsewhere.pages = {
        "/form": f"<form method=post enctype=text/plain action={target}><input name='{{\"a\":\"' value='\"}}'></form>"
                 "<script>document.forms[0].submit()</script>",
        "/fetch": f"<title>sent</title><script>const o = {{method: 'POST', credentials: 'include'}};"
                  f"Promise.allSettled([fetch('{target}', {{...o, mode: 'no-cors'}}),"
                  f"fetch('{target}', {{...o, headers: {{'X-Billing-Console': '1'}}}}),"
                  f"fetch('{place.base_url}/api/customers/{customer.id}', {{...o, method: 'DELETE'}})"
                  "]).then(() => document.title = 'ended')</script>"}
    for site in elsewhere:
        browser.driver.get(f"{site}/form")
        browser.until(lambda: '"code"' in browser.text(), "refusal")
        assert any(code in browser.text() for code in ("unauthenticated", "console_header_missing", "origin_refused"))
        browser.driver.get(f"{site}/fetch")
        browser.until(lambda: browser.driver.title == "ended", "end of the requests")
    assert place.sql(f"SELECT count(*) FROM licenses WHERE customer_id = '{customer.id}'") == before
    assert expect(place.api.owner.get(f"/api/customers/{customer.id}"), 200)
    browser.faults(r".")


def test_no_site_frames_the_pages(place, browser, elsewhere):
    for path in ("/console/", "/shared/ui.js"):
        Elsewhere.pages = {"/frame": f"<title>framed</title><iframe src='{place.base_url}{path}'></iframe>"}
        browser.driver.get(f"{elsewhere[1]}/frame")
        browser.driver.switch_to.frame(0)
        place_shown = browser.run("return location.href")
        browser.driver.switch_to.default_content()
        assert place_shown.startswith("chrome-error:"), place_shown
    found = []

    def told():
        found.extend(entry["message"] for entry in browser.driver.get_log("browser"))
        return any("frame-ancestors" in one or "X-Frame-Options" in one for one in found)

    browser.until(told, "refusal in the log")


def test_an_answer_that_is_opened_by_itself_runs_nothing(place, browser):
    """A table is a file to keep, never a page; JSON is shown as text."""
    evil = place.api.sign_up(company_name="=<script>pwned('csv')</script>")
    expect(evil.client.post("/api/usage/report", {"customer_id": evil.id, "instance_id": "a"}), 201)
    path = f"/api/customers/{evil.id}"
    for table in (f"{path}/export", "/api/analytics/revenue", "/api/analytics/movements", "/api/analytics/trials",
                  "/api/analytics/limits?above=50"):
        answer = place.api.owner.get(table, headers={"Accept": "text/csv"})
        assert answer.status_code == 200 and answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    browser.faults(r".")
    for page in (path, f"{path}?<script>pwned()</script>", "/api/<script>pwned()</script>"):
        browser.open(page)
        browser.until(lambda: "pwned" in browser.text() or '"code"' in browser.text(), "the answer")
        assert browser.run("return [document.contentType, document.querySelector('script')]") == ["application/json", None]
    assert browser.faults(r"status of 40\d") == []


def test_a_cookie_of_another_kind_is_no_session(place):
    """A page of another port of the host could set a cookie, but none with this name that is not secure."""
    for cookie in ("billing=gbs_" + "0" * 64, "__Host-billing=gbs_" + "0" * 64 + "; __Host-billing=x"):
        answer = Client(place, {"Cookie": cookie}).get("/api/customers")
        expect(answer, 401, "unauthenticated")
