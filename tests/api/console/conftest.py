"""The stack and the browser that the tests of the console share."""

import pytest

from support.browser import Browser
from support.client import expect
from support.payments import buy


@pytest.fixture(scope="package", name="place")
def fixture_place(new_stack):
    """A stack that sells, with a customer who pays and one who tries."""
    stack = new_stack(stripe=True, WEBHOOK_ALLOW="127.0.0.0/8")
    api = stack.api
    stack.payer, stack.trier = api.sign_up(company_name="Acme Corp"), api.sign_up(company_name="Bolt Ltd")
    buy(stack, stack.payer, "starter")
    for number in range(3):
        expect(stack.payer.client.post("/api/usage/report", {
            "customer_id": stack.payer.id, "instance_id": f"plant-{number}", "active_devices": number,
            "total_devices": 4, "metrics": {"api_calls": 100 * number}}), 201)
    yield stack
    stack.close()


@pytest.fixture(scope="package", name="window")
def fixture_window(place):
    """One browser for all tests."""
    made = Browser(place)
    yield made
    made.close()
