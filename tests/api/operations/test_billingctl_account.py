"""billingctl stripe setup, and the doctor's checks of the account at Stripe."""

import json
import stat

import pytest

from support.account import (  # noqa: F401 pylint: disable=unused-import
    fixture_kept_place, fixture_place)
from support.scratch import cluster  # noqa: F401 pylint: disable=unused-import
from support.stack import ROOT, four_plans

MISSING = 3
BASE_URL = "https://billing.example.com"
URL = BASE_URL + "/api/webhooks/stripe"
VERSION = "2026-10-28.endive"
UNSET = {"STRIPE_PRICES": "", "STRIPE_WEBHOOK_SECRET": ""}


def plans(tmp_path, **amounts):
    """Writes plans with other prices; returns the setting that names the file."""
    table = json.loads((ROOT / "conf/plans.json").read_text(encoding="utf-8"))
    for plan in table["plans"]:
        if plan["plan"] in amounts:
            plan["price"]["amount_minor"] = amounts[plan["plan"]]
    path = tmp_path / "plans.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    return {"PLANS_FILE": path}


def prices_of(settings, plan):
    """The ids of the plan's prices in STRIPE_PRICES, in their order."""
    pairs = [pair.split(":") for pair in settings["STRIPE_PRICES"].split(",")]
    return [price for name, price in pairs if name == plan]


@pytest.fixture(name="setup")
def fixture_setup(place):
    """Runs stripe setup without configured prices; returns the state of each object, the settings and
    the output."""
    env = {"BASE_URL": BASE_URL, **UNSET}

    def run(*words, status=0, **more):
        done = place.ctl.run("stripe", "setup", "--json", *words, **{**env, **more})
        assert (done.returncode, done.stderr) == (status, ""), done
        answer = json.loads(done.stdout)
        lines = [line for line in answer.get("settings", "").splitlines() if "=" in line]
        return ([(one["what"].split(",")[0], one["state"]) for one in answer["objects"]],
                dict(line.split("=", 1) for line in lines), done.stdout)

    run.env = env
    return run


def account(place):
    """The objects at Stripe."""
    return [place.stripe.call("GET", "/v1/" + kind, {"limit": 100})["data"]
            for kind in ("products", "prices", "webhook_endpoints")]


def changes(place):
    """The requests to Stripe other than GET."""
    return [(one["method"], one["path"]) for one in place.stripe.requests()
            if one["method"] != "GET"]


EVERYTHING = ["product Starter", "price Starter", "product Professional", "price Professional",
              URL]


def test_a_dry_run_makes_nothing(place, setup):
    before = account(place)
    objects, settings, _ = setup("--dry-run", status=MISSING)
    assert objects == [*((what, "missing") for what in EVERYTHING), ("customer portal", "there")]
    assert settings == {} and account(place) == before and changes(place) == []


def test_setup_needs_a_place_for_the_secret(place, setup, tmp_path):
    """Nothing is made without it."""
    before = account(place)
    line = place.ctl.refuses("stripe", "setup", status=2, **setup.env)
    assert "--secret-out" in line
    there = tmp_path / "there"
    there.write_text("x", encoding="ascii")
    line = place.ctl.refuses("stripe", "setup", "--secret-out", there, **setup.env)
    assert "exists" in line and there.read_text(encoding="ascii") == "x"
    place.ctl.refuses("stripe", "setup", "--yearly", "13", status=2, **setup.env)
    place.ctl.refuses("stripe", "setup", "--webhook-url", "ftp://x", status=2, **setup.env)
    assert account(place) == before and changes(place) == []


