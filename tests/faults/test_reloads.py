"""Reloads: they apply a new configuration without losing a request; an invalid one is not
applied."""

import json
import signal
import time

import pytest
from chaos.figures import assert_once_a_minute, figures, wait_for_failures
from chaos.load import Ledger, Load, knock
from chaos.postgres import Postgres, Session
from chaos.processes import Daemon, LogTail, children, is_alive, kill
from support.fcgi import ask
from support.stack import VARIANT, wait_for

STACK = {"WORKERS": 4, "STRIPE_WORKERS": 2}
CHILDREN = 8  # the workers of both pools, the jobs process and the one of webhooks
RELOADS = 50 if VARIANT != "sanitize" else 12
CLIENTS = 24

READS = ("/health", "/health/ready", "/metrics", "/openapi.json", "/.well-known/jwks.json",
         "/api/plans", "/api/licenses/public-key", "/api/licenses/revocations",
         "/api/customers?limit=5")


async def everything(client, ledger):
    """A sign-up, then a random part of the other routes, and some reads."""
    rng = client.rng
    customer_id, key = await ledger.sign_up(client)
    customer = f"/api/customers/{customer_id}"
    licenses = f"/api/licenses/{customer_id}"
    answer = await client.send("GET", licenses, key=key)
    requests = [("GET", customer, None), ("GET", f"{customer}/keys", None),
                ("GET", f"/api/subscriptions/{customer_id}", None),
                ("POST", "/api/licenses/verify", {"license": answer.json()["license"]}),
                ("PATCH", customer, {"company_name": "Acme"}),
                ("POST", f"{customer}/keys", {"name": "another"}),
                ("GET", f"{licenses}/history", None)]
    requests += [("GET", path, None) for path in rng.sample(READS, 4)]
    rng.shuffle(requests)
    requests += [("POST", f"{licenses}/rotate", None), ("POST", f"{licenses}/revoke", None),
                 ("DELETE", customer, None)]
    for method, path, body in requests[:rng.randrange(len(requests) + 1)]:
        await client.send(method, path, body)


@pytest.fixture(name="own")
def fixture_own(stack):
    """The stack with its own billingd, which another test may have replaced."""
    if "billingd: running" not in stack.script("status", check=False).stdout:
        stack.script("start", "billingd")
    wait_for(lambda: stack.api.nobody.get("/health/ready", faults=True).status_code == 200)
    return stack


def test_reloads_under_load_lose_no_request(own, rng, report):
    stack, ledger, tail = own, Ledger(own), LogTail(own)
    old = set(children(stack))
    generations, longest = [], 0
    with Load(stack, CLIENTS, lambda client: everything(client, ledger), rng.random()) as load:
        for number in range(1, RELOADS + 1):
            start = time.monotonic()
            kill(stack.pids()[0], signal.SIGHUP)
            line = tail.wait("reloaded", number)
            longest = max(longest, time.monotonic() - start)
            generations.append(line["generation"])
            already = len(load.answers)
            wait_for(lambda n=already: len(load.answers) > n + 40 or load.check(), every=0.01)
            old |= set(children(stack))
    bad = [answer for answer in load.answers if not 200 <= answer[3] < 300]
    young = set(children(stack))
    report(reloads=RELOADS, answers=len(load.answers), other_than_2xx=len(bad),
           acknowledged=len(ledger.acknowledged), processes_replaced=len(old - young),
           longest_reload=f"{longest:.2f} s")
    assert not bad, bad[:5]
    assert generations == list(range(generations[0], generations[0] + RELOADS))
    assert len(load.answers) > 10 * RELOADS
    # Every process of an old generation ends without an error.
    wait_for(lambda: len(children(stack)) == CHILDREN)
    assert sum(is_alive(pid) for pid in old - set(children(stack))) == 0
    assert not tail.find("process died")


def test_old_processes_serve_until_their_successors_do(own):
    """New workers that wait for the database keep no request waiting."""
    stack = own
    wait_for(lambda: len(children(stack)) == CHILDREN)
    tail, old = LogTail(stack), set(children(stack))
    with Session(stack) as session:
        session.run("LOCK TABLE plan_terms")
        kill(stack.pids()[0], signal.SIGHUP)
        wait_for(lambda: Postgres(stack).waiting(), every=0.01)
        assert {stack.api.nobody.get("/health").status_code for _ in range(10)} == {200}
        assert old < set(children(stack))
    tail.wait("reloaded")
    wait_for(lambda: len(children(stack)) == CHILDREN and not old & set(children(stack)))
    assert not tail.find("process died")


