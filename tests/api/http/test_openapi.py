"""The OpenAPI document is valid, agrees with the table of routes, and describes the service."""

import json
import re
import subprocess
import uuid
from base64 import urlsafe_b64decode

import jsonschema
import pytest

from support.client import expect
from support.document import ROOT, Validator
from support.drive import check_driven, drive
from support.fcgi import ask
from support.stack import VARIANT


def walk(value, path=()):
    """Every object in the document, with its place."""
    if isinstance(value, dict):
        yield path, value
        for name, member in value.items():
            yield from walk(member, path + (name,))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from walk(member, path + (index,))


@pytest.mark.quick
def test_routes_and_document_are_the_same(document):
    lines = subprocess.run([ROOT / "build" / VARIANT / "billingd", "--routes"], check=True,
                           stdout=subprocess.PIPE, text=True).stdout.splitlines()
    routes = {}
    for line in lines:
        method, pattern, access, *_ = line.split()
        path = "/".join("{%s}" % part[1:] if part.startswith(":") else part
                        for part in pattern.split("/"))
        routes[f"{method} {path}"] = access == "anybody"
    assert routes == {str(operation): operation.public for operation in document.operations}


def test_every_schema_is_valid(document):
    schemas = [value for path, value in walk(document.raw) if path and path[-1] == "schema"]
    schemas += document.raw["components"]["schemas"].values()
    for schema in schemas:
        jsonschema.Draft202012Validator.check_schema(document.flat(schema))


def test_every_object_is_closed(document):
    for path, value in walk(document.raw):
        if value.get("type") == "object" and "properties" in value:
            assert value.get("additionalProperties") is False, path
            assert isinstance(value.get("required"), list), path
            assert set(value["required"]) <= set(value["properties"]), path


@pytest.mark.quick
def test_every_example_matches_its_schema(document):
    examples = []
    for _, value in walk(document.raw):
        if "schema" in value:
            some = [value["example"]] if "example" in value else []
            some += [example["value"] for example in value.get("examples", {}).values()]
            examples += [(value["schema"], example) for example in some]
    for schema in document.raw["components"]["schemas"].values():
        examples += [(schema, example) for example in schema.get("examples", [])]
    assert len(examples) > 40
    for schema, example in examples:
        Validator(document.flat(schema)).validate(example)


def test_every_example_has_the_real_text(document):
    """Examples have the errors and messages of the service, except for messages of Stripe."""
    text = "".join(path.read_text(encoding="utf-8") for folder in ("lib", "app")
                   for path in (ROOT / folder).glob("*/*.c"))
    said = {"".join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', literals)) for literals in
            re.findall(r'(?:"(?:[^"\\\n]|\\.)*"\s*)+', text)}
    said.add("Your card was declined.")
    formats = [re.split(r"%(?:l{0,2}|z)[dsu]", words) for words in said]
    patterns = [re.compile(".+".join(map(re.escape, parts))) for parts in formats
                if sum(map(len, parts)) > 20]
    of_nginx = (ROOT / "nginx/billing-http.conf").read_text(encoding="utf-8")
    quoted = {value["error"] for _, value in walk(document.raw)
              if "code" in value and isinstance(value.get("error"), str)}
    assert len(quoted) > 20
    messages = {value["message"] for _, value in walk(document.raw)
                if isinstance(value.get("message"), str)}
    assert len(messages) > 5
    quoted |= messages
    for words in quoted:
        assert words in said or f'"{words}"' in of_nginx or any(
            one.fullmatch(words) for one in patterns), words


