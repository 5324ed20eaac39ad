"""billingctl doctor: a healthy installation passes, and each fault is found by its check, with a cure."""

import datetime
import json
import shutil
import socket
import threading

import pytest

from support.scratch import (  # noqa: F401 pylint: disable=unused-import
    cluster, new_scratch, scratch)
from support.stack import ROOT, wait_for

# The scratch server runs without fsync, all connect as its superuser, and no billingd runs on its
# databases.
SCRATCH_WRONG = {"durability", "database_role", "revocations", "socket", "stripe_socket"}


def diagnose(scratch, **env):  # noqa: F811 pylint: disable=redefined-outer-name
    """The failed checks with detail and cure; exit status and answer agree."""
    done = scratch.run("doctor", "--json", **env)
    answer = json.loads(done.stdout)
    wrong = {c["check"]: c for c in answer["checks"] if c["state"] == "wrong"}
    assert all(c["detail"] and c["cure"] for c in wrong.values())
    assert {c["state"] for c in answer["checks"]} <= {"ok", "wrong", "warning", "skipped"}
    assert answer["ok"] is (not wrong) and done.returncode == (1 if wrong else 0)
    assert bool(done.stderr) is bool(wrong)
    return wrong


def warnings(scratch, **env):  # noqa: F811 pylint: disable=redefined-outer-name
    """The checks that warn, in their order. That of checksums, which the scratch server lacks, is the first."""
    checks = json.loads(scratch.run("doctor", "--json", **env).stdout)["checks"]
    return [check for check in checks if check["state"] == "warning"]


def finds(scratch, check, *words, **env):  # noqa: F811 pylint: disable=redefined-outer-name
    """Exactly this check fails, beyond those that always fail there."""
    wrong = diagnose(scratch, **env)
    assert set(wrong) - SCRATCH_WRONG == {check}
    text = wrong[check]["detail"] + " " + wrong[check]["cure"]
    for word in words:
        assert word in text
    return wrong[check]


@pytest.fixture(name="healthy")
def fixture_healthy(scratch):  # noqa: F811 pylint: disable=redefined-outer-name
    """A scratch installation with an owner and a customer."""
    scratch("operator", "create", "ann", "--role", "owner")
    scratch("customer", "create", "a@example.com")
    assert set(diagnose(scratch)) == SCRATCH_WRONG
    return scratch


def test_contracts(healthy):
    """The check of contracts tells how many run, and finds a change at Stripe that was given up."""
    healthy("contract", "create", "a@example.com", "starter", "--billing", "manual",
            "--ends-at", (datetime.datetime.now() + datetime.timedelta(days=9)).strftime("%FT00:00:00Z"))
    checks = json.loads(healthy.run("doctor", "--json").stdout)["checks"]
    found, = [check for check in checks if check["check"] == "contracts"]
    assert found["detail"] == "1 run, 1 of them end within 30 days"
    healthy.sql("INSERT INTO stripe_calls (kind, customer_id, subject, path, parameters, "
                "idempotency_key, state, created_at) SELECT 'contract', customer_id, contract_id, '', "
                "'', 'x', 'parked', now() FROM contracts")
    wrong = diagnose(healthy)
    assert "given up: 1, one is con_" in wrong["contracts"]["detail"]


def sockets_of(stack):
    """The settings for billingd's sockets."""
    return {"BILLING_SOCKET": str(stack.socket), "BILLING_STRIPE_SOCKET": str(stack.stripe_socket)}


def stack_doctor(stack, **env):
    """Runs the doctor on a stack."""
    return stack.billingctl("doctor", "--json", check=False,
                            env={**sockets_of(stack), **env})


def unparked_doctor(stack):
    """Runs the doctor on a stack. Other tests leave parked rows behind, and work that may be parked at any time."""
    def look():
        stack.sql("DELETE FROM stripe_events WHERE state = 'parked' OR error = 'other_mode'; "
                  "DELETE FROM stripe_calls WHERE state = 'parked'; "
                  "DELETE FROM meter_events WHERE state = 'parked'")
        done = stack_doctor(stack)
        states = {check["check"]: check["state"] for check in json.loads(done.stdout)["checks"]}
        return states["stripe_parked"] == states["stripe_mode"] == "ok" and done
    return wait_for(look)


