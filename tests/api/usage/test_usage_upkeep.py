"""The sums of usage are right; wrong reports are corrected, old ones deleted."""

import concurrent.futures
import os
import threading

import requests

from support.chance import SEED
from support.client import expect
from support.stack import wait_for
from support.usage import at, report, send, walk
from support.usage_model import Model, Reports, recomputed_differences

# USAGE_REPORTS=1000000 sends that many.
COUNT = int(os.environ.get("USAGE_REPORTS", "3000"))


def insist(client, path, body):
    """Sends again when the kept connection was being closed; the report_id makes that safe."""
    try:
        return client.post(path, body)
    except requests.ConnectionError:
        return client.post(path, body)


def test_totals_equal_the_model(api, stack, figures):
    customers = [api.sign_up().id for _ in range(3)]
    reports, model, sent = Reports(SEED, customers), Model(), 0
    while sent < COUNT:
        size = reports.random.choice((1, 1, 2, 50, 500 if COUNT > 100000 else 200))
        items = [reports.one() for _ in range(size)]
        sent += size
        if size == 1:
            answer = insist(api.owner, "/api/usage/report", items[0])
            assert answer.status_code in (200, 201), answer.text
            model.add(answer.json()["report"])
            continue
        batch = expect(insist(api.owner, "/api/usage/reports", {"reports": items}), 200)
        assert batch["invalid"] == 0
        for one in batch["results"]:
            model.add(one["report"])
    figures["usage reports against the model"] = sent
    assert model.differences(stack) == 0
    assert len(model.reports) == reports.count
    # The comparison notices a model that misses one report.
    model.add(send_by(api.owner, customers[0])["report"])
    model.days.popitem()
    assert model.differences(stack) > 0


def send_by(client, customer_id, **members):
    """A report of any caller."""
    return expect(client.post("/api/usage/report", {"customer_id": customer_id, **members}), 201)


def test_many_clients_add_up(api, stack):
    customers = [api.sign_up().id for _ in range(2)]
    model, lock = Model(), threading.Lock()

    def client(number):
        reports, caller = Reports(SEED + number % 4, customers), api.bearer(stack.admin_key)
        for turn in range(12):
            items = [reports.one() for _ in range(1 if turn % 2 else 8)]
            batch = expect(caller.post("/api/usage/reports", {"reports": items}), 200)
            with lock:
                for one in batch["results"]:
                    model.add(one["report"])

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(client, range(16)))
    assert model.differences(stack) == 0


def correct(api, customer, status=201, code=None, **members):
    """Corrects a report as the owner; the answer."""
    return expect(api.owner.post(f"/api/usage/{customer.id}/corrections",
                                 {"reason": "counted twice", **members}), status, code)


def days(api, customer):
    """All days."""
    return expect(api.owner.get(f"/api/usage/{customer.id}/daily"), 200)["days"]


def test_a_correction(api, stack):
    customer = api.sign_up()
    other = send(customer, active_devices=1, total_devices=2, metrics={"api_calls": 3},
                 reported_at=at(minutes=1))["report"]
    wrong = send(customer, active_devices=50, total_devices=60, report_id="w",
                 metrics={"api_calls": 100, "storage_mb": 9})["report"]
    right = correct(api, customer, id=wrong["id"], active_devices=5, total_devices=6,
                    metrics={"api_calls": 10})["report"]
    assert {name: right[name] for name in ("corrects", "reason", "report_id", "reported_at",
                                           "active_devices", "total_devices", "metrics")} == {
        "corrects": wrong["id"], "reason": "counted twice", "report_id": "w",
        "reported_at": wrong["reported_at"], "active_devices": 5, "total_devices": 6,
        "metrics": {"api_calls": 10}}
    assert walk(api.owner, customer) == [right, {**wrong, "superseded_by": right["id"]}, other]
    assert expect(customer.client.get(f"/api/usage/{customer.id}/latest"), 200)["report"] == right
    total = {name: sum(day[name] for day in days(api, customer))
             for name in ("reports", "active_devices_peak")}
    assert total["reports"] == 2 and max(d["active_devices_max"] for d in days(api, customer)) == 5
    assert sum(day["metrics"].get("api_calls", 0) for day in days(api, customer)) == 13
    assert not any("storage_mb" in day["metrics"] for day in days(api, customer))
    limits = expect(customer.client.get(f"/api/usage/{customer.id}/limits"), 200)
    assert limits["devices"]["current"] == 5
    # Values that the correction leaves out stay. The report, sent again, is still the first one.
    again = correct(api, customer, id=right["id"], total_devices=7)["report"]
    assert (again["active_devices"], again["total_devices"], again["metrics"]) == (
        5, 7, {"api_calls": 10})
    assert send(customer, 200, report_id="w")["report"]["id"] == wrong["id"]
    assert stack.sql("SELECT count(*) FROM audit_log WHERE action = 'usage_correct' AND "
                     f"customer_id = '{customer.id}'") == "2"


