"""Two hosts with one database change the signing key: each has its own KEYS_DIR and its own billingd."""

import json

import jwt
import pytest
from chaos.hosts import two_hosts
from support.fcgi import ask
from support.stack import wait_for

STACK = {"WORKERS": 2}


@pytest.fixture(name="hosts", scope="module")
def fixture_hosts(stack):
    """Two hosts, which have the same signing key. Each test leaves them so."""
    yield from two_hosts(stack)


def everywhere(hosts, wanted):
    """Waits until each worker of each host answers so."""
    wait_for(lambda: all(wanted(host) for host in hosts for _ in range(6)))


def kid_of(host, customer_id):
    """The key of the licence that this host gives to the customer, or the status of a refusal."""
    status, body = host.get(f"/api/licenses/{customer_id}")
    return jwt.get_unverified_header(body["license"])["kid"] if status == 200 else status


def test_two_hosts_change_the_key(stack, hosts):
    """The two hosts publish the new key before either signs with it. The host without it is not ready and says
    what to copy, and is ready again by itself when it has the file."""
    one, two = hosts
    (customer, _), (other, _) = one.sign_up(), one.sign_up()
    # The list of published keys names earlier ones too.
    old, *earlier = one.published()
    assert kid_of(one, customer) == old
    added = one.ctl("keys", "add")["kid"]
    everywhere(hosts, lambda host: host.published() == [old, added, *earlier])
    assert {kid_of(host, customer) for host in hosts} == {old}
    assert all(host.ready() == (200, "loaded") for host in hosts)
    assert [host.metric("billing_signing_key_missing") for host in hosts] == [0, 0]
    one.ctl("keys", "use", added, "--now")
    everywhere(hosts, lambda host: host.published() == [added, old, *earlier])
    assert kid_of(one, customer) == added and one.ready() == (200, "loaded")
    status, detail = two.ready()
    assert status == 503 and added in detail and str(two.keys) in detail and "copy the file" in detail
    assert kid_of(two, other) == 503
    # A licence that the other host has signed and stored can be given again.
    assert kid_of(two, customer) == added
    wait_for(lambda: two.metric("billing_signing_key_missing") == 1)
    assert one.metric("billing_signing_key_missing") == 0
    two.copy(one, "private-key.pem")
    everywhere([two], lambda host: host.ready() == (200, "loaded"))
    assert kid_of(two, other) == added
    wait_for(lambda: two.metric("billing_signing_key_missing") == 0)
    two.ctl("keys", "use", added)
    for host in hosts:
        assert (host.keys / f"retired/{old}.pem").exists()
        assert not (host.keys / "next-private-key.pem").exists()


def test_each_host_removes_the_files_of_a_distrusted_key(stack, hosts):
    """The key is retired, or was added on the other host."""
    one, two = hosts
    old = one.published()[0]
    kid = one.ctl("keys", "add")["kid"]
    two.copy(one)
    everywhere(hosts, lambda host: kid in host.published())
    for host in hosts:
        host.ctl("keys", "use", kid, "--now")
    everywhere(hosts, lambda host: host.published()[0] == kid and host.ready()[0] == 200)
    one.ctl("keys", "distrust", old, "--why", "a backup was lost")
    wait_for(lambda: not any((host.keys / f"retired/{old}.pem").exists() for host in hosts))
    waiting = one.ctl("keys", "add")["kid"]
    two.copy(one)
    one.ctl("keys", "distrust", waiting, "--why", "it was copied by mail")
    wait_for(lambda: not any((host.keys / "next-private-key.pem").exists() for host in hosts))
    everywhere(hosts, lambda host: not {old, waiting} & set(host.published()))
    known = {row["kid"]: row for row in two.ctl("keys", "list")["keys"]}
    for gone in (old, waiting):
        assert known[gone]["state"] == "distrusted" and known[gone]["distrusted_at"]
        assert not known[gone]["published"] and not known[gone]["private_half_here"]
    # The jobs measure at the end of a round, perhaps of one that began before the change.
    wait_for(lambda: [host.metric("billing_signing_keys_unknown") for host in hosts] == [0, 0])


def test_a_host_that_serves_an_unknown_key_shows(hosts):
    """It could not read the keys since they changed. The jobs may serve an earlier key, too: then they
    have not yet followed the change of an earlier test."""
    one = hosts[0]
    row = ("INSERT INTO signing_keys (kid, public_pem, state, added_at) VALUES "
           "('broken', 'no key', 'added', now())")
    one.stack.sql(row)
    served = one.published()
    try:
        one.stack.sql(f"UPDATE signing_keys SET kid = 'gone' WHERE kid = '{served[0]}'")
        wait_for(lambda: one.metric("billing_signing_keys_unknown") >= 1)
    finally:
        one.stack.sql(f"UPDATE signing_keys SET kid = '{served[0]}' WHERE kid = 'gone'; "
                      "DELETE FROM signing_keys WHERE kid = 'broken'")
    wait_for(lambda: one.metric("billing_signing_keys_unknown") == 0)


def test_a_database_restored_to_before_a_change(stack, hosts):
    """No host has the old private key any more. A further change makes them ready, and licences of the
    key that the database has forgotten can be verified."""
    one, two = hosts
    before = one.published()[0]
    forgotten = one.ctl("keys", "rotate", "--now")["kid"]
    everywhere([one], lambda host: host.published()[0] == forgotten)
    _, token = one.sign_up()
    stack.sql(f"DELETE FROM signing_keys WHERE kid = '{forgotten}'; UPDATE signing_keys "
              "SET state = 'current', retired_at = NULL, publish_until = NULL "
              f"WHERE kid = '{before}'; DELETE FROM licenses WHERE kid = '{forgotten}'")
    everywhere([one], lambda host: host.ready()[0] == 503)
    checks = json.loads(one.ctl("doctor", check=False).stdout)["checks"]
    found, = (check for check in checks if check["check"] == "key_rotation")
    assert found["state"] == "wrong" and "billingctl keys rotate --now" in found["detail"]
    new = one.ctl("keys", "rotate", "--now")["kid"]
    everywhere(hosts, lambda host: {new, forgotten, before} <= set(host.published()))
    assert one.ready()[0] == 200 and two.ready()[0] == 503
    status, answer = ask(two.daemon.socket, "POST", "/api/licenses/verify",
                         json.dumps({"license": token}).encode())
    assert (status, answer["valid"]) == (200, True)
    two.copy(one, "private-key.pem")
    two.ctl("keys", "use", new)
    everywhere([two], lambda host: host.ready()[0] == 200)
