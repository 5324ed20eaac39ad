"""Connections that nginx keeps belong to no worker: they outlive workers, and a request on one is
served by any worker that is free."""

import contextlib
import os
import signal
import socket

import pytest
from chaos.load import Ledger, Load
from chaos.postgres import Session
from chaos.processes import Daemon, Killer, LogTail, children, is_alive, kill, role_of
from support.fcgi import ask, receive, speak
from support.stack import wait_for

STACK = {"WORKERS": 2, "STRIPE_WORKERS": 1}
# FULL=1 sends more.
FULL = os.environ.get("FULL") == "1"


@pytest.fixture(name="daemon")
def fixture_daemon(stack):
    """A billingd with two workers, whose statements wait long for a lock."""
    made = Daemon(stack, WORKERS=2, DB_STATEMENT_TIMEOUT_MS=14000).start()
    yield made
    assert made.stop() == 0


@contextlib.contextmanager
def kept(path, count=1):
    """Makes `count` connections to the socket."""
    with contextlib.ExitStack() as closing:
        peers = [closing.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(count)]
        for peer in peers:
            peer.settimeout(30)
            peer.connect(str(path))
        yield peers


def workers(daemon):
    """The living workers of the main pool."""
    return {pid for pid in daemon.pids()[1:] if role_of(pid) == "billingd worker"}


def is_healthy(peer):
    """Whether a request on the connection is answered, which stays open."""
    speak(peer, "GET", "/health")
    return receive(peer)[0] == 200


def are_healthy(peers, tail):
    """Whether each connection is answered. When this returns, no worker serves one any more: a
    worker writes a request to the log after it has returned the connection."""
    already = len(tail.find("request"))
    healthy = all(map(is_healthy, peers))
    wait_for(lambda: len(tail.find("request")) >= already + len(peers), every=0.01)
    return healthy


def is_closed(peer):
    """Waits until the other side closes the connection."""
    with contextlib.suppress(ConnectionResetError):
        return peer.recv(1) == b""
    return True


def waiting_workers(stack):
    """How many workers' sessions wait for a lock."""
    return int(stack.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                         "AND application_name = 'billingd worker'"))


