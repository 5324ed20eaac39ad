"""The export: all data of a customer as JSON, and its reports as CSV."""

import csv
import io
import json

from support.client import expect
from support.usage import at, send

CSV = {"Accept": "text/csv"}


def rows_of(answer):
    """The rows of a CSV answer as dicts."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.text.endswith("\r\n") and "Accept" in answer.headers["Vary"]
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def test_the_json_export(api):
    customer = api.sign_up(company_name="Acme")
    one = send(customer, instance_id="a", active_devices=1, total_devices=2,
               metrics={"api_calls": 3}, version="3.2.0")["report"]
    got = expect(customer.client.get(f"/api/customers/{customer.id}/export"), 200)
    assert got["customer"] == customer.answer["customer"]
    assert got["subscription"] == customer.answer["subscription"]
    assert [key["scopes"] for key in got["keys"]] == [["license", "usage", "billing"]]
    assert [license["reason"] for license in got["licenses"]] == ["sign_up"]
    assert [(one["instance_id"], one["version"]) for one in got["instances"]] == [("a", "3.2.0")]
    assert got["usage_days"][0]["metrics"] == {"api_calls": 3}
    assert (got["reports"], got["invoices"], got["next_cursor"]) == ([one], [], None)
    expect(api.nobody.post("/api/session", {"api_key": customer.api_key},
                           headers={"X-Billing-Console": "1", "User-Agent": "Firefox"}), 201)
    got = expect(customer.client.get(f"/api/customers/{customer.id}/export"), 200)
    assert [one["user_agent"] for one in got["sessions"]] == ["Firefox"]
    # The export contains no secret.
    text = customer.client.get(f"/api/customers/{customer.id}/export").text
    assert customer.api_key not in text and customer.license not in text


def test_contracts_and_requests(api, stack, tmp_path):
    """All contracts, without operators' texts, the overrides, and the requests that bound licences
    answered."""
    customer, request = api.sign_up(), tmp_path / "request"
    path = f"/api/customers/{customer.id}/contracts"
    for n in range(21):
        last = expect(api.owner.post(path, {
            "plan": "starter", "billing": "manual", "note": "secret", "starts_at": at(days=-n - 1),
            "ends_at": at(days=-n - 2)}), 201)["contract"]
    expect(api.owner.post(f"{path}/{last['contract_id']}/end", {"reason": "secret"}), 200)
    request.write_text(json.dumps({"format": "global-billing-request-1", "nonce": "0" * 32,
                                   "instance_id": "plant", "kind": "production"}))
    stack.billingctl("license", "issue", customer.id, "--request", str(request))
    expect(api.owner.put(f"/api/customers/{customer.id}/overrides", {
        "limits": {"maxUsers": 7}, "reason": "as agreed"}), 200)
    answer = customer.client.get(f"/api/customers/{customer.id}/export")
    got = expect(answer, 200)
    assert (got["overrides"]["limits"], got["overrides"]["reason"]) == ({"maxUsers": 7}, "as agreed")
    assert len({contract["contract_id"] for contract in got["contracts"]}) == 21
    assert "secret" not in answer.text and "operator:" not in answer.text
    bound, = [one["jti"] for one in got["licenses"] if one["reason"] == "bound"]
    asked, = got["license_requests"]
    assert (asked["nonce"], asked["instance_id"], asked["jti"]) == ("0" * 32, "plant", bound)


def test_the_csv_export(api):
    customer = api.sign_up()
    first = send(customer, instance_id="-1", report_id="r.1", active_devices=1, total_devices=2,
                 metrics={"api_calls": 3}, reported_at=at(minutes=2))["report"]
    second = expect(api.owner.post(f"/api/usage/{customer.id}/corrections", {
        "id": first["id"], "total_devices": 5, "reason": '=HYPERLINK("x"),\u00e9'}), 201)["report"]
    rows = rows_of(customer.client.get(f"/api/customers/{customer.id}/export", headers=CSV))
    assert rows[1] == {
        "id": str(first["id"]), "reported_at": first["reported_at"],
        "received_at": first["received_at"], "instance_id": "'-1", "report_id": "r.1",
        "active_devices": "1", "total_devices": "2", "mqtt_messages": "", "api_calls": "3",
        "storage_mb": "", "corrects": "", "superseded_by": str(second["id"]), "reason": ""}
    assert rows[0]["reason"] == "'=HYPERLINK(\"x\"),\u00e9"
    assert (rows[0]["corrects"], rows[0]["total_devices"]) == (str(first["id"]), "5")


def test_pages(api):
    customer = api.sign_up()
    sent = [send(customer, reported_at=at(minutes=n))["report"]["id"] for n in range(5)]
    path, found, cursor = f"/api/customers/{customer.id}/export?limit=2", [], ""
    while cursor is not None:
        answer = api.viewer.get(path + (f"&cursor={cursor}" if cursor else ""), headers=CSV)
        found += [int(row["id"]) for row in rows_of(answer)]
        page = expect(api.viewer.get(path + (f"&cursor={cursor}" if cursor else "")), 200)
        assert [one["id"] for one in page["reports"]] == found[-len(page["reports"]):]
        assert page["next_cursor"] == answer.headers.get("X-Next-Cursor")
        cursor = page["next_cursor"]
    assert found == sent
    assert rows_of(api.owner.get(path + f"&to={at(minutes=60)}", headers=CSV)) == []


def test_the_accept_header_chooses_the_format(api):
    customer = api.sign_up()
    for accept, form in (("text/csv;q=1, application/json;q=0.5", "text/csv"),
                         ("application/json, text/csv", "text/csv"), ("*/*", "application/json"),
                         ("text/csvx", "application/json"), ("text/html", "application/json")):
        answer = customer.client.get(f"/api/customers/{customer.id}/export",
                                     headers={"Accept": accept})
        assert answer.headers["Content-Type"].split(";")[0] == form
    for query in ("limit=0", "limit=10001", "cursor=x", "from=2025-01-01"):
        for headers in ({}, CSV):
            expect(customer.client.get(f"/api/customers/{customer.id}/export?{query}",
                                       headers=headers), 400, "invalid_request")
    expect(api.owner.get(f"/api/customers/cust_{'0' * 32}/export", headers=CSV), 404,
           "customer_not_found")
