"""A plans.json with nothing of the shipped one in it: seats, projects, regions; euros and yen."""

import json
import os
import re
import subprocess
import sys
import time

import jwt
import pytest

from support.client import expect
from support.drive import Sold, check_driven, drive
from support.payments import ask, buy, charged, restart, sell, settled, subscription_of
from support.stack import ROOT, VARIANT, wait_for

TRADE = json.loads((ROOT / "tests/support/another-trade.json").read_text(encoding="utf-8"))
PLANS = {plan["plan"]: plan for plan in TRADE["plans"]}
LIMITS = ("seats", "projects", "storageGb")
SOLD = Sold("solo", "studio", "on_premises", {"exportsDaily": 80}, {"seats": None},
            {"renders": 5, "storage_gb": 3})


@pytest.fixture(scope="module")
def trade(new_stack, tmp_path_factory):
    """A stack that sells these plans, in a file of its own."""
    folder = tmp_path_factory.mktemp("trade")
    for place in (folder, folder.parent, folder.parent.parent):
        place.chmod(0o755)
    path = folder / "plans.json"
    path.write_text(json.dumps(TRADE), encoding="utf-8")
    made = new_stack(stripe=True, PLANS_FILE=path, STRIPE_PRICES="")
    made.plans_file = path
    sell(made)
    yield made
    made.close()


def license_of(customer):
    return expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)["license"]


def read(token):
    return jwt.decode(token, options={"verify_signature": False})


def values(token):
    """Features and limits of the licence, each in the licence's order."""
    claims = read(token)
    return list(claims["features"].items()), claims["limits"]


def limits_of(terms):
    """The limits of a plan in its licence: one that the plan does not name has no bound, and one of
    which seats are sold has that of one seat."""
    limits = {name: terms["limits"].get(name) for name in LIMITS}
    return limits | ({terms["quantity"]: terms["per"]} if "quantity" in terms else {})


def prices_of(sold):
    """The prices of a plan or add-on: none is on request."""
    return sold.get("prices") or [price for price in [sold["price"]] if price]


def snake(values):
    return {re.sub("([A-Z])", lambda found: "_" + found[0].lower(), name): value
            for name, value in values.items()}


def test_offer(trade):
    """GET /api/plans shows all of the file."""
    offered = expect(trade.api.nobody.get("/api/plans"), 200)
    assert [plan["plan"] for plan in offered["plans"]] == list(PLANS)
    for plan in offered["plans"]:
        assert plan["features"] == snake(PLANS[plan["plan"]]["features"])
        assert plan["limits"] == snake(limits_of(PLANS[plan["plan"]]))
    assert offered["trial"]["features"] == snake(TRADE["trial"]["features"])
    assert offered["trial"]["limits"] == {"seats": 1, "projects": 3, "storage_gb": 1}


def test_the_document_describes_it(trade, document):
    """Whatever plans.json names, a client that was generated from the document sends it and takes it."""
    check_driven(document, drive(trade.api, trade, SOLD))


def vectors_of(stack, tokens):
    """The licences in the form of tests/vectors/licenses.json."""
    nobody = stack.api.nobody
    return {
        "issuer": stack.base_url, "leeway_s": 120, "grace_days": 30, "instance": "",
        "pem": expect(nobody.get("/api/licenses/public-key"), 200)["public_key"],
        "jwks": expect(nobody.get("/.well-known/jwks.json"), 200),
        "revocations": expect(nobody.get("/api/licenses/revocations"), 200)["revocations"],
        "vectors": [{"name": name, "token": token, "now": int(time.time()), "verdict": "valid",
                     "reason": "license_valid", "jti": read(token)["jti"]}
                    for name, token in tokens.items()]}


def paid(stack, plan, price):
    """The licence of a new customer who buys one of the plan at the price."""
    customer = stack.api.sign_up()
    bought = buy(stack, customer, plan, currency=price["currency"], interval=price["interval"])
    assert (bought["currency"], bought["interval"]) == (price["currency"], price["interval"])
    assert charged(stack, customer) == price["amount_minor"]
    token = license_of(customer)
    assert read(token)["plan"] == plan
    assert values(token) == (list(PLANS[plan]["features"].items()), limits_of(PLANS[plan]))
    return token


def agreed(stack, plan):
    """The licence of a new customer with a contract for a plan without a price."""
    customer = stack.api.sign_up()
    expect(stack.api.owner.post(f"/api/customers/{customer.id}/contracts", {
        "plan": plan, "billing": "manual", "ends_at": "2035-02-15T00:00:00Z"}), 201)
    token = license_of(customer)
    assert values(token) == (list(PLANS[plan]["features"].items()), limits_of(PLANS[plan]))
    return token


