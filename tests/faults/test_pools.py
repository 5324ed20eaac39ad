"""Two pools of workers on two sockets: faults of the Stripe pool do not affect the other one."""

import signal
import socket
import stat

from chaos.load import Load, knock
from chaos.processes import Daemon, LogTail, is_alive, kill, role_of
from support.fcgi import ask, receive, send
from support.stack import wait_for

STACK = {"WORKERS": 2}
UNNAMED = {"", "billingd"}


def of_stripe(daemon):
    """The living workers of the Stripe pool, once every process has set its name."""
    def found():
        children = daemon.pids()[1:]
        roles = {pid: role_of(pid) for pid in children}
        return not UNNAMED & set(roles.values()) and roles
    return [pid for pid, role in wait_for(found).items() if role == "billingd stripe"]


def test_each_pool_has_a_socket_and_a_stop_removes_both(stack):
    daemon = Daemon(stack, STRIPE_WORKERS=2).start()
    try:
        for path in (daemon.socket, daemon.stripe_socket):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            status, body = ask(path, "GET", "/health")
            assert status == 200 and body["status"] == "healthy"
        assert len(of_stripe(daemon)) == 2
        roles = sorted(role_of(pid) for pid in daemon.pids()[1:])
        assert roles == ["billingd jobs"] + 2 * ["billingd stripe"] + ["billingd webhoo"] + \
            3 * ["billingd worker"]
    finally:
        assert daemon.stop() == 0
    assert not daemon.socket.exists() and not daemon.stripe_socket.exists()


def test_killed_workers_of_the_stripe_pool_are_replaced(stack, rng):
    """Workers that have served a request are replaced at once; the other pool is not affected."""
    daemon = Daemon(stack, STRIPE_WORKERS=1).start()
    tail = LogTail(stack)
    others = set(daemon.pids()) - set(of_stripe(daemon))
    try:
        with Load(stack, 4, knock, rng.random()) as load:
            for number in range(1, 6):
                assert ask(daemon.stripe_socket, "GET", "/health")[0] == 200
                dying, = of_stripe(daemon)
                kill(dying)
                line = tail.wait("process died", number)
                assert (line["process"], line["pid"]) == ("billingd stripe worker", dying)
                wait_for(lambda old=dying: set(of_stripe(daemon)) - {old})
                load.check()
            wait_for(lambda: load.count()[201] > 20)
        assert set(daemon.pids()) - set(of_stripe(daemon)) == others
        assert not load.unexpected(201)
    finally:
        assert daemon.stop() == 0


def test_a_reload_replaces_both_pools(stack):
    """It also applies the new numbers of workers."""
    daemon = Daemon(stack, STRIPE_WORKERS=2).start()
    tail = LogTail(stack)
    try:
        old = daemon.pids()[1:]
        daemon.write(STRIPE_WORKERS=3, WORKERS=1)
        daemon.signal(signal.SIGHUP)
        tail.wait("reloaded")
        wait_for(lambda: not any(map(is_alive, old)))
        wait_for(lambda: len(daemon.pids()) == daemon.size() and len(of_stripe(daemon)) == 3)
        # The reload may have ended the jobs process in its first round.
        for path in (daemon.stripe_socket, daemon.socket):
            wait_for(lambda path=path: ask(path, "GET", "/health/ready")[0] == 200)
        assert not tail.find("process died")
    finally:
        assert daemon.stop() == 0


def test_a_stop_finishes_requests_of_the_stripe_pool(stack):
    """A request that has arrived is answered although the socket is removed."""
    daemon = Daemon(stack, STRIPE_WORKERS=1).start()
    tail = LogTail(stack)
    worker, = of_stripe(daemon)
    kill(worker, signal.SIGSTOP)
    with socket.socket(socket.AF_UNIX) as peer:
        send(peer, daemon.stripe_socket, "GET", "/health")
        daemon.signal(signal.SIGTERM)
        tail.wait("stopping")
        wait_for(lambda: not daemon.stripe_socket.exists())
        assert daemon.process.poll() is None
        kill(worker, signal.SIGCONT)
        assert receive(peer)[0] == 200
    assert daemon.process.wait(60) == 0
    assert not tail.find("process died")