def test_setup_makes_everything_once(place, setup, tmp_path):
    file = tmp_path / "secret"
    objects, settings, said = setup("--yearly", "10", "--secret-out", file)
    assert {state for what, state in objects if what != "customer portal"} == {"made"}
    assert len(objects) == 8
    assert "price Starter, $29.00 a month" in said and "price Professional, $990.00 a year" in said
    secret = file.read_text(encoding="ascii").strip()
    assert secret.startswith("whsec_") and secret not in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert settings.pop("STRIPE_WEBHOOK_SECRET_FILE") == str(file)
    month, year = prices_of(settings, "professional")
    month, year = (place.stripe.call("GET", f"/v1/prices/{id}") for id in (month, year))
    assert (month["unit_amount"], month["currency"], month["recurring"]["interval"]) == (
        9900, "usd", "month")
    assert (year["unit_amount"], year["recurring"]["interval"]) == (99000, "year")
    assert month["product"] == year["product"] == "global_billing_professional"
    made = account(place)
    endpoint = made[2][0]
    assert (endpoint["url"], endpoint["api_version"], endpoint["status"]) == (
        URL, VERSION, "enabled")
    assert "customer.subscription.updated" in endpoint["enabled_events"]
    # Again, with and without those settings: all of it is found.
    place.stripe.reset_requests()
    for env in ({}, {**settings, "STRIPE_WEBHOOK_SECRET": secret}):
        again, found, _ = setup("--yearly", "10", **env)
        assert {state for _, state in again} == {"there"} and found == settings
    assert changes(place) == [] and account(place) == made
    assert setup("--yearly", "10", "--dry-run")[0] == again
    # The doctor finds no fault.
    wrong = diagnose(place, BASE_URL=BASE_URL, STRIPE_WEBHOOK_SECRET=secret, **settings)
    assert wrong == {}


def test_the_secret_is_shown_on_request(setup):
    _, settings, _ = setup("--secret-out", "-", "--webhook-url", "https://other.example/hook")
    assert settings["STRIPE_WEBHOOK_SECRET"].startswith("whsec_")


def test_the_secret_of_an_endpoint_that_is_there_is_in_the_dashboard(setup, tmp_path):
    """Stripe sends it only once, so no file is written, and the answer says where the secret is."""
    setup("--secret-out", "-")
    file, kept = tmp_path / "secret", {"STRIPE_WEBHOOK_SECRET": "whsec_" + 32 * "0"}
    for more in ({}, kept):
        _, settings, said = setup("--secret-out", file, **more)
        assert "STRIPE_WEBHOOK_SECRET" not in str(settings) and not file.exists()
        assert "# STRIPE_WEBHOOK_SECRET: that of we_" in said and "in Stripe's dashboard" in said
    assert "dashboard" not in setup(**kept)[2]


def test_an_endpoint_whose_secret_is_lost_is_deleted(place, setup, tmp_path):
    line = place.ctl.refuses("stripe", "setup", "--secret-out", tmp_path / "none/secret",
                             **setup.env)
    assert "none/secret" in line and account(place)[2] == []


def test_prices_made_by_hand_are_kept(place, setup):
    prices = "starter:price_s,professional:price_p,professional:price_y"
    objects, settings, _ = setup("--secret-out", "-", STRIPE_PRICES=prices)
    assert objects[:2] == [("price Starter", "there"), ("price Professional", "there")]
    assert settings["STRIPE_PRICES"] == prices


def test_the_older_settings_become_one(place, setup):
    """One setting for each of three plans was the older form. It is accepted, alone or with the same
    prices in STRIPE_PRICES; setup writes the newer one."""
    older = {"STRIPE_PRICE_STARTER": "price_s", "STRIPE_PRICE_PROFESSIONAL": "price_p,price_y"}
    prices = "starter:price_s,professional:price_p,professional:price_y"
    _, settings, said = setup("--secret-out", "-", **older)
    assert settings["STRIPE_PRICES"] == prices and "remove them" in said
    assert "stripe_prices" not in diagnose(place, STRIPE_PRICES="", **older)
    assert "stripe_prices" not in diagnose(place, STRIPE_PRICES=prices, **older)
    line = place.ctl.refuses("stripe", "setup", **{
        **setup.env, **older, "STRIPE_PRICES": prices.replace("price_y", "price_z")})
    assert "STRIPE_PRICE_PROFESSIONAL: STRIPE_PRICES has other prices" in line


def test_a_fourth_plan_is_set_up(place, setup, tmp_path):
    path = four_plans(tmp_path)
    objects, settings, _ = setup("--secret-out", "-", PLANS_FILE=path)
    assert ("product Platinum", "made") in objects and ("price Platinum", "made") in objects
    price, = prices_of(settings, "platinum")
    assert place.stripe.call("GET", f"/v1/prices/{price}")["unit_amount"] == 7900
    assert "stripe_prices" not in diagnose(place, PLANS_FILE=path, **settings)
    wrong = diagnose(place, PLANS_FILE=path, STRIPE_PRICES="starter:price_s,professional:price_p")
    assert "platinum has a price in PLANS_FILE, but none" in wrong["stripe_prices"]


