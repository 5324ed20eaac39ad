"""PostgreSQL fails in every possible way and recovers. Meanwhile requests get 503 with Retry-After
at once, and /health answers 200. Afterwards everything that was acknowledged is stored."""

import os
import threading
import time

import pytest
from chaos.figures import assert_once_a_minute, figures, wait_for_failures
from chaos.gates import Gate
from chaos.load import Ledger, Load
from chaos.postgres import CRASH, FAST, IMMEDIATE, Postgres, Session
from chaos.processes import LogTail, children, kill
from support.stack import wait_for, within

FULL = os.environ.get("FULL") == "1"
STACK = {"WORKERS": 4, "DB_STATEMENT_TIMEOUT_MS": 2000}
CLIENTS = 24
RECOVERY_SECONDS = 2
# The time limit of a statement, a round trip, and a reserve for a slow machine.
PATIENCE_SECONDS = 4


@pytest.fixture
def postgres(stack):
    """The PostgreSQL server; it runs again after the test."""
    server = Postgres(stack)
    yield server
    if not server.is_running():
        server.start()
    wait_for(lambda: stack.api.nobody.get("/health/ready", faults=True).status_code == 200)


def visitor(ledger):
    """A visit that signs up and reads; one client in four requests /health instead."""
    async def visit(client):
        if client.number % 4 == 0:
            answer = await client.send("GET", "/health")
            assert answer.status == 200, answer.body
        else:
            customer_id, key = await ledger.sign_up(client)
            await client.insist("GET", f"/api/licenses/{customer_id}", key=key)
    return visit


def assert_refusals(load):
    """Every answer is a 2xx, the 409 of a repeated sign-up, or a 503 of the database."""
    assert not load.unexpected(200, 201, 409, 503), load.unexpected(200, 201, 409, 503)[:3]
    codes = {answer[4] for answer in load.answers if answer[3] == 503}
    assert codes <= {"database_unavailable", "outcome_unknown"}, codes
    assert load.slowest() < within(PATIENCE_SECONDS)


def assert_nothing_lost(ledger):
    """The database contains what the clients were told, and nothing else."""
    found = ledger.audit()
    assert found["stored"] == len(ledger.acknowledged) > 0
    assert found == {**found, "lost": 0, "duplicates": 0, "unacknowledged": 0, "half_written": 0}


@pytest.mark.parametrize("number", [FAST, IMMEDIATE, CRASH], ids=["fast", "immediate", "crash"])
def test_restarts_under_load(stack, postgres, rng, report, number):
    ledger = Ledger(stack)
    with Load(stack, CLIENTS, visitor(ledger), rng.random()) as load:
        wait_for(lambda: len(ledger.acknowledged) > 50 or load.check())
        postgres.end(number)
        already = load.count()[503]
        # Every worker has lost its connection and answers so.
        wait_for(lambda: load.count()[503] > already + 200 or load.check(), every=0.01)
        down = stack.api.owner.get("/api/customers", faults=True)
        assert (down.status_code, down.json()["code"]) == (503, "database_unavailable")
        assert int(down.headers["Retry-After"]) > 0
        ready = stack.api.nobody.get("/health/ready", faults=True)
        assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
        assert ready.json()["checks"]["database"]["ok"] is False
        up = postgres.start()
        wait_for(lambda: time.monotonic() > up + RECOVERY_SECONDS + 1 or load.check())
    late = [answer for answer in load.answers
            if answer[0] > up + RECOVERY_SECONDS and answer[3] not in (200, 201)]
    recovered = max((start + took for start, took, _, status, _ in load.answers
                     if status == 503), default=up) - up
    count = load.count()
    report(acknowledged=len(ledger.acknowledged), answers=len(load.answers),
           answered_503=count[503], slowest_answer=f"{load.slowest():.2f} s",
           last_503_after_up=f"{max(recovered, 0):.2f} s", replayed=ledger.replayed,
           lost=ledger.audit()["lost"])
    assert not late, late[:3]
    assert_refusals(load)
    assert_nothing_lost(ledger)


