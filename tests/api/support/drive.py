"""Every operation of the document, driven once with success: by the shipped plans, or by those of any file."""

import dataclasses
import json
import uuid

from .payments import settled
from .stack import wait_for
from .webhook import signed


@dataclasses.dataclass
class Sold:
    """Names of a plans.json: two plans with prices, one for contracts, and values for an override and a report."""

    plan: str
    larger_plan: str
    contract_plan: str
    features: dict
    limits: dict
    metrics: dict


SHIPPED = Sold("starter", "professional", "enterprise", {"maxDevices": 80}, {"maxUsers": None},
               {"api_calls": 5})


def drive_payments(client, customer_id, stack, sold):
    """The operations that need Stripe."""
    def ask(name, **body):
        return client.post(f"/api/subscriptions/{name}", {"customer_id": customer_id, **body})

    answer = ask("checkout", plan=sold.plan)
    yield "open_checkout", answer
    stack.stripe.complete(answer.json()["session_id"])
    path = f"/api/subscriptions/{customer_id}"
    settled(stack, customer_id)
    assert client.get(path).json()["subscription"]["status"] == "active"
    yield "preview_plan", ask("preview", new_plan=sold.larger_plan)
    yield "change_plan", ask("upgrade", new_plan=sold.larger_plan)
    yield "cancel_subscription", ask("cancel", at_period_end=True)
    yield "resume_subscription", ask("resume")
    yield "open_portal", ask("portal")
    yield "list_invoices", client.get(f"{path}/invoices")
    body = b'{"id": "evt_driven", "object": "event", "type": "nothing.we_know"}'
    yield "receive_stripe_event", client.post(
        "/api/webhooks/stripe", data=body, headers=signed(body, stack.webhook_secret))


def drive_contracts(owner, customer_id, sold):
    """The operations on contracts; a dry run is the success with the lowest status."""
    path = f"/api/customers/{customer_id}/contracts"
    terms = {"plan": sold.contract_plan, "billing": "manual", "ends_at": "2040-01-01T00:00:00Z"}
    yield "create_contract", owner.post(path, {**terms, "dry_run": True})
    contract = owner.post(path, terms).json()["contract"]
    yield "list_contracts", owner.get(path)
    path += f"/{contract['contract_id']}"
    yield "amend_contract", owner.patch(path, {"version": 1, "reference": "PO 1"})
    yield "end_contract", owner.post(path + "/end", {"reason": "driven"})


def drive_sessions(api, customer_id):
    """The operations on sessions and links."""
    headers = {"X-Billing-Console": "1"}
    answer = api.owner.post(f"/api/customers/{customer_id}/links")
    yield "create_link", answer
    answer = api.nobody.post("/api/session", {"link": answer.json()["url"].split("=")[1]},
                             headers=headers)
    yield "open_session", answer
    headers["Cookie"] = answer.headers["Set-Cookie"].split(";")[0]
    yield "get_session", api.nobody.get("/api/session", headers=headers)
    yield "list_sessions", api.nobody.get("/api/sessions", headers=headers)
    session_id = answer.json()["session"]["session_id"]
    yield "end_one_session", api.nobody.delete(f"/api/sessions/{session_id}", headers=headers)
    for name, path in (("end_session", "/api/session"), ("end_sessions", "/api/sessions")):
        answer = api.nobody.post("/api/session", {"api_key": api.stack.viewer_key}, headers={"X-Billing-Console": "1"})
        headers["Cookie"] = answer.headers["Set-Cookie"].split(";")[0]
        yield name, api.nobody.delete(path, headers=headers)


def drive_webhooks(owner):
    """The operations on webhook endpoints. This one gets nothing, and then is removed."""
    path = "/api/webhook-endpoints"
    answer = owner.post(path, {"url": "https://receiver.invalid/hook", "description": "driven",
                               "types": ["endpoint.disabled"]})
    yield "create_webhook_endpoint", answer
    yield "list_webhook_endpoints", owner.get(path)
    path += "/" + answer.json()["endpoint"]["endpoint_id"]
    yield "get_webhook_endpoint", owner.get(path)
    yield "test_webhook_endpoint", owner.post(path + "/test")
    yield "replay_events", owner.post(path + "/replay", {"from": "2025-01-01T00:00:00Z",
                                                         "to": "2025-01-02T00:00:00Z"})
    yield "list_webhook_deliveries", owner.get(path + "/deliveries?state=pending")
    yield "rotate_webhook_secret", owner.post(path + "/rotate")
    yield "change_webhook_endpoint", owner.patch(path, {"description": None, "types": ["*"],
                                                        "enabled": False})
    yield "delete_webhook_endpoint", owner.delete(path)