def test_all_listed_prices_are_set_up(place, setup, tmp_path):
    """A plan may list several; the doctor compares each with Stripe's at the same place."""
    path = four_plans(tmp_path, "starter")
    objects, settings, said = setup("--secret-out", "-", PLANS_FILE=path)
    assert objects.count(("price Starter", "made")) == 2 and "$290.00 a year" in said
    assert "no yearly price" not in said
    month, year = prices_of(settings, "starter")
    assert place.stripe.call("GET", f"/v1/prices/{year}")["recurring"]["interval"] == "year"
    assert "stripe_prices" not in diagnose(place, PLANS_FILE=path, **settings)

    def wrong(*starter):
        others = [pair for pair in settings["STRIPE_PRICES"].split(",")
                  if not pair.startswith("starter:")]
        prices = ",".join([*(f"starter:{one}" for one in starter), *others])
        return diagnose(place, PLANS_FILE=path, **{**settings, "STRIPE_PRICES": prices}
                        )["stripe_prices"]

    assert f"the price {year} is paid every 1 years" in wrong(year, month)
    assert "starter has 2 prices in PLANS_FILE, but 1 in STRIPE_PRICES" in wrong(month)
    # A plan by agreement has the intervals of the others.
    other = place.stripe.call("POST", "/v1/prices", {
        "product": "prod_starter", "currency": "usd", "unit_amount": 1,
        "recurring[interval]": "year"})["id"]
    assert f"the price {other} is paid every 1 years" in diagnose(place, PLANS_FILE=path, **{
        **settings, "STRIPE_PRICES": f"{settings['STRIPE_PRICES']},enterprise:{other}"}
        )["stripe_prices"]


def test_a_new_price_keeps_the_old_one_for_its_subscriptions(place, setup, tmp_path):
    _, settings, _ = setup("--secret-out", "-")
    old, = prices_of(settings, "starter")
    dearer = plans(tmp_path, starter=3900)
    objects, settings, _ = setup(**{**settings, **dearer})
    assert dict(objects)["price Starter"] == "made"
    new, behind = prices_of(settings, "starter")
    assert behind == old and place.stripe.call("GET", f"/v1/prices/{new}")["unit_amount"] == 3900
    assert {state for _, state in setup(**{**settings, **dearer})[0]} == {"there"}
    assert "stripe_prices" not in diagnose(place, **settings, **dearer)


def test_an_archived_product_is_restored(place, setup, tmp_path):
    setup("--secret-out", "-")
    place.stripe.call("POST", "/v1/products/global_billing_starter", {"active": "false"})
    objects, _, _ = setup(**plans(tmp_path, starter=3900))
    assert ("product Starter", "changed") in objects
    assert place.stripe.call("GET", "/v1/products/global_billing_starter")["active"] is True


def metered(tmp_path, **amounts):
    """Writes plans that name meters, some of which have a price."""
    table = json.loads((ROOT / "conf/plans.json").read_text(encoding="utf-8"))
    for plan in table["plans"]:
        plan["usage"] = {"meters": {"api_calls": "calls"}}
    table["plans"][0]["usage"]["meters"]["storage_mb"] = "storage"
    table["meters"] = {name: {"amount_minor": amount, "currency": "usd"}
                       for name, amount in amounts.items()}
    path = tmp_path / "metered.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    return path


def test_meters_that_plans_name(place, setup, tmp_path):
    path = metered(tmp_path)
    assert "no active meter calls" in diagnose(place, PLANS_FILE=path)["stripe_meters"]
    dry = setup("--dry-run", status=MISSING, PLANS_FILE=path)[0]
    assert [one for one in dry if one[0].startswith("meter")] == [
        ("meter calls", "missing"), ("meter storage", "missing")]
    assert place.stripe.call("GET", "/v1/billing/meters")["data"] == []
    setup("--secret-out", "-", PLANS_FILE=path)
    made = place.stripe.call("GET", "/v1/billing/meters")["data"]
    assert {one["event_name"]: one["default_aggregation"]["formula"] for one in made} == {
        "calls": "sum", "storage": "sum"}
    assert ("meter calls", "there") in setup(PLANS_FILE=path)[0]
    assert place.stripe.call("GET", "/v1/billing/meters")["data"] == made
    assert "stripe_meters" not in diagnose(place, PLANS_FILE=path)


