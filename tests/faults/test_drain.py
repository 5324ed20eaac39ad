"""A stop with DRAIN_DELAY_SECONDS: load balancers see it coming, and everything is served meanwhile."""

import signal
import time

from chaos.processes import Daemon, LogTail
from support.fcgi import ask
from support.stack import wait_for, within

STACK = {"WORKERS": 2}


def is_ready(daemon):
    """Status and the check of /health/ready that the stop changes."""
    status, body = ask(daemon.socket, "GET", "/health/ready")
    return status, body["checks"]["serving"]["ok"]


def test_a_stop_is_announced(stack):
    """/health/ready answers 503 while requests are served; a reload changes nothing; a second signal
    ends the delay."""
    daemon = Daemon(stack, DRAIN_DELAY_SECONDS=600).start()
    tail = LogTail(stack)
    try:
        wait_for(lambda: is_ready(daemon) == (200, True))
        daemon.signal(signal.SIGTERM)
        assert tail.wait("not ready any more, stopping soon")["seconds"] == 600
        assert is_ready(daemon) == (503, False)
        daemon.signal(signal.SIGHUP)
        for _ in range(20):
            assert ask(daemon.socket, "GET", "/health")[0] == 200
            assert ask(daemon.stripe_socket, "GET", "/health")[0] == 200
        assert daemon.socket.exists() and daemon.process.poll() is None
        assert not tail.find("reloaded") and not tail.find("stopping")
        daemon.signal(signal.SIGTERM)
        assert daemon.process.wait(60) == 0
        assert tail.find("stopping") and not tail.find("process died")
        assert not tail.find("reloaded")
    finally:
        if daemon.process.poll() is None:
            daemon.signal(signal.SIGTERM)
            daemon.stop()
    assert not daemon.socket.exists()


def test_the_delay_ends(stack):
    daemon = Daemon(stack, DRAIN_DELAY_SECONDS=1).start()
    tail = LogTail(stack)
    start = time.monotonic()
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(60) == 0
    assert 1 <= time.monotonic() - start < within(5)
    wait_for(lambda: tail.find("stopped"))


def test_without_a_delay_a_stop_begins_at_once(stack):
    daemon = Daemon(stack).start()
    tail = LogTail(stack)
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(60) == 0
    assert tail.find("stopping") and not tail.find("not ready any more, stopping soon")
