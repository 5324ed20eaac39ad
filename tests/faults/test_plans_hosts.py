"""Two hosts with one database have loaded different plans."""

import json
import signal
import socket

import pytest
from chaos.hosts import Host, two_hosts
from support.stack import wait_for

STACK = {"WORKERS": 2}


@pytest.fixture(name="hosts", scope="module")
def fixture_hosts(stack):
    """Two hosts with the same plans. Each test leaves them so."""
    yield from two_hosts(stack)


def reload(host, edit):
    """Changes the plans of a host, and has its billingd load them. No process with the earlier ones is left,
    which might still measure."""
    plans = json.loads(host.daemon.plans.read_text(encoding="utf-8"))
    before, old = host.metric("billing_reloads_total"), set(host.daemon.pids()[1:])
    edit(plans)
    host.daemon.plans.write_text(json.dumps(plans), encoding="utf-8")
    host.daemon.signal(signal.SIGHUP)
    wait_for(lambda: host.metric("billing_reloads_total") == before + 1)
    wait_for(lambda: not old & set(host.daemon.pids()))


def differing(host):
    """How many hosts have other plans than this one, by its metric."""
    return host.metric("billing_hosts_with_other_plans")


def doctor(host):
    """The state and the detail of doctor's check on this host."""
    checks = json.loads(host.ctl("doctor", check=False).stdout)["checks"]
    found, = (check for check in checks if check["check"] == "plans_of_hosts")
    return found["state"], found["detail"]


def readiness(host):
    """The status of the readiness, and its check of the plans."""
    status, body = host.get("/health/ready")
    assert status == 200
    return body["status"], body["checks"]["plans"]


def raise_price(plans):
    """The first plan costs one unit more on one host."""
    prices = plans["plans"][0].get("prices") or [plans["plans"][0]["price"]]
    prices[0]["amount_minor"] += 1


def lower_price(plans):
    """The first plan costs what it cost before."""
    prices = plans["plans"][0].get("prices") or [plans["plans"][0]["price"]]
    prices[0]["amount_minor"] -= 1


def test_the_same_plans_in_another_layout(hosts):
    """White space between the tokens of the file does not count."""
    one, two = hosts
    reload(two, lambda plans: None)
    wait_for(lambda: doctor(one) == ("ok", "hosts that have loaded the file: 2"))
    assert one.daemon.plans.read_bytes() != two.daemon.plans.read_bytes()
    assert [differing(host) for host in hosts] == [0, 0]
    assert readiness(one)[1] == {"ok": True, "detail": "no other host has other plans"}


def test_other_plans_show_on_each_host(hosts):
    """Each host is degraded and stays in use, doctor names the other, and a reload with the plans of the others
    ends it."""
    one, two = hosts
    reload(two, raise_price)
    for host, other in (one, two), (two, one):
        wait_for(lambda host=host: differing(host) == 1)
        assert readiness(host) == ("degraded", {"ok": False, "detail": "hosts that have loaded other plans: 1"})
        state, detail = doctor(host)
        assert state == "warning" and str(host.daemon.plans) in detail
        assert f"{socket.gethostname()[:19]} (process {other.daemon.process.pid})" in detail
        assert f"(process {host.daemon.process.pid})" not in detail
    reload(two, lower_price)
    wait_for(lambda: [differing(host) for host in hosts] == [0, 0])
    assert [doctor(host)[0] for host in hosts] == ["ok", "ok"]
    assert readiness(one)[1]["ok"] and readiness(two)[1]["ok"]


def test_a_file_that_is_not_loaded_yet(hosts):
    """doctor compares the file, so it names its own host too. The readiness compares what is loaded."""
    one, two = hosts
    before = one.daemon.plans.read_text(encoding="utf-8")
    plans = json.loads(before)
    raise_price(plans)
    try:
        one.daemon.plans.write_text(json.dumps(plans), encoding="utf-8")
        state, detail = doctor(one)
        assert state == "warning"
        assert all(f"(process {host.daemon.process.pid})" in detail for host in (one, two))
        assert [differing(host) for host in hosts] == [0, 0]
    finally:
        one.daemon.plans.write_text(before, encoding="utf-8")


def test_a_host_that_is_gone_is_not_compared(stack, hosts):
    """A third host stops with other plans."""
    one, three = hosts[0], Host(stack, "three")
    try:
        reload(three, raise_price)
        wait_for(lambda: differing(one) == 1)
    finally:
        assert three.daemon.stop() == 0
    wait_for(lambda: [differing(host) for host in hosts] == [0, 0])
    assert doctor(one) == ("ok", "hosts that have loaded the file: 2")
