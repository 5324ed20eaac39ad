"""The synchronous standby of PostgreSQL is away. A change is acknowledged only when the standby has
it, and so is the repetition of an earlier change. Reading goes on."""

import concurrent.futures
import json
import re
import signal
import time
import uuid

import pytest
from chaos.postgres import Postgres
from chaos.processes import children, kill, role_of
from chaos.standby import (NO_STANDBY, accepted, assert_refused, create, name_standby,
                           standby_is_back, waiting)
from support import usage
from support.stack import wait_for, within

STACK = {"WORKERS": 3, "DB_STATEMENT_TIMEOUT_MS": 500}
CLIENTS = 24


@pytest.fixture
def postgres(stack):
    """The PostgreSQL server. It waits for no standby after the test."""
    server = Postgres(stack)
    yield server
    standby_is_back(stack, server)


def test_changes_are_refused_and_reading_goes_on(stack, postgres, report):
    """No more backends wait than there are workers, and none beyond the time limit."""
    customer = stack.api.sign_up()
    name_standby(stack, postgres, "nobody")
    start, most = time.monotonic(), 0
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        changes = [pool.submit(create, stack) for _ in range(4 * CLIENTS)]
        while not all(change.done() for change in changes):
            most = max(most, waiting(postgres))
            time.sleep(0.01)
    took = time.monotonic() - start
    for change in changes:
        assert_refused(change.result())
    reads = 0
    while reads < 40:
        start = time.monotonic()
        assert customer.client.get(f"/api/licenses/{customer.id}").status_code == 200
        for path in ("/api/customers", "/api/customers?q=a", f"/api/usage/{customer.id}/daily",
                     f"/api/usage/{customer.id}/limits"):
            assert stack.api.owner.get(path).status_code == 200, path
        assert time.monotonic() - start < within(2)
        reads += 1
    assert 0 < most <= STACK["WORKERS"] + 4, most
    wait_for(lambda: waiting(postgres) == 0)
    report(refused=len(changes), waited_for_the_standby_at_once=most, seconds=f"{took:.1f}")
    name_standby(stack, postgres, NO_STANDBY)
    assert accepted(lambda: create(stack)).status_code == 201


def test_a_process_that_was_stopped_leaves_no_wait_behind(stack, postgres):
    """It asks the standby, and its time is over when it runs again."""
    waits = "FROM pg_stat_activity WHERE application_name LIKE 'billingd jobs %' AND wait_event = 'SyncRep'"
    name_standby(stack, postgres, "nobody")
    jobs, = (pid for pid in children(stack) if role_of(pid) == "billingd jobs")

    def stopped():
        """Stops the jobs; the session of theirs that has just begun to wait."""
        kill(jobs, signal.SIGSTOP)
        session = postgres.super_sql(f"SELECT pid {waits} AND query_start > now() - interval '0.3 s'")
        if not session:
            kill(jobs, signal.SIGCONT)
        return session

    try:
        session = wait_for(stopped)
        wait_for(lambda: postgres.super_sql(
            f"SELECT now() - query_start > interval '2 s' {waits} AND pid = {session}") == "t")
    finally:
        kill(jobs, signal.SIGCONT)
    wait_for(lambda: postgres.super_sql(f"SELECT count(*) {waits} AND pid = {session}") == "0")


def test_operators_learn_of_it(stack, postgres):
    """Also while no change is made: the local jobs ask the standby in each of their rounds."""
    def state():
        ready = stack.api.nobody.get("/health/ready")
        check = ready.json()["checks"]["standby"]
        away = re.search(r"^billing_standby_away (\d)$", stack.api.nobody.get("/metrics").text,
                         re.MULTILINE)[1]
        return ready.status_code, ready.json()["status"], check["ok"], away

    def found():
        checks = json.loads(stack.billingctl("--json", "doctor", check=False).stdout)["checks"]
        return next(check["state"] for check in checks if check["check"] == "standby")

    wait_for(lambda: state() == (200, "ready", True, "0"))
    assert found() == "ok"
    name_standby(stack, postgres, "nobody")
    wait_for(lambda: state() == (200, "degraded", False, "1"))
    assert found() == "wrong"
    name_standby(stack, postgres, NO_STANDBY)
    wait_for(lambda: state() == (200, "ready", True, "0"))
    assert found() == "ok"


def unknown(send):
    """Sends until a worker has committed without the standby. A worker that knows
    that the standby is away commits nothing."""
    def attempt():
        answer = send()
        assert_refused(answer)
        return answer.json()["code"] == "outcome_unknown"
    wait_for(attempt)


def test_a_replay_waits_for_the_standby(stack, postgres):
    """The answer to a change that no standby has is not repeated."""
    made = {}

    def send():
        made.update(key=uuid.uuid4().hex, email=stack.api.email())
        return create(stack, **made)

    name_standby(stack, postgres, "nobody")
    unknown(send)
    for _ in range(6):
        assert_refused(create(stack, **made))
    name_standby(stack, postgres, NO_STANDBY)
    answer = accepted(lambda: create(stack, **made))
    assert answer.status_code == 201 and answer.headers["Idempotent-Replayed"] == "true"


def test_a_duplicate_report_waits_for_the_standby(stack, postgres):
    customer = stack.api.sign_up()
    body = usage.report(customer, instance_id="one", active_devices=1, total_devices=1, metrics={},
                        report_id=uuid.uuid4().hex)

    def send():
        return customer.client.post("/api/usage/report", body, faults=True)

    def send_batch():
        return customer.client.post("/api/usage/reports", {"reports": [body]}, faults=True)

    name_standby(stack, postgres, "nobody")
    unknown(send)
    for _ in range(3):
        assert_refused(send())
        assert_refused(send_batch())
    name_standby(stack, postgres, NO_STANDBY)
    assert accepted(send).status_code == 200
    assert accepted(send_batch).json()["duplicates"] == 1


def test_a_read_only_database_is_not_ready(stack, postgres):
    """As a standby is, to which DATABASE_URL leads by mistake."""
    def ready():
        return stack.api.nobody.get("/health/ready", faults=True)

    role = "ALTER ROLE billingd IN DATABASE billing"
    postgres.super_sql(f"{role} SET default_transaction_read_only = on")
    try:
        postgres.end_backends()
        wait_for(lambda: "read-only" in ready().json()["checks"]["database"]["detail"])
        assert (ready().status_code, ready().json()["status"]) == (503, "unavailable")
    finally:
        postgres.super_sql(f"{role} RESET default_transaction_read_only")
        postgres.end_backends()
    wait_for(lambda: ready().status_code == 200)