def test_metered_prices_are_made_once(place, setup, tmp_path):
    path = metered(tmp_path, calls="0.05")
    dry = setup("--dry-run", "--yearly", "10", status=MISSING, PLANS_FILE=path)[0]
    assert ("product meter calls", "missing") in dry
    assert dry.count(("price of calls", "missing")) == 2
    objects, settings, said = setup("--yearly", "10", "--secret-out", "-", PLANS_FILE=path)
    assert objects.count(("price of calls", "made")) == 2
    assert "price of calls, $0.0005 each, billed by the month" in said
    month, year = (place.stripe.call("GET", f"/v1/prices/{one.removeprefix('calls:')}")
                   for one in settings["STRIPE_METER_PRICES"].split(","))
    meter = next(one["id"] for one in place.stripe.call("GET", "/v1/billing/meters")["data"]
                 if one["event_name"] == "calls")
    for price, interval in ((month, "month"), (year, "year")):
        assert (price["unit_amount_decimal"], price["currency"], price["product"]) == (
            "0.05", "usd", "global_billing_meter_calls")
        assert {name: price["recurring"][name] for name in ("interval", "meter", "usage_type")
                } == {"interval": interval, "meter": meter, "usage_type": "metered"}
    # Again, with and without those settings: all of it is found.
    place.stripe.reset_requests()
    for env in ({}, settings):
        again, found, _ = setup("--yearly", "10", PLANS_FILE=path, **env)
        assert {state for _, state in again} == {"there"}
        assert found["STRIPE_METER_PRICES"] == settings["STRIPE_METER_PRICES"]
    assert changes(place) == []
    wrong = diagnose(place, PLANS_FILE=path, **settings)
    assert "stripe_meters" not in wrong and "stripe_prices" not in wrong
    # When the amount changes, the old prices stay for their subscriptions.
    dearer = metered(tmp_path, calls="1")
    after = setup("--yearly", "10", **{**settings, "PLANS_FILE": dearer})[1]["STRIPE_METER_PRICES"]
    assert after.split(",")[2:] == settings["STRIPE_METER_PRICES"].split(",")
    assert len(set(after.split(","))) == 4
    wrong = diagnose(place, **{**settings, "PLANS_FILE": dearer, "STRIPE_METER_PRICES": after})
    assert "stripe_meters" not in wrong


def test_the_doctor_checks_metered_prices(place, setup, tmp_path):
    path = metered(tmp_path, calls="0.05")
    settings = setup("--yearly", "10", "--secret-out", "-", PLANS_FILE=path)[1]
    month, year = settings["STRIPE_METER_PRICES"].split(",")

    def said(prices, path=path):
        return diagnose(place, **{**settings, "PLANS_FILE": path, "STRIPE_METER_PRICES": prices}
                        )["stripe_meters"]

    assert "calls has a price in PLANS_FILE, but none in STRIPE_METER_PRICES" in said("")
    assert "no price price_none" in said(f"calls:price_none,{year}")
    assert "is paid every 1 years" in said(year)
    assert "is paid every 1 months" in said(month)
    assert "isn't metered" in said(f"calls:price_s,{year}")
    storage = next(one["id"] for one in place.stripe.call("GET", "/v1/billing/meters")["data"]
                   if one["event_name"] == "storage")
    other = place.stripe.call("POST", "/v1/prices", {
        "product": "prod_starter", "currency": "usd", "unit_amount": 1,
        "recurring[interval]": "month", "recurring[usage_type]": "metered",
        "recurring[meter]": storage})["id"]
    assert "bills another meter" in said(f"calls:{other},{year}")
    assert "is $0.0005, but $0.01 in PLANS_FILE" in said(
        f"{month},{year}", metered(tmp_path, calls="1"))
    place.ctl.refuses("stripe", "setup", STRIPE_METER_PRICES="calls:price_x")


def test_an_endpoint_is_updated(place, setup):
    setup("--secret-out", "-")
    id = account(place)[2][0]["id"]
    for fault in ({"disabled": "true"}, {"enabled_events[0]": "invoice.paid"}):
        place.stripe.call("POST", f"/v1/webhook_endpoints/{id}", fault)
        assert (URL, "missing") in setup("--dry-run", status=MISSING)[0]
        assert (URL, "changed") in setup()[0] and (URL, "there") in setup()[0]
    assert [one["id"] for one in account(place)[2]] == [id]


