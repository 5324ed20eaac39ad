"""The master process: starting, refusing to start, stopping, and the end of its children."""

import datetime
import os
import signal
import socket
import stat
import threading
import uuid

import pytest
from chaos.load import Ledger, Load, knock
from chaos.postgres import Postgres, Session
from chaos.processes import Daemon, LogTail, is_alive, kill, role_of
from support.memory import held
from support.stack import VARIANT, wait_for

STACK = {"WORKERS": 2}


@pytest.fixture
def new_daemon(stack):
    """Creates daemons, one at a time; each is stopped after its test."""
    made = []

    def make(**settings):
        made.append(Daemon(stack, **settings))
        return made[-1]

    yield make
    for daemon in made:
        daemon.stop()


class InThread:
    """Calls a function in a thread; answer() waits for its result or its exception."""

    def __init__(self, function):
        self.result = self.fault = None
        self.thread = threading.Thread(target=self._run, args=(function,))
        self.thread.start()

    def _run(self, function):
        try:
            self.result = function()
        except Exception as fault:  # pylint: disable=broad-except
            self.fault = fault

    def answer(self):
        """The result."""
        self.thread.join(60)
        assert not self.thread.is_alive()
        if self.fault is not None:
            raise self.fault
        return self.result


# The settings of a daemon whose statements wait long for a lock.
PATIENT = {"DB_STATEMENT_TIMEOUT_MS": 14000}


class Waiting:
    """A PATCH request that waits for a lock in the database until the block ends."""

    def __init__(self, stack):
        self.stack = stack
        self.customer = stack.api.sign_up()
        self.session = Session(stack)

    def __enter__(self):
        self.session.__enter__()
        self.session.run("SELECT FROM customers WHERE customer_id = "
                         f"'{self.customer.id}' FOR UPDATE")
        client = self.stack.api.bearer(self.stack.admin_key)
        path = f"/api/customers/{self.customer.id}"
        self.request = InThread(lambda: client.patch(path, {"company_name": "Late"}, faults=True))
        wait_for(lambda: Postgres(self.stack).waiting("billingd worker") == 1, every=0.01)
        return self

    def __exit__(self, *_):
        self.session.__exit__()


@pytest.mark.skipif(os.geteuid() != 0 or VARIANT == "sanitize",
                    reason="only root reads the memory; sanitizers keep freed memory")
def test_the_master_holds_no_secret_of_the_settings_file(new_daemon):
    """Nor do its children hold one that their work does not need, after a reload too."""
    secrets = {"stripe": "sk_test_canary" + uuid.uuid4().hex,
               "webhook": "whsec_canary" + uuid.uuid4().hex}
    daemon = new_daemon(STRIPE_SECRET_KEY_FILE="/nonexistent")
    del daemon.settings["STRIPE_SECRET_KEY_FILE"]
    daemon.write(STRIPE_SECRET_KEY=secrets["stripe"], STRIPE_WEBHOOK_SECRET=secrets["webhook"],
                 STRIPE_API_BASE="http://127.0.0.1:9")
    daemon.start()
    needles = {name: secret.encode() for name, secret in secrets.items()}
    wanted = {"billingd": set(), "billingd jobs": set(), "billingd jobs s": {"stripe"},
              "billingd webhoo": set(), "billingd worker": {"webhook"}, "billingd stripe": {"stripe"}}

    def right():
        return all(held(pid, needles) == wanted[role_of(pid)] for pid in daemon.pids())

    wait_for(right)
    old = set(daemon.pids()[1:])
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: not old & set(daemon.pids()))
    wait_for(right)


def test_term_finishes_running_requests(stack, new_daemon):
    daemon = new_daemon(**PATIENT).start()
    tail = LogTail(stack)
    with Waiting(stack) as waiting:
        daemon.signal(signal.SIGTERM)
        tail.wait("stopping")
        # New connections are refused; the running request continues.
        wait_for(lambda: not daemon.socket.exists())
        wait_for(lambda: len(daemon.pids()) == 2)
        assert stack.api.nobody.get("/health", faults=True).status_code == 502
        assert daemon.process.poll() is None
    answer = waiting.request.answer()
    assert answer.status_code == 200 and answer.json()["customer"]["company_name"] == "Late"
    assert daemon.process.wait(60) == 0
    assert not daemon.pid_file.exists()
    assert not tail.find("process died")


