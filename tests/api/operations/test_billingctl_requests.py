"""billingctl as an operator's client of the API: each route has a command, which calls the route's own
handler under the name of the system's user."""

import csv
import getpass
import json
import re
import subprocess

import pytest

from support.client import expect
from support.payments import settled, subscription_of
from support.stack import ROOT, VARIANT, wait_for
from support.usage import at

BILLINGCTL = ROOT / "build" / VARIANT / "billingctl"
ACTOR = f"billingctl:{getpass.getuser()}"

# Routes without a command that is made of them, and the reason.
WITHOUT = {
    "GET /health": "doctor asks billingd on this host",
    "GET /health/ready": "doctor asks billingd on this host",
    "GET /metrics": "of one host's processes, for Prometheus",
    "GET /openapi.json": "for programs",
    "GET /.well-known/jwks.json": "keys list",
    "GET /.well-known/webhook-key": "webhooks add shows it",
    "GET /api/brand": "for pages; the file is BRAND_FILE",
    "GET /api/brand/logo": "for pages; the file is BRAND_FILE",
    "GET /api/brand/style.css": "for pages; the file is BRAND_FILE",
    "GET /api/licenses/public-key": "keys list",
    "GET /api/licenses/revocations": "license export",
    "POST /api/licenses/verify": "license verify, which needs no database",
    "POST /api/customers": "customer create, which writes the key to a file before it counts",
    "GET /api/customers": "customer list",
    "GET /api/customers/:customer_id": "customer show",
    "POST /api/customers/:customer_id/keys": "apikey create, like customer create",
    "GET /api/licenses/:customer_id": "license issue",
    "POST /api/webhooks/stripe": "Stripe calls it",
    "POST /api/session": "browsers call it; console link and customer link",
    "GET /api/operators": "operator list",
    "POST /api/operators": "operator create, which writes the key to a file before it counts",
    "DELETE /api/operators/:operator_key_id": "operator revoke, by name too",
    "GET /api/stripe/parked": "stripe events, stripe calls and stripe meters",
    "POST /api/stripe/parked/:parked_id/retry": "stripe retry",
    "POST /api/stripe/parked/:parked_id/dismiss": "stripe dismiss and stripe settle",
    "GET /api/stripe/unknown-prices": "stripe unknown",
    "PUT /api/stripe/prices/:price_id": "stripe map",
    "GET /api/session": "browsers call it",
    "DELETE /api/session": "browsers call it; session end",
    "POST /api/usage/report": "instances call it; usage import takes their files",
    "POST /api/usage/reports": "instances call it; usage import takes their files",
}

# Options with another name than their field, and those that are none.
FIELDS = {"why": "reason", "company": "company_name", "no-company": "company_name",
          "now": "at_period_end", "customer": "customer_id", "of-version": "version"}
NO_FIELDS = {"config", "json", "help", "version", "yes", "out", "csv", "follow", "idempotency-key"}


def ask(*words):
    """The output of billingctl without any settings."""
    return subprocess.run([BILLINGCTL, *words], text=True, check=True, env={},
                          stdout=subprocess.PIPE).stdout


COMMANDS = re.findall(r"^  ([a-z]+(?: [a-z]+)?)(?= )", ask("--help"), re.M)
HELP = {command: ask(*command.split(), "--help") for command in COMMANDS}
REQUESTS = {command: found[1] for command, text in HELP.items()
            if (found := re.search(r"^As ([A-Z]+ /\S+) of the API\.$", text, re.M))}


# The tables.

