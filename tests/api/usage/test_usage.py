"""Usage: reports are stored once and durably, and read back as they were sent."""

import concurrent.futures
import datetime
import json
import uuid

import pytest

from support.client import expect
from support.raw import build, exchange
from support.stack import wait_for
from support.usage import at, report, send, walk


def current(limits):
    """The limits without the time until which they count."""
    return {name: value for name, value in limits.items() if name != "counted_until"}


def stored(stack, customer):
    """How many reports of the customer the database has."""
    return int(stack.sql(f"SELECT count(*) FROM usage_reports WHERE customer_id = '{customer.id}'"))


@pytest.mark.quick
def test_a_report_is_read_back_as_it_was_sent(api):
    customer = api.sign_up()
    when = at(minutes=5)
    made = send(customer, instance_id="plant-7", active_devices=7, total_devices=9,
                reported_at=when, report_id="r-1", metrics={"mqtt_messages": 5, "storage_mb": 0})
    assert made["message"]
    one = made["report"]
    assert {name: one[name] for name in one if name not in ("id", "received_at")} == {
        "customer_id": customer.id, "instance_id": "plant-7", "active_devices": 7,
        "total_devices": 9, "metrics": {"mqtt_messages": 5, "storage_mb": 0},
        "reported_at": when, "report_id": "r-1"}
    assert expect(api.viewer.get(f"/api/usage/{customer.id}/latest"), 200) == {
        "customer_id": customer.id, "report": one}
    assert walk(api.owner, customer) == [one]


def test_defaults_of_a_report(api):
    customer = api.sign_up()
    one = send(customer)["report"]
    assert (one["instance_id"], one["active_devices"], one["total_devices"], one["metrics"],
            one["report_id"]) == ("default", 0, 0, {}, None)
    assert one["reported_at"] == one["received_at"]
    nothing = dict.fromkeys(("instance_id", "reported_at", "report_id", "metrics"))
    assert send(customer, **nothing)["report"]["instance_id"] == "default"


def test_the_same_report_again_is_the_first(api, stack):
    customer = api.sign_up()
    first = send(customer, report_id="a", active_devices=1, total_devices=2)

    def same():
        """The answer to the report once more, when it says that later reports count too. The clocks of two workers
        may differ."""
        again = send(customer, 200, report_id="a", active_devices=2, total_devices=2,
                     instance_id="other", reported_at=at(days=3))
        return again["limits"]["counted_until"] > first["limits"]["counted_until"] and again

    again = wait_for(same)
    assert again["report"] == first["report"] and current(again["limits"]) == current(first["limits"])
    assert stored(stack, customer) == 1
    days = expect(api.owner.get(f"/api/usage/{customer.id}/daily"), 200)["days"]
    assert [day["reports"] for day in days] == [1]
    # Another customer may use the same report_id.
    assert send(api.sign_up(), report_id="a")["report"]["id"] != first["report"]["id"]


def test_fifty_times_at_once_is_one_report(api, stack):
    customer = api.sign_up()

    def post(_):
        answer = api.keyed(customer.api_key).post("/api/usage/report", report(
            customer, report_id="once", total_devices=3))
        return answer.status_code, answer.json()["report"]["id"]

    with concurrent.futures.ThreadPoolExecutor(25) as pool:
        answers = list(pool.map(post, range(50)))
    assert sorted(status for status, _ in answers) == [200] * 49 + [201]
    assert len({report_id for _, report_id in answers}) == 1 == stored(stack, customer)