def drive_upkeep(owner, stack, customer_id, sold):
    """The operations on operators, and on what is parked."""
    answer = owner.post("/api/operators", {"name": uuid.uuid4().hex})
    yield "create_operator", answer
    yield "list_operators", owner.get("/api/operators")
    yield "revoke_operator", owner.delete(f"/api/operators/{answer.json()['operator']['key_id']}")
    stack.sql("INSERT INTO stripe_calls (customer_id, kind, path, parameters, idempotency_key, state, "
              f"created_at) SELECT '{customer_id}', 'customer_update', '/v1/customers/x', '', "
              "gen_random_uuid()::text, 'parked', now() FROM generate_series(1, 2)")
    answer = owner.get("/api/stripe/parked")
    yield "list_parked", answer
    first, second, *_ = (f"/api/stripe/parked/{call['call_id']}" for call in answer.json()["calls"])
    yield "dismiss_parked", owner.post(f"{second}/dismiss", {"reason": "driven"})
    yield "retry_parked", owner.post(f"{first}/retry")
    yield "list_unknown_prices", owner.get("/api/stripe/unknown-prices")
    yield "map_price", owner.put("/api/stripe/prices/price_driven", {"plan": sold.plan})


def events_of(client, customer_id):
    """The first page of the customer's events, or None: they are shown once no earlier transaction is open."""
    page = client.get(f"/api/events?customer_id={customer_id}&limit=100")
    return page if page.json()["events"] else None