def test_a_healthy_stack(stack):
    done = unparked_doctor(stack)
    answer = json.loads(done.stdout)
    assert done.returncode == 0 and done.stderr == "" and answer["ok"] is True, done.stdout
    warnings = [c for c in answer["checks"] if c["state"] == "warning"]
    assert all(c["state"] == "ok" and c["cure"] is None
               for c in answer["checks"] if c not in warnings)
    assert [c["check"] for c in warnings] == ["stripe_key"]
    assert warnings[0]["detail"].startswith("TEST mode") and "STRIPE_API_BASE" in warnings[0]["cure"]
    assert stack.env["STRIPE_API_BASE"] in warnings[0]["detail"]
    assert stack.stripe.secret_key not in done.stdout
    details = {c["check"]: c["detail"] for c in answer["checks"]}
    assert len(answer["checks"]) == len(details) >= 19
    # A process that ends is replaced soon.
    wait_for(lambda: f"billingd has {len(stack.pids()) - 1} processes" in stack_doctor(stack).stdout)
    unparked_doctor(stack)
    done = stack.billingctl("doctor", env=sockets_of(stack))
    assert done.stdout.count("\nok ") == len(answer["checks"]) - 1
    assert done.stdout.count("\nWARNING ") == done.stdout.count("Cure:") == 1


def test_text_output(healthy):
    done = healthy.run("doctor", LOG_LEVEL="debug")
    assert done.returncode == 1 and "5 of " in done.stderr
    lines = done.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("WRONG    socket"))
    assert "Cure: start billingd" in lines[at + 1]


def test_settings(healthy):
    finds(healthy, "settings", "LOG_LEVEL", LOG_LEVEL="loud")


def test_the_settings_file(healthy, tmp_path):
    """It may hold secrets, so other users and nginx, whose group the socket has, cannot read it."""
    config = tmp_path / "billing.env"
    config.write_text("WORKERS=2\n", encoding="utf-8")
    healthy.env["BILLING_SOCKET"] = str(tmp_path / "socket")

    def wrong(mode):
        config.chmod(mode)
        done = healthy.run("doctor", "--json", "--config", str(config))
        return {c["check"]: c for c in json.loads(done.stdout)["checks"]
                if c["state"] == "wrong"}.get("settings_file")

    assert wrong(0o644)["cure"] == f"chmod o= {config}"
    assert wrong(0o640) is None
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        assert "nginx" in wrong(0o640)["detail"]
        assert wrong(0o600) is None


def test_plans(healthy, tmp_path):
    plans = tmp_path / "plans.json"
    plans.write_text((ROOT / "conf/plans.json").read_text(encoding="utf-8")
                     .replace('"maxDevices": 50', '"maxDevices": "many"'), encoding="utf-8")
    finds(healthy, "plans", str(plans), PLANS_FILE=plans)
    plans.write_text("{", encoding="utf-8")
    finds(healthy, "plans", str(plans), PLANS_FILE=plans)
    finds(healthy, "plans", "none.json", PLANS_FILE=tmp_path / "none.json")


def test_signing_key(healthy, tmp_path):
    private, public = healthy.keys / "private-key.pem", healthy.keys / "public-key.pem"
    private.chmod(0o644)
    assert finds(healthy, "signing_key")["cure"] == f"chmod 600 {private}"
    private.chmod(0o600)
    text = public.read_text(encoding="ascii")
    other = tmp_path / "other"
    healthy("keys", "generate", KEYS_DIR=other)
    public.write_text((other / "public-key.pem").read_text(encoding="ascii"), encoding="ascii")
    assert "openssl pkey" in finds(healthy, "signing_key", "public half")["cure"]
    public.write_text(text, encoding="ascii")
    private.write_text("nonsense", encoding="ascii")
    finds(healthy, "signing_key", str(private))
    private.unlink()
    assert finds(healthy, "signing_key")["cure"] == "billingctl keys generate"


def test_an_interrupted_rotation(healthy):
    """After a kill before the last step the new private key is not in place yet."""
    private = healthy.keys / "private-key.pem"
    old = private.read_bytes()
    kid = healthy("keys", "rotate", "--now")["kid"]
    private.rename(healthy.keys / "next-private-key.pem")
    private.write_bytes(old)
    private.chmod(0o600)
    assert finds(healthy, "key_rotation")["cure"] == f"billingctl keys use {kid}"
    healthy("keys", "use", kid)
    assert set(diagnose(healthy)) == SCRATCH_WRONG


def test_a_key_of_another_host(healthy, tmp_path):
    """This host lacks the private half of a key that another host has added, then used."""
    other = tmp_path / "keys"
    shutil.copytree(healthy.keys, other)
    (other / "private-key.pem").chmod(0o600)
    kid = healthy("keys", "add", KEYS_DIR=other)["kid"]
    finds(healthy, "key_rotation", kid, "next-private-key.pem", "copy")
    healthy("keys", "use", kid, KEYS_DIR=other, KEY_WAIT_HOURS=0)
    finds(healthy, "key_rotation", kid, "next-private-key.pem", "copy")
    shutil.copy(other / "private-key.pem", healthy.keys / "next-private-key.pem")
    healthy("keys", "use", kid)
    assert set(diagnose(healthy)) == SCRATCH_WRONG


