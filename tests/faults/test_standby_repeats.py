"""A repeated request may find its change made: the customer deleted, the key revoked, the address taken
by its own first try, the event stored. While no synchronous standby has that change, the repetition
is not answered, as the first request would not have been."""

import json

import pytest
from chaos.postgres import Postgres
from chaos.standby import NO_STANDBY, accepted, assert_refused, name_standby, standby_is_back
from support.payments import event
from support.webhook import signed

STACK = {"stripe": True, "WORKERS": 1, "STRIPE_WORKERS": 1, "DB_STATEMENT_TIMEOUT_MS": 500}


def sign_up(stack):
    body = {"email": stack.api.email()}
    return lambda: stack.api.owner.post("/api/customers", body, faults=True)


def delete_customer(stack):
    path = f"/api/customers/{stack.api.sign_up().id}"
    return lambda: stack.api.owner.delete(path, faults=True)


def revoke_key(stack):
    customer = stack.api.sign_up()
    _, key_id = stack.api.mint(customer)
    path = f"/api/customers/{customer.id}/keys/{key_id}"
    return lambda: customer.client.delete(path, faults=True)


def revoke_own_key(stack):
    customer = stack.api.sign_up()
    secret, key_id = stack.api.mint(customer)
    path = f"/api/customers/{customer.id}/keys/{key_id}"
    return lambda: stack.api.keyed(secret).delete(path, faults=True)


def revoke_license(stack):
    path = f"/api/licenses/{stack.api.sign_up().id}/revoke"
    return lambda: stack.api.owner.post(path, {"reason": "test"}, faults=True)


def cancel_trial(stack):
    customer = stack.api.sign_up()
    body = {"customer_id": customer.id}
    return lambda: customer.client.post("/api/subscriptions/cancel", body, faults=True)


def receive_event(stack):
    body = json.dumps(event()).encode()
    return lambda: stack.api.nobody.request(
        "POST", "/api/webhooks/stripe", data=body, headers=signed(body, stack.webhook_secret),
        faults=True)


# The status of the first answer and of the second.
CHANGES = [(sign_up, 201, 409), (delete_customer, 200, 404), (revoke_key, 200, 404),
           (revoke_own_key, 200, 401), (revoke_license, 200, 200), (cancel_trial, 200, 409),
           (receive_event, 200, 200)]


@pytest.fixture
def postgres(stack):
    """The PostgreSQL server. It waits for no standby after the test."""
    server = Postgres(stack)
    yield server
    standby_is_back(stack, server)


@pytest.mark.parametrize("change, first, second", CHANGES,
                         ids=[change.__name__ for change, *_ in CHANGES])
def test_a_repeated_request_waits_for_the_standby(stack, postgres, change, first, second):
    send = change(stack)
    assert send().status_code == first
    name_standby(stack, postgres, "nobody")
    for _ in range(2):
        assert_refused(send())
    name_standby(stack, postgres, NO_STANDBY)
    assert accepted(send).status_code == second


def test_a_repeated_command_waits_for_the_standby(stack, postgres):
    stack.billingctl("operator", "create", "leaver")

    def revoke():
        done = stack.billingctl("operator", "revoke", "leaver", check=False)
        return done.returncode, done.stderr

    assert revoke()[0] == 0
    name_standby(stack, postgres, "nobody")
    status, said = revoke()
    assert status == 1 and "The database is not available" in said
    assert stack.billingctl("operator", "list").returncode == 0
    name_standby(stack, postgres, NO_STANDBY)
    status, said = revoke()
    assert status == 1 and "no operator leaver with a live key" in said


# The second try of each finds nothing to do and succeeds.
REPEATED = [("stripe", "retry", "--all"), ("restore", "check", "--done")]
# These change nothing.
READING = [("stripe", "account"), ("stripe", "map", "price_1", "starter", "--dry-run"),
           ("restore", "check")]


@pytest.mark.parametrize("json_wanted", [(), ("--json",)], ids=["lines", "json"])
def test_a_repeated_command_prints_no_success_without_the_standby(stack, postgres, json_wanted):
    keys = json.loads(stack.billingctl("--json", "keys", "list").stdout)["keys"]
    current = next(key["kid"] for key in keys if key["state"] == "current")
    repeated = REPEATED + [("keys", "use", current)]
    for command in repeated:
        assert stack.billingctl(*command, *json_wanted).stdout
    name_standby(stack, postgres, "nobody")
    for command in repeated:
        done = stack.billingctl(*command, *json_wanted, check=False)
        assert (done.returncode, done.stdout) == (1, ""), command
        assert "The database is not available" in done.stderr
    for command in READING:
        assert stack.billingctl(*command, *json_wanted).stdout
    # A dry run that finds nothing to remove is answered, too.
    done = stack.billingctl("stripe", "unmap", "price_1", "--dry-run", check=False)
    assert done.returncode == 1 and "The database is not available" not in done.stderr