def test_a_single_connection_during_a_reload_is_served(own, report):
    """A connection wakes one worker. If that worker ended at the same moment without serving it,
    the connection would wait until another one arrives; in this test there is no other."""
    stack, tail, statuses = own, LogTail(own), []
    for number in range(1, RELOADS + 1):
        kill(stack.pids()[0], signal.SIGHUP)
        while len(tail.find("reloaded")) < number:
            statuses.append(stack.api.nobody.get("/health", faults=True).status_code)
    report(reloads=RELOADS, answers=len(statuses), other_than_200=sum(
        status != 200 for status in statuses))
    assert set(statuses) == {200}


def test_reload_bursts(stack):
    """Many HUP signals without a pause lead to one working generation. The test has its own billingd, as
    nothing tells when the last of its reloads has ended."""
    daemon = Daemon(stack).start()
    tail = LogTail(stack)
    try:
        for _ in range(20):
            daemon.signal(signal.SIGHUP)
        tail.wait("reloaded")
        wait_for(lambda: len(daemon.pids()) == daemon.size())
        assert stack.api.nobody.get("/health").status_code == 200
    finally:
        assert daemon.stop() == 0


def test_a_full_queue_does_not_keep_old_workers_running(stack, rng, report):
    """The only worker never finds its queue empty, and still ends in time."""
    daemon = Daemon(stack, WORKERS=1).start()
    tail = LogTail(stack)
    try:
        with Load(stack, 32, knock, rng.random()) as load:
            for number in range(1, 6):
                answers = len(load.answers)
                wait_for(lambda n=answers: len(load.answers) > n + 50 or load.check())
                old = daemon.pids()[1:]
                daemon.signal(signal.SIGHUP)
                tail.wait("reloaded", number)
                wait_for(lambda pids=old: not any(map(is_alive, pids)))
        report(reloads=5, answers=len(load.answers),
               other_than_2xx=len(load.unexpected(201)))
        assert not load.unexpected(201)
        assert not tail.find("process died")
    finally:
        assert daemon.stop() == 0


def test_a_long_first_round_is_no_outage(stack):
    """The figures say that the database answers before the first round of the jobs has ended."""
    daemon = Daemon(stack, DB_STATEMENT_TIMEOUT_MS=14000)
    try:
        with Session(stack) as session:
            # A job waits for each of them.
            session.run("LOCK TABLE sessions, idempotency_keys, webhook_deliveries")
            daemon.start()
            wait_for(lambda: figures(stack)["billing_database_up"] == 1)
            assert figures(stack)["billing_jobs_last_run_seconds"] == 0
    finally:
        daemon.stop()


@pytest.fixture
def daemon(stack):
    """A billingd whose configuration the test may break. A reload ends when all processes serve: none of them
    has yet to read its keys."""
    made = Daemon(stack).start()
    reload(made)
    yield made
    assert made.stop() == 0


def reload(daemon):
    """Reloads; the processes that were there before have ended when this returns."""
    tail, old = LogTail(daemon.stack), set(daemon.pids()[1:])
    daemon.signal(signal.SIGHUP)
    tail.wait("reloaded")
    wait_for(lambda: not set(daemon.pids()[1:]) & old)


def plan_names(stack, times=12):
    """The names of the first plan in so many answers."""
    return {stack.api.nobody.get("/api/plans").json()["plans"][0]["name"] for _ in range(times)}


def break_plans(daemon):
    """Adds a superfluous comma to the plans."""
    daemon.plans.write_text(daemon.plans.read_text(encoding="ascii").replace("]\n}", "],\n}"),
                            encoding="ascii")
    return "plans.json: line"


def break_settings(daemon):
    """Writes an unknown setting."""
    daemon.write("WORKERZ=3")
    return "WORKERZ"


def break_value(daemon):
    """Writes an invalid value."""
    daemon.write("LICENSE_TTL_DAYS=soon")
    return "LICENSE_TTL_DAYS"


def break_key(daemon):
    """Makes the private key readable for everyone."""
    (daemon.keys / "private-key.pem").chmod(0o644)
    return "chmod 600"


def break_migrations(daemon):
    """Takes the last migration that the program needs from those that the database has applied."""
    daemon.stack.sql("UPDATE schema_migrations SET version = -version WHERE version = "
                     "(SELECT max(version) FROM schema_migrations)")
    return "billingctl migrate up"


