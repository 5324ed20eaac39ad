"""Limits of a reload: it does not move sockets and does not wait for stuck processes."""

import signal
import socket
import time
from contextlib import closing

from chaos.processes import Daemon, LogTail, is_alive
from support.stack import wait_for

STACK = {"WORKERS": 1}


def silent_peer(path):
    """A connection with an incomplete FastCGI record: its worker waits for the rest for ever."""
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(str(path))
    peer.sendall(b"\x01\x01\x00\x01")
    return closing(peer)


def test_a_process_that_does_not_end_after_a_reload_is_killed(stack):
    daemon = Daemon(stack, SHUTDOWN_TIMEOUT_SECONDS=2).start()
    try:
        tail = LogTail(stack)
        old = daemon.pids()[1:]
        with silent_peer(daemon.socket):
            time.sleep(0.3)
            daemon.signal(signal.SIGHUP)
            tail.wait("reloaded")
            assert stack.api.sign_up().license
            late = tail.wait("process did not end after the reload, killed")["pid"]
            assert late in old
            wait_for(lambda: not any(is_alive(pid) for pid in old))
            assert len(tail.find("process did not end after the reload, killed")) == 1
    finally:
        assert daemon.stop() == 0


def test_a_reload_does_not_move_the_socket(stack):
    daemon = Daemon(stack).start()
    made, other = daemon.socket, daemon.folder / "run/other.sock"
    try:
        other.write_text("somebody else's", encoding="ascii")
        tail = LogTail(stack)
        daemon.write(BILLING_SOCKET=other)
        daemon.signal(signal.SIGHUP)
        assert tail.wait("BILLING_SOCKET, BILLING_STRIPE_SOCKET and BILLINGD_PID_FILE "
                         "change at the next start only")
        assert stack.api.sign_up().license
    finally:
        assert daemon.stop() == 0
    assert not made.exists()
    assert other.read_text(encoding="ascii") == "somebody else's"
