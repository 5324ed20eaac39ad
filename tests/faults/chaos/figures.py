"""The figures of /metrics, and the lines of the log about failed jobs."""

import re
from datetime import datetime

from support.stack import wait_for


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


def wait_for_a_round(stack):
    """Waits until the jobs have begun a round after this call, and have ended it."""
    for _ in range(2):
        before = figures(stack)["billing_jobs_last_run_seconds"]
        wait_for(lambda last=before: figures(stack)["billing_jobs_last_run_seconds"] > last)


def assert_once_a_minute(lines):
    """The lines of one job in one process."""
    times = [datetime.fromisoformat(line["time"]).timestamp() for line in lines]
    assert all(later - one > 59 for one, later in zip(times, times[1:])), times