def test_a_second_term_ends_the_service_at_once(stack, new_daemon):
    daemon = new_daemon(**PATIENT).start()
    tail = LogTail(stack)
    with Waiting(stack) as waiting:
        family = daemon.pids()
        daemon.signal(signal.SIGTERM)
        tail.wait("stopping")
        daemon.signal(signal.SIGTERM)
        assert daemon.process.wait(10) == 0
        assert not [pid for pid in family if is_alive(pid)]
        assert waiting.request.answer().status_code == 502
    assert not daemon.socket.exists()
    # PostgreSQL notices the end of the worker only when the statement has got the lock.
    wait_for(lambda: stack.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name "
                               "LIKE 'billingd%'") == "0")
    assert "Late" not in stack.sql("SELECT company_name FROM customers "
                                   f"WHERE customer_id = '{waiting.customer.id}'")


def test_a_stop_ends_within_its_timeout(stack, new_daemon):
    """A request that does not finish within SHUTDOWN_TIMEOUT_SECONDS is cut off."""
    daemon = new_daemon(SHUTDOWN_TIMEOUT_SECONDS=1, **PATIENT).start()
    with Waiting(stack) as waiting:
        daemon.signal(signal.SIGTERM)
        assert daemon.process.wait(10) == 0
        assert waiting.request.answer().status_code == 502


def test_a_stop_under_load_finishes_every_request(stack, new_daemon, rng, report):
    """Requests that reached the queue before the stop are answered; later ones get 502."""
    daemon = new_daemon().start()
    ledger = Ledger(stack)
    stops = 5

    async def visit(client):
        await ledger.sign_up(client)

    with Load(stack, 16, visit, rng.random()) as load:
        for _ in range(stops):
            already = len(ledger.acknowledged)
            wait_for(lambda n=already: len(ledger.acknowledged) > n + 20 or load.check(),
                     every=0.01)
            daemon.signal(signal.SIGTERM)
            assert daemon.process.wait(60) == 0
            daemon.start()
    found = ledger.audit()
    report(stops=stops, answers=len(load.answers), acknowledged=len(ledger.acknowledged),
           lost=found["lost"], replayed=ledger.replayed, connections_lost=load.count()["lost"])
    assert found == {**found, "lost": 0, "duplicates": 0, "unacknowledged": 0, "half_written": 0}
    # A replay would mean that a stored answer was not delivered.
    assert ledger.replayed == 0
    assert not load.unexpected(201, 502)


def test_children_end_with_a_killed_master(stack, new_daemon, rng):
    """They end also under load, which keeps a worker busy all the time."""
    daemon = new_daemon(WORKERS=1, SHUTDOWN_TIMEOUT_SECONDS=2).start()
    with Load(stack, 32, knock, rng.random()) as load:
        wait_for(lambda: load.count()[201] > 100)
        family = daemon.pids()
        kill(family[0])
        wait_for(lambda: not any(is_alive(pid) for pid in family))
    daemon.process.wait()
    assert not load.unexpected(201, 502)
    # Its socket and its pid file are left, and do not prevent the next start.
    assert daemon.socket.exists() and daemon.pid_file.exists()
    daemon.start()
    assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o660
    assert int(daemon.pid_file.read_text(encoding="ascii")) == daemon.process.pid
    assert stack.api.sign_up().license


def test_workers_are_replaced_after_max_requests(stack, new_daemon, rng, report):
    """WORKER_MAX_REQUESTS ends a worker after an answer, so that no request is lost."""
    daemon = new_daemon(WORKERS=3, WORKER_MAX_REQUESTS=20).start()
    tail = LogTail(stack)
    ledger = Ledger(stack)
    seen = set()

    async def visit(client):
        customer_id, key = await ledger.sign_up(client)
        for _ in range(4):
            await client.send("GET", f"/api/licenses/{customer_id}", key=key)

    with Load(stack, 16, visit, rng.random()) as load:
        while len(load.answers) < 1000:
            load.check()
            seen |= set(daemon.pids()[1:])
    report(answers=len(load.answers), workers_seen=len(seen), failed=len(load.unexpected(200, 201)))
    assert not load.unexpected(200, 201)
    assert len(seen) > 20
    assert not tail.find("process died")


