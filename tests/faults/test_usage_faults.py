"""Usage under faults: 64 clients send each report until it is acknowledged, while workers are
killed or PostgreSQL is restarted. No report is lost or counted twice, and every sum matches the
acknowledged reports."""

import concurrent.futures
import os
import threading
import time

import pytest
from chaos.load import Load
from chaos.postgres import CRASH, FAST, Postgres, Session
from chaos.processes import Killer, children
from chaos.usage import Sender
from support.stack import wait_for, within
from support.usage_model import recomputed_differences

# The jobs drop no month by themselves.
STACK = {"WORKERS": 6, "DB_STATEMENT_TIMEOUT_MS": 2000, "USAGE_RETENTION_DAYS": 3650}
CLIENTS = 64
# FULL=1 lasts for the whole of FAULT_SECONDS.
FULL = os.environ.get("FULL") == "1"


def run_for(seconds, load):
    """Waits for so many seconds, unless a client fails."""
    end = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() > end or load.check(), seconds + 10)


def test_killed_workers(stack, rng, report, fault_seconds):
    sender = Sender(stack, rng)
    with Load(stack, CLIENTS, sender.visit, rng.random()) as load:
        with Killer(stack, rng, 0.1) as killer:
            run_for(fault_seconds if FULL else min(fault_seconds, 5), load)
            wait_for(lambda: killer.kills > 10 and len(sender.answers) > 100 or load.check())
    report(kills=killer.kills, acknowledged=len(sender.answers), answers=sender.count,
           retries=load.retries, differences=sender.differences(stack))
    assert sender.differences(stack) == 0
    wait_for(lambda: len(children(stack)) > STACK["WORKERS"] / 2, 70)


@pytest.mark.parametrize("number", [FAST, CRASH], ids=["fast", "crash"])
def test_restarts_of_postgres(stack, rng, report, number):
    postgres, sender = Postgres(stack), Sender(stack, rng)
    with Load(stack, CLIENTS, sender.visit, rng.random()) as load:
        for _ in range(3 if FULL else 1):
            before = len(sender.answers)
            wait_for(lambda: len(sender.answers) > before + 100 or load.check())
            postgres.end(number)
            postgres.start()
            after = len(sender.answers)
            wait_for(lambda: len(sender.answers) > after + 100 or load.check())
    report(acknowledged=len(sender.answers), answers=sender.count, retries=load.retries,
           differences=sender.differences(stack))
    assert sender.differences(stack) == 0


def test_a_locked_table(stack):
    """Another session holds a lock. Reports are refused in time and nothing of them is stored;
    other requests are served. When the lock is released, reports are accepted. The lock of a table
    of sums refuses no report: they are counted afterwards."""
    postgres, api = Postgres(stack), stack.api
    customer = api.sign_up()
    body = {"customer_id": customer.id, "report_id": "locked", "metrics": {"api_calls": 1}}
    for table in ("usage_report_ids", "instances", "usage_pending"):
        with Session(stack) as session:
            session.run(f"LOCK TABLE {table}")
            start = time.monotonic()
            answer = api.owner.post("/api/usage/report", body, faults=True)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert time.monotonic() - start < within(4)
            assert customer.client.get(f"/api/licenses/{customer.id}").status_code == 200
        assert stack.sql(f"SELECT count(*) FROM usage_reports WHERE customer_id = '{customer.id}'"
                         ) == "0"
    with Session(stack) as session:
        session.run("LOCK TABLE usage_daily_metrics, usage_days IN SHARE MODE")
        assert [api.owner.post("/api/usage/report", body).status_code for _ in range(2)] == [
            201, 200]
        limits = customer.client.get(f"/api/usage/{customer.id}/limits").json()
        assert limits["metrics"]["api_calls"]["current"] == 1
    # A batch is stored before its limits are read: the answer says so without them.
    with Session(stack) as session:
        session.run("LOCK TABLE usage_metric_sums")
        answer = api.owner.post("/api/usage/reports", {"reports": [body, {"customer_id": customer.id}]})
        assert (answer.status_code, answer.json()["created"], "limits" in answer.json()) == (200, 1, False)
    assert recomputed_differences(stack, [customer.id]) == []
    wait_for(lambda: postgres.waiting() == 0)


@pytest.fixture
def slow_reports(stack):
    """Reports of instances "slow-..." take a minute in PostgreSQL."""
    stack.sql("""
        CREATE FUNCTION report_slowly() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;
        CREATE TRIGGER report_slowly AFTER INSERT ON usage_reports FOR EACH ROW
            WHEN (NEW.instance_id LIKE 'slow-%') EXECUTE FUNCTION report_slowly();""")
    yield
    stack.sql("DROP TRIGGER report_slowly ON usage_reports; DROP FUNCTION report_slowly()")