def open_files(pid):
    """How many files a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_requests_follow_each_other_on_one_connection(daemon):
    """Short and long answers, requests with and without a body, on connections of both pools."""
    body = b'{"license": "' + 20000 * b"a" + b'"}'
    with kept(daemon.socket) as (peer,), kept(daemon.stripe_socket) as (other,):
        for _ in range(3):
            assert is_healthy(peer) and is_healthy(other)
            speak(peer, "GET", "/openapi.json")
            assert receive(peer)[0] == 200
            speak(peer, "POST", "/api/licenses/verify", body)
            assert receive(peer)[0] == 401
        speak(peer, "GET", "/health", keep=False)
        assert receive(peer)[0] == 200 and is_closed(peer)


def test_idle_connections_hold_no_worker(daemon):
    """Some have been answered; on the others nothing was ever sent."""
    with kept(daemon.socket, 50) as peers:
        assert all(map(is_healthy, peers[:25]))
        for _ in range(10):
            assert ask(daemon.socket, "GET", "/health")[0] == 200
        assert all(map(is_healthy, peers[::-1]))


def test_connections_outlive_workers(daemon):
    """Workers are killed, and replaced by a reload."""
    tail = LogTail(daemon.stack)
    with kept(daemon.socket, 20) as peers:
        for number in range(1, 4):
            assert are_healthy(peers, tail)
            old = workers(daemon)
            for pid in old:
                kill(pid)
            wait_for(lambda pids=old: not pids & workers(daemon) and len(workers(daemon)) == 2)
            assert are_healthy(peers, tail)
            old = set(daemon.pids()[1:])
            daemon.signal(signal.SIGHUP)
            tail.wait("reloaded", number)
            wait_for(lambda pids=old: not any(map(is_alive, pids)))


def test_a_killed_worker_ends_its_connection_and_no_other(daemon):
    """nginx learns of it at once, and requests that wait meanwhile are served."""
    customer = daemon.stack.api.sign_up()
    with kept(daemon.socket, 5) as peers:
        assert all(map(is_healthy, peers))
        with Session(daemon.stack) as session:
            session.run("LOCK TABLE customers, api_keys")
            for peer in peers[:2]:
                speak(peer, "GET", f"/api/customers/{customer.id}", HTTP_X_API_KEY=customer.api_key)
            wait_for(lambda: waiting_workers(daemon.stack) == 2, every=0.01)
            for peer in peers[2:]:
                speak(peer, "GET", "/health")
            for pid in workers(daemon):
                kill(pid)
            assert all(map(is_closed, peers[:2]))
            assert [receive(peer)[0] for peer in peers[2:]] == [200, 200, 200]
        assert all(map(is_healthy, peers[2:]))


def test_a_request_with_a_fault_ends_its_connection(daemon):
    """Bytes of its body may be left, which must not be read as the next request."""
    for length in ("7", "-1", "99999999"):
        with kept(daemon.socket) as (peer,):
            speak(peer, "POST", "/api/usage/report", b"{}", CONTENT_LENGTH=length)
            assert receive(peer)[0] in (400, 413) and is_closed(peer)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees the open files of a protected process")
def test_closed_connections_leave_nothing(daemon):
    """The places of connections that nginx has closed are used again."""
    counts = []
    for _ in range(6):
        with kept(daemon.socket, 100) as peers:
            assert all(map(is_healthy, peers))
        with kept(daemon.socket) as (peer,):
            assert all(is_healthy(peer) for _ in range(20))
        counts.append([open_files(pid) for pid in [daemon.process.pid, *workers(daemon)]])
    assert max(counts[-1]) <= max(counts[0]) + 40


def test_a_stop_serves_what_has_arrived(stack):
    """Each kept connection gets at most one more answer, so a busy nginx does not delay the end."""
    daemon = Daemon(stack, WORKERS=1).start()
    worker, = workers(daemon)
    with kept(daemon.socket, 5) as peers:
        assert all(map(is_healthy, peers))
        kill(worker, signal.SIGSTOP)
        for peer in peers[:4]:
            speak(peer, "GET", "/health")
        daemon.signal(signal.SIGTERM)
        wait_for(lambda: not daemon.socket.exists())
        kill(worker, signal.SIGCONT)
        assert [receive(peer)[0] for peer in peers[:4]] == [200, 200, 200, 200]
        assert all(map(is_closed, peers))
    assert daemon.process.wait(60) == 0


def test_reloads_retirements_and_kills_under_writers(new_stack, rng, report):
    """Through nginx: reloads and workers that retire lose no request and answer none with an
    error; each kill costs one at most, and nothing acknowledged is lost."""
    made = new_stack(WORKERS=8, STRIPE_WORKERS=1, WORKER_MAX_REQUESTS=40)
    try:
        ledger, tail = Ledger(made), LogTail(made)
        reloads, retirements, kills = (100, 200, 500) if FULL else (4, 20, 20)
        with Load(made, 64, ledger.sign_up, rng.random()) as load:
            for number in range(1, reloads + 1):
                kill(made.pids()[0], signal.SIGHUP)
                tail.wait("reloaded", number)
                already = len(load.answers)
                wait_for(lambda n=already: len(load.answers) > n + 100 or load.check(), every=0.01)
            seen = set()
            wait_for(lambda: load.check() or seen.update(children(made)) or
                     len(seen) > 10 + retirements, 600, 0.01)
            assert not load.unexpected(201)
            with Killer(made, rng, 0.1) as killer:
                wait_for(lambda: load.check() or killer.kills >= kills, 600)
        found = ledger.audit()
        report(reloads=reloads, retirements=len(seen) - 10, kills=killer.kills,
               answers=len(load.answers), answered_502=load.count()[502],
               acknowledged=len(ledger.acknowledged), lost=found["lost"])
        assert load.count()[502] <= killer.kills and not load.unexpected(201, 409, 502)
        assert found == {**found, "lost": 0, "duplicates": 0, "half_written": 0}
    finally:
        made.close()
