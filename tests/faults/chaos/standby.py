"""A synchronous standby that PostgreSQL's commits wait for, and that does not exist."""

import os
import signal
import uuid

from support.stack import wait_for

NO_STANDBY = ""


def name_standby(stack, postgres, name):
    """Commits wait for the standby of this name from now on; it does not exist."""
    postgres.super_sql(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
    postgres.super_sql("SELECT pg_reload_conf()")
    wait_for(lambda: postgres.super_sql("SHOW synchronous_standby_names") == name, every=0.01)
    wait_for(lambda: postgres.commits_wait() == (name != NO_STANDBY))


def accepted(send):
    """The first answer that is no refusal. Each worker learns by itself that no standby is to be
    waited for any more, within a second."""
    answers = []

    def attempt():
        answers.append(send())
        return answers[-1].status_code != 503
    wait_for(attempt)
    return answers[-1]


def standby_is_back(stack, postgres):
    """No commit waits for a standby, and no process of billingd remembers that one did: each is new."""
    name_standby(stack, postgres, NO_STANDBY)
    master, *children = stack.pids()
    os.kill(master, signal.SIGHUP)
    wait_for(lambda: not set(children) & set(stack.pids()))


def create(stack, key=None, email=None):
    """Creates a customer, which may be refused."""
    return stack.api.bearer(stack.admin_key).post(
        "/api/customers", {"email": email or stack.api.email()},
        headers={"Idempotency-Key": key or uuid.uuid4().hex}, faults=True)


def waiting(postgres):
    """The number of backends that wait for the standby."""
    return int(postgres.super_sql(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))


def assert_refused(answer):
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] in ("database_unavailable", "outcome_unknown")
    assert int(answer.headers["Retry-After"]) > 0
    assert "Idempotent-Replayed" not in answer.headers