@pytest.mark.usefixtures("slow_reports")
def test_slow_statements(stack, report):
    """They are ended in time and nothing of them is stored; other requests do not wait. The first report
    of an instance is an event, and the events of one customer are written one after the other."""
    postgres, customer, took = Postgres(stack), stack.api.sign_up(), []
    slow, over = [stack.api.sign_up() for _ in range(STACK["WORKERS"] - 2)], threading.Event()

    def ask(number):
        """Sends it again until the others have been served: not all begin at the same time."""
        client = stack.api.bearer(stack.admin_key)
        while not over.is_set():
            start = time.monotonic()
            answer = client.post("/api/usage/report", {
                "customer_id": slow[number].id, "instance_id": f"slow-{number}"}, faults=True)
            took.append((answer.status_code, answer.json()["code"], time.monotonic() - start))

    def sleeping():
        return int(postgres.super_sql("SELECT count(*) FROM pg_stat_activity WHERE "
                                      "wait_event = 'PgSleep'"))

    with concurrent.futures.ThreadPoolExecutor(STACK["WORKERS"] - 2) as pool:
        asked = [pool.submit(ask, number) for number in range(len(slow))]
        try:
            wait_for(lambda: sleeping() == len(asked), every=0.01)
            waits = []
            for _ in range(50):
                start = time.monotonic()
                assert stack.api.nobody.get("/health").status_code == 200
                waits.append(time.monotonic() - start)
            assert stack.api.owner.post("/api/usage/report", {"customer_id": customer.id}
                                        ).status_code == 201
        finally:
            over.set()
    for one in asked:
        one.result()
    report(refused=len(took), slowest=f"{max(seconds for *_, seconds in took):.2f} s",
           health_at_most=f"{1000 * max(waits):.0f} ms")
    assert {one[:2] for one in took} == {(503, "database_unavailable")}
    assert max(seconds for *_, seconds in took) < within(4) and sorted(waits)[48] < within(0.5)
    ids = ", ".join(f"'{one.id}'" for one in [customer, *slow])
    wait_for(lambda: sleeping() == 0, within(4))
    assert stack.sql(f"SELECT count(*) FROM usage_reports WHERE customer_id IN ({ids})") == "1"


def test_without_a_free_connection(stack):
    """Another client holds all connections to PostgreSQL."""
    postgres, customer = Postgres(stack), stack.api.sign_up()
    body = {"customer_id": customer.id, "report_id": "once"}

    def send():
        return stack.api.owner.post("/api/usage/report", body, faults=True)

    with postgres.without_free_connections():
        start = time.monotonic()
        refused = send()
        assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
        assert int(refused.headers["Retry-After"]) > 0 and time.monotonic() - start < within(2)
    wait_for(lambda: send().status_code in (200, 201), every=0.01)
    assert send().status_code == 200 and stack.sql(
        f"SELECT count(*) FROM usage_reports WHERE customer_id = '{customer.id}'") == "1"


def test_retention_while_reports_arrive(stack, rng, report):
    """Retention drops a month of many reports; no request waits for it."""
    sender = Sender(stack, rng)
    rows = 2000000 if FULL else 200000
    stack.sql("SELECT usage_partitions_make(now() - interval '400 days', 0)")
    stack.sql("INSERT INTO usage_reports (customer_id, instance_id, active_devices, "
              "total_devices, metrics, reported_at, received_at) SELECT 'old', 'a', 1, 1, '{}', "
              f"now() - interval '400 days', now() FROM generate_series(1, {rows})")
    with Load(stack, 16, sender.visit, rng.random()) as load:
        wait_for(lambda: len(sender.answers) > 50 or load.check())
        start = time.monotonic()
        answer = stack.api.owner.delete("/api/usage/cleanup?days=380")
        took = time.monotonic() - start
        after = len(sender.answers)
        wait_for(lambda: len(sender.answers) > after + 50 or load.check())
    assert answer.json()["deleted"] == rows
    waits = sorted(taken for begun, taken, *_ in load.answers if start - 1 < begun < start + took)
    report(rows_dropped=rows, seconds=f"{took:.2f}", slowest_report=f"{waits[-1]:.2f} s",
           differences=sender.differences(stack))
    assert took < within(5) and waits[-1] < within(2)
    assert not load.unexpected(200, 201) and sender.differences(stack) == 0
