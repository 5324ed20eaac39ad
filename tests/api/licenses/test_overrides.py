"""Entitlements and overrides: values with their source and end, in the licence and the limits too, and
no licence that grants more."""

import json
import os
import random
from datetime import datetime, timedelta, timezone

import jwt
import pytest

from support.chance import SEED
from support.client import expect
from support.payments import buy

STEPS = 240 if os.environ.get("FULL") else 14
PLAN = {"maxDevices": 10, "dataRetentionDays": 30, "canExportData": True,
        "hasAdvancedAlerts": False, "hasApiAccess": True, "hasMqttAccess": True,
        "hasCustomBranding": False}
LIMITS = {"maxUsers": 5, "maxAlertRules": 25, "maxDashboards": 10}


def ahead(**span):
    """A time in the future, to the millisecond."""
    moment = datetime.now(timezone.utc) + timedelta(**span)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def put(api, customer, **body):
    """The answer to a set of overrides."""
    return api.owner.put(f"/api/customers/{customer.id}/overrides", {"reason": "test", **body})


def entitlements(customer):
    return expect(customer.client.get(f"/api/customers/{customer.id}/entitlements"), 200)


def licence(customer):
    """The current licence and its claims."""
    token = expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)["license"]
    return token, jwt.decode(token, options={"verify_signature": False})


def values(entitled):
    """Each value alone; a limit without a bound is left out, as in the licence."""
    return ({name: item["value"] for name, item in entitled["features"].items()},
            {name: item["value"] for name, item in entitled["limits"].items()
             if item["value"] is not None})


def test_without_overrides_all_is_the_plans(api):
    customer = api.sign_up()
    got = entitlements(customer)
    trial_ends = customer.answer["subscription"]["trial_ends_at"]
    assert (got["plan"], got["access"], got["until"]) == ("starter", True, trial_ends)
    assert values(got) == (PLAN, LIMITS)
    for items in (got["features"], got["limits"]):
        assert {(item["source"], item["until"]) for item in items.values()} == {("plan", trial_ends)}
    assert expect(api.viewer.get(f"/api/customers/{customer.id}/overrides"), 200) == {
        "customer_id": customer.id, "overrides": None}


def test_overrides_count_everywhere_and_are_taken_away(api, stack):
    customer, end = api.sign_up(), ahead(days=2)
    buy(stack, customer)
    before, plain = licence(customer)[1], values(entitlements(customer))
    answer = expect(put(api, customer, features={"maxDevices": 77, "hasAdvancedAlerts": True},
                        limits={"maxUsers": None}, expires_at=end), 200)
    got = entitlements(customer)
    assert answer["entitlements"] == {name: got[name] for name in answer["entitlements"]}
    assert got["features"]["maxDevices"] == {"value": 77, "source": "override", "until": end}
    assert got["limits"]["maxUsers"] == {"value": None, "source": "override", "until": end}
    assert got["features"]["canExportData"] == {"value": True, "source": "plan", "until": None}
    token, claims = licence(customer)
    assert (claims["features"], claims["limits"]) == values(got)
    assert claims["exp"] <= datetime.fromisoformat(end).timestamp() < before["exp"]
    assert expect(customer.client.get(f"/api/usage/{customer.id}/limits"),
                  200)["devices"]["max"] == 77
    report = expect(customer.client.post("/api/usage/report", {"customer_id": customer.id}), 201)
    assert report["limits"]["devices"]["max"] == 77
    assert expect(api.owner.get(f"/api/customers/{customer.id}/overrides"),
                  200)["overrides"] == answer["overrides"]
    exported = expect(customer.client.get(f"/api/customers/{customer.id}/export"), 200)["overrides"]
    assert exported == {name: value for name, value in answer["overrides"].items() if name != "set_by"}
    shown = json.loads(stack.billingctl("customer", "show", customer.id, "--json").stdout)
    assert {"kind": "feature", "name": "maxDevices", "value": "77", "source": "override",
            "until": end} in shown["entitlements"]
    assert shown["override_reason"] == "test"
    # An empty set removes it, and revokes what it granted.
    assert expect(put(api, customer), 200)["overrides"] is None
    refused = api.nobody.post("/api/licenses/verify", {"license": token})
    assert refused.json()["code"] == "license_revoked"
    assert values(entitlements(customer)) == plain
    assert licence(customer)[1]["features"] == before["features"]


