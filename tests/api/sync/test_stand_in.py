"""The stand-in for Stripe beside a stack, in tests and in `make run`."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import requests
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
    assert requests.get(session["checkout_url"], timeout=10).status_code == 200
    paid = requests.post(control, timeout=10, json={"session": session["session_id"]}, headers={
        "Authorization": "Bearer " + env_of(run)["STRIPE_CONTROL_TOKEN"]}).json()
    assert requests.get(paid["return_url"], verify=run.ca_cert, timeout=10).status_code == 200
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
        return requests.get(f"{env['STRIPE_API_BASE']}/v1/prices/{price}", timeout=10, headers={
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
    answer = requests.get(f"{stack.base_url}/health/ready", verify=stack.ca_cert, timeout=10)
    assert answer.json()["checks"]["stripe"]["detail"] != "is not configured"
    assert b"STRIPE_API_BASE" not in environ and b"STRIPE_PRICE" not in environ