def with_addons(stack):
    """The licences of customers who buy seats and add-ons, in euros and in yen."""
    euros, yen = stack.api.sign_up(), stack.api.sign_up()
    addons = {"extra_projects": 2, "sign_on": 1, "phone": 1}
    refused = ask(yen.client, "checkout", yen.id, plan="crew", currency="jpy", addons=addons)
    assert [one["field"] for one in expect(refused, 400, "invalid_request")["details"]] == [
        "addons.sign_on", "addons.phone"]  # in euros alone
    buy(stack, euros, "crew", quantity=7, currency="eur", addons=addons)
    buy(stack, yen, "crew", quantity=3, currency="jpy", addons={"extra_projects": 4})
    assert charged(stack, euros) == 7 * 2000 + 2 * 500 + 1900 + 4900
    assert charged(stack, yen) == 3 * 3300 + 4 * 800
    tokens = {"in euros": license_of(euros), "in yen": license_of(yen)}
    assert values(tokens["in euros"]) == (
        [("region", "eu-west"), ("sso", True), ("exportsDaily", 50), ("support", "phone")],
        {"seats": 7 * 5, "projects": 30 + 2 * 10, "storageGb": 100 + 10})
    assert values(tokens["in yen"]) == (
        [("region", "eu-west"), ("sso", False), ("exportsDaily", 50)],
        {"seats": 3 * 5, "projects": 30 + 4 * 10, "storageGb": 100})
    return tokens


def test_setup_makes_every_price(trade):
    made = {one["id"]: one for one in
            trade.stripe.call("GET", "/v1/prices", {"limit": 100})["data"]}
    for sold in (*TRADE["plans"], *TRADE["addons"]):
        prices = [made[one] for one in
                  trade.prices.get(sold.get("plan") or sold["addon"], [])]
        assert [(one["unit_amount"], one["currency"], one["recurring"]["interval"])
                for one in prices] == [(one["amount_minor"], one["currency"], one["interval"])
                                       for one in prices_of(sold)]


def test_licenses_of_every_plan_in_every_language(trade, tmp_path):
    """Each plan is paid at each of its prices. Its licence says what the file says, and each recipe
    takes it."""
    customer = trade.api.sign_up()
    tokens = {"the trial": customer.license}
    assert values(customer.license) == (list(TRADE["trial"]["features"].items()),
                                        limits_of(TRADE["trial"]))
    for plan, terms in PLANS.items():
        for number, price in enumerate(prices_of(terms)):
            tokens[f"{plan} {number}"] = paid(trade, plan, price)
        if not prices_of(terms):
            tokens[plan] = agreed(trade, plan)
    tokens.update(with_addons(trade))
    path = tmp_path / "licenses.json"
    path.write_text(json.dumps(vectors_of(trade, tokens)), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, ROOT / "tests/recipes/run.py", ROOT / "build" / VARIANT, "--licenses", path,
         *(["--all"] if os.environ.get("FULL") == "1" else [])],
        text=True, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(f" {len(tokens)} verdicts") >= 4, done.stdout


def changed():
    """The file with other terms: studio has fewer seats and more projects, agency is gone, and so is an
    add-on; another add-on gives less."""
    table = json.loads(json.dumps(TRADE))
    table["plans"] = [plan for plan in table["plans"] if plan["plan"] != "agency"]
    table["plans"][1]["limits"] = {"seats": 3, "projects": 30, "storageGb": 50}
    table["plans"][1]["features"]["region"] = "eu-north"
    table["addons"] = [addon for addon in table["addons"] if addon["addon"] != "sign_on"]
    table["addons"][0]["per"] = 5
    return table


def diff(stack, *arguments, status=0):
    done = stack.billingctl("plans", "diff", "--json", *arguments, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)


def having(stack, addon):
    """How many customers have the add-on."""
    return int(stack.sql(f"SELECT count(*) FROM subscriptions WHERE addons ? '{addon}'"))


def stop_selling(stack, *names):
    """Takes prices out of STRIPE_PRICES, whose plans and add-ons PLANS_FILE must have."""
    left = ",".join(f"{name}:{price}" for name, prices in stack.prices.items()
                    if name not in names for price in prices)
    stack.env["STRIPE_PRICES"] = left
    restart(stack, STRIPE_PRICES=left)


def doctor(stack):
    checks = json.loads(stack.billingctl("doctor", "--json", check=False).stdout)["checks"]
    return {check["check"]: check for check in checks}["plans_in_force"]


