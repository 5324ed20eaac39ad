"""One life of a customer in an old and in the newest version of Stripe's API: it goes the same way,
and every request is one that Stripe describes."""

import json
import subprocess

import pytest

from support import stripe_documents
from support.client import expect
from support.payments import ask, buy, settled, stripe_id, subscription_of

OLD, NEWEST = stripe_documents.VERSIONS
MODES = ["classic", "flexible"]
OPTIONS = {"STRIPE_PROMOTION_CODES": "on", "STRIPE_AUTOMATIC_TAX": "on", "STRIPE_TAX_IDS": "on"}
BERLIN = {"city": "Berlin", "country": "DE", "line1": "Weg 1", "line2": None,
          "postal_code": "10115", "state": None}
# The documents as they are kept beside the project leave these operations out.
LEFT_OUT = [("GET", "/v1/account")]
# Parameters that the old version does not have, and that are sent only in later ones.
LATER = ["[subscription_data][billing_mode]: unknown"]


def settings(version, mode):
    """The settings of a version, billing mode and all options. The old version has no modes."""
    return {"STRIPE_API_VERSION": version, "STRIPE_BILLING_MODE": mode, **OPTIONS}


@pytest.fixture(scope="module", name="place", params=[(OLD, "classic"), *((NEWEST, mode)
                                                                         for mode in MODES)],
                ids=["old", "newest", "newest flexible"])
def fixture_place(request, new_stack):
    """A stack with a life behind it; `lives` has what was seen on the way."""
    made = new_stack(stripe=True, **settings(*request.param))
    made.version, made.mode = request.param
    made.lives = live(made)
    made.sent = [one for one in made.stripe.requests()
                 if one["headers"].get("user-agent", "").startswith("global-billing")]
    yield made
    made.close()


def live(stack):
    """Goes through all that a customer and an operator can do; the states in between."""
    customer = stack.api.sign_up(company_name="Ada")
    session = expect(ask(customer.client, "checkout", customer.id, plan="starter"), 200)
    stack.stripe.complete(session["session_id"], typed={"name": "Acme GmbH", "address": BERLIN})
    settled(stack, customer.id)
    seen = [subscription_of(customer.client, customer.id)]
    id = seen[0]["stripe_subscription_id"]
    change = {"plan": "professional"}
    shown = expect(ask(customer.client, "preview", customer.id, **change), 200)
    before = stack.stripe.state()["charged"][stripe_id(stack, customer)]

    def request(name, **body):
        seen.append(expect(ask(customer.client, name, customer.id, **body), 200)["subscription"])

    request("upgrade", **change, proration_at=shown["proration_at"])
    paid = stack.stripe.state()["charged"][stripe_id(stack, customer)] - before
    assert paid == shown["amount_due"]
    request("cancel", at_period_end=True)
    request("resume")
    if stack.mode == "flexible":
        stack.stripe.call("POST", f"/v1/subscriptions/{id}/pause", version=NEWEST)
        settled(stack, customer.id)
        assert subscription_of(customer.client, customer.id)["status"] == "paused"
        assert expect(ask(customer.client, "resume", customer.id),
                      200)["subscription"]["status"] == "paused"
        stack.stripe.advance(hours=2)
        settled(stack, customer.id)
    request("upgrade", plan="starter")
    expect(ask(customer.client, "portal", customer.id), 200)
    expect(customer.client.patch(f"/api/customers/{customer.id}", {"company_name": "Acme"}), 200)
    request("cancel")
    settled(stack, customer.id)
    stack.company_name = expect(stack.api.owner.get(
        f"/api/customers/{customer.id}"), 200)["customer"]["company_name"]
    buy(stack, customer)
    for words in (["stripe", "setup", "--dry-run"], ["stripe", "reconcile"], ["doctor"]):
        subprocess.run([stack.build_dir / "billingctl", *words], env=stack.env, check=False,
                       capture_output=True)
    expect(stack.api.owner.delete(f"/api/customers/{customer.id}"), 200)
    settled(stack, customer.id)
    return seen


def test_the_life_goes_the_same_way(place):
    """Plans, statuses and ends are the same in each version and billing mode."""
    assert [(one["plan"], one["status"], one["cancel_at_period_end"]) for one in place.lives] == [
        ("starter", "active", False), ("professional", "active", False),
        ("professional", "active", True), ("professional", "active", False),
        ("starter", "active", False), ("starter", "canceled", False)]
    assert place.company_name == "Acme"


def test_the_subscription_has_the_billing_mode(place):
    made = {one["id"]: place.stripe.call("GET", f"/v1/subscriptions/{one['id']}", version=NEWEST)
            for one in place.stripe.call("GET", "/v1/subscriptions", {"status": "all"})["data"]}
    assert len(made) == 2
    assert {one["billing_mode"]["type"] for one in made.values()} == {place.mode}
    assert {one["automatic_tax"]["enabled"] for one in made.values()} == {True}


def test_no_request_is_refused(place):
    """The stand-in knows the parameters of each version, and refuses all others."""
    assert {one["headers"]["stripe-version"] for one in place.sent} == {place.version}
    assert len({(one["method"], one["path"].split("/")[2]) for one in place.sent}) > 10
    # One that has no answer yet has no status: the jobs may be asking.
    refused = [(one["status"], one["method"], one["path"], one["params"]) for one in place.sent
               if one["status"] not in (None, 200)]
    assert not refused


@pytest.mark.skipif(not stripe_documents.available(),
                    reason=f"not here: {stripe_documents.FOLDER}")
@pytest.mark.parametrize("version", [OLD, NEWEST])
def test_every_request_is_described(place, version):
    """By the description of its own version and, but for what is newer, by the other one too."""
    found = {(one["method"], one["path"], fault) for one in place.sent
             if (one["method"], one["path"]) not in LEFT_OUT
             for fault in stripe_documents.faults(version, one["method"], one["path"],
                                                  one["params"] or {})}
    later = LATER if place.version == NEWEST and version == OLD else []
    assert not [one for one in found if one[2] not in later], json.dumps(sorted(found), indent=1)
