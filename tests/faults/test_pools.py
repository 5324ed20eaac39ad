"""Two pools of workers on two sockets: what befalls the one for Stripe leaves the other alone."""

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
    """The living workers of the Stripe pool, as soon as each has its name."""
    def found():
        children = daemon.pids()[1:]
        roles = {pid: role_of(pid) for pid in children}
        return not UNNAMED & set(roles.values()) and roles
    return [pid for pid, role in wait_for(found).items() if role == "billingd stripe"]


def test_each_pool_has_its_socket_and_a_stop_takes_both_away(stack):
    daemon = Daemon(stack, STRIPE_WORKERS=2).start()
    try:
        for path in (daemon.socket, daemon.stripe_socket):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            status, body = ask(path, "GET", "/health")
            assert status == 200 and body["status"] == "healthy"
        assert len(of_stripe(daemon)) == 2
        roles = sorted(role_of(pid) for pid in daemon.pids()[1:])
        assert roles == ["billingd jobs"] + 2 * ["billingd stripe"] + 3 * ["billingd worker"]
    finally:
        assert daemon.stop() == 0
    assert not daemon.socket.exists() and not daemon.stripe_socket.exists()


def test_workers_of_stripe_die_and_come_back_alone(stack, rng):
    """Once they have served they are replaced at once, and nobody else notices."""
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


def test_a_reload_renews_both_pools(stack):
    """And takes up how many workers there shall be."""
    daemon = Daemon(stack, STRIPE_WORKERS=2).start()
    tail = LogTail(stack)
    try:
        old = daemon.pids()[1:]
        daemon.write(STRIPE_WORKERS=3, WORKERS=1)
        daemon.signal(signal.SIGHUP)
        tail.wait("reloaded")
        wait_for(lambda: not any(map(is_alive, old)))
        wait_for(lambda: len(daemon.pids()) == daemon.size() and len(of_stripe(daemon)) == 3)
        assert ask(daemon.stripe_socket, "GET", "/health/ready")[0] == 200
        assert ask(daemon.socket, "GET", "/health/ready")[0] == 200
        assert not tail.find("process died")
    finally:
        assert daemon.stop() == 0


def test_a_drain_finishes_what_waits_for_stripe(stack):
    """A request of the Stripe pool that has arrived is answered, though its name is gone."""
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