@pytest.mark.parametrize("members, field", [
    ({"active_devices": 2, "total_devices": 1}, "active_devices"),
    ({"active_devices": 1}, "active_devices"), ({"active_devices": -1}, "active_devices"),
    ({"total_devices": 2**31}, "total_devices"), ({"total_devices": 1.0}, "total_devices"),
    ({"total_devices": "1"}, "total_devices"), ({"total_devices": None}, "total_devices"),
    ({"instance_id": ""}, "instance_id"), ({"instance_id": "a b"}, "instance_id"),
    ({"instance_id": "x" * 101}, "instance_id"), ({"report_id": "é"}, "report_id"),
    ({"report_id": 1}, "report_id"), ({"reported_at": "yesterday"}, "reported_at"),
    ({"reported_at": at(days=35, minutes=1)}, "reported_at"),
    ({"reported_at": at(days=-2)}, "reported_at"), ({"metrics": []}, "metrics"),
    ({"metrics": {"steps": 1}}, "metrics.steps"),
    ({"metrics": {"api_calls": 1.5}}, "metrics.api_calls"),
    ({"metrics": {"api_calls": -1}}, "metrics.api_calls"),
    ({"metrics": {"api_calls": 2**53}}, "metrics.api_calls"), ({"plan": "x"}, "plan"),
    ({"version": "x" * 65}, "version"), ({"version": ""}, "version"), ({"version": " 1"}, "version"),
    ({"version": "1 "}, "version"), ({"version": "1\n2"}, "version"), ({"version": "\x7f"}, "version"),
    ({"version": "é"}, "version"), ({"version": 3.2}, "version")])
def test_bad_reports(api, stack, members, field):
    customer = api.sign_up()
    refused = expect(customer.client.post("/api/usage/report", report(customer, **members)), 400,
                     "invalid_request")
    assert [detail["field"] for detail in refused["details"]] == [field]
    # As an item of a batch it is refused with the same message, and the others are stored.
    batch = expect(customer.client.post("/api/usage/reports", {"reports": [
        report(customer), report(customer, **members), report(customer)]}), 200)
    assert [one["status"] for one in batch["results"]] == ["created", "invalid", "created"]
    assert batch["results"][1]["details"] == refused["details"]
    assert (batch["created"], batch["duplicates"], batch["invalid"]) == (2, 0, 1)
    assert stored(stack, customer) == 2


def test_extreme_values_are_accepted(api):
    customer = api.sign_up()
    for when in (at(days=34, hours=23, minutes=59), at(minutes=-4)):
        send(customer, reported_at=when, active_devices=2**31 - 1, total_devices=2**31 - 1,
             metrics={"api_calls": 2**53 - 1}, instance_id="x" * 100, report_id=uuid.uuid4().hex)
    days = expect(api.owner.get(f"/api/usage/{customer.id}/daily"), 200)["days"]
    assert sum(day["metrics"]["api_calls"] for day in days) == 2 * (2**53 - 1)


def test_reports_of_other_customers_are_refused(api, stack):
    customer, other = api.sign_up(), api.sign_up()
    wrong = api.keyed(api.mint(customer, "license", "billing")[0])
    unknown = "cust_" + "0" * 32
    for client, customer_id, status, code in (
            (other.client, customer.id, 404, "customer_not_found"),
            (customer.client, unknown, 404, "customer_not_found"),
            (api.owner, unknown, 404, "customer_not_found"),
            (api.owner, "x", 404, "customer_not_found"),
            (wrong, customer.id, 403, "scope_missing"),
            (api.viewer, customer.id, 403, "forbidden"),
            (api.nobody, customer.id, 401, "unauthenticated"),
            (api.keyed(f"{customer.id}_{'0' * 64}"), customer.id, 401, "unauthenticated")):
        expect(client.post("/api/usage/report", {"customer_id": customer_id}), status, code)
        # A caller without a valid key learns nothing about the body, and gets no stored answer
        # by an Idempotency-Key.
        refused = client.post("/api/usage/report", {"customer_id": customer_id, "x": 1})
        assert refused.status_code == (400 if status == 404 else status)
        expect(client.post("/api/usage/report", {"customer_id": customer_id},
                           headers={"Idempotency-Key": f"same {customer_id}"}), status, code)
    assert stored(stack, customer) == stored(stack, other) == 0
    assert stack.sql("SELECT count(*) FROM instances WHERE customer_id IN "
                     f"('{customer.id}', '{other.id}')") == "0"