def test_an_endpoint_of_another_version_is_replaced(place, setup):
    place.stripe.webhook(URL, api_version="2023-10-16", enabled_events=["*"])
    assert (URL, "missing") in setup("--dry-run", status=MISSING)[0]
    assert (URL, "made") in setup("--secret-out", "-")[0]
    assert (URL, "there") in setup()[0] and len(account(place)[2]) == 2


def diagnose(place, states=("wrong", "skipped"), **env):
    """The checks of Stripe in these states, with their details."""
    done = place.ctl.run("doctor", "--json", **{"BASE_URL": BASE_URL, **env})
    checks = {one["check"]: one for one in json.loads(done.stdout)["checks"]
              if one["check"].startswith("stripe_") and one["check"] != "stripe_socket"}
    assert len(checks) == 11 and place.stripe.secret_key not in done.stdout + done.stderr
    assert all(one["cure"] for one in checks.values() if one["state"] == "wrong")
    return {name: one["detail"] for name, one in checks.items() if one["state"] in states}


@pytest.fixture(name="healthy")
def fixture_healthy(place):
    """An installation whose account at Stripe is complete."""
    place.stripe.webhook(URL, api_version=VERSION, enabled_events=["*"])
    assert diagnose(place) == {}
    return place


def test_the_doctor_checks_the_key(healthy):
    wrong = diagnose(healthy, STRIPE_SECRET_KEY="sk_test_another")
    assert "doesn't know the key" in wrong["stripe_key"]
    assert set(wrong) == {"stripe_key", "stripe_account", "stripe_prices", "stripe_meters",
                          "stripe_webhook", "stripe_portal"}
    said = healthy.ctl.run("doctor", STRIPE_SECRET_KEY="").stdout
    assert "stripe_socket" in said and "stripe_key" not in said and "stripe_parked" not in said


def test_the_doctor_accepts_a_restricted_key(healthy):
    healthy.stripe.fault("status", status=403, times="forever", method="GET",
                         path="/v1/(webhook_endpoints|billing_portal/configurations)", body="{}")
    assert diagnose(healthy) == {}


def test_the_doctor_checks_prices(healthy, tmp_path):
    def said(**env):
        wrong = diagnose(healthy, **env)
        assert set(wrong) == {"stripe_prices"}
        return wrong["stripe_prices"]

    rest = ",professional:price_p,professional:price_y"
    assert "no price price_none" in said(STRIPE_PRICES="starter:price_none" + rest)
    assert "starter has a price in PLANS_FILE, but none" in said(STRIPE_PRICES=rest)
    assert "is $29.00, but $39.00 in PLANS_FILE" in said(**plans(tmp_path, starter=3900))
    once = healthy.stripe.call("POST", "/v1/prices", {
        "product": "prod_starter", "currency": "usd", "unit_amount": 2900})["id"]
    assert "paid once" in said(STRIPE_PRICES=f"starter:{once}{rest}")
    healthy.stripe.call("POST", "/v1/prices/price_s", {"active": "false"})
    assert "price_s is archived" in said()


def test_the_doctor_warns_of_prices_that_clash(healthy):
    """A change of plan goes to the price at the same place of the other plan."""
    def warning(prices, **env):
        done = healthy.ctl.run("doctor", "--json", STRIPE_PRICES=prices, BASE_URL=BASE_URL, **env)
        found, = (one for one in json.loads(done.stdout)["checks"] if one["check"] == "stripe_prices")
        assert found["state"] in ("ok", "warning"), found
        return found["detail"] if found["state"] == "warning" else None

    def price(product, **more):
        return healthy.stripe.call("POST", "/v1/prices", {
            "product": f"prod_{product}", "currency": "usd", "unit_amount": 100,
            "recurring[interval]": "month", **more})["id"]

    old, year = price("starter"), price("starter", **{"recurring[interval]": "year"})
    both = "professional:price_p,professional:price_y"
    assert warning(f"starter:price_s,{both}") is None
    assert warning(f"starter:price_s,starter:{year},{both}") is None
    said = warning(f"starter:price_s,starter:{old},{both}")
    assert f"{old} (usd, month) and price_y (usd, year)" in said and "PLANS_FILE" in said
    # Behind the prices that PLANS_FILE lists there is room for older ones.
    assert warning(f"starter:price_s,starter:{year},starter:{old},{both}") is None
    euros = price("professional", currency="eur")
    assert f"price_s (usd, month) and {euros} (eur, month)" in warning(
        f"starter:price_s,{both},enterprise:{euros}")