def test_workers_that_cannot_start_are_throttled(stack, new_daemon):
    """Without a usable key all workers fail to start. They are started at growing intervals, and
    the service recovers by itself when the key is usable again."""
    daemon = new_daemon(WORKERS=2).start()
    tail = LogTail(stack)
    key = daemon.keys / "private-key.pem"
    key.chmod(0o644)
    for pid in daemon.pids()[1:]:
        kill(pid)

    def failed_starts():
        return [line for line in tail.find("process died") if line["exit_status"] == 1]

    failed = wait_for(lambda: (found := failed_starts())[7:] and found)
    times = [datetime.datetime.fromisoformat(line["time"]) for line in failed]
    # Each of four slots starts at once or after a second, then again a second later or more.
    assert (times[4] - times[0]).total_seconds() >= 0.9
    assert (times[7] - times[0]).total_seconds() >= 0.9
    assert len(failed) < 16
    reason = tail.find("process cannot start")[0]["reason"]
    assert "chmod 600" in reason
    assert daemon.process.poll() is None
    key.chmod(0o600)
    wait_for(lambda: len(daemon.pids()) == daemon.size())
    assert stack.api.sign_up().license


def test_a_worker_that_crashes_in_its_first_request_is_replaced_at_once(stack, new_daemon):
    """Each of many workers in a row is replaced at once. With delays that double from a second on,
    the last one would be missing for two minutes."""
    daemon, postgres = new_daemon(WORKERS=1, **PATIENT).start(), Postgres(stack)
    customer = stack.api.sign_up()
    with Session(stack) as session:
        session.run(f"SELECT FROM customers WHERE customer_id = '{customer.id}' FOR UPDATE")
        for _ in range(8):
            client = stack.api.bearer(stack.admin_key)
            request = InThread(lambda client=client: client.patch(
                f"/api/customers/{customer.id}", {"company_name": "Late"}, faults=True))
            wait_for(lambda: postgres.waiting("billingd worker") == 1, every=0.01)
            assert [kill(pid) for pid in daemon.pids() if role_of(pid) == "billingd worker"] == [True]
            assert request.answer().status_code == 502
            # Its statement still waits in PostgreSQL and would be counted as the next one's.
            postgres.end_backends()
            wait_for(lambda: not postgres.waiting(), every=0.01)
    wait_for(lambda: stack.api.nobody.get("/health", faults=True).status_code == 200)


def test_a_second_daemon_on_the_socket_refuses_to_start(stack, new_daemon):
    """The first daemon is not disturbed."""
    daemon = new_daemon().start()
    done = daemon.attempt()
    assert done.returncode == 1 and done.stdout == ""
    assert one_line(done) == f"billingd: {daemon.socket} is in use: another billingd is running"
    assert int(daemon.pid_file.read_text(encoding="ascii")) == daemon.process.pid
    assert stack.api.sign_up().license


def one_line(done):
    """Checks that stderr has one line; returns it."""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def without_key(daemon):
    """Removes the private key."""
    (daemon.keys / "private-key.pem").unlink()
    return {}, ("billingctl keys generate",)


def with_open_key(daemon):
    """Makes the private key readable for everyone."""
    (daemon.keys / "private-key.pem").chmod(0o644)
    return {}, ("private-key.pem", "chmod 600")


def with_unreadable_key(daemon):
    """Makes the private key unreadable for billingd."""
    (daemon.keys / "private-key.pem").chmod(0)
    return {}, ("private-key.pem", "Permission denied")


def with_invalid_key(daemon):
    """Writes a private key file that contains no key."""
    (daemon.keys / "private-key.pem").write_text("no key\n", encoding="ascii")
    return {}, ("private-key.pem", "PEM private key")


def with_pending_migration(daemon):
    """Adds a migration that has not been applied."""
    daemon.next_migration().write_text("SELECT 1;\n", encoding="ascii")
    return {}, ("1 migration is pending", "billingctl migrate up")


def with_changed_migration(daemon):
    """Changes a migration that has been applied."""
    path = next((daemon.folder / "migrations").glob("001_*"))
    path.write_text(path.read_text(encoding="utf-8") + "-- more\n", encoding="utf-8")
    return {}, ("001_",)


def with_unknown_setting(daemon):
    """Adds a line with an unknown setting to the settings file."""
    daemon.write("COLOUR=green")
    return {}, ("COLOUR", "line", "billingd --settings")