def test_a_deleted_customer_reports_no_more(api, stack):
    customer = api.sign_up()
    send(customer)
    expect(api.owner.delete(f"/api/customers/{customer.id}"), 200)
    expect(api.owner.post("/api/usage/report", report(customer)), 404, "customer_not_found")
    batch = expect(api.owner.post("/api/usage/reports", {"reports": [report(customer)]}), 200)
    assert batch["results"][0]["code"] == "customer_not_found"
    assert stored(stack, customer) == 1


def test_an_idempotency_key_stores_a_report_once(api, stack):
    customer, other = api.sign_up(), api.sign_up()
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = customer.client.post("/api/usage/report", report(customer), headers=headers)
    again = customer.client.post("/api/usage/report", report(customer), headers=headers)
    assert (first.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true" and stored(stack, customer) == 1
    expect(customer.client.post("/api/usage/report", report(customer, total_devices=1),
                                headers=headers), 422, "idempotency_key_reused")
    # An Idempotency-Key belongs to its caller, also where one statement looks the caller up.
    expect(other.client.post("/api/usage/report", report(customer), headers=headers), 404,
           "customer_not_found")


@pytest.mark.quick
def test_a_batch(api, stack):
    customer, other = api.sign_up(), api.sign_up()
    send(customer, report_id="old", total_devices=5)
    items = [report(customer, report_id="new", total_devices=1, metrics={"api_calls": 2}),
             report(customer, report_id="old", total_devices=6),
             report(other), report(customer, report_id="new", total_devices=2), {},
             report(customer, reported_at=at(days=40)), report(customer, instance_id="b")]
    batch = expect(customer.client.post("/api/usage/reports", {"reports": items}), 200)
    results = batch["results"]
    assert [one["index"] for one in results] == list(range(7))
    assert [one["status"] for one in results] == [
        "created", "duplicate", "invalid", "duplicate", "invalid", "invalid", "created"]
    assert results[0]["report"]["total_devices"] == 1 and results[0]["report"] == \
        results[3]["report"]
    assert results[1]["report"]["total_devices"] == 5
    assert results[2]["code"] == "customer_not_found"
    assert [d["field"] for d in results[4]["details"]] == ["customer_id"]
    assert (batch["created"], batch["duplicates"], batch["invalid"]) == (2, 2, 3)
    assert current(batch["limits"]) == {name: value for name, value in expect(customer.client.get(
        f"/api/usage/{customer.id}/limits"), 200).items() if name not in (
            "customer_id", "plan", "counted_until")}
    assert stored(stack, customer) == 3 and stored(stack, other) == 0
    again = expect(customer.client.post("/api/usage/reports", {"reports": items[:2]}), 200)
    assert (again["created"], again["duplicates"]) == (0, 2)
    # An owner's batch may be about several customers.
    batch = expect(api.owner.post("/api/usage/reports", {"reports": [
        report(customer), report(other)]}), 200)
    assert batch["created"] == 2 and "limits" not in batch


@pytest.mark.parametrize("number", ["99999999999999999999", "-9223372036854775809", "1e400", "9" * 5000])
def test_a_number_out_of_range_is_a_bad_field(api, stack, number):
    """It makes its own report invalid, and no other of the batch."""
    customer = api.sign_up()
    bad = json.dumps(report(customer, active_devices=-1, metrics={"api_calls": 0}))
    bad = bad.replace("-1", number).replace('"api_calls": 0', f'"api_calls": {number}')
    good = json.dumps(report(customer))
    batch = expect(customer.client.post("/api/usage/reports", data=f'{{"reports": [{good}, {bad}, {good}]}}'), 200)
    assert [one["status"] for one in batch["results"]] == ["created", "invalid", "created"]
    assert stored(stack, customer) == 2
    refused = expect(customer.client.post("/api/usage/report", data=bad), 400, "invalid_request")
    assert refused["details"] == [{"field": "active_devices", "message": "is out of range"}]
    bad = json.dumps(report(customer, metrics={"api_calls": 0})).replace('"api_calls": 0', f'"api_calls": {number}')
    refused = expect(customer.client.post("/api/usage/report", data=bad), 400, "invalid_request")
    assert [one["field"] for one in refused["details"]] == ["metrics.api_calls"]


def test_a_large_batch(api, stack):
    customer = api.sign_up()
    items = [report(customer, instance_id=f"{n:0100}", report_id=f"{n:0100}", active_devices=n,
                    total_devices=n, metrics={"mqtt_messages": 2**53 - 1, "api_calls": n})
             for n in range(500)]
    batch = expect(customer.client.post("/api/usage/reports", {"reports": items}), 200)
    assert batch["created"] == 500 and stored(stack, customer) == 500
    assert batch["limits"]["devices"]["current"] == sum(range(500))
    assert batch["limits"]["metrics"]["mqtt_messages"]["current"] == 500 * (2**53 - 1)
    expect(customer.client.post("/api/usage/reports", {"reports": items + items[:1]}), 400,
           "invalid_request")
    for body in ({}, {"reports": []}, {"reports": {}}, {"reports": None}, {"reports": "x"}):
        expect(customer.client.post("/api/usage/reports", body), 400, "invalid_request")
    text = json.dumps({"reports": items}) + " " * 512 * 1024
    expect(customer.client.post("/api/usage/reports", data=text), 413, "body_too_large")


def test_paging_and_filters(api):
    customer = api.sign_up()
    times = [at(minutes=minute) for minute in (3, 1, 2, 1, 50, 40, 1)]
    sent = [send(customer, instance_id="ab"[n % 2], reported_at=when)["report"]
            for n, when in enumerate(times)]
    newest = sorted(sent, key=lambda one: (one["reported_at"], one["id"]), reverse=True)
    for limit in (1, 2, 3, 100):
        assert walk(customer.client, customer, f"limit={limit}") == newest
    for instance in "ab":
        assert walk(api.viewer, customer, f"limit=2&instance_id={instance}") == [
            one for one in newest if one["instance_id"] == instance]
    assert walk(api.owner, customer, f"from={times[0]}&limit=2") == [
        one for one in newest if one["reported_at"] >= times[0]]
    assert walk(api.owner, customer, f"to={times[0]}&from={times[4]}") == [
        one for one in newest if times[4] <= one["reported_at"] < times[0]]
    assert walk(api.owner, customer, "instance_id=none") == []
    assert expect(api.owner.get(f"/api/usage/{customer.id}/latest"), 200)["report"] == newest[0]


def test_pages_have_each_older_report_once_while_more_arrive(api):
    customer = api.sign_up()
    items = [report(customer, report_id=f"old-{n}", reported_at=at(minutes=n // 7))
             for n in range(120)]
    expect(api.owner.post("/api/usage/reports", {"reports": items}), 200)
    cursor, seen, rounds = "", [], 0
    while cursor is not None:
        page = expect(api.owner.get(f"/api/usage/{customer.id}?limit=7" +
                                    (f"&cursor={cursor}" if cursor else "")), 200)
        seen += [one["report_id"] for one in page["reports"]]
        cursor = page["next_cursor"]
        more = [report(customer, report_id=f"new-{rounds}-{n}", reported_at=at(minutes=4 * n))
                for n in range(5)]
        expect(api.owner.post("/api/usage/reports", {"reports": more}), 200)
        rounds += 1
    old = [name for name in seen if name.startswith("old-")]
    assert sorted(old) == sorted(item["report_id"] for item in items)
    assert len(seen) == len(set(seen)) and rounds > 15


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "cursor=x", "cursor=MTphYmM",
                                   "from=2025", "to=x", "instance_id=", "limit=1&limit=1"])
def test_bad_queries(api, query):
    customer = api.sign_up()
    expect(api.owner.get(f"/api/usage/{customer.id}?{query}"), 400, "invalid_request")


def test_a_customer_without_reports(api):
    customer = api.sign_up()
    expect(customer.client.get(f"/api/usage/{customer.id}/latest"), 404, "report_not_found")
    assert expect(customer.client.get(f"/api/usage/{customer.id}"), 200) == {
        "customer_id": customer.id, "reports": [], "total": 0, "next_cursor": None}
    assert expect(customer.client.get(f"/api/usage/{customer.id}/daily"), 200)["days"] == []
    for path in ("", "/latest", "/daily", "/limits"):
        expect(api.owner.get(f"/api/usage/cust_{'0' * 32}{path}"), 404, "customer_not_found")


def test_days(api):
    customer = api.sign_up()
    # Far from midnight, whatever the time is now.
    noon = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=2)).replace(
        hour=12)
    day = noon.strftime("%Y-%m-%d")
    for minute, (instance, active, total, calls) in enumerate((
            ("a", 1, 4, 10), ("a", 3, 4, 5), ("b", 4, 8, 0), ("a", 2, 5, 1))):
        when = noon.replace(minute=minute).strftime("%Y-%m-%dT%H:%M:%SZ")
        send(customer, instance_id=instance, active_devices=active, total_devices=total,
             reported_at=when, metrics={"api_calls": calls})
    send(customer, reported_at=at(days=5))
    path = f"/api/usage/{customer.id}/daily"
    days = expect(customer.client.get(path), 200)["days"]
    assert len(days) == 2 and days[1] == {
        "date": day, "reports": 4, "instances": 2, "active_devices_max": 4,
        "active_devices_mean": 2.5, "active_devices_peak": 7, "total_devices_max": 8,
        "total_devices_mean": 5.25, "total_devices_peak": 13, "metrics": {"api_calls": 16}}
    assert expect(api.viewer.get(f"{path}?from={day}&to={day}"), 200)["days"] == days[1:]
    only = expect(api.viewer.get(f"{path}?from={day}&instance_id=a"), 200)["days"]
    assert (only[0]["reports"], only[0]["active_devices_mean"], only[0]["metrics"]) == (
        3, 2, {"api_calls": 16})
    for query in ("from=2025-02-30", "to=2025-1-1", "from=2025-02-15T00:00:00Z", "to="):
        expect(api.owner.get(f"{path}?{query}"), 400, "invalid_request")


