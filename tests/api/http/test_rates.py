"""How often one may ask: who guesses keys or forges events is slowed to what nginx allows, and so
is who clicks all the time on what waits for Stripe; nobody else notices."""

import collections
import re
import subprocess
import time

import pytest
from support.client import expect
from support.stack import ROOT

UNKNOWN = "cust_" + 32 * "0"
# Each attempt: its name, its request, its answer, and how many at once and a second get that answer.
TRIES = {
    "keys guessed": (f"/api/subscriptions/{UNKNOWN}", ["-H", "X-API-Key: guess"], "401", 200, 100),
    "checkouts with guessed keys": ("/api/subscriptions/checkout", [
        "-H", "X-API-Key: guess", "-d", "{}"], "401", 200, 100),
    "sign-ins guessed": ("/api/session", [
        "-H", "X-Billing-Console: 1", "-d", '{"api_key": "guess"}'], "401", 20, 0.5),
    "events forged": ("/api/webhooks/stripe", [
        "-H", "Stripe-Signature: t=1,v1=00", "-d", "{}"], "400", 500, 100),
}


@pytest.fixture(scope="module", name="limited")
def fixture_limited(new_stack):
    """A stack with nginx's limits."""
    stack = new_stack(stripe=True, RATE_LIMITS="on")
    yield stack
    stack.close()


def ask_often(stack, times, path, options):
    """Repeats a request as fast as one address can: the statuses, and the seconds."""
    start = time.monotonic()
    done = subprocess.run(
        ["curl", "-sS", "-4", "-Z", "--parallel-max", "40", "--interface", "127.0.0.9",
         "--cacert", stack.ca_cert, "-H", "Content-Type: application/json", *options,
         "-w", "%{stderr}%{http_code}\\n", f"{stack.base_url}{path}#[1-{times}]"],
        text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    return collections.Counter(done.stderr.split()), time.monotonic() - start


@pytest.mark.parametrize("what", TRIES)
def test_guesses_are_rate_limited(limited, figures, what):
    path, options, refused, burst, rate = TRIES[what]
    honest = limited.api.sign_up()
    times = 2 * burst + 400
    answers, took = ask_often(limited, times, path, options)
    figures[f"{what}, answered of {times} in {took:.1f} s"] = answers[refused]
    assert answers[refused] + answers["429"] == times, answers
    assert answers[refused] <= 1 + burst + rate * took
    expect(honest.client.get(f"/api/subscriptions/{honest.id}"), 200)


def test_a_refused_sign_in_names_the_time_of_the_next(limited):
    """At 30 a minute the next place is free after 2 s."""
    answers = [limited.api.nobody.post("/api/session", {"api_key": "guess"}, headers={"X-Billing-Console": "1"})
               for _ in range(40)]
    assert {answer.headers.get("Retry-After") for answer in answers if answer.status_code == 429} == {"2"}


# Rows of the table of limits in the document, each with its location in nginx's file.
ROWS = {"POST /api/customers without a key": "= /api/customers", "POST /api/session": "= /api/session",
        "POST /api/licenses/verify": "= /api/licenses/verify", "/api/usage and below": "/api/usage",
        "POST /api/subscriptions/checkout, upgrade, preview, cancel, resume, portal":
            "~ ^/api/subscriptions/(checkout|upgrade|preview|cancel|resume|portal)$",
        "POST /api/webhooks/stripe": "/api/webhooks", "all others": "/api/"}


def limits_of_nginx():
    """By location: the strictest limits of an address, and of a customer or key."""
    rates = {name: (value == "$billing_by_key", int(count), unit) for value, name, count, unit in re.findall(
        r"^limit_req_zone +(\S+) +zone=(\w+):\w+ +rate=(\d+)r/([sm]);",
        (ROOT / "nginx/billing-http.conf").read_text(encoding="utf-8"), re.M)}
    found = {}
    for line in (ROOT / "nginx/billing-locations.conf").read_text(encoding="utf-8").splitlines():
        if "location " in line and line.endswith("{"):
            found[re.search(r"location (.*) \{", line)[1]] = limits = [[], []]
        elif match := re.search(r"limit_req +zone=(\w+) burst=(\d+) nodelay;", line):
            is_of_key, count, unit = rates[match[1]]
            limits[is_of_key].append((count / (60 if unit == "m" else 1),
                                      f"{count}/{'min' if unit == 'm' else 's'}, burst {match[2]}"))
    return {name: [min(some)[1] if some else "-" for some in limits] for name, limits in found.items()}


def test_the_document_has_the_limits(document):
    text = document.raw["info"]["description"]
    rows = {cells[0]: cells[1:] for cells in
            re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", text, re.M)[2:]}
    assert list(rows) == list(ROWS)
    nginx = limits_of_nginx()
    for name, (address, key) in rows.items():
        of_address, of_key = nginx[ROWS[name]]
        # These two are about requests without a key.
        of_key = "-" if ROWS[name] in ("= /api/customers", "= /api/session") else of_key
        assert (address, key) == (of_address, of_key), name
    assert nginx["= /api/usage/reports"] == nginx["/api/usage"]


@pytest.mark.parametrize("header, name, said", [
    ("billing/audit", "AUDIT_DAY_MAX", "{} changes"), ("billing/audit", "AUDIT_SIGN_INS_DAY_MAX", "{} sign-ins"),
    ("billing/audit", "PAYMENTS_DAY_MAX", "{} payment requests"),
    ("callers/idempotency", "IDEMPOTENCY_DAY_ANSWERS", "{} answers"),
    ("callers/api_keys", "API_KEYS_DAY_MAX", "{} keys a day"),
    ("callers/api_keys", "API_KEYS_LIVE_MAX", "{} keys at a time")])
def test_the_document_has_the_bounds_of_a_day(document, header, name, said):
    text = (ROOT / f"lib/{header}.h").read_text(encoding="utf-8")
    assert said.format(re.search(rf"\b{name} = (\d+)", text)[1]) in document.raw["info"]["description"]


def test_payment_requests_are_rate_limited(limited, figures):
    """Requests to Stripe: 2 a second and key, 20 at once. Other requests are still served."""
    loud, quiet = limited.api.sign_up(), limited.api.sign_up()
    answers, took = ask_often(limited, 100, "/api/subscriptions/portal", [
        "-H", f"X-API-Key: {loud.api_key}", "-d", f'{{"customer_id": "{loud.id}"}}'])
    figures[f"clicks answered of 100 in {took:.1f} s"] = answers["409"]
    assert answers["409"] + answers["429"] == 100, answers
    assert answers["409"] <= 21 + 2 * took
    expect(loud.client.get(f"/api/licenses/{loud.id}"), 200)
    expect(quiet.client.post("/api/subscriptions/portal", {"customer_id": quiet.id}), 409,
           "checkout_needed")