def drive(api, stack, sold=SHIPPED):
    """Every operation once, with success: (operation id, answer)."""
    nobody, owner = api.nobody, api.owner
    yield "get_health", nobody.get("/health")
    # The jobs may not have run yet.
    wait_for(lambda: nobody.get("/health/ready", faults=True).status_code == 200)
    yield "get_ready", nobody.get("/health/ready")
    yield "get_metrics", nobody.get("/metrics")
    yield "get_openapi", nobody.get("/openapi.json")
    yield "get_jwks", nobody.get("/.well-known/jwks.json")
    yield "get_webhook_key", nobody.get("/.well-known/webhook-key")
    yield "list_plans", nobody.get("/api/plans")
    yield "get_brand", nobody.get("/api/brand")
    yield "get_brand_logo", nobody.get("/api/brand/logo")
    yield "get_brand_style", nobody.get("/api/brand/style.css")
    yield "get_public_key", nobody.get("/api/licenses/public-key")
    answer = owner.post("/api/customers", {"email": api.email(), "company_name": "Acme"})
    yield "create_customer", answer
    customer_id = answer.json()["customer"]["customer_id"]
    client = api.keyed(answer.json()["api_key"])
    yield "verify_license", nobody.post("/api/licenses/verify",
                                        {"license": answer.json()["license"]})
    yield "list_customers", owner.get("/api/customers?limit=2")
    yield "get_customer", client.get(f"/api/customers/{customer_id}")
    yield "update_customer", client.patch(f"/api/customers/{customer_id}",
                                          {"company_name": None})
    yield "get_entitlements", client.get(f"/api/customers/{customer_id}/entitlements")
    yield "set_overrides", owner.put(f"/api/customers/{customer_id}/overrides", {
        "features": sold.features, "limits": sold.limits, "reason": "test"})
    yield "get_overrides", owner.get(f"/api/customers/{customer_id}/overrides")
    answer = client.post(f"/api/customers/{customer_id}/keys", {"name": "second"})
    yield "create_key", answer
    yield "list_keys", client.get(f"/api/customers/{customer_id}/keys")
    yield "revoke_key", client.delete(
        f"/api/customers/{customer_id}/keys/{answer.json()['key']['key_id']}")
    yield "get_license", client.get(f"/api/licenses/{customer_id}")
    yield "rotate_license", client.post(f"/api/licenses/{customer_id}/rotate")
    yield "list_licenses", client.get(f"/api/licenses/{customer_id}/history")
    yield "get_subscription", client.get(f"/api/subscriptions/{customer_id}")
    report = {"customer_id": customer_id, "total_devices": 3, "report_id": "one",
              "metrics": sold.metrics}
    assert client.post("/api/usage/report", report).status_code == 201
    yield "report_usage", client.post("/api/usage/report", report)
    yield "report_usage_batch", client.post("/api/usage/reports", {"reports": [report, {}]})
    wrong = client.get(f"/api/usage/{customer_id}/latest").json()["report"]["id"]
    yield "correct_usage", owner.post(f"/api/usage/{customer_id}/corrections",
                                      {"id": wrong, "reason": "test"})
    yield "delete_old_usage", owner.delete("/api/usage/cleanup?days=90")
    yield "list_usage", client.get(f"/api/usage/{customer_id}")
    yield "get_latest_usage", client.get(f"/api/usage/{customer_id}/latest")
    yield "list_usage_days", client.get(f"/api/usage/{customer_id}/daily")
    yield "get_usage_limits", client.get(f"/api/usage/{customer_id}/limits")
    instance = f"/api/customers/{customer_id}/instances/plant-7"
    assert client.put(instance).status_code == 201
    yield "activate_instance", client.put(instance, {"lease_hours": 100})
    yield "list_instances", client.get(f"/api/customers/{customer_id}/instances?limit=1")
    yield "export_customer", client.get(f"/api/customers/{customer_id}/export")
    yield "transfer_instance", client.post(f"{instance}/transfer", {"to": "plant-8"})
    yield "release_instance", client.delete(f"/api/customers/{customer_id}/instances/plant-8")
    yield from drive_upkeep(owner, stack, customer_id, sold)
    yield from drive_sessions(api, customer_id)
    yield from drive_contracts(owner, api.sign_up().id, sold)
    yield from drive_webhooks(owner)
    yield from drive_payments(client, customer_id, stack, sold)
    yield "revoke_license", owner.post(f"/api/licenses/{customer_id}/revoke", {"reason": "test"})
    yield "get_revocations", nobody.get("/api/licenses/revocations")
    yield "get_revenue", owner.get("/api/analytics/revenue?from=2025-01&to=2026-12")
    for name, path in (("get_summary", "summary"), ("get_trials", "trials"),
                       ("get_plan_figures", "plans"), ("get_usage_totals", "usage"),
                       ("list_limits", "limits?above=50"),
                       ("list_renewals", "renewals?days=400"), ("get_attention", "attention")):
        yield name, owner.get(f"/api/analytics/{path}")
    yield "list_movements", owner.get("/api/analytics/movements?limit=3")
    yield "list_audit_entries", owner.get(f"/api/audit?customer_id={customer_id}")
    page = wait_for(lambda: events_of(client, customer_id))
    yield "list_events", page
    yield "get_event", owner.get(f"/api/events/{page.json()['events'][-1]['id']}")
    yield "list_notices", owner.get(f"/api/notices?customer_id={customer_id}")
    # The end of the subscription at Stripe is processed before its row is deleted, and not stored again behind that.
    settled(stack, customer_id)
    stack.sql(f"DELETE FROM subscriptions WHERE customer_id = '{customer_id}';"
              f"DELETE FROM trial_redemptions WHERE customer_id = '{customer_id}'")
    yield "start_trial", client.post("/api/subscriptions/trial", {"customer_id": customer_id})
    yield "delete_customer", owner.delete(f"/api/customers/{customer_id}")


def check_driven(document, driven):
    """Each operation has answered with its success, to a body that the document allows; the ids of the requests
    by operation. The client has compared the answers with their schemas already."""
    requests = {}
    for operation_id, answer in driven:
        operation = document.operation(operation_id)
        success = min(status for status in operation.responses if status < "300")
        assert answer.status_code == int(success), (operation, answer.text)
        # A batch may have items that are refused, each with its own result.
        if operation.body is not None and answer.request.body and operation_id != "report_usage_batch":
            faults = document.errors(operation.body, json.loads(answer.request.body))
            assert not faults, (operation, faults)
        requests[operation_id] = answer.headers["X-Request-Id"]
    assert set(requests) == {operation.id for operation in document.operations}
    return requests
