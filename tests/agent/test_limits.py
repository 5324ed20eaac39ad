"""The agent's memory and speed, and a run under valgrind."""

import os
import signal
import socket
import time

import pytest
from support import VARIANT, wait_for

REQUESTS = int(os.environ.get("AGENT_REQUESTS", "5000"))


def rate_of(agent):
    """Requests a second over one connection."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(agent.socket))
        start = time.monotonic()
        for _ in range(REQUESTS):
            raw.sendall(b"GET /license HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert raw.recv(65536).startswith(b"HTTP/1.1 200")
        return REQUESTS / (time.monotonic() - start)


@pytest.mark.skipif(VARIANT != "release", reason="figures of the release build")
def test_speed_and_memory(agent):
    """The agent answers more than 1000 requests a second and takes less than 8 MB."""
    agent.start()
    wait_for(lambda: agent.license()["verdict"] == "valid")
    rate = max(rate_of(agent) for _ in range(5))
    for _ in range(200):
        assert agent.post({"counts": {"messages": 1}})[0] == 201
    resident = agent.resident_kb()
    print(f"the agent: {rate:.0f} requests/s, {resident} kB resident")
    assert rate > 1000 and resident < 8192


@pytest.mark.skipif(VARIANT != "release", reason="the sanitizers see more in their own build")
def test_valgrind(agent, vendor):
    """valgrind finds no fault in either program: good and bad requests, refreshes, reports, the end."""
    agent.start("valgrind", "-q", "--leak-check=full", "--errors-for-leak-kinds=definite",
                "--error-exitcode=99", "--trace-children=yes")
    wait_for(lambda: agent.license()["verdict"] == "valid", 120)
    for path in ("/license", "/license/token", "/allows/canExportData", "/nothing"):
        agent.get(path)
    assert agent.post({"counts": {"a": 1}})[0] == 201
    assert agent.post({"counts": {"A": 1}})[0] == 400
    vendor.now += 1
    vendor.issue(plan="enterprise")
    agent.process.send_signal(signal.SIGHUP)
    wait_for(lambda: agent.license()["plan"] == "enterprise" and not agent.unsent(), 120)
    assert vendor.counted("a") == 1
    assert agent.stop() == 0, agent.log.read_text()
    # billing-agent-sync exits with its outcome, so valgrind's findings about it are only in the log.
    assert "==" not in agent.log.read_text()


def test_many_connections(agent):
    """More connections than the agent holds at once are all answered."""
    agent.start()
    sockets = []
    try:
        for _ in range(100):
            one = socket.socket(socket.AF_UNIX)
            one.settimeout(30)
            one.connect(str(agent.socket))
            one.sendall(b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n")
            sockets.append(one)
        for one in sockets:
            assert one.recv(65536).startswith(b"HTTP/1.1 200")
    finally:
        for one in sockets:
            one.close()
