"""The stand-in for Stripe beside a stack, in tests and in `make run`."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import requests
from support.client import expect
from support.stack import PRICES, ROOT, wait_for


def test_a_stack_for_tests_knows_its_stand_in(stack, stripe):
    """It has the prices, and its signed events arrive through nginx with TLS."""
    assert stack.env["STRIPE_API_BASE"] == stripe.url
    for sold in PRICES.values():
        for price, amount in sold.values():
            assert stripe.call("GET", f"/v1/prices/{price}")["unit_amount"] == amount
    made = stripe.call("POST", "/v1/customers", {"email": "jane@example.com"})
    event, = stripe.events("customer.created", made["id"])
    delivered = wait_for(lambda: [one for one in stripe.deliveries() if one["event"] == event["id"]])
    url = f"https://localhost:{stack.https_port}/api/webhooks/stripe"
    assert {(one["url"], one["status"]) for one in delivered} == {(url, 200)}


def env_of(stack):
    """The settings that the stack prints for shells."""
    words = shlex.split((stack.run_dir / "env").read_text(encoding="utf-8"), comments=True)
    return dict(word.split("=", 1) for word in words)


@pytest.fixture(scope="module")
def run(new_stack):
    """A stack as `make run` starts it."""
    return new_stack(STRIPE_STAND_IN="on")


def test_the_printed_commands_work(run, tmp_path):
    """The commands that `make run` prints lead from the sign-up to a paid licence."""
    commands = [line for line in run.said.splitlines()
                if line.startswith("    ") and not line.startswith("    http")]
    bought = next(i for i, line in enumerate(commands) if "/checkout" in line) + 1

    def shell(lines, folder=tmp_path):
        """The last line that the commands print; the customer's id is kept between them."""
        done = subprocess.run(["bash", "-euc", "\n".join(lines)], cwd=folder, text=True, check=True,
                              env={"PATH": "/usr/bin:/bin"}, capture_output=True)
        assert done.stderr == ""
        return json.loads(done.stdout.splitlines()[-1])

    session = shell(commands[:bought])
    control = env_of(run)["STRIPE_API_BASE"] + "/_control/complete"
    assert session["checkout_url"].startswith(env_of(run)["STRIPE_API_BASE"])
    assert requests.get(session["checkout_url"], timeout=60).status_code == 200
    paid = requests.post(control, timeout=60, json={"session": session["session_id"]}, headers={
        "Authorization": "Bearer " + env_of(run)["STRIPE_CONTROL_TOKEN"]}).json()
    assert requests.get(paid["return_url"], verify=run.ca_cert, timeout=60).status_code == 200
    before = [line for line in commands[:bought - 1] if "sign-up.json" not in line or "ID=" in line]
    read_license, read_subscription, move_clock, *operator = commands[bought:]

    def subscription():
        return shell(before + [read_subscription])["subscription"]

    wait_for(lambda: subscription()["plan"] == "professional")
    assert shell(before + [read_license])["plan"] == "professional"
    period_end = subscription()["current_period_ends_at"]
    shell(before + [move_clock])
    wait_for(lambda: subscription()["current_period_ends_at"] > period_end)
    # In the directory of `make run`, with only the printed commands.
    checks = shell([*operator[:-1], operator[-1] + " --json"], ROOT)["checks"]
    # The stand-in is not Stripe, which the doctor says.
    assert {check["check"]: check["state"] for check in checks if check["state"] != "ok"} == {
        "stripe_key": "warning"}


def test_make_run_starts_the_stand_in_without_a_key(run):
    """The stand-in keeps its address at a restart, and is not started when there is a key."""
    stack = run
    env = env_of(stack)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", env["STRIPE_API_BASE"])
    assert "stripe: running" in stack.script("status").stdout
    key = (stack.run_dir / "stripe/secret-key").read_text(encoding="ascii").strip()
    prices = [one.split(":") for one in env["STRIPE_PRICES"].split(",")]
    price = next(price for plan, price in prices if plan == "professional")

    def ask():
        return requests.get(f"{env['STRIPE_API_BASE']}/v1/prices/{price}", timeout=60, headers={
            "Authorization": f"Bearer {key}", "Stripe-Version": "2025-03-31.basil"}).json()

    assert ask()["unit_amount"] == 9900
    stack.script("stop", "stripe")
    assert "stripe: not running" in stack.script("status", check=False).stdout
    stack.script("start", "stripe")
    assert ask()["unit_amount"] == 9900
    assert "already running" in stack.script("start", check=False).stderr
    stack.script("stop", "stripe")
    assert "cleaning up after an earlier run" in stack.script("start").stdout
    assert ask()["unit_amount"] == 9900
    stack.stop()
    # An incomplete configuration is refused before anything is started.
    for name in ("STRIPE_API_BASE", "STRIPE_PRICES", "STRIPE_PRICE_STARTER",
                 "STRIPE_WEBHOOK_SECRET"):
        stack.settings[name] = "http://localhost:1"
        done = stack.script("start", check=False)
        assert done.returncode == 1 and f"{name} is set but STRIPE_SECRET_KEY is not" in done.stderr
        del stack.settings[name]
    # A real key must not be sent to the stand-in's address in the env file of an earlier run.
    stack.settings.update(STRIPE_SECRET_KEY="sk_test_51Real", **{
        name: value for name, value in env.items() if name.startswith("STRIPE_")})
    said = stack.script("start").stdout
    stack.running = True
    assert "stand-in" not in said
    assert "STRIPE_API_BASE" not in env_of(stack)
    assert "stripe" not in stack.script("status").stdout
    environ = Path(f"/proc/{stack.pids()[0]}/environ").read_bytes()
    assert b"sk_test_51Real" not in environ
    answer = requests.get(f"{stack.base_url}/health/ready", verify=stack.ca_cert, timeout=60)
    assert answer.json()["checks"]["stripe"]["detail"] != "is not configured"
    assert b"STRIPE_API_BASE" not in environ and b"STRIPE_PRICE" not in environ
    # A setting of the caller's own counts at each start.
    for name in env:
        stack.settings.pop(name, None)
    stack.settings.update(STRIPE_SECRET_KEY="sk_test_51Real", STRIPE_PRICE_STARTER="price_own")
    for _ in range(2):
        stack.script("stop")
        stack.script("start")
        assert b"STRIPE_PRICE_STARTER=price_own" in Path(f"/proc/{stack.pids()[0]}/environ").read_bytes()