def test_a_changed_file(trade, tmp_path):
    """Before the reload the operator sees who gains and loses what; after it licences follow, and a
    plan or add-on that the file lost still licences its customers, whatever Stripe says since."""
    api = trade.api
    studio, agency = api.sign_up(), api.sign_up()
    buy(trade, studio, "studio", addons={"extra_projects": 2, "sign_on": 1})
    buy(trade, agency, "agency")
    before = read(license_of(agency))
    assert diff(trade)["plans"] == [] and doctor(trade)["state"] == "ok"
    path = tmp_path / "plans.json"
    path.write_text(json.dumps(changed()), encoding="utf-8")
    found = {row["plan"]: row for row in diff(trade, str(path), status=3)["plans"]}
    assert set(found) == {"studio", "agency", "+extra_projects", "+sign_on"}
    assert (found["+extra_projects"]["loses"], found["+sign_on"]["loses"]) == (
        "projects 10 -> 5", None)
    assert found["+sign_on"]["change"] == "removed, its customers keep it"
    for addon in ("extra_projects", "sign_on"):
        assert found["+" + addon]["customers"] == having(trade, addon)
    assert found["studio"]["loses"] == 'region "eu-west" -> "eu-north", seats 5 -> 3'
    assert found["studio"]["gains"] == 'region "eu-west" -> "eu-north", projects 20 -> 30'
    assert found["agency"]["loses"] is None and found["agency"]["customers"] >= 1
    named = diff(trade, str(path), "--customers", "--limit", "1000", status=3)["customers"]
    assert {(row["customer_id"], row["plan"]) for row in named} >= {
        (studio.id, "studio"), (agency.id, "agency"), (studio.id, "+sign_on")}
    assert read(license_of(studio))["features"]["sso"] is True
    stop_selling(trade, "agency", "sign_on")
    trade.plans_file.write_text(json.dumps(changed()), encoding="utf-8")
    assert doctor(trade)["state"] == "warning"
    trade.reload()

    def limits():
        return read(license_of(studio))["limits"]

    assert limits()["seats"] == 3 and limits()["projects"] >= 30
    after = read(license_of(agency))
    assert after["plan"] == "agency"
    assert (after["features"], after["limits"]) == (before["features"], before["limits"])
    assert diff(trade)["plans"] == [
        {"plan": plan, "customers": found[plan]["customers"],
         "change": "removed, its customers keep it", "loses": None, "gains": None}
        for plan in ("+sign_on", "agency")]
    # Stripe tells of the subscription again.
    expect(ask(studio.client, "upgrade", studio.id, new_plan="studio",
               addons={"extra_projects": 3}), 200)
    wait_for(lambda: limits()["projects"] == 30 + 3 * 5)
    assert read(license_of(studio))["features"]["sso"] is True
    stripe_id = subscription_of(studio.client, studio.id)["stripe_subscription_id"]
    trade.stripe.call("POST", f"/v1/subscriptions/{stripe_id}", {"metadata[note]": "again"})
    settled(trade, studio.id)
    assert subscription_of(studio.client, studio.id)["addons"] == {"extra_projects": 3, "sign_on": 1}
    expect(ask(studio.client, "upgrade", studio.id, new_plan="studio", addons={"sign_on": 2}),
           400, "invalid_request")
    expect(ask(studio.client, "upgrade", studio.id, new_plan="studio", addons={"sign_on": 0}),
           200)
    wait_for(lambda: read(license_of(studio))["features"].get("sso") is not True)
    warned = doctor(trade)
    assert warned["state"] == "warning" and "agency" in warned["detail"]
    said = trade.sql("SELECT actor || ' ' || subject || ': ' || detail FROM audit_log WHERE "
                     "action = 'plan_change' AND subject = 'studio' ORDER BY audit_id").splitlines()
    change, back = (f'system:plans studio: region {words}' for words in (
        '"eu-west" -> "eu-north", seats 5 -> 3, projects 20 -> 30',
        '"eu-north" -> "eu-west", seats 3 -> 5, projects 30 -> 20'))
    # A process that had the earlier file may have begun its work only during the reload, and recorded its terms.
    assert said[0] == said[-1] == change and set(said) <= {change, back}


def test_a_faulty_file(trade, tmp_path):
    """The message names line, plan, member and reason."""
    path = tmp_path / "plans.json"
    table = changed()
    table["plans"][3]["limits"]["seats"] = "many"
    path.write_text(json.dumps(table, indent=1), encoding="utf-8")
    done = trade.billingctl("plans", "diff", str(path), check=False)
    line = json.dumps(table, indent=1).split("\n").index('    "seats": "many",') + 1
    assert done.returncode == 1
    assert f"{path}: line {line}: campus-2026.limits.seats must be an integer" in done.stderr