def test_a_key_that_waits(healthy):
    kid = healthy("keys", "add")["kid"]
    assert set(diagnose(healthy)) == SCRATCH_WRONG
    _, waits = warnings(healthy, KEY_WAIT_HOURS=0)
    assert waits["check"] == "key_rotation" and waits["cure"] == f"billingctl keys use {kid}"


def test_a_retired_key_that_is_still_needed(healthy):
    """A key stays published while one of its licences lasts, whatever was expected."""
    healthy("keys", "rotate", "--now")
    healthy.sql("UPDATE licenses SET expires_at = '2199-01-01T00:00:00Z'; "
                "UPDATE signing_keys SET publish_until = now() WHERE state = 'retired'")
    assert set(diagnose(healthy)) == SCRATCH_WRONG
    healthy.sql("DELETE FROM signing_keys WHERE state = 'retired'")
    finds(healthy, "published_keys", "2199-01-01")


def test_database(healthy):
    url = "postgresql://ann:topsecret@/x?host=/nonexistent"
    found = finds(healthy, "database", "/nonexistent", "PostgreSQL", DATABASE_URL=url)
    assert "topsecret" not in json.dumps(found)


def test_encoding(new_scratch):  # noqa: F811 pylint: disable=redefined-outer-name
    made = new_scratch("ENCODING 'LATIN1' LOCALE 'C'")
    made("keys", "generate")
    wrong = set(diagnose(made)) - SCRATCH_WRONG
    assert wrong == {"encoding", "migrations"}


def test_a_server_that_may_lose_data(healthy):
    wrong = diagnose(healthy)
    assert "fsync" in wrong["durability"]["detail"]
    checksums, = warnings(healthy)
    assert checksums["check"] == "checksums" and "pg_checksums" in checksums["cure"]


def test_connections(healthy):
    """Each process needs one, and some are left for a reload and for other programs."""
    allowed = int(healthy.sql("SELECT current_setting('max_connections')::int - "
                              "current_setting('superuser_reserved_connections')::int"))
    assert "connections" not in {check["check"] for check in warnings(healthy)}
    # Two workers for Stripe, jobs, webhooks.
    few = allowed - 4
    _, found = warnings(healthy, WORKERS=few)
    assert found["check"] == "connections" and f"{allowed} connections" in found["detail"]
    finds(healthy, "connections", f"{allowed + 1} processes", "max_connections", WORKERS=few + 1)
    healthy.cluster.sql(f"ALTER DATABASE {healthy.name} CONNECTION LIMIT 5")
    finds(healthy, "connections", "allows 5 connections", "6 processes")


def connections_of(scratch, hosts, each):  # noqa: F811 pylint: disable=redefined-outer-name
    """The check of connections, as if so many hosts had so many processes each."""
    scratch.sql("DROP VIEW IF EXISTS public.pg_stat_activity; CREATE VIEW public.pg_stat_activity AS "
                "SELECT current_database() AS datname, 'billingd worker' AS application_name, "
                f"inet '192.0.2.0' + host AS client_addr FROM generate_series(1, {hosts}) host, "
                f"generate_series(1, {each})")
    checks = json.loads(scratch.run("doctor", "--json").stdout)["checks"]
    return next(check for check in checks if check["check"] == "connections")


def test_connections_of_several_hosts(healthy):
    """Hosts may be of unequal size. Their processes are estimated from those of this host and those that are
    connected, so that the check only warns."""
    healthy.cluster.sql(f"ALTER DATABASE {healthy.name} SET search_path = public, pg_catalog")
    assert connections_of(healthy, 1, 6)["detail"].endswith(" 6 processes")
    assert connections_of(healthy, 1, 9)["detail"].endswith(" 9 processes")
    assert connections_of(healthy, 3, 2)["detail"].endswith(" 18 processes")
    assert connections_of(healthy, 3, 8)["detail"].endswith(" 24 processes")
    healthy.cluster.sql(f"ALTER DATABASE {healthy.name} CONNECTION LIMIT 17")
    found = connections_of(healthy, 3, 2)
    assert found["state"] == "warning" and "allows 17 connections" in found["detail"]
    assert "18 processes" in found["detail"]