def test_the_example_of_a_revocation_list_is_one(document):
    answer = document.operation("get_revocations").responses["200"]
    token = answer["content"]["application/json"]["example"]["revocations"]
    header, payload = (json.loads(urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    assert (header["alg"], header["typ"]) == ("RS256", "revocations+jwt")
    described = re.search(r"payload is `\{(.*?)\}`", answer["description"])[1]
    assert list(payload) == re.findall(r"(\w+)(?:: \[.*?\]+)?(?:, |$)", described)


def test_every_component_is_used(document):
    used = {value["$ref"] for _, value in walk(document.raw) if "$ref" in value}
    there = {f"#/components/{kind}/{name}" for kind, members in
             document.raw["components"].items() if kind != "securitySchemes" for name in members}
    assert used == there


def test_every_operation_says_the_same_things(document):
    assert len({operation.id for operation in document.operations}) == len(document.operations)
    for operation in document.operations:
        statuses = set(operation.responses)
        assert {"400", "429", "500", "502", "503", "504"} <= statuses, operation
        assert operation.public or {"401", "403"} <= statuses, operation
        if operation.body is not None:
            assert "413" in statuses, operation
            # Stripe's bytes are taken as they are.
            assert "415" in statuses or operation.id == "receive_stripe_event", operation
        if "{" in operation.path:
            assert "404" in statuses, operation
        if operation.method == "POST" and not operation.public:
            assert {"409", "422"} <= statuses, operation
            assert operation.parameter("Idempotency-Key"), operation
        for status, answer in operation.responses.items():
            assert "X-Request-Id" in answer["headers"], (operation, status)
            if status in ("429", "502", "503", "504"):
                assert "Retry-After" in answer["headers"], (operation, status)


@pytest.mark.quick
def test_the_served_document_is_this_one(api, document):
    answer = api.nobody.get("/openapi.json")
    assert expect(answer, 200) == document.raw
    assert b"\n" not in answer.content and len(answer.content) < 400_000


def test_the_document_is_fetched_once(api):
    """A client that has it gets no body, whichever process answers; one that has another gets it."""
    first = api.nobody.get("/openapi.json")
    assert first.headers["Cache-Control"] == "public, max-age=300"
    for tag in (first.headers["ETag"], "*"):
        for _ in range(5):
            answer = api.nobody.get("/openapi.json", headers={"If-None-Match": tag})
            assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", first.headers["ETag"])
    expect(api.nobody.get("/openapi.json", headers={"If-None-Match": '"other"'}), 200)


# The entry of the audit trail that each operation writes in its transaction. Another one may come with it, as that
# of a subscription that was fetched.
AUDITED = {
    "create_customer": "sign_up", "update_customer": "customer_update", "set_overrides": "override_set",
    "create_key": "key_create", "revoke_key": "key_revoke", "rotate_license": "license_rotate",
    "correct_usage": "usage_correct", "delete_old_usage": "usage_clean_up",
    "export_customer": "customer_export", "transfer_instance": "instance_transfer",
    "release_instance": "instance_release", "create_operator": "key_create",
    "revoke_operator": "key_revoke", "dismiss_parked": "stripe_call_dismiss",
    "retry_parked": "stripe_retry", "map_price": "price_map", "create_link": "link_create",
    "open_session": "session_open", "end_one_session": "session_end",
    "end_session": "session_end", "end_sessions": "session_end_all",
    "amend_contract": "contract_amend", "end_contract": "contract_end",
    "create_webhook_endpoint": "webhook_endpoint_create", "test_webhook_endpoint": "webhook_test",
    "replay_events": "webhook_replay", "rotate_webhook_secret": "webhook_secret_rotate",
    "change_webhook_endpoint": "webhook_endpoint_change",
    "delete_webhook_endpoint": "webhook_endpoint_delete", "open_checkout": "checkout",
    "change_plan": "plan_change", "cancel_subscription": "subscription_cancel",
    "resume_subscription": "subscription_resume", "open_portal": "portal",
    "revoke_license": "license_revoke", "start_trial": "trial_start",
    "delete_customer": "customer_delete"}
# Operations that change nothing as they are driven (a dry run, a lease that is renewed), that
# ask only, or whose change is a record itself (reports of use, events of Stripe).
NOT_AUDITED = {"create_contract", "activate_instance", "verify_license",
               "preview_plan", "report_usage", "report_usage_batch", "receive_stripe_event"}


def audited(stack, driven):
    """The actions that each operation wrote to the audit trail."""
    found, names = {}, {request: name for name, request in driven.items()}
    for line in stack.sql("SELECT request_id, action FROM audit_log WHERE request_id <> ''").splitlines():
        request, action = line.split("|")
        if request in names:
            found.setdefault(names[request], []).append(action)
    return found


def test_every_operation_does_what_the_document_says(api, stack, document, figures):
    driven = check_driven(document, drive(api, stack))
    figures["operations driven"] = len(driven)
    written = audited(stack, driven)
    assert {name: action for name, action in AUDITED.items() if action not in written.get(name, [])} == {}
    assert set(written) == set(AUDITED)
    changing = {operation.id for operation in document.operations if operation.method != "GET"}
    assert changing | {"export_customer"} == set(AUDITED) | NOT_AUDITED


def test_the_bounds_of_bodies_are_those_of_the_document(api, document):
    """A body at the bound that the document names is read, and one with a byte more is refused. Only the batch
    can be answered at such a length that the answer is refused."""
    units = {"KB": 1024, "MB": 1024 * 1024}
    for operation in document.operations:
        if operation.body is None:
            continue
        refusal = operation.responses["413"]
        amount, unit = re.search(r"more than (\d+) (KB|MB)", refusal["description"]).groups()
        path = re.sub(r"{\w+}", "x", operation.path)
        for more in (0, 1):
            answer = api.owner.request(operation.method, path, data=b"x" * (int(amount) * units[unit] + more))
            assert (answer.status_code == 413) == bool(more), (operation, answer.text)
        codes = set(refusal["content"]["application/json"]["examples"])
        assert ("answer_too_large" in codes) == (operation.id == "report_usage_batch"), operation


def test_plans_match_the_contract(api):
    offered = expect(api.nobody.get("/api/plans"), 200)
    plans = {plan["plan"]: plan for plan in offered["plans"]}
    assert list(plans) == ["starter", "professional", "enterprise"]
    assert plans["starter"]["price"] == {"amount_minor": 2900, "currency": "usd",
                                         "interval": "month"}
    assert plans["professional"]["price"]["amount_minor"] == 9900
    assert plans["enterprise"]["price"] is None
    assert {name: (plan["features"]["max_devices"], plan["features"]["data_retention_days"])
            for name, plan in plans.items()} == {
                "starter": (10, 30), "professional": (50, 365), "enterprise": (999999, 999999)}
    assert [plan["limits"] for plan in offered["plans"]] == [
        {"max_users": 5, "max_alert_rules": 25, "max_dashboards": 10},
        {"max_users": 10, "max_alert_rules": 100, "max_dashboards": 20},
        {"max_users": None, "max_alert_rules": None, "max_dashboards": None}]
    features = ("can_export_data", "has_advanced_alerts", "has_api_access", "has_mqtt_access",
                "has_custom_branding")
    assert [[plan["features"][name] for name in features] for plan in offered["plans"]] == [
        [True, False, True, True, False], [True, True, True, True, False], [True] * 5]
    assert offered["trial"]["days"] == 14 and offered["trial"]["plan"] == "starter"
    assert offered["trial"]["features"] == plans["starter"]["features"]


def test_health_and_readiness(api):
    assert expect(api.nobody.get("/health"), 200)["status"] == "healthy"
    ready = expect(api.nobody.get("/health/ready"), 200)
    assert ready["status"] == "ready" and all(c["ok"] for c in ready["checks"].values())
    assert set(ready["checks"]) == {"database", "migrations", "standby", "signing_key", "plans", "clock", "jobs",
                                    "serving", "stripe", "revocations", "events", "webhooks", "mail"}


def test_strangers_see_no_reasons(api, stack):
    """Reasons name paths and figures of the business: they are for operators and for this host."""
    customer, event = api.sign_up(), f"evt_{uuid.uuid4().hex}"
    stack.sql("INSERT INTO stripe_events (event_id, type, livemode, received_at, origin, family, "
              f"subject, state) VALUES ('{event}', 'invoice.paid', false, now(), 'webhook', 'invoice', "
              "'in_none', 'parked')")

    def details(**params):
        status, body = ask(stack.socket, "GET", "/health/ready", **params)
        assert (status, body["status"], body["checks"]["stripe"]["ok"]) == (200, "degraded", False)
        return {check["detail"] for check in body["checks"].values()}

    try:
        for params in ({}, {"REMOTE_ADDR": "127.0.0.1"}, {"REMOTE_ADDR": "::1"},
                       {"REMOTE_ADDR": "10.0.0.1", "HTTP_AUTHORIZATION": f"Bearer {stack.viewer_key}"}):
            assert "1 events and 0 calls are parked" in details(**params)
        for params in ({}, {"HTTP_X_API_KEY": customer.api_key}, {"HTTP_X_API_KEY": "gba_" + "0" * 64},
                       {"BILLING_SESSION": "gbs_" + "0" * 64}):
            assert details(REMOTE_ADDR="10.0.0.1", **params) == {"passed", "failed; operators see the reason"}
    finally:
        stack.sql(f"DELETE FROM stripe_events WHERE event_id = '{event}'")


@pytest.mark.parametrize("state, received, detail", [
    ("parked", "0 seconds", "1 events and 0 calls are parked"),
    ("pending", "16 minutes", "events have waited too long"),
    ("pending", "14 minutes", None)])
def test_waiting_events_degrade_the_readiness(api, stack, state, received, detail):
    """The host stays in use, as it can still issue licences."""
    event = f"evt_{uuid.uuid4().hex}"
    stack.sql("INSERT INTO stripe_events (event_id, type, livemode, received_at, origin, family, "
              "subject, state, next_try_at) VALUES "
              f"('{event}', 'invoice.paid', false, now() - interval '{received}', 'webhook', "
              f"'invoice', 'in_none', '{state}', "
              f"CASE WHEN '{state}' = 'pending' THEN now() + interval '1 hour' END)")
    try:
        ready = expect(api.nobody.get("/health/ready"), 200)
    finally:
        stack.sql(f"DELETE FROM stripe_events WHERE event_id = '{event}'")
    assert ready["status"] == ("degraded" if detail else "ready")
    assert ready["checks"]["stripe"] == {"ok": not detail,
                                         "detail": detail or "events are dealt with"}


@pytest.mark.parametrize("name", ["billing_requests_total", "billing_workers"])
def test_metrics_are_in_the_prometheus_format(api, name):
    api.nobody.get("/health")
    lines = api.nobody.get("/metrics").text.splitlines()
    assert any(line.startswith(f"# TYPE {name} ") for line in lines), lines[:40]
    assert any(line.startswith(name) for line in lines)