def test_corrections_are_refused(api):
    customer, other = api.sign_up(), api.sign_up()
    wrong = send(customer, active_devices=2, total_devices=2)["report"]["id"]
    correct(api, other, 404, "report_not_found", id=wrong)
    correct(api, customer, 404, "report_not_found", id=wrong + 10**9)
    for bad in ({"id": 0}, {"reason": " "}, {"reason": None}, {"active_devices": -1},
                {"metrics": {"x": 1}}, {"total_devices": 1}, {"x": 1}):
        correct(api, customer, 400, "invalid_request", **{"id": wrong, **bad})
    right = correct(api, customer, id=wrong, active_devices=1)["report"]["id"]
    refused = correct(api, customer, 409, "report_superseded", id=wrong, active_devices=0)
    assert str(right) in refused["error"]
    for client in (customer.client, api.viewer):
        expect(client.post(f"/api/usage/{customer.id}/corrections", {"id": right, "reason": "x"}),
               403, "forbidden")
    assert len(walk(api.owner, customer)) == 2


def test_corrections_among_reports_add_up(api, stack):
    """Counting a day anew while reports come in counts each of them once."""
    customer = api.sign_up()
    first = [send(customer, total_devices=n)["report"]["id"] for n in range(8)]

    def reporter(_):
        client = api.keyed(customer.api_key)
        for number in range(25):
            expect(client.post("/api/usage/report", report(
                customer, total_devices=number, metrics={"api_calls": number})), 201)

    def corrector(usage_id):
        client = api.bearer(stack.admin_key)
        for number in range(4):
            answer = client.post(f"/api/usage/{customer.id}/corrections", {
                "id": usage_id, "reason": "race", "total_devices": number,
                "metrics": {"api_calls": 1000}})
            usage_id = expect(answer, 201)["report"]["id"]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for future in [pool.submit(reporter, n) for n in range(6)] + [
                pool.submit(corrector, usage_id) for usage_id in first]:
            future.result()
    assert recomputed_differences(stack, [customer.id]) == []
    of_customer = f"WHERE customer_id = '{customer.id}'"
    for rolled_up, raw in (
            ("SELECT sum(reports), sum(total_devices_sum), max(total_devices_max) FROM "
             f"usage_daily {of_customer}",
             "SELECT count(*), sum(total_devices), max(total_devices) FROM usage_reports "
             f"{of_customer} AND superseded_by IS NULL"),
            (f"SELECT sum(total) FROM usage_daily_metrics {of_customer}",
             "SELECT sum((metrics->>'api_calls')::bigint) FROM usage_reports "
             f"{of_customer} AND superseded_by IS NULL")):
        assert stack.sql(rolled_up) == stack.sql(raw)
    assert stack.sql(f"SELECT count(*) FROM usage_reports {of_customer}") == str(
        8 + 6 * 25 + 8 * 4)


def test_clean_up(api):
    customer = api.sign_up()
    for ago in (0, 20, 33):
        send(customer, reported_at=at(days=ago), report_id=f"r{ago}")
    answer = expect(api.owner.delete("/api/usage/cleanup"), 200)
    assert answer["message"] and len(walk(api.owner, customer)) == 3
    assert expect(api.owner.delete("/api/usage/cleanup?days=25"), 200)["deleted"] >= 1
    assert [one["report_id"] for one in walk(api.owner, customer)] == ["r0", "r20"]
    assert len(days(api, customer)) == 3
    send(customer, 200, reported_at=at(days=33), report_id="r33")
    assert len(days(api, customer)) == 3
    for query in ("days=0", "days=x", "days=36501", "days=-1"):
        expect(api.owner.delete(f"/api/usage/cleanup?{query}"), 400, "invalid_request")
    for client in (customer.client, api.viewer):
        expect(client.delete("/api/usage/cleanup"), 403, "forbidden")


def test_the_jobs_make_months(stack):
    """The local jobs do it when they start, and log it unless there is nothing to do."""
    ahead = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'usage_reports'::regclass"
    assert wait_for(lambda: int(stack.sql(ahead)) >= 5)
    failed = [line for line in stack.billingd_log() if line["message"] == "job failed"
              and "usage_months" in line.get("job", "")]
    assert not failed