def test_the_doctor_checks_the_endpoint(healthy):
    def said(**env):
        wrong = diagnose(healthy, **env)
        assert set(wrong) == {"stripe_webhook"}
        return wrong["stripe_webhook"]

    assert "isn't set" in said(STRIPE_WEBHOOK_SECRET="")
    assert "https://else.example/api/webhooks" in said(BASE_URL="https://else.example")
    healthy.stripe.webhook(URL, api_version=VERSION, enabled_events=["invoice.paid"])
    assert "doesn't send checkout.session.completed" in said()
    healthy.stripe.webhook(URL, api_version="2023-10-16", enabled_events=["*"])
    assert "version 2023-10-16" in said()
    healthy.stripe.webhook(URL, api_version="2027-01-01.fennel", enabled_events=["*"])
    assert "version 2027-01-01.fennel" in said()
    healthy.stripe.call("POST", "/v1/webhook_endpoints/we_command_line", {"disabled": "true"})
    assert "disabled" in said()


def test_the_doctor_takes_an_older_version_that_is_read(healthy):
    """An endpoint from before an update goes on; so do settings that name its version."""
    healthy.stripe.webhook(URL, api_version="2025-03-31.basil", enabled_events=["*"])
    checks = diagnose(healthy, states=("warning",))
    assert "in version 2025-03-31.basil and requests use 2026-10-28.endive" in \
        checks["stripe_webhook"]
    kept = {"STRIPE_API_VERSION": "2025-03-31.basil"}
    assert "stripe_webhook" not in diagnose(healthy, states=("warning",), **kept)
    assert diagnose(healthy, **kept) == {}


def test_the_doctor_says_how_a_checkout_is_opened(healthy):
    def said(**env):
        return diagnose(healthy, states=("ok", "warning"), **env)["stripe_checkout"]

    assert said() == (f"version {VERSION}, billing mode classic, promotion codes off, automatic "
                      "tax off, tax IDs off")
    assert said(STRIPE_BILLING_MODE="flexible", STRIPE_PROMOTION_CODES="on",
                STRIPE_AUTOMATIC_TAX="on", STRIPE_TAX_IDS="on") == (
        f"version {VERSION}, billing mode flexible, promotion codes on, automatic tax on, "
        "tax IDs on")
    assert "tested with 2025-03-31.basil to 2026-10-28.endive" in said(
        STRIPE_API_VERSION="2023-10-16")
    old = {"STRIPE_API_VERSION": "2025-03-31.basil", "STRIPE_BILLING_MODE": "flexible"}
    assert "needs STRIPE_API_VERSION 2025-06-30.basil" in healthy.ctl.run("doctor", **old).stdout


def test_the_doctor_checks_the_portal(healthy):
    healthy.stripe.restart()
    healthy.stripe.webhook(URL, api_version=VERSION, enabled_events=["*"])
    healthy.stripe.settings(portal_configured=False)
    assert "never saved" in diagnose(healthy)["stripe_portal"]
    done = healthy.ctl.run("stripe", "setup", "--dry-run", BASE_URL=BASE_URL)
    assert done.returncode == MISSING and "dashboard" in done.stdout


def test_the_doctor_checks_stored_events(healthy):
    healthy.sql("INSERT INTO stripe_events (event_id, type, livemode, received_at, origin, state, "
                "error, finished_at) VALUES ('evt_live', 'invoice.paid', true, now(), 'webhook', "
                "'ignored', 'other_mode', now()), ('evt_bad', 'invoice.paid', false, now(), "
                "'webhook', 'parked', 'unknown_customer', now()); UPDATE stripe_sweeps SET "
                "complete_to = now() - interval '3 hours' WHERE name = 'events'")
    wrong = diagnose(healthy)
    assert set(wrong) == {"stripe_mode", "stripe_parked", "stripe_sweeps"}
    assert "evt_live is of the live mode" in wrong["stripe_mode"]
    assert "events 1, calls 0, meter events 0" in wrong["stripe_parked"]
    assert "events were last compared" in wrong["stripe_sweeps"]
    healthy.sql("UPDATE stripe_events SET received_at = now() - interval '2 days'; "
                "UPDATE stripe_sweeps SET complete_to = now() - interval '1 hour'")
    assert set(diagnose(healthy)) == {"stripe_parked"}