def test_a_dry_run_changes_nothing(api):
    customer = api.sign_up()
    token, claims = licence(customer)
    answer = expect(put(api, customer, features={"maxDevices": 5}, dry_run=True), 200)
    assert answer["dry_run"] is True and answer["overrides"]["features"] == {"maxDevices": 5}
    assert answer["license_claims"]["features"] == {**PLAN, "maxDevices": 5}
    assert answer["license_claims"]["exp"] == claims["exp"]
    assert values(entitlements(customer)) == (PLAN, LIMITS)
    assert licence(customer)[0] == token


def test_every_bad_field_is_named(api):
    customer = api.sign_up()
    answer = put(api, customer, features={"maxDevices": "7", "hasApiAccess": 1, "colour": True,
                                          "maxUsers": 3, "canExportData": False},
                 limits={"maxUsers": -1, "maxDevices": 3, "maxDashboards": True},
                 expires_at=ahead(seconds=-1))
    expect(answer, 400, "invalid_request")
    assert {detail["field"]: detail["message"] for detail in answer.json()["details"]} == {
        "features.maxDevices": "must be an integer from 0 to 2^53 - 1",
        "features.hasApiAccess": "must be true or false",
        "features.colour": "is not a feature of plans.json",
        "features.maxUsers": "is not a feature of plans.json",
        "limits.maxUsers": "must be an integer from 0 to 2^53 - 1, or null for no bound",
        "limits.maxDevices": "is not a limit of plans.json",
        "limits.maxDashboards": "must be an integer from 0 to 2^53 - 1, or null for no bound",
        "expires_at": "must be in the future"}


@pytest.mark.parametrize("text", ['{"reason": "x", "features": []}', '{"reason": "x", "limits": 1}',
                                  '{"reason": "x", "limits": {"maxUsers": 1, "maxUsers": 2}}',
                                  '{"reason": "x", "limits": {"maxUsers": 1e400}}', "{}"])
def test_other_bodies_are_refused(api, text):
    customer = api.sign_up()
    answer = api.owner.put(f"/api/customers/{customer.id}/overrides", data=text.encode())
    assert answer.status_code == 400, answer.text


def draw(rng, customer, stack):
    """A random change of what the customer may have: (what, arguments)."""
    if rng.random() < 0.25:
        plan = rng.choice(["starter", "professional", "enterprise"])
        return "plan", plan
    if rng.random() < 0.2:
        return "put", {}
    return "put", {
        "features": {"maxDevices": rng.choice([0, 10, 50, 999999, 70]),
                     **({"hasCustomBranding": rng.random() < 0.5} if rng.random() < 0.5 else {})},
        "limits": rng.choice([{}, {"maxUsers": None}, {"maxUsers": 7}, {"maxDashboards": 0}]),
        "expires_at": rng.choice([None, ahead(days=3), ahead(days=500)])}


def is_more(grants, than):
    """Whether the values of a licence are more than the others."""
    features, limits = grants
    return any(value > than[0][name] for name, value in features.items()) or any(
        limits.get(name, float("inf")) > than[1].get(name, float("inf")) for name in LIMITS)


def test_no_sequence_leaves_a_licence_that_grants_more(api, stack, figures):
    rng, judged = random.Random(SEED), 0
    customer, tokens = None, []
    for step in range(STEPS):
        # One customer has few licences in an hour.
        if step % 40 == 0:
            customer, tokens = api.sign_up(), []
            buy(stack, customer)
        what, arguments = draw(rng, customer, stack)
        if what == "plan":
            # 409: it is the present plan.
            answer = customer.client.post("/api/subscriptions/upgrade", {
                "customer_id": customer.id, "new_plan": arguments})
            assert answer.status_code in (200, 409), (SEED, answer.text)
        else:
            expect(put(api, customer, **arguments), 200)
        entitled = values(entitlements(customer))
        token, claims = licence(customer)
        assert (claims["features"], claims["limits"]) == entitled, (SEED, step)
        tokens.append(token)
        for one in tokens:
            answer = api.nobody.post("/api/licenses/verify", {"license": one}).json()
            judged += 1
            if answer["valid"]:
                granted = answer["data"]["features"], answer["data"]["limits"]
                assert not is_more(granted, entitled), (SEED, step)
    figures["licences compared with entitlements"] = judged