def test_the_file_of_published_lists(healthy, tmp_path):
    """A file that lacks the list of the database for a minute is not the one that billingd writes."""
    file = tmp_path / "revocations.jwt"

    def published():
        checks = json.loads(healthy.run("doctor", "--json", REVOCATIONS_FILE=file).stdout)["checks"]
        return next(check for check in checks if check["check"] == "revocations_file")

    assert published()["detail"] == "no list is signed yet"
    healthy.run("license", "export", "a@example.com", "--out", tmp_path / "bundle.json")
    missing = published()
    assert missing["state"] == "warning" and str(file) in missing["detail"]
    assert "REVOCATIONS_FILE" in missing["cure"]
    file.write_text("0 0\n", encoding="ascii")
    assert published()["state"] == "ok"
    healthy.sql("UPDATE revocation_lists SET issued_at = issued_at - interval '2 minutes'")
    old = published()
    assert old["state"] == "warning" and old["detail"] == f"{file} has list 0, the database has 1."
    file.write_text("1 0\n", encoding="ascii")
    assert published()["detail"] == f"{file} has list 1"


def test_a_slot_without_a_standby(healthy):
    """A slot whose standby is away keeps log until the disk is full. This is a warning: the standby may be
    new."""
    def archive():
        checks = json.loads(healthy.run("doctor", "--json").stdout)["checks"]
        return next(one for one in checks if one["check"] == "archive")

    healthy.cluster.sql("SELECT pg_create_physical_replication_slot('gone', true)")
    try:
        found = archive()
        assert found["state"] == "warning" and "standby that is away" in found["detail"]
        assert "pg_drop_replication_slot" in found["cure"]
    finally:
        healthy.cluster.sql("SELECT pg_drop_replication_slot('gone')")
    assert archive()["state"] == "ok"


def test_a_writable_database(healthy):
    """Each check prints its own detail, not that of the check before it."""
    checks = json.loads(healthy.run("doctor", "--json").stdout)["checks"]
    details = {one["check"]: one["detail"] for one in checks}
    assert details["writable"] == "yes"
    assert details["tls"] == "PostgreSQL is on this host"


def test_a_read_only_database(healthy):
    healthy.cluster.sql(f"ALTER DATABASE {healthy.name} SET default_transaction_read_only = on")
    finds(healthy, "writable", "target_session_attrs")


def test_migrations(healthy, tmp_path):
    folder = tmp_path / "migrations"
    shutil.copytree(ROOT / "migrations", folder)
    pending = folder / f"{len(list(folder.glob('*.sql'))) + 1:03}_more.sql"
    pending.write_text("SELECT 1", encoding="utf-8")
    found = finds(healthy, "migrations", MIGRATIONS_DIR=folder)
    assert found["cure"] == "billingctl migrate up"
    pending.unlink()
    first = min(folder.glob("*.sql"))
    first.write_text("SELECT 1", encoding="utf-8")
    finds(healthy, "migrations", first.name, MIGRATIONS_DIR=folder)


@pytest.mark.parametrize("change, statement", [
    ("ALTER TABLE invoices ALTER number TYPE varchar(200)", "invoice"),
    ("ALTER TABLE customers RENAME company_name TO company", "sign_up"),
    ("DROP TABLE audit_log", "sign_up"),
    ("DROP FUNCTION trial_email_digest", "sign_up")])
def test_a_schema_changed_by_hand(healthy, change, statement):
    healthy.sql(change)
    finds(healthy, "statements", statement)


def test_no_owner(healthy):
    healthy("operator", "revoke", "ann")
    healthy("operator", "create", "bob", "--role", "viewer")
    assert "--role owner" in finds(healthy, "owners")["cure"]


class Mute:
    """A listening socket that never answers, or closes each connection."""

    def __init__(self, path, mode=0o660, hang_up=False):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        path.chmod(mode)
        self.listener.listen(8)
        self.hang_up = hang_up
        self.taken = []
        threading.Thread(target=self.serve, daemon=True).start()

    def close(self):
        """Stops listening and leaves the socket's file."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self):
        """Accepts connections until the listener is closed."""
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            if self.hang_up:
                connection.recv(4096)
                connection.close()
            else:
                self.taken.append(connection)


def test_sockets(healthy, tmp_path):
    def of(path):
        wrong = diagnose(healthy, BILLING_SOCKET=path)
        return {name: wrong[name]["detail"] for name in ("socket", "service") if name in wrong}

    assert "isn't a socket" in of(ROOT / "Makefile")["socket"]
    path = tmp_path / "open"
    mutes = [Mute(path, mode=0o666)]
    assert set(of(path)) == {"socket"} and f"chmod o= {path}" in of(path)["socket"]
    path = tmp_path / "mute"
    mutes.append(Mute(path))
    assert "no answer within 5 s" in of(path)["service"]
    path = tmp_path / "closing"
    mutes.append(Mute(path, hang_up=True))
    assert "without an answer" in of(path)["service"]
    for mute in mutes:
        mute.close()
    assert "refused" in of(path)["service"]
    long = tmp_path / ("x" * 120)
    assert "There is no socket" in of(long)["socket"]