@pytest.mark.quick
def test_limits(api):
    customer = api.sign_up()
    limits = send(customer, instance_id="a", active_devices=4, total_devices=9,
                  metrics={"api_calls": 7, "storage_mb": 30})["limits"]
    assert limits["devices"] == {"current": 4, "max": 10, "percent_used": 40.0}
    assert limits["instances"] == {"current": 1, "max": None, "percent_used": None}
    limits = send(customer, instance_id="b", active_devices=8, total_devices=8,
                  metrics={"api_calls": 1, "storage_mb": 12})["limits"]
    # A report over the limit is stored.
    assert limits["devices"] == {"current": 12, "max": 10, "percent_used": 120.0}
    assert {name: level["current"] for name, level in limits["metrics"].items()} == {
        "mqtt_messages": 0, "api_calls": 8, "storage_mb": 42}
    # A late report changes the sums of its month, not the present level; one of an earlier month
    # changes neither.
    limits = send(customer, instance_id="b", active_devices=1, total_devices=1,
                  reported_at=at(days=34), metrics={"storage_mb": 1})["limits"]
    assert limits["devices"]["current"] == 12 and limits["metrics"]["storage_mb"]["current"] == 42
    # The devices of an instance whose lease has ended are not in use.
    limits = send(customer, instance_id="c", active_devices=1, total_devices=1,
                  reported_at=at(hours=73))["limits"]
    assert limits["devices"]["current"] == 12 and limits["instances"]["current"] == 2
    assert current(expect(customer.client.get(f"/api/usage/{customer.id}/limits"), 200)) == {
        "customer_id": customer.id, "plan": "starter", **current(limits)}


