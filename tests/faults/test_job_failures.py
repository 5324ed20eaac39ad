"""Jobs that fail say why in the log, and an outage of PostgreSQL shows in the figures that alerts use."""

import re
from datetime import datetime

import pytest
from chaos.postgres import FAST, Postgres
from chaos.processes import Daemon, LogTail
from support.stack import wait_for

STACK = {"WORKERS": 2}


def figures(stack):
    """The metrics of /metrics that have no labels, and the number of answers with 5xx."""
    text = stack.api.nobody.get("/metrics").text
    found = {name: int(value) for name, value in re.findall(r"^(billing_[a-z_]+) (\d+)$", text, re.M)}
    found["5xx"] = sum(map(int, re.findall(r'^billing_requests_total{.*status="5xx"} (\d+)$', text, re.M)))
    return found


def wait_for_failures(stack, count):
    """Waits until jobs have failed so many times more."""
    before = figures(stack)["billing_job_failures_total"]
    wait_for(lambda: figures(stack)["billing_job_failures_total"] >= before + count)


def assert_once_a_minute(lines):
    """The lines of one job in one process."""
    times = [datetime.fromisoformat(line["time"]).timestamp() for line in lines]
    assert all(later - one > 59 for one, later in zip(times, times[1:])), times


@pytest.fixture
def postgres(stack):
    """The PostgreSQL server; it runs again after the test."""
    server = Postgres(stack)
    yield server
    if not server.is_running():
        server.start()
    wait_for(lambda: stack.api.nobody.get("/health/ready", faults=True).status_code == 200)


def test_an_outage_shows_in_the_figures(stack, postgres):
    """The host says that the database is away, and no round counts that has not reached it. Each job logs one
    line a minute."""
    wait_for(lambda: figures(stack)["billing_database_up"] == 1)
    tail = LogTail(stack)
    postgres.end(FAST)
    wait_for(lambda: figures(stack)["billing_database_up"] == 0)
    assert stack.api.owner.get("/api/customers", faults=True).status_code == 503
    before = figures(stack)
    # A round has fewer jobs than that.
    wait_for_failures(stack, 60)
    after = figures(stack)
    assert after["billing_jobs_last_run_seconds"] == before["billing_jobs_last_run_seconds"] > 0
    assert after["billing_database_up"] == 0 and after["5xx"] > 0
    failed = tail.find("job failed")
    for job in {line["job"] for line in failed} - {"measure"}:
        assert_once_a_minute([line for line in failed if line["job"] == job])
    assert failed and all(line["reason"].startswith("The database is not available") for line in failed)

    postgres.start()
    wait_for(lambda: figures(stack)["billing_database_up"] == 1)
    wait_for(lambda: figures(stack)["billing_jobs_last_run_seconds"] > before["billing_jobs_last_run_seconds"])


def test_a_failed_job_says_why(stack):
    """The log has the path of a file that cannot be written, once a minute, and the metric counts each time."""
    def failures():
        return [line for line in tail.find("job failed") if line["job"] == "publish_revocations"]

    path = stack.place / "missing/revocations.jwt"
    daemon = Daemon(stack, REVOCATIONS_FILE=path)
    tail = LogTail(stack)
    try:
        daemon.start()
        wait_for(failures)
        wait_for_failures(stack, 2)
        failed = failures()
        assert failed[0]["code"] == "file_unwritable" and failed[0]["failures"] == 1
        assert str(path) in failed[0]["reason"] and failed[0]["level"] == "warning"
        assert_once_a_minute(failed)
        assert figures(stack)["billing_database_up"] == 1
    finally:
        assert daemon.stop() == 0