def write_plans(path, *prices):
    """A table of plans of another trade, each plan at a price in euros a month and at ten times as much a year."""
    terms = {"features": {"region": "eu"}, "limits": {"pupils": 30}}

    def sold(amount):
        return [{"amount_minor": amount, "currency": "eur", "interval": "month"},
                {"amount_minor": 10 * amount, "currency": "eur", "interval": "year"}]

    path.write_text(json.dumps({
        "version": 1, "metrics": {"lessons": "sum"}, "trial": {"days": 30, "plan": prices[0][0], **terms},
        "meters": {"lesson_count": {"amount_minor": "0.5", "currency": "eur"}},
        "plans": [{"plan": plan, "name": plan.title(), "prices": sold(amount),
                   "usage": {"meters": {"lessons": "lesson_count"}},
                   **terms} for plan, amount in prices],
        "addons": [{"addon": "sso", "name": "Single sign-on", "prices": sold(500), "quantity": "pupils"}]}),
        encoding="utf-8")


def diagnose(stack):
    """The checks of doctor by name, with the settings of the env file and no others, as `make run` prints it."""
    done = subprocess.run([stack.build_dir / "billingctl", "doctor", "--json"], env=env_of(stack), check=False,
                          capture_output=True, text=True, timeout=120)
    return {check["check"]: check for check in json.loads(done.stdout)["checks"]}


def test_make_run_sells_the_plans_of_another_trade(new_stack, tmp_path):
    """The stand-in gets the prices and meters of PLANS_FILE, also after a restart with a changed one, and billingctl
    knows the settings of billingd."""
    for place in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        place.chmod(0o755)
    plans = tmp_path / "plans.json"
    write_plans(plans, ("class", 900), ("school", 19900))
    stack = new_stack(STRIPE_STAND_IN="on", PLANS_FILE=plans, LICENSE_TTL_DAYS=30, BRAND_FILE=ROOT / "conf/brand.json",
                      MAIL_FROM="It's us <billing@vendor.example>")
    assert '\\"plan\\": \\"class\\"' in stack.said

    def order(customer, **wanted):
        expect(customer.client.post("/api/subscriptions/checkout", {"customer_id": customer.id, **wanted}), 200)

    order(stack.api.sign_up(), plan="school")
    order(stack.api.sign_up(), plan="class", interval="year", addons={"sso": 2})
    env = env_of(stack)
    assert (env["PLANS_FILE"], env["LICENSE_TTL_DAYS"]) == (str(plans), "30")
    assert env["MAIL_FROM"] == "It's us <billing@vendor.example>"

    def only_the_stand_in_is_told():
        """The checks, once all but that of Stripe's address are content, as those of the jobs soon are."""
        found = diagnose(stack)
        return {name for name, check in found.items() if check["state"] != "ok"} == {"stripe_key"} and found
    found = wait_for(only_the_stand_in_is_told)
    assert "30 days" in found["license_life"]["detail"] and "1 named" in found["stripe_meters"]["detail"]
    write_plans(plans, ("class", 1000), ("university", 29900))
    stack.script("stop")
    stack.script("start")
    for part in ("stripe", "billingd"):
        order(stack.api.sign_up(), plan="university")
        assert diagnose(stack)["stripe_prices"]["state"] == "ok"
        stack.script("stop", part)
        stack.script("start", part)
        wait_for(lambda: stack.api.owner.get("/api/customers", faults=True).status_code == 200)
    order(stack.api.sign_up(), plan="class")
    # Without the stand-in billingd starts with the prices of the last start.
    for part in ("stripe", "billingd"):
        stack.script("stop", part)
    stack.script("start", "billingd")
    assert "university:" in env_of(stack)["STRIPE_PRICES"]
    stack.script("start", "stripe")
    wait_for(lambda: stack.api.owner.get("/api/customers", faults=True).status_code == 200)
    order(stack.api.sign_up(), plan="university")
    # The stand-in delivers to this machine, whatever the service is called. billingctl can read what billingd
    # reads from a file, and decides as billingd does where the stack has another default than billingd.
    stack.script("stop")
    password = tmp_path / "password"
    password.write_text("secret", encoding="utf-8")
    password.chmod(0o600)
    place = Path(env["KEYS_DIR"]).stat()
    os.chown(password, place.st_uid, place.st_gid)
    del stack.settings["SUBSCRIPTION_CANCEL"]
    stack.settings.update(BASE_URL="https://billing.example", SMTP_URL="smtp://localhost:1", SMTP_USER="billing",
                          SMTP_PASSWORD_FILE=str(password))
    stack.script("start")
    env = env_of(stack)
    assert (env["SMTP_PASSWORD_FILE"], env["SUBSCRIPTION_CANCEL"]) == (str(password), "period_end")
    assert "SMTP_PASSWORD" not in env and diagnose(stack)["stripe_prices"]["state"] == "ok"
