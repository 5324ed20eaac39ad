"""Fixtures: one stack that most tests share, and a maker of others."""

import atexit
import json
import os
import shutil
import tempfile

import hypothesis
import pytest

from support.chance import SEED
from support.document import load
from support.stack import (FOURTH_PRICE, PRICES, ROOT, VARIANT, Stack, four_plans, priced,
                           settings_of, wait_for)

hypothesis.settings.register_profile(
    "billing", deadline=None, max_examples=int(os.environ.get("FUZZ_EXAMPLES", "40")),
    database=None, print_blob=True, suppress_health_check=list(hypothesis.HealthCheck))
hypothesis.settings.load_profile("billing")


# pytest makes its folders in one that it closes to other users at the start of each session. billingd's user
# reads files of tests: so the folder is this session's own, as another session may start at any time.
if "PYTEST_DEBUG_TEMPROOT" not in os.environ:
    os.environ["PYTEST_DEBUG_TEMPROOT"] = tempfile.mkdtemp(prefix="billing-tests-")
    os.chmod(os.environ["PYTEST_DEBUG_TEMPROOT"], 0o755)
    atexit.register(shutil.rmtree, os.environ["PYTEST_DEBUG_TEMPROOT"], ignore_errors=True)


def pytest_configure():
    hypothesis.core.global_force_seed = SEED


def pytest_report_header():
    return f"billing: {VARIANT} build, BILLING_SEED={SEED}"


@pytest.fixture(scope="session")
def new_stack():
    """A maker of stacks with settings of their own: new_stack(PUBLIC_SIGNUP="on"), or with a
    stand-in for Stripe: new_stack(stripe=True). They live until the end of the session; one that
    is in the way can be closed earlier with close()."""
    made = []

    def make(stripe=False, through=(), **settings):
        stack = Stack(stripe, **settings)
        stack.through = through
        made.append(stack)
        return stack.start()

    yield make
    faults = []
    for stack in made:
        if stack.place.exists():
            try:
                stack.close()
            except AssertionError as fault:
                faults.append(str(fault))
    assert not faults, "\n".join(faults)


@pytest.fixture(scope="session")
def stack(new_stack):
    """The stack that tests share. A test must not depend on the other rows of its database."""
    return new_stack(stripe=True)


@pytest.fixture(scope="session")
def other_rules(new_stack, tmp_path_factory):
    """A stack that sells by the other choice of each setting, and a fourth plan. The prices of the
    plan professional are given by the older setting."""
    prices = {plan: PRICES[plan] for plan in ("starter", "enterprise")}
    plans = four_plans(tmp_path_factory.mktemp("four"), "starter", "professional")
    return new_stack(stripe=True, PLANS_FILE=plans,
                     STRIPE_PRICES=f"{settings_of(prices)},platinum:{FOURTH_PRICE}",
                     STRIPE_PRICE_PROFESSIONAL=",".join(
                         price for price, _ in PRICES["professional"].values()),
                     STRIPE_KEEP_TRIAL="on", STRIPE_DOWNGRADE="period_end",
                     SUBSCRIPTION_CANCEL="period_end", STRIPE_PAUSE_POLICY="keep",
                     STRIPE_REFUND_POLICY="revoke", STRIPE_DISPUTE_POLICY="period_end",
                     RETURN_URL_ORIGINS="https://app.example.com,http://localhost:3000")


@pytest.fixture(scope="session")
def bounded(new_stack, tmp_path_factory):
    """A stack with other plans: its trial covers three instances and one more, and 100 calls; its
    professional plan names meters of calls and of storage, enterprise one of calls. Its Stripe has
    them, with prices for each month and each year: `metered_prices` by meter and interval. The plans
    starter and professional list their yearly prices."""
    plans = json.loads((ROOT / "conf/plans.json").read_text(encoding="utf-8"))
    plans["trial"]["usage"] = {"max_instances": 3, "instance_overage": 1,
                               "metrics": {"api_calls": 100}}
    plans["plans"][1]["usage"] = {"meters": {"api_calls": "calls", "storage_mb": "storage"}}
    plans["plans"][2]["usage"] = {"max_instances": 2, "non_production": 1,
                                  "meters": {"api_calls": "calls"}}
    plans["meters"] = {"calls": {"amount_minor": "10", "currency": "usd"}}
    priced(plans, "starter", "professional")
    folder = tmp_path_factory.mktemp("plans")
    for place in (folder, folder.parent, folder.parent.parent):
        place.chmod(0o755)
    (folder / "plans.json").write_text(json.dumps(plans), encoding="utf-8")
    made = new_stack(stripe=True, PLANS_FILE=folder / "plans.json")
    made.meters = {name: made.stripe.call("POST", "/v1/billing/meters", {
        "display_name": name, "event_name": name, "default_aggregation[formula]": "sum"})["id"]
        for name in ("calls", "storage")}
    made.metered_prices = {(name, interval): made.stripe.call("POST", "/v1/prices", {
        "product_data[name]": name, "currency": "usd", "unit_amount": 10,
        "recurring[interval]": interval, "recurring[usage_type]": "metered",
        "recurring[meter]": meter})["id"]
        for name, meter in made.meters.items() for interval in ("month", "year")}
    made.settings["STRIPE_METER_PRICES"] = ",".join(
        f"{name}:{price}" for (name, _), price in made.metered_prices.items())
    for command in ("stop", "start"):
        made.script(command, "billingd")
    wait_for(lambda: made.api.owner.get("/api/customers", faults=True).status_code == 200)
    return made


@pytest.fixture
def stripe(stack):
    """The shared stack's stand-in, without faults again after the test."""
    yield stack.stripe
    stack.stripe.faults([])
    stack.stripe.hold(False)


@pytest.fixture
def api(stack):
    """Clients of the shared stack."""
    return stack.api


@pytest.fixture(scope="session")
def document():
    """The OpenAPI document."""
    return load()


FIGURES = {}


@pytest.fixture(scope="session")
def figures():
    """Counts that the summary shows: {"cells tested": 12}."""
    return FIGURES


def pytest_terminal_summary(terminalreporter):
    for name, value in sorted(FIGURES.items()):
        terminalreporter.write_line(f"{name}: {value}")