def test_limits_without_a_subscription(api, stack):
    customer = api.sign_up()
    stack.sql(f"DELETE FROM subscriptions WHERE customer_id = '{customer.id}'")
    assert send(customer, active_devices=1, total_devices=1)["limits"]["devices"]["current"] == 1
    assert expect(customer.client.get(f"/api/usage/{customer.id}/limits"), 200)["plan"] is None


def test_the_size_of_a_batch_is_limited(stack):
    """A batch may have half a mebibyte, with or without a Content-Length."""
    key = ("Authorization", f"Bearer {stack.admin_key}")
    kind = ("Content-Type", "application/json")
    answer = exchange(stack, build("POST", "/api/usage/reports", [
        key, kind, ("Content-Length", str(100 << 20))], b" " * 70000), first=True)
    assert (answer.status, answer.code) == (413, "body_too_large")
    chunks = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    for path, count in (("/api/usage/report", 2), ("/api/usage/reports", 9)):
        answer = exchange(stack, build("POST", path, [
            key, kind, ("Transfer-Encoding", "chunked")], chunks * count), first=True)
        assert (answer.status, answer.code) == (413, "body_too_large")


def test_bad_fields_are_bounded(api, stack):
    """However many members are unknown, the answer stays small, and each bad report of a batch
    names its first bad field."""
    customer = api.sign_up()
    unknown = {f"n{n}": 0 for n in range(1000)} | {"x" * 3000: 0}
    refused = expect(customer.client.post("/api/usage/report", report(customer, **unknown)), 400,
                     "invalid_request")
    assert len(refused["details"]) == 20 and "and more" in refused["error"]
    exact = expect(customer.client.post("/api/usage/report", report(
        customer, **{f"n{n}": 0 for n in range(20)})), 400, "invalid_request")
    assert exact["details"] == refused["details"] and "and more" not in exact["error"]
    cut, = expect(customer.client.post("/api/usage/report", report(customer, **{"x" * 3000: 0})),
                  400, "invalid_request")["details"]
    assert cut["field"] == "x" * 120 + "..."
    answer = customer.client.post("/api/usage/reports", {"reports": [
        *[report(customer, **{f"n{n}": 0 for n in range(500)}) for _ in range(72)],
        report(customer)]})
    batch = expect(answer, 200)
    assert (batch["created"], batch["invalid"]) == (1, 72) and stored(stack, customer) == 1
    assert [len(one["details"]) for one in batch["results"][:72]] == [20, 2] + 70 * [1]
    assert len(answer.content) < 20000


