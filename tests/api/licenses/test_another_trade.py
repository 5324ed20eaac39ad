"""A plans.json with nothing of the shipped one in it: seats, projects, regions; euros and yen."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import jwt
import pytest

from support.client import expect
from support.stack import ROOT, VARIANT, wait_for

TRADE = json.loads((ROOT / "tests/support/another-trade.json").read_text(encoding="utf-8"))
PLANS = {plan["plan"]: plan for plan in TRADE["plans"]}
LIMITS = ("seats", "projects", "storageGb")


@pytest.fixture(scope="module")
def trade(new_stack, tmp_path_factory):
    """A stack with these plans, in a file of its own."""
    folder = tmp_path_factory.mktemp("trade")
    for place in (folder, folder.parent, folder.parent.parent):
        place.chmod(0o755)
    path = folder / "plans.json"
    path.write_text(json.dumps(TRADE), encoding="utf-8")
    made = new_stack(PLANS_FILE=path)
    made.plans_file = path
    yield made
    made.close()


def buy(stack, customer, plan):
    """Makes the customer's subscription as a payment would; the licence after it."""
    stack.sql(f"UPDATE subscriptions SET plan = '{plan}', status = 'active', version = version + 1, "
              f"current_period_ends_at = '2035-02-15' WHERE customer_id = '{customer.id}'")
    return expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)["license"]


def read(token):
    return jwt.decode(token, options={"verify_signature": False})


def limits_of(terms):
    """The limits of a plan in its licence: one that the plan does not name has no bound."""
    return {name: terms["limits"].get(name) for name in LIMITS}


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


def test_licenses_of_every_plan_in_every_language(trade, tmp_path):
    """Each plan's licence says what the file says, and each recipe takes it."""
    customer = trade.api.sign_up()
    tokens = {"the trial": customer.license}
    claims = read(customer.license)
    assert claims["features"] == TRADE["trial"]["features"]
    assert claims["limits"] == limits_of(TRADE["trial"])
    for plan, terms in PLANS.items():
        tokens[plan] = buy(trade, trade.api.sign_up(), plan)
        claims = read(tokens[plan])
        assert claims["plan"] == plan and claims["features"] == terms["features"]
        assert list(claims["features"]) == list(terms["features"])
        assert claims["limits"] == limits_of(terms)
    path = tmp_path / "licenses.json"
    path.write_text(json.dumps(vectors_of(trade, tokens)), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, ROOT / "tests/recipes/run.py", ROOT / "build" / VARIANT, "--licenses", path,
         *(["--all"] if os.environ.get("FULL") == "1" else [])],
        text=True, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("7 verdicts") >= 4, done.stdout


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


def doctor(stack):
    checks = json.loads(stack.billingctl("doctor", "--json", check=False).stdout)["checks"]
    return {check["check"]: check for check in checks}["plans_in_force"]


def test_a_changed_file(trade, tmp_path):
    """Before the reload the operator sees who gains and loses what; after it licences follow, and a
    plan that the file lost still licences its customers."""
    api = trade.api
    studio, agency = api.sign_up(), api.sign_up()
    buy(trade, studio, "studio")
    trade.sql("UPDATE subscriptions SET addons = '{\"extra_projects\": 2, \"sign_on\": 1}', "
              f"version = version + 1 WHERE customer_id = '{studio.id}'")
    before = read(buy(trade, agency, "agency"))
    assert diff(trade)["plans"] == [] and doctor(trade)["state"] == "ok"
    path = tmp_path / "plans.json"
    path.write_text(json.dumps(changed()), encoding="utf-8")
    found = {row["plan"]: row for row in diff(trade, str(path), status=3)["plans"]}
    assert set(found) == {"studio", "agency", "+extra_projects", "+sign_on"}
    assert (found["+extra_projects"]["loses"], found["+sign_on"]["loses"]) == (
        "projects 10 -> 5", "sso true -> nothing")
    assert found["+extra_projects"]["customers"] == found["+sign_on"]["customers"] == 1
    assert found["studio"]["loses"] == 'region "eu-west" -> "eu-north", seats 5 -> 3'
    assert found["studio"]["gains"] == 'region "eu-west" -> "eu-north", projects 20 -> 30'
    assert found["agency"]["loses"] is None and found["agency"]["customers"] >= 1
    named = diff(trade, str(path), "--customers", "--limit", "1000", status=3)["customers"]
    assert {(row["customer_id"], row["plan"]) for row in named} >= {
        (studio.id, "studio"), (agency.id, "agency"), (studio.id, "+sign_on")}
    trade.plans_file.write_text(json.dumps(changed()), encoding="utf-8")
    assert doctor(trade)["state"] == "warning"
    os.kill(int(trade.pid_file.read_text(encoding="ascii")), signal.SIGHUP)

    def limits():
        token = expect(studio.client.get(f"/api/licenses/{studio.id}"), 200)["license"]
        return read(token)["limits"]

    wait_for(lambda: limits()["seats"] == 3)
    assert limits()["projects"] >= 30
    token = expect(agency.client.get(f"/api/licenses/{agency.id}"), 200)["license"]
    assert read(token)["plan"] == "agency"
    assert (read(token)["features"], read(token)["limits"]) == (before["features"],
                                                                before["limits"])
    kept = [row for row in diff(trade, status=3)["plans"] if row["plan"] != "+sign_on"]
    assert kept == [{"plan": "agency", "customers": found["agency"]["customers"],
                                     "change": "removed, its customers keep it", "loses": None,
                                     "gains": None}]
    warned = doctor(trade)
    assert warned["state"] == "warning" and "agency" in warned["detail"]
    assert trade.sql("SELECT actor || ' ' || subject || ': ' || detail FROM audit_log "
                     "WHERE action = 'plan_change' AND subject = 'studio'") == \
        'system:plans studio: region "eu-west" -> "eu-north", seats 5 -> 3, projects 20 -> 30'


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
