"""Subscriptions: the trial, one for each e-mail address, and reading."""

import concurrent.futures

import jwt
import pytest

from support.client import expect, patiently


def without_subscription(api, stack):
    """A customer whose e-mail address is fresh but that has no subscription."""
    customer = api.sign_up()
    stack.sql(f"DELETE FROM licenses WHERE customer_id = '{customer.id}';"
              f"DELETE FROM subscriptions WHERE customer_id = '{customer.id}';"
              f"DELETE FROM trial_redemptions WHERE customer_id = '{customer.id}'")
    return customer


def test_get(api):
    customer = api.sign_up()
    for client in (customer.client, api.owner, api.viewer):
        assert expect(client.get(f"/api/subscriptions/{customer.id}"), 200) == {
            "subscription": customer.answer["subscription"]}


def test_a_customer_without_a_subscription(api, stack):
    customer = without_subscription(api, stack)
    expect(customer.client.get(f"/api/subscriptions/{customer.id}"), 404,
           "subscription_not_found")
    expect(customer.client.get(f"/api/licenses/{customer.id}"), 404, "subscription_not_found")
    expect(customer.client.post(f"/api/licenses/{customer.id}/rotate"), 404,
           "subscription_not_found")
    assert expect(customer.client.get(f"/api/customers/{customer.id}"), 200)[
        "subscription"] is None
    expect(api.owner.get("/api/subscriptions/cust_" + "0" * 32), 404, "customer_not_found")


def test_trial(api, stack):
    customer = without_subscription(api, stack)
    made = expect(customer.client.post("/api/subscriptions/trial", {"customer_id": customer.id}),
                  201)
    assert (made["subscription"]["plan"], made["subscription"]["status"]) == (
        "starter", "trialing")
    claims = jwt.decode(made["license"], options={"verify_signature": False})
    assert claims["trial"] == {"isTrialMode": True,
                               "expiresAt": made["subscription"]["trial_ends_at"]}
    assert expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)["license"] == \
        made["license"]
    assert stack.sql("SELECT count(*) FROM audit_log WHERE action = 'trial_start' AND "
                     f"customer_id = '{customer.id}'") == "1"
    expect(customer.client.post("/api/subscriptions/trial", {"customer_id": customer.id}), 409,
           "subscription_exists")


def test_trial_only_once(api, stack):
    customer = api.sign_up()
    for actor in (api.owner, customer.client):
        expect(actor.post("/api/subscriptions/trial", {"customer_id": customer.id}), 409,
               "subscription_exists")
    expect(api.owner.post(f"/api/licenses/{customer.id}/revoke"), 200)
    expect(customer.client.post("/api/subscriptions/trial", {"customer_id": customer.id}), 409,
           "trial_used")
    stack.sql("UPDATE subscriptions SET status = 'incomplete_expired' WHERE customer_id = "
              f"'{customer.id}'")
    expect(customer.client.post("/api/subscriptions/trial", {"customer_id": customer.id}), 409,
           "trial_used")


def test_a_new_address_does_not_replace_a_running_trial(api):
    customer = api.sign_up()
    expect(api.owner.patch(f"/api/customers/{customer.id}", {"email": api.email()}), 200)
    expect(customer.client.post("/api/subscriptions/trial", {"customer_id": customer.id}), 409,
           "subscription_exists")


def test_fifty_parallel_requests_start_one_trial(api, stack):
    customer = without_subscription(api, stack)

    def start(_):
        client = api.keyed(customer.api_key)
        return patiently(client.post, "/api/subscriptions/trial", {"customer_id": customer.id}).status_code

    with concurrent.futures.ThreadPoolExecutor(25) as pool:
        statuses = sorted(pool.map(start, range(50)))
    assert statuses == [201] + [409] * 49
    assert stack.sql("SELECT count(*) FROM subscriptions WHERE customer_id = "
                     f"'{customer.id}'") == "1"


@pytest.mark.parametrize("body, field", [
    ({}, "customer_id"), ({"customer_id": None}, "customer_id"), ({"customer_id": 1}, "customer_id"),
    ({"customer_id": ""}, "customer_id"), ({"customer_id": "x" * 101}, "customer_id"),
    ({"customer_id": "cust_" + "0" * 32, "plan": "enterprise"}, "plan")])
def test_trial_refuses_bad_bodies(api, body, field):
    refused = expect(api.owner.post("/api/subscriptions/trial", body), 400, "invalid_request")
    assert [detail["field"] for detail in refused["details"]] == [field]


def test_trial_of_an_unknown_customer(api):
    for customer_id in ("cust_" + "0" * 32, "x", "cust_" + "A" * 32, "' OR ''='"):
        expect(api.owner.post("/api/subscriptions/trial", {"customer_id": customer_id}), 404,
               "customer_not_found")


def test_a_new_address_gives_no_second_trial(api, stack):
    """A trial that has ended does not start again because the customer changed its address."""
    customer = api.sign_up()
    stack.sql("UPDATE subscriptions SET status = 'canceled', version = version + 1 "
              f"WHERE customer_id = '{customer.id}'")
    expect(api.owner.patch(f"/api/customers/{customer.id}",
                           {"email": f"other.{customer.email}"}), 200)
    expect(customer.client.post("/api/subscriptions/trial", {"customer_id": customer.id}),
           409, "trial_used")