def with_broken_line(daemon):
    """Adds a line without an equals sign to the settings file."""
    daemon.write("WORKERS 3")
    return {}, ("billing.env line", "NAME=value")


def with_misspelt_environment(_):
    """Sets a misspelt variable in the environment."""
    return {"LICENSE_TTL_DAY": "30"}, ("LICENSE_TTL_DAY", "LICENSE_TTL_DAYS")


def with_invalid_value(_):
    """Sets a value out of bounds in the environment, which overrides the file."""
    return {"WORKERS": "100000"}, ("WORKERS", "environment", "from 0 to 512")


def without_settings_file(daemon):
    """Removes the settings file."""
    daemon.config.unlink()
    return {}, ("billing.env",)


def with_broken_plans(daemon):
    """Makes a syntax error in line 3 of the plans."""
    daemon.plans.write_text('{\n  "version": 1,\n  trial\n}\n', encoding="ascii")
    return {}, ("plans.json", "line 3")


def with_wrong_plans(daemon):
    """Removes the price of a plan."""
    text = daemon.plans.read_text(encoding="ascii").replace('"price": null,', "")
    daemon.plans.write_text(text, encoding="ascii")
    return {}, ("plans.json", "enterprise", "price")


def with_unreachable_database(_):
    """Names a database that does not exist."""
    return {"DATABASE_URL": "postgresql:///billing?host=/nonexistent"}, \
        ("DATABASE_URL", "/nonexistent")


def with_socket_elsewhere(_):
    """Names a folder that does not exist for the socket."""
    return {"BILLING_SOCKET": "/nonexistent/billingd.sock"}, ("/nonexistent/billingd.sock",)


def with_stripe_socket_elsewhere(_):
    """Names such a folder for the Stripe pool's socket; the first socket is removed again."""
    return {"BILLING_STRIPE_SOCKET": "/nonexistent/billingd.sock"}, ("/nonexistent/billingd.sock",)


def with_one_socket_for_two(daemon):
    """Gives both pools the same socket."""
    return {"BILLING_STRIPE_SOCKET": str(daemon.socket)}, ("BILLING_STRIPE_SOCKET", "BILLING_SOCKET")


def without_authorities(_):
    """Names a file of certificate authorities that does not exist."""
    return {"STRIPE_CA_FILE": "/nonexistent.pem"}, ("STRIPE_CA_FILE", "/nonexistent.pem")


REFUSALS = [without_key, with_open_key, with_unreadable_key, with_invalid_key,
            with_pending_migration, with_changed_migration, with_unknown_setting,
            with_broken_line, with_misspelt_environment, with_invalid_value,
            without_settings_file, with_broken_plans, with_wrong_plans,
            with_unreachable_database, with_socket_elsewhere, with_stripe_socket_elsewhere,
            with_one_socket_for_two, without_authorities]


@pytest.mark.parametrize("fault", REFUSALS)
def test_refuses_to_start(stack, fault):
    """It prints one line on stderr that says what to do, exits with 1 and leaves no files."""
    daemon = Daemon(stack)
    daemon.make_room()
    environment, words = fault(daemon)
    # Only a start, not --check, opens the socket.
    for arguments in ([], ["--check"])[:1 if "socket_elsewhere" in fault.__name__ else 2]:
        done = daemon.attempt(*arguments, **environment)
        line = one_line(done)
        assert done.returncode == 1 and done.stdout == ""
        assert line.startswith("billingd: ") and all(word in line for word in words), line
        if fault is with_stripe_socket_elsewhere:
            assert not daemon.socket.exists()
    assert not daemon.pid_file.exists()


def test_check_of_a_valid_configuration(stack):
    done = Daemon(stack).attempt("--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "The configuration is fine.\n"


def test_wrong_usage(stack):
    for arguments in (["--no-such-option"], ["argument"]):
        done = Daemon(stack).attempt(*arguments)
        assert done.returncode == 2 and done.stderr


def test_silent_connections_do_not_block_the_workers(stack, new_daemon):
    """Workers close connections on which nothing is sent."""
    daemon = new_daemon(WORKERS=2).start()
    silent = [socket.socket(socket.AF_UNIX) for _ in range(6)]
    for peer in silent:
        peer.connect(str(daemon.socket))
    assert stack.api.nobody.get("/health").status_code == 200
    for peer in silent:
        peer.close()
