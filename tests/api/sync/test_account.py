"""A key of another account of Stripe's than the data: nothing ends, and operators learn of it."""

import json
import re

import pytest

from support.account import (  # noqa: F401 pylint: disable=unused-import
    fixture_kept_place, fixture_place)
from support.client import expect
from support.payments import buy, settled, subscription_of
from support.scratch import cluster  # noqa: F401 pylint: disable=unused-import
from support.stack import wait_for

OURS, OTHER = "acct_1StandIn", "acct_1Other"


def doctor(place):
    """The doctor's check of the account."""
    done = place.ctl.run("doctor", "--json")
    return next(one for one in json.loads(done.stdout)["checks"]
                if one["check"] == "stripe_account")


@pytest.fixture(name="other_account")
def fixture_other_account(stack):
    """Switches the running service between accounts."""
    def switch(account):
        stack.stripe.account(account)
        stack.reload()
    yield switch
    switch(OURS)
    wait_for(lambda: "another account" not in checked(stack)["detail"])


def checked(stack):
    """The check of Stripe in /health/ready."""
    return expect(stack.api.nobody.get("/health/ready"), 200)["checks"]["stripe"]


def wait_for_a_round(stack):
    """Waits until the Stripe jobs have ended a round that began after this call: the second one that ends. The
    time of the last one is shown in seconds."""
    def ended():
        text = stack.api.nobody.get("/metrics").text
        return int(re.search(r"^billing_stripe_jobs_last_run_seconds (\d+)$", text, re.MULTILINE)[1])

    for _ in range(2):
        before = ended()
        wait_for(lambda since=before: stack.sql("NOTIFY stripe_jobs") == "" and ended() > since)


def test_nothing_ends_with_a_key_of_another_account(stack, api, other_account):
    """The nightly comparison would find none of the subscriptions, so it waits."""
    customer = api.sign_up()
    bought = buy(stack, customer)
    wait_for(lambda: stack.sql("SELECT account_id, livemode FROM stripe_account") == f"{OURS}|f")
    other_account(OTHER)
    wait_for(lambda: "another account" in checked(stack)["detail"])
    # The jobs compare nothing while they run, nor when they start.
    stack.sql("UPDATE stripe_sweeps SET finished_at = NULL, started_at = NULL")
    wait_for_a_round(stack)
    other_account(OTHER)
    wait_for_a_round(stack)
    assert expect(api.nobody.get("/health/ready"), 200)["status"] == "degraded"
    metrics = api.nobody.get("/metrics").text
    assert "\nbilling_stripe_other_account 1\n" in metrics
    assert subscription_of(customer.client, customer.id) == bought
    assert stack.sql("SELECT count(*) FROM stripe_sweeps WHERE finished_at IS NOT NULL "
                     "AND name IN ('events', 'subscriptions')") == "0"
    other_account(OURS)
    wait_for(lambda: "another account" not in checked(stack)["detail"])
    wait_for(lambda: stack.sql("SELECT count(*) FROM stripe_sweeps WHERE finished_at IS NULL "
                               "AND name IN ('events', 'subscriptions')") == "0")
    settled(stack, customer.id)
    assert subscription_of(customer.client, customer.id) == bought


def test_doctor_and_commands_name_both_accounts(place):
    customer_id, subscription = place.subscribe("a@example.com")
    place.mirror(customer_id, subscription)
    place.sql("DELETE FROM stripe_account")
    answer = place.ctl("stripe", "account")
    assert (answer["account"], answer["recorded"], answer["state"]) == (OURS, None, "not recorded")
    assert doctor(place)["state"] == "ok" and "records it" in doctor(place)["detail"]
    place.sql(f"INSERT INTO stripe_account VALUES (true, '{OURS}', false, now())")
    assert place.ctl("stripe", "account")["state"] == "same"
    assert doctor(place) == {**doctor(place), "state": "ok", "detail": OURS}
    place.stripe.account(OTHER)
    found = doctor(place)
    assert found["state"] == "wrong" and OURS in found["detail"] and OTHER in found["detail"]
    line = place.ctl.refuses("stripe", "reconcile")
    assert "another account" in line and "stripe account" in line
    assert place.sql("SELECT count(*) FROM stripe_events") == "0"
    answer = place.ctl("stripe", "account")
    assert (answer["account"], answer["recorded"], answer["state"]) == (OTHER, OURS, "other")
    assert (answer["customers"], answer["subscriptions"]) == (1, 1)
    said = place.ctl.run("stripe", "account").stdout
    assert "sends and compares nothing" in said and "--accept " + OTHER in said


def test_another_account_is_accepted_by_its_name(place):
    """Then the comparison finds that it lacks the subscriptions."""
    customer_id, subscription = place.subscribe("a@example.com")
    place.mirror(customer_id, subscription)
    place.sql(f"DELETE FROM stripe_account; INSERT INTO stripe_account VALUES (true, '{OURS}', "
              "false, now())")
    place.stripe.account(OTHER)
    assert "not of the account" in place.ctl.refuses("stripe", "account", "--accept", OURS)
    answer = place.ctl("stripe", "account", "--accept", OTHER)
    assert answer["state"] == "recorded"
    assert place.sql("SELECT account_id FROM stripe_account") == OTHER
    assert place.sql("SELECT subject, detail FROM audit_log WHERE action = 'stripe_account'"
                     ) == f"{OTHER}|{OURS}"
    assert place.ctl("stripe", "account")["state"] == "same"
    assert place.differences("--dry-run") == [
        ("subscription", subscription, customer_id, "active", None)]


def test_a_key_that_may_not_read_its_account(place):
    place.stripe.settings(account=None)
    found = doctor(place)
    assert found["state"] == "warning" and "would not be noticed" in found["detail"]
    answer = place.ctl("stripe", "account")
    assert (answer["account"], answer["state"]) == (None, "unknown")