@pytest.mark.parametrize("fault", [break_plans, break_settings, break_value, break_key,
                                   break_migrations])
def test_a_broken_configuration_keeps_the_old_one(stack, daemon, fault):
    """The service continues, logs the reason, and accepts the corrected configuration."""
    before = daemon.pids()
    plans = daemon.plans.read_bytes()
    tail = LogTail(stack)
    try:
        word = fault(daemon)
        daemon.signal(signal.SIGHUP)
        line = tail.wait("reload refused, the old configuration stays")
        assert line["level"] == "error" and word in line["reason"]
        # The process that checked the configuration has ended; the others are unchanged.
        wait_for(lambda: daemon.pids() == before)
        assert stack.api.sign_up().license
        assert not tail.find("process died")
    finally:
        daemon.plans.write_bytes(plans)
        daemon.write()
        (daemon.keys / "private-key.pem").chmod(0o600)
        stack.sql("UPDATE schema_migrations SET version = -version WHERE version < 0")
    reload(daemon)
    assert stack.api.sign_up().license


def test_a_newer_version_is_built_beside_a_running_one(stack, daemon):
    """A migration that comes into the folder is for the next program: this one stays ready and reloads, also
    when it has been applied. `migrate status` and a start of billingd tell of it."""
    def migrations():
        status, ready = ask(daemon.socket, "GET", "/health/ready")
        return status, ready["checks"]["migrations"]

    more = daemon.next_migration()
    more.write_text("SELECT 1;\n", encoding="ascii")
    folder = {"MIGRATIONS_DIR": str(more.parent)}
    try:
        wait_for(lambda: migrations() == (200, {"ok": True, "detail": "applied"}))
        assert json.loads(stack.billingctl("--json", "migrate", "status", env=folder).stdout)["pending"] == 1
        assert "billingctl migrate up" in daemon.attempt("--check").stderr
        reload(daemon)
        assert migrations() == (200, {"ok": True, "detail": "applied"})
        stack.billingctl("migrate", "up", env=folder)
        more.unlink()
        assert migrations() == (200, {"ok": True, "detail": "applied"})
        reload(daemon)
        assert migrations() == (200, {"ok": True, "detail": "applied"})
    finally:
        stack.sql(f"DELETE FROM schema_migrations WHERE name = '{more.name}'")


def test_a_failed_job_says_why(stack, daemon):
    """The log has the path of a file that cannot be written, once a minute, and the metric counts each time."""
    def failures():
        return [line for line in tail.find("job failed") if line["job"] == "publish_revocations"]

    path = daemon.folder / "missing/revocations.jwt"
    tail = LogTail(stack)
    daemon.write(REVOCATIONS_FILE=path)
    try:
        daemon.signal(signal.SIGHUP)
        wait_for(failures)
        wait_for_failures(stack, 2)
        failed = failures()
        assert failed[0]["code"] == "file_unwritable" and failed[0]["failures"] == 1
        assert str(path) in failed[0]["reason"] and failed[0]["level"] == "warning"
        assert_once_a_minute(failed)
        assert figures(stack)["billing_database_up"] == 1
    finally:
        del daemon.settings["REVOCATIONS_FILE"]
        daemon.write()
    tail.wait("reloaded")
    reload(daemon)


def test_changes_take_effect_with_the_reload_only(stack, daemon):
    """A worker that is replaced before the reload still has the old configuration."""
    assert plan_names(stack) == {"Starter"}
    plans = json.loads(daemon.plans.read_text(encoding="ascii"))
    plans["plans"][0]["name"] = "Beginner"
    daemon.plans.write_text(json.dumps(plans), encoding="ascii")
    daemon.write(PUBLIC_SIGNUP="on", WORKERS=2, STRIPE_WORKERS=2)

    old = set(daemon.pids()[1:])
    for pid in old:
        kill(pid)
    wait_for(lambda: len(set(daemon.pids()[1:]) - old) == len(old))
    body = {"email": stack.api.email()}
    assert plan_names(stack) == {"Starter"}
    assert stack.api.nobody.post("/api/customers", body).status_code == 401

    reload(daemon)
    assert plan_names(stack) == {"Beginner"}
    assert stack.api.nobody.post("/api/customers", body).status_code == 201
    kill(daemon.pids()[1])
    assert plan_names(stack) == {"Beginner"}