def test_an_outage_shows_in_the_figures(stack, postgres):
    """The host says that the database is away, and no round counts that has not reached it. Each job logs one
    line a minute."""
    # The jobs may not have noticed yet that an earlier outage is over.
    wait_for(lambda: figures(stack)["billing_database_up"] == 1)
    assert figures(stack)["billing_jobs_last_run_seconds"] > 0
    tail = LogTail(stack)
    postgres.end(FAST)
    wait_for(lambda: figures(stack)["billing_database_up"] == 0)
    assert stack.api.owner.get("/api/customers", faults=True).status_code == 503
    before = figures(stack)
    # A round has fewer jobs than that.
    wait_for_failures(stack, 50)
    after = figures(stack)
    assert after["billing_jobs_last_run_seconds"] == before["billing_jobs_last_run_seconds"] > 0
    assert after["billing_database_up"] == 0 and after["5xx"] > 0
    failed = tail.find("job failed")
    for job in {line["job"] for line in failed} - {"measure"}:
        assert_once_a_minute([line for line in failed if line["job"] == job])
    # This outage may begin within a minute of an earlier one, whose lines count too.
    reasons = {line["reason"] for line in stack.billingd_log() if line["message"] == "job failed"}
    assert any(reason.startswith("The database is not available") for reason in reasons)

    postgres.start()
    wait_for(lambda: figures(stack)["billing_database_up"] == 1)
    wait_for(lambda: figures(stack)["billing_jobs_last_run_seconds"] > before["billing_jobs_last_run_seconds"])


def test_restarts_in_a_row(stack, postgres, rng, report):
    """PostgreSQL crashes again as soon as it has recovered."""
    ledger = Ledger(stack)
    rounds = 2
    with Load(stack, CLIENTS, visitor(ledger), rng.random()) as load:
        for _ in range(rounds):
            already = len(ledger.acknowledged)
            wait_for(lambda n=already: len(ledger.acknowledged) > n + 20 or load.check(),
                     every=0.01)
            postgres.end(rng.choice([IMMEDIATE, CRASH]))
            postgres.start()
    report(crashes=rounds, acknowledged=len(ledger.acknowledged), answered_503=load.count()[503],
           lost=ledger.audit()["lost"])
    assert_refusals(load)
    assert_nothing_lost(ledger)


def test_terminated_backends(stack, postgres, rng, report):
    """pg_terminate_backend of all connections, repeatedly: a running statement may get a 503; an
    idle connection is replaced without an error."""
    ledger = Ledger(stack)
    ended = 0
    with Load(stack, CLIENTS, visitor(ledger), rng.random()) as load:
        # After the test before, some workers may not have connected again yet.
        rested = time.monotonic() + RECOVERY_SECONDS
        wait_for(lambda: time.monotonic() > rested or load.check())
        before = load.count()[503]
        for _ in range(12):
            already = len(ledger.acknowledged)
            wait_for(lambda n=already: len(ledger.acknowledged) > n + 8 or load.check(), every=0.01)
            ended += postgres.end_backends()
    refused = load.count()[503] - before
    report(backends_ended=ended, answers=len(load.answers), answered_503=refused,
           lost=ledger.audit()["lost"])
    assert_refusals(load)
    assert 0 < ended and refused <= ended
    assert_nothing_lost(ledger)


def test_idle_connections_are_replaced_without_an_error(stack, postgres):
    """No statement was running, so every kind of first request succeeds."""
    customer = stack.api.sign_up()
    for request in (lambda: stack.api.owner.get("/api/customers"),
                    lambda: customer.client.get(f"/api/licenses/{customer.id}"),
                    lambda: stack.api.owner.post("/api/customers", {"email": stack.api.email()}),
                    lambda: stack.api.owner.post("/api/customers", {"email": stack.api.email()},
                                                 headers={"Idempotency-Key": stack.api.email()}),
                    lambda: customer.client.patch(f"/api/customers/{customer.id}",
                                                  {"company_name": "Acme"})):
        for _ in range(2):
            wait_for(postgres.end_backends)
            assert request().status_code in (200, 201)


def test_without_a_free_connection(stack, postgres, report):
    """Another client holds all connections: requests get 503 at once, and /health answers 200."""
    for pid in children(stack):
        kill(pid)
    with postgres.without_free_connections() as taken:
        wait_for(lambda: stack.api.owner.get("/api/customers", faults=True).status_code == 503)
        start = time.monotonic()
        for _ in range(8):
            answer = stack.api.owner.get("/api/customers", faults=True)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert stack.api.nobody.get("/health").status_code == 200
        spent = time.monotonic() - start
    freed = time.monotonic()
    report(connections_taken=taken, refused=8, spent=f"{spent:.2f} s")
    wait_for(lambda: stack.api.owner.get("/api/customers", faults=True).status_code == 200,
             every=0.01)
    assert spent < within(2) and time.monotonic() < freed + within(RECOVERY_SECONDS)