def test_new_instances_of_a_day_are_bounded(api, stack):
    """Reports of known instances are taken beside it, one by one and in a batch, and other customers' too."""
    customer, other = api.sign_up(), api.sign_up()
    send(customer, instance_id="known")

    def at_the_bound():
        today = "(now() AT TIME ZONE 'UTC')::date"
        stack.sql(f"UPDATE instance_counts SET day = {today}, first_seen = 20000 WHERE customer_id = '{customer.id}'")
        refused = customer.client.post("/api/usage/report", report(customer, instance_id="new"))
        batch = customer.client.post("/api/usage/reports", {"reports": [
            report(customer, instance_id=name) for name in ("new", "known", "newer")]})
        all_new = customer.client.post("/api/usage/reports", {"reports": [report(customer, instance_id="new")]})
        same_day = stack.sql(f"SELECT day = {today} FROM instance_counts WHERE customer_id = '{customer.id}'") == "t"
        return (refused, batch, all_new) if same_day else at_the_bound()

    refused, batch, all_new = at_the_bound()
    expect(refused, 429, "too_many_instances")
    assert 0 < int(refused.headers["Retry-After"]) <= 86400
    answer = expect(batch, 200)
    assert [one["status"] for one in answer["results"]] == ["invalid", "created", "invalid"]
    assert {one.get("code") for one in answer["results"]} == {None, "too_many_instances"}
    assert (answer["created"], answer["duplicates"], answer["invalid"]) == (1, 0, 2)
    expect(all_new, 429, "too_many_instances")
    send(customer, instance_id="known")
    send(other, instance_id="new")
    assert int(stack.sql(f"SELECT count(*) FROM instances WHERE customer_id = '{customer.id}'")) == 1
