"""Fixtures: those of the API tests, and further ones for tests with faults."""

import importlib.util
import os
import random
import sys
from pathlib import Path

import pytest

API_TESTS = Path(__file__).resolve().parents[1] / "api"
sys.path.insert(0, str(API_TESTS))

from chaos.stripe import DEADLINE_SECONDS, SHOP, Books  # noqa: E402  pylint: disable=wrong-import-position

_spec = importlib.util.spec_from_file_location("api_conftest", API_TESTS / "conftest.py")
api_conftest = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(api_conftest)

SEED = api_conftest.SEED
new_stack = api_conftest.new_stack
stack = api_conftest.stack
stripe = api_conftest.stripe
figures = api_conftest.figures
pytest_configure = api_conftest.pytest_configure
pytest_report_header = api_conftest.pytest_report_header
pytest_terminal_summary = api_conftest.pytest_terminal_summary


@pytest.fixture
def rng(request):
    """A random generator for the test; the seed in the report's header repeats its choices."""
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture
def report(request, figures):
    """Prints the numbers that a test counted in the summary of the run."""
    def say(**counts):
        words = [f"{value} {name.replace('_', ' ')}" for name, value in counts.items()]
        figures[request.node.name] = ", ".join(words) + f" (seed {SEED})"
    return say


@pytest.fixture(scope="session")
def fault_seconds():
    """The duration of the longest test, in seconds."""
    return float(os.environ.get("FAULT_SECONDS", "60"))


@pytest.fixture(scope="module")
def stack(new_stack, request):
    """A stack for the tests of one file, whose STACK = {"WORKERS": 4} sets its settings."""
    made = new_stack(**getattr(request.module, "STACK", {}))
    yield made
    made.close()


@pytest.fixture(scope="session")
def shop(new_stack):
    """A stack with Stripe that the tests about Stripe share. Nothing is pending between them. A request that
    a test holds up at Stripe has the usual time, which a busy machine may need."""
    made = new_stack(**{**SHOP, "STRIPE_DEADLINE_MS": 1000 * DEADLINE_SECONDS})
    # Stripe tries to deliver an event for three days: longer than an outage here lasts.
    made.stripe.options["attempts"] = 20
    made.stripe.restart()
    yield made
    made.close()


@pytest.fixture(scope="session")
def all_books(shop):
    """The comparison of the shop with Stripe, kept open for the session."""
    made = Books(shop)
    yield made
    made.close()


@pytest.fixture
def books(shop, all_books):
    """The comparison of the shop with Stripe. Ends the faults and settings of the test."""
    yield all_books
    shop.stripe.let_go()
    shop.stripe.hold(False)
    shop.stripe.settings(after_retries="cancel")