def test_every_route_has_a_command():
    routes = {" ".join(line.split()[:2]) for line in subprocess.run(
        [ROOT / "build" / VARIANT / "billingd", "--routes"], text=True, check=True,
        stdout=subprocess.PIPE).stdout.splitlines()}
    assert routes - set(REQUESTS.values()) == set(WITHOUT)
    assert set(REQUESTS.values()) <= routes
    assert len(set(REQUESTS.values())) == len(REQUESTS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples_that_can_be_given(command):
    examples = HELP[command].split("\nExample:\n")[1].splitlines()
    assert examples
    for example in examples:
        words = [word.strip("'\"") for word in re.findall(r"'[^']*'|\"[^\"]*\"|\S+", example)]
        assert words[0] == "billingctl" and " ".join(words[1:]).startswith(command)
        # With --help the words are read, and nothing is done.
        assert ask(*words[1:], "--help") == HELP[command]
        assert ("--yes" in words) == ("  --yes " in HELP[command])


@pytest.mark.parametrize("command", sorted(REQUESTS))
def test_every_option_and_argument_is_a_field_of_the_route(document, command):
    method, path = REQUESTS[command].split()
    example = re.sub(r":(\w+)", lambda found: "cust_" + "0" * 32 if found[1] == "customer_id"
                     else "x", path)
    operation = document.find(method, example)
    assert operation is not None
    known = {parameter["name"] for parameter in operation.parameters}
    if operation.body:
        known |= set(document.flat(operation.body)["properties"])
    used = set(re.findall(r"^  --([a-z-]+)", HELP[command], re.M)) - NO_FIELDS
    assert {FIELDS.get(name, name.replace("-", "_")) for name in used} <= known


# Against a stack.

@pytest.fixture(name="ctl")
def fixture_ctl(stack):
    """Runs a command with --json on the shared stack, which must succeed: its answer."""
    def run(*words):
        return json.loads(stack.billingctl(*words, "--json").stdout)
    return run


@pytest.fixture(name="refused")
def fixture_refused(stack):
    """Runs a command that must fail with this status and one line: the line."""
    def run(*words, status=1):
        done = stack.billingctl(*words, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1), done
        return done.stderr
    return run


def audited(stack, customer_id):
    """The actions about the customer that billingctl's user has done."""
    return stack.sql(f"SELECT action FROM audit_log WHERE customer_id = '{customer_id}' "
                     f"AND actor = '{ACTOR}' ORDER BY audit_id").split()


def changes(ctl, customer, action):
    """The values before and after the newest change of this kind."""
    entry = ctl("audit", "list", "--customer", customer.id, "--action", action)["entries"][0]
    return entry["before"], entry["after"]


def test_a_customer(stack, api, ctl, refused, tmp_path):
    customer = api.sign_up()
    mail = api.email()
    answer = ctl("customer", "update", customer.email, "--email", mail, "--company", "Bolt")
    assert (answer["customer"]["email"], answer["customer"]["company_name"]) == (mail, "Bolt")
    assert ctl("customer", "update", mail, "--no-company")["customer"]["company_name"] is None
    assert "--email" in refused("customer", "update", mail, "--email", "nonsense", status=2)
    assert "no such customer" in refused("customer", "update", "cust_" + "0" * 32)
    text = stack.billingctl("customer", "update", customer.id, "--company", "Nut").stdout
    assert re.search(r"^company_name +Nut$", text, re.M)

    exported = ctl("customer", "export", customer.id)
    assert exported["customer"]["email"] == mail and len(exported["keys"]) == 1
    path = tmp_path / "export.csv"
    expect(api.owner.post("/api/usage/report", {"customer_id": customer.id}), 201)
    assert stack.billingctl("customer", "export", mail, "--csv", "--out", path).stdout == ""
    assert [row["active_devices"] for row in csv.DictReader(path.open(encoding="utf-8"))] == ["0"]

    assert "--yes" in refused("customer", "delete", mail, status=2)
    assert api.owner.get(f"/api/customers/{customer.id}").json()["customer"]["email"] == mail
    assert ctl("customer", "delete", mail, "--yes")["customer_id"] == customer.id
    assert customer.client.get(f"/api/customers/{customer.id}").status_code == 401
    assert audited(stack, customer.id) == ["customer_update"] * 3 + ["customer_export"] * 2 + [
        "customer_delete"]


def test_api_keys(stack, api, ctl, refused, tmp_path):
    customer = api.sign_up()
    made = ctl("apikey", "create", customer.email, "--name", "agent", "--scopes", "license,usage")
    client = api.keyed(made["api_key"])
    expect(client.get(f"/api/licenses/{customer.id}"), 200)
    expect(client.get(f"/api/customers/{customer.id}"), 403, "scope_missing")
    keys = ctl("apikey", "list", customer.id)["keys"]
    assert (keys[0]["key_id"], keys[0]["name"]) == (made["key_id"], "agent")
    table = stack.billingctl("apikey", "list", customer.id).stdout
    assert table.splitlines()[0].split()[:2] == ["key_id", "name"]
    assert "license, usage" in table and made["api_key"] not in table
    assert changes(ctl, customer, "key_create") == (
        None, {"role": "customer", "scopes": ["license", "usage"]})
    assert "--scopes" in refused("apikey", "create", customer.id, "--scopes", "all", status=2)
    path = tmp_path / "key"
    filed = ctl("apikey", "create", customer.id, "--key-out", str(path))
    assert filed["key_file"] == str(path) and "api_key" not in filed
    stack.secrets.add(path.read_text(encoding="ascii").strip())
    assert ctl("apikey", "revoke", customer.email, made["key_id"])["key_id"] == made["key_id"]
    expect(client.get(f"/api/licenses/{customer.id}"), 401, "unauthenticated")
    assert "no such" in refused("apikey", "revoke", customer.id, "key_" + "0" * 24)
    assert "KEY_ID is missing" in refused("apikey", "revoke", customer.id, status=2)
    assert audited(stack, customer.id) == ["key_create", "key_create", "key_revoke"]


def test_a_subscription(stack, api, ctl, refused):
    customer = api.sign_up()
    assert ctl("subscription", "show", customer.email) == expect(
        api.owner.get(f"/api/subscriptions/{customer.id}"), 200)
    assert "already" in refused("subscription", "trial", customer.id)
    assert "PLAN" in refused("subscription", "checkout", customer.id, "nonsense", status=2)
    assert "PLAN is missing" in refused("subscription", "checkout", customer.id, status=2)

    bought = ("subscription", "checkout", customer.email, "professional", "--interval", "month")
    link, same = (ctl(*bought, "--idempotency-key", customer.id) for _ in range(2))
    assert link == same and link["checkout_url"].startswith("http")
    assert link["checkout_url"] in stack.billingctl(*bought, "--idempotency-key",
                                                    customer.id).stdout
    stack.stripe.complete(link["session_id"])
    settled(stack, customer.id)
    assert subscription_of(customer.client, customer.id)["plan"] == "professional"

    seen = ctl("subscription", "preview", customer.id, "enterprise", "--interval", "month")
    assert seen["amount_due"] > 0
    table = stack.billingctl("subscription", "preview", customer.id, "enterprise").stdout
    assert table.splitlines()[0].split() == ["amount", "proration", "description"]
    changed = ctl("subscription", "change", customer.id, "enterprise", "--interval", "month",
                  "--proration-at", seen["proration_at"])
    assert changed["subscription"]["plan"] == "enterprise" and changed["license"]
    # Invoices come as events. Other differences that Stripe tells of may be recorded meanwhile.
    settled(stack, customer.id)
    entries = ctl("audit", "list", "--customer", customer.id, "--action", "subscription_sync")["entries"]
    assert ("professional", "enterprise") in [(row["before"]["plan"], row["after"]["plan"])
                                              for row in entries if row["before"] and row["after"]]
    invoices = ctl("invoice", "list", customer.id, "--limit", "1")
    assert len(invoices["invoices"]) == 1 and invoices["next_cursor"]
    rest = ctl("invoice", "list", customer.id, "--cursor", invoices["next_cursor"])
    assert rest["invoices"] and rest["invoices"][0] != invoices["invoices"][0]
    assert re.search(r"^next_cursor +\S+$", stack.billingctl(
        "invoice", "list", customer.id, "--limit", "1").stdout, re.M)
    assert ctl("subscription", "portal", customer.id)["portal_url"].startswith("http")

    assert "--yes" in refused("subscription", "cancel", customer.id, status=2)
    assert ctl("subscription", "cancel", customer.id, "--at-period-end", "--yes")[
        "effective"] == "period_end"
    assert not ctl("subscription", "resume", customer.id)["subscription"]["cancel_at_period_end"]
    assert ctl("subscription", "cancel", customer.id, "--now", "--yes")["effective"] == "now"
    settled(stack, customer.id)
    assert {"checkout", "portal", "subscription_cancel"} <= set(audited(stack, customer.id))


def test_contracts(stack, api, ctl, refused):
    customer = api.sign_up()
    terms = ("contract", "create", customer.email, "enterprise", "--billing", "manual",
             "--ends-at", "2040-01-01T00:00:00Z", "--features", "maxDevices=2000",
             "--overage", "maxDevices=1.1", "--price",
             "amount_minor=120000,currency=eur,interval=year")
    assert ctl(*terms, "--dry-run")["dry_run"] is True
    assert ctl("contract", "list", customer.id)["contracts"] == []
    contract = ctl(*terms)["contract"]
    assert (contract["features"], contract["overage"], contract["price"]["currency"]) == (
        {"maxDevices": 2000}, {"maxDevices": 1.1}, "eur")
    assert "another contract" in refused(*terms)
    amend = ("contract", "amend", customer.id, contract["contract_id"], "--note", "called twice")
    assert "--of-version" in refused(*amend, status=2)
    assert ctl(*amend, "--of-version", "1")["contract"]["version"] == 2
    assert "since that version" in refused(*amend, "--of-version", "1")
    table = stack.billingctl("contract", "list", customer.id).stdout
    assert re.search(rf"^{contract['contract_id']} +active +enterprise", table, re.M)
    end = ("contract", "end", customer.id, contract["contract_id"], "--why", "moves")
    assert "--yes" in refused(*end, status=2)
    assert ctl(*end, "--dry-run")["contract"]["status"] == "canceled"
    assert ctl(*end, "--yes")["contract"]["end_reason"] == "moves"
    assert [action for action in audited(stack, customer.id) if action.startswith("contract_")] == [
        "contract_create", "contract_amend", "contract_end"]


def test_licences(stack, api, ctl, refused):
    customer = api.sign_up()
    rotated = ctl("license", "rotate", customer.email)
    assert rotated["license"] != customer.license
    assert rotated["license"] in stack.billingctl("license", "issue", customer.id).stdout
    listed = ctl("license", "list", customer.id)["licenses"]
    assert [bool(row["revoked_at"]) for row in listed] == [False, True]
    assert "--yes" in refused("license", "revoke", customer.id, status=2)
    ctl("license", "revoke", customer.id, "--why", "charged back", "--yes")
    assert {row["revoke_reason"] for row in ctl("license", "list", customer.id)["licenses"]} == {
        "rotated", "charged back"}
    assert audited(stack, customer.id)[:2] == ["license_rotate", "license_revoke"]


def test_instances_and_usage(stack, api, ctl, refused):
    customer = api.sign_up()
    made = ctl("instance", "activate", customer.email, "plant-7", "--lease-hours", "5")
    assert (made["instance"]["instance_id"], made["instance"]["state"]) == ("plant-7", "active")
    assert "--lease-hours" in refused("instance", "activate", customer.id, "x", "--lease-hours",
                                      "many", status=2)
    moved = ctl("instance", "transfer", customer.id, "plant-7", "--to", "plant-8")["instance"]
    assert moved["instance_id"] == "plant-8"
    moved = ctl("instance", "transfer", customer.id, "plant-8", "--to", "plant-7")["instance"]
    assert moved["lease_expires_at"] == made["instance"]["lease_expires_at"]
    assert "--to" in refused("instance", "transfer", customer.id, "plant-7", status=2)
    assert ctl("instance", "activate", customer.id, "plant-7", "--kind", "staging")["instance"][
        "kind"] == "staging"
    assert len(ctl("instance", "list", customer.id)["instances"]) == 2
    moment = at(minutes=1)  # both are of one day
    for devices in (1, 2):
        report = expect(api.owner.post("/api/usage/report", {
            "customer_id": customer.id, "instance_id": "plant-7", "active_devices": devices,
            "total_devices": 9, "reported_at": moment}), 201)["report"]
    assert ctl("usage", "latest", customer.id)["report"]["id"] == report["id"]
    corrected = ctl("usage", "correct", customer.id, str(report["id"]), "--active-devices", "3",
                    "--why", "counted twice")["report"]
    assert (corrected["corrects"], corrected["active_devices"]) == (report["id"], 3)
    assert [values["active_devices"] for values in changes(ctl, customer, "usage_correct")] == [2, 3]
    assert "--why" in refused("usage", "correct", customer.id, str(report["id"]), status=2)
    listed = ctl("usage", "list", customer.id, "--instance-id", "plant-7", "--limit", "2")
    assert len(listed["reports"]) == 2 and listed["next_cursor"]
    assert len(ctl("usage", "days", customer.id)["days"]) == 1
    shown, answer = ctl("usage", "limits", customer.id), expect(
        api.owner.get(f"/api/usage/{customer.id}/limits"), 200)
    assert {**shown, "counted_until": answer["counted_until"]} == answer
    for words in (("usage", "list"), ("usage", "days"), ("usage", "limits"), ("instance", "list")):
        assert len(stack.billingctl(*words, customer.id).stdout.splitlines()) > 1
    assert ctl("instance", "release", customer.id, "plant-7")["instance"]["state"] == "released"
    assert "--yes" in refused("usage", "cleanup", status=2)
    assert ctl("usage", "cleanup", "--days", "36500", "--yes")["deleted"] == 0
    assert audited(stack, customer.id) == [
        "instance_activate", "instance_transfer", "instance_transfer", "instance_kind",
        "usage_correct", "instance_release"]


def test_entitlements_and_overrides(stack, api, ctl, refused):
    customer = api.sign_up()
    words = ("override", "set", customer.email, "--features", "maxDevices=80", "--limits",
             "maxUsers=null", "--why", "trade fair")
    tried = ctl(*words, "--dry-run")
    assert tried["dry_run"] and tried["entitlements"]["features"]["maxDevices"]["value"] == 80
    assert ctl("override", "show", customer.id)["overrides"] is None
    ctl(*words, "--expires-at", "2099-01-01T00:00:00Z")
    assert ctl("override", "show", customer.id)["overrides"]["limits"] == {"maxUsers": None}
    assert ctl("entitlement", "show", customer.id) == expect(
        api.owner.get(f"/api/customers/{customer.id}/entitlements"), 200)
    table = stack.billingctl("entitlement", "show", customer.id).stdout
    assert re.search(r"^maxDevices +80 +override ", table, re.M)
    assert re.search(r"^maxUsers +- +override ", table, re.M)
    assert "--features maxDevices must" in refused(
        "override", "set", customer.id, "--features", "maxDevices=x", "--why", "y", status=2)
    assert "--why" in refused("override", "set", customer.id, status=2)
    listed = stack.billingctl("audit", "list", "--customer", customer.id, "--action",
                              "override_set").stdout
    assert 'features={"maxDevices": 80}' in listed and ACTOR in listed
    assert ctl("override", "set", customer.id, "--why", "over")["overrides"] is None


def test_webhooks(stack, ctl, refused):
    made = ctl("webhooks", "add", "https://receiver.invalid/hook", "--types", "payment.failed",
               "--description", "CRM")
    endpoint = made["endpoint"]["endpoint_id"]
    assert made["secret"].startswith("whsec_") and made["public_key"].startswith("whpk_")
    assert "types" in refused("webhooks", "add", "https://receiver.invalid/", "--types", "x", status=2)
    assert "WEBHOOK_ALLOW" in refused("webhooks", "add", "https://127.0.0.1/", status=2)
    # Events of other tests may be counted in one of the two.
    wait_for(lambda: ctl("webhooks", "show", endpoint)["endpoint"] == ctl("webhooks", "list")["endpoints"][0])
    assert re.search(rf"^{endpoint} +https://receiver.invalid/hook +payment.failed +yes",
                     stack.billingctl("webhooks", "list").stdout, re.M)
    changed = ctl("webhooks", "change", endpoint, "--enabled", "false", "--types", "*")["endpoint"]
    assert (changed["enabled"], changed["disabled_reason"], changed["types"]) == (
        False, "operator", ["*"])
    assert "disabled" in refused("webhooks", "test", endpoint)
    assert ctl("webhooks", "enable", endpoint)["state"] == "enabled"
    rotated = ctl("webhooks", "rotate", endpoint)
    assert rotated["secret"] != made["secret"] and rotated["endpoint"]["old_secret_until"]
    sent = ctl("webhooks", "test", endpoint)["delivery"]
    assert sent["type"] == "endpoint.test"
    assert ctl("webhooks", "replay", endpoint, "--from", "2020-01-01T00:00:00Z", "--to",
               "2020-01-02T00:00:00Z")["replayed"] == 0
    assert "no such event" in refused("webhooks", "replay", endpoint, "--event-id", "evt_x")
    assert sent["event_id"] in {row["event_id"] for row in ctl(
        "webhooks", "deliveries", endpoint)["deliveries"]}
    assert "--yes" in refused("webhooks", "remove", endpoint, status=2)
    assert ctl("webhooks", "remove", endpoint, "--yes")["endpoint_id"] == endpoint
    assert "no such" in refused("webhooks", "show", endpoint)


def test_plans(stack, api, ctl, tmp_path):
    assert ctl("plans", "list") == api.nobody.get("/api/plans").json()
    table = stack.billingctl("plans", "list").stdout
    assert re.search(r"^professional +Professional +\$99\.00 a month ", table, re.M)
    plans = json.loads((ROOT / "conf/plans.json").read_text(encoding="utf-8"))
    del plans["plans"][0]["price"]
    plans["plans"][0]["prices"] = [{"amount_minor": 7500, "currency": "eur", "interval": "month", "interval_count": 3},
                                   {"amount_minor": 30000, "currency": "jpy", "interval": "year"}]
    path = tmp_path / "plans.json"
    path.write_text(json.dumps(plans), encoding="utf-8")
    table = stack.billingctl("plans", "list", env={"PLANS_FILE": str(path)}).stdout
    assert re.search(r"^starter +Starter +75\.00 EUR every 3 months, 30000 JPY a year ", table, re.M)


def test_pages_of_customers(api, ctl):
    made = [api.sign_up().answer["customer"] for _ in range(2)]
    # The clocks of two workers may be milliseconds apart.
    ids = [one["customer_id"] for one in sorted(made, key=lambda one: (one["created_at"], one["customer_id"]))]
    first = ctl("customer", "list", "--limit", "1")
    rest = ctl("customer", "list", "--cursor", first["next_cursor"])
    assert [row["customer_id"] for row in first["customers"] + rest["customers"]][:2] == ids[::-1]


def test_without_stripe_a_command_says_so(stack, api, ctl, refused, monkeypatch):
    customer = api.sign_up()
    monkeypatch.setattr(stack, "env", {name: value for name, value in stack.env.items()
                                       if not name.startswith("STRIPE_")})
    assert "Payments are not set up" in refused("subscription", "checkout", customer.id,
                                                "starter")
    # A trial is cancelled without Stripe.
    assert ctl("subscription", "cancel", customer.id, "--yes")["effective"] == "now"