def test_a_locked_table(stack, postgres, report):
    """Another session holds a lock. Requests that need the table get 503 in time, other requests
    are not affected, and no statement waits any more when the lock is released."""
    took = []

    def ask(client, email):
        start = time.monotonic()
        answer = client.post("/api/customers", {"email": email}, faults=True)
        took.append((answer.status_code, answer.json()["code"], time.monotonic() - start))

    emails = [stack.api.email() for _ in range(3)]
    for round_number in range(2):
        with Session(stack) as session:
            session.run("LOCK TABLE customers")
            threads = [threading.Thread(target=ask, args=(stack.api.bearer(stack.admin_key), email))
                       for email in emails]
            for thread in threads:
                thread.start()
            wait_for(lambda: postgres.waiting("billingd worker") == 3, every=0.01)
            assert stack.api.nobody.get("/health").status_code == 200
            assert stack.api.nobody.get("/api/licenses/revocations").status_code == 200
            for thread in threads:
                thread.join()
        assert len(took) == 3 * (round_number + 1)
    assert stack.api.owner.post("/api/customers", {"email": emails[0]}).status_code == 201
    slowest = max(seconds for *_, seconds in took)
    report(refused=len(took), slowest=f"{slowest:.2f} s")
    assert {(status, code) for status, code, _ in took} == {(503, "database_unavailable")}
    assert slowest < within(PATIENCE_SECONDS)
    wait_for(lambda: postgres.waiting() == 0)


@pytest.fixture
def slow_commits(stack, postgres):
    """Sign-ups stop during their commit: PostgreSQL has sent a statement's success (the notice
    flushes it) and has stored nothing yet."""
    stack.sql("""
        CREATE FUNCTION stop_in_commit() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE NOTICE 'stopped'; PERFORM pg_sleep(60); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER stop_in_commit AFTER INSERT ON customers
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stop_in_commit();""")
    yield
    postgres.super_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                       "WHERE wait_event = 'PgSleep'")
    stack.sql("DROP TRIGGER stop_in_commit ON customers; DROP FUNCTION stop_in_commit()")


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "commit"}], ids=["plain", "with_key"])
@pytest.mark.parametrize("how", ["kill", "timeout"])
@pytest.mark.usefixtures("slow_commits")
def test_an_interrupted_commit_is_never_answered_as_a_success(stack, postgres, headers, how):
    email = stack.api.email()
    answers = []
    client = stack.api.bearer(stack.admin_key)
    thread = threading.Thread(target=lambda: answers.append(
        client.post("/api/customers", {"email": email}, headers=headers, faults=True)))
    thread.start()
    pid = wait_for(lambda: postgres.super_sql(
        "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'billingd%' AND "
        "wait_event = 'PgSleep'"), every=0.01)
    if how == "kill":
        postgres.kill_backend(int(pid))
    thread.join()
    assert answers[0].status_code == 503, answers[0].text
    assert answers[0].json()["code"] in ("outcome_unknown", "database_unavailable")
    assert stack.sql(f"SELECT count(*) FROM customers WHERE email = '{email}'") == "0"


# Each step in which a request writes its events: where it waits while PostgreSQL is killed.
WRITING = {"takes the sequence": ("event_sequences", "INSERT"), "writes the first": ("events", "INSERT"),
           "writes the last": ("events", "INSERT", "NEW.type = 'key.created'"),
           "commits": ("events", "INSERT", "NEW.type = 'customer.created'", True)}


@pytest.mark.parametrize("step", WRITING if FULL else ["commits"])
def test_events_are_written_with_their_change(stack, postgres, rng, report, step):
    """Each change has its events once and in order, whether its transaction was committed or not."""
    postgres.skip_syncs()
    ledger = Ledger(stack)
    kills = 6 if FULL else 1
    for number in range(kills):
        with Load(stack, 6, visitor(ledger), rng.random()) as load:
            with Gate(stack, *WRITING[step]) as gate:
                gate.kill_postgres(immediate=number % 2 == 1)
            before = len(ledger.acknowledged)
            wait_for(lambda: len(ledger.acknowledged) > before + 20 or load.check())
    report(kills=kills, acknowledged=len(ledger.acknowledged), replayed=ledger.replayed)
    assert_nothing_lost(ledger)
    whole = (f"SELECT count(*) FROM (SELECT array_agg(type ORDER BY sequence) AS told FROM events JOIN customers "
             f"USING (customer_id) WHERE email LIKE '{ledger.tag}-%' GROUP BY customer_id) AS all_of_them "
             "WHERE told = '{customer.created,trial.started,license.issued,key.created}'")
    assert stack.sql(whole) == str(len(ledger.acknowledged))
