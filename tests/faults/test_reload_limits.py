"""Limits of a reload: it does not move sockets and does not wait for stuck processes."""

import fcntl
import signal
import socket
import struct
import termios
from contextlib import closing

from chaos.processes import Daemon, LogTail, is_alive
from support.stack import wait_for

STACK = {"WORKERS": 1}


def silent_peer(path):
    """A connection with an incomplete FastCGI record, which a worker has begun to read: it waits for the rest
    for ever."""
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(str(path))
    peer.sendall(b"\x01\x01\x00\x01")
    wait_for(lambda: unread(peer) == 0, every=0.01)
    return closing(peer)


def unread(peer):
    """How much memory the bytes take that the other side has not read yet."""
    return struct.unpack("i", fcntl.ioctl(peer, termios.TIOCOUTQ, bytes(4)))[0]


def test_a_process_that_does_not_end_after_a_reload_is_killed(stack):
    """The other workers end in time. A busy machine may keep the jobs from it."""
    daemon = Daemon(stack, SHUTDOWN_TIMEOUT_SECONDS=5).start()

    def late():
        return [line["pid"] for line in tail.find("process did not end after the reload, killed")
                if line["process"] == "billingd worker"]

    try:
        tail = LogTail(stack)
        old = daemon.pids()[1:]
        with silent_peer(daemon.socket):
            daemon.signal(signal.SIGHUP)
            tail.wait("reloaded")
            assert stack.api.sign_up().license
            assert set(wait_for(late)) <= set(old)
            wait_for(lambda: not any(is_alive(pid) for pid in old))
            assert len(late()) == 1
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
