"""The procedures of billing-operations(7): their commands are run as they stand on the page, against a
scratch installation with a Stripe stand-in, a standby, and PgBouncer."""

import getpass
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from support.client import expect
from support.payments import buy
from support.revocations import wait_until_revoked
from support.scratch import (  # noqa: F401 pylint: disable=unused-import
    Cluster, Scratch, cluster, new_scratch)
from support.stack import ROOT, SCRIPT, VARIANT, free_port, wait_for

sys.path.insert(0, str(ROOT / "tests/support"))

import not_tested  # noqa: E402  pylint: disable=wrong-import-position

PAGE = ROOT / "conf/billing-operations.7"
ROOTED = os.geteuid() == 0
BIN = "/usr/lib/postgresql/15/bin"
AS_POSTGRES = "setpriv --reuid postgres --regid postgres --init-groups --" if ROOTED else \
    "env PGUSER=postgres"
# The sections whose commands a test here runs.
RUN = {"Each day", "Continuously", "From a dump", "To a moment", "After every restore", "TWO HOSTS",
       "UPGRADE", "CHANGING THE SIGNING KEY", "SYNCHRONOUS STANDBY", "PGBOUNCER"}
ESCAPES = {r"\e": "\\", r"\&": "", r"\(aq": "'"}


def blocks():
    """The page's examples by section: (comment before it, text)."""
    found, section, mark, text = {}, None, "", None
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith(".Bd -literal"):
            text = []
        elif line == ".Ed":
            found.setdefault(section, []).append((mark, "\n".join(text)))
            mark, text = "", None
        elif text is not None:
            for escape, character in ESCAPES.items():
                line = line.replace(escape, character)
            text.append(line)
        elif line.startswith((".Sh ", ".Ss ")):
            section = line[4:].replace(r"\&", "")
        elif line.startswith('.\\" '):
            mark = line[4:]
    return found


BLOCKS = blocks()


def test_every_command_of_the_page_is_run():
    """Blocks that cannot be run are marked on the page, and named at the end of `make check`."""
    for section, examples in BLOCKS.items():
        for mark, _ in examples:
            if mark.startswith("not run: "):
                not_tested.record(f"billing-operations.7, {section}: {mark[9:]}")
            else:
                assert section in RUN, section
    assert set(BLOCKS) >= RUN
    not_tested.record("billing-operations.7: ssh to another host and systemctl are stood in for")


class Operator:
    """Runs examples of the page in a bash that stops at the first failure. `names` are the page's,
    with this test's values; programs in `tools` stand in for ssh and systemctl."""

    def __init__(self, place, **names):
        self.tools = place / "tools"
        self.tools.mkdir()
        self.names = {"POSTGRES": "postgres" if ROOTED else getpass.getuser(), **names}
        self.environment = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        self.environment["PATH"] = f"{self.tools}:{os.environ['PATH']}:/usr/sbin:{BIN}"
        self.root = place / "installation"
        self.control = {}

    def tool(self, name, text):
        """A program of the bash."""
        path = self.tools / name
        path.write_text(f"#!/bin/bash\nset -e\n{text}\n", encoding="utf-8")
        path.chmod(0o755)

    def billingctl(self, environment):
        """The settings of `billingctl`, without the folders, which are those of the installation."""
        folders = ("KEYS_DIR", "MIGRATIONS_DIR", "PLANS_FILE", "MAIL_TEMPLATES", "PATH")
        self.control = {name: value for name, value in environment.items() if name not in folders}
        (self.root / "build").mkdir(parents=True)
        for name, place in (("build/release", ROOT / "build" / VARIANT), ("migrations", ROOT / "migrations"),
                            ("conf", ROOT / "conf"), ("keys", environment["KEYS_DIR"])):
            (self.root / name).symlink_to(place)

    def as_user(self):
        """The page's own function, with the installation and the settings of this test."""
        function = re.search(r"^as_user\(\) \{.*?; \}$", BLOCKS["DESCRIPTION"][0][1], re.M | re.S)[0]
        settings = " ".join(f"{name}={shlex.quote(str(value))}" for name, value in self.control.items())
        for words, stand_in in (
                ("cd /opt/billing ", f"cd {self.root} "), ("--config /etc/billing/billing.env ", ""),
                (r'setpriv --reuid "\$1" --regid billing \\\s+--clear-groups -- ',
                 f'env -u KEYS_DIR {settings} ${{OTHER_KEYS:+KEYS_DIR="$OTHER_KEYS"}} ')):
            function, count = re.subn(words, lambda _, text=stand_in: text, function)
            assert count == 1, words
        return function

    def run(self, section, number, status=0, **names):
        """Runs one example; its output."""
        values = "\n".join(f"export {name}={shlex.quote(str(value))}"
                           for name, value in {**self.names, **names}.items())
        text = f"""set -e; {values}
            as_postgres() {{ {AS_POSTGRES} "$@"; }}
            {self.as_user()}
            billingctl() {{ as_user billing "$@"; }}
            migrate() {{ as_user billing-owner migrate "$@"; }}
            cd /
            """ + BLOCKS[section][number][1]
        done = subprocess.run(["bash", "-c", text], env=self.environment, capture_output=True,
                              text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == status, f"{section}: {done.stdout}{done.stderr}"
        return done.stdout


SYSTEMCTL = """
part() {{ {script} "$1" "${{2/postgresql/postgres}}"; }}
case $1 in
restart) part stop "$2"; part start "$2" ;;
*) part "$@" ;;
esac"""
# The second host is another folder of keys on this one.
SSH = """shift; command="$*"; eval "${command//"$KEYS_DIR"/"$SECOND_KEYS"}" """


@pytest.fixture(name="host", scope="module")
def fixture_host(new_stack, tmp_path_factory):
    """A stack, and an operator with the page in hand."""
    stack = new_stack(stripe=True, WORKERS=2, STRIPE_WORKERS=1, KEY_WAIT_HOURS=0)
    place = Path(stack.place)
    sockets = re.search("host=([^&]*)", stack.database_url)[1]
    second = place / "second"
    shutil.copytree(stack.run_dir / "keys", second, ignore=lambda *_: _[1])
    backups = place / "backups"
    operator = Operator(
        place, PGHOST=sockets, PGPORT=5432, PGDATA=stack.run_dir / "postgres", DATABASE="billing",
        OWNER="billing", ROLE="billingd", KEYS_DIR=stack.run_dir / "keys", BACKUPS=backups,
        BASE_URL=stack.base_url, SECOND="second.example.com", SECOND_KEYS=second,
        CURL_CA_BUNDLE=stack.ca_cert, SETTINGS=place / "settings")
    (place / "settings").mkdir()
    (place / "settings/billing.env").write_text("WORKERS=2\n", encoding="ascii")
    settings = {**stack.settings, "RUN_DIR": stack.run_dir, "BUILD_VARIANT": VARIANT,
                "HTTPS_PORT": stack.https_port}
    script = " ".join(["env", *(f"{name}={shlex.quote(str(value))}"
                                for name, value in settings.items()), str(SCRIPT)])
    operator.tool("systemctl", SYSTEMCTL.format(script=script))
    operator.tool("ssh", SSH)
    operator.billingctl({**stack.env, "BILLING_SOCKET": stack.socket,
                         "BILLING_STRIPE_SOCKET": stack.stripe_socket})
    stack.operator = operator
    stack.backups = backups
    # The server of `make run` lets nobody replicate; that of Debian lets the user postgres.
    with open(stack.run_dir / "postgres/pg_hba.conf", "a", encoding="ascii") as access:
        access.write("local replication all peer map=billing\n")
    stack.sql("SELECT pg_reload_conf()")
    yield stack


def answers(stack):
    wait_for(lambda: stack.api.owner.get("/api/customers", faults=True).status_code == 200)


def known(stack, customer):
    return stack.api.owner.get(f"/api/customers/{customer.id}", faults=True).status_code == 200


def test_backup_and_restore_from_a_dump(host):
    """Licences, sums and Stripe's state are as before. What was revoked after the backup is revoked
    again, and listed."""
    run = host.operator.run
    kept, revoked = host.api.sign_up(), host.api.sign_up()
    buy(host, kept)
    run("Each day", 0)
    run("Each day", 0)
    for folder, name in (("database", "billing"), ("keys", "keys"), ("settings", "settings")):
        assert len(list((host.backups / folder).glob(f"{name}-????-??-??.*"))) in (1, 2)
    old = host.backups / "keys/keys-2020-01-01.tar.gz"
    old.touch()
    os.utime(old, (0, 0))
    run("Each day", 0)
    assert not old.exists()
    lost = host.api.sign_up()
    expect(host.api.owner.post(f"/api/licenses/{revoked.id}/revoke"), 200)
    wait_until_revoked(host.api, revoked.license)
    assert (host.backups / "keys").stat().st_mode & 0o077 == 0
    with subprocess.Popen(["psql", "-Xq", "-d", host.database_url], env=host.env,
                          stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as session:
        wait_for(lambda: "1" == host.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'psql' AND "
            "datname = current_database() AND pid <> pg_backend_pid()"))
        run("From a dump", 0)
        session.stdin.close()
    answers(host)
    assert known(host, kept) and not known(host, lost)
    shown = expect(kept.client.get(f"/api/subscriptions/{kept.id}"), 200)["subscription"]
    assert (shown["plan"], shown["status"]) == ("professional", "active")
    wait_for(lambda: host.billingctl("restore", "check", check=False).returncode == 3)
    assert revoked.id in run("After every restore", 0, status=3)
    wait_until_revoked(host.api, revoked.license)
    expect(host.api.owner.post(f"/api/licenses/{revoked.id}/revoke"), 200)
    assert "WRONG" not in run("After every restore", 1)
    run("After every restore", 2)


def test_backup_and_restore_to_a_moment(host):
    run = host.operator.run
    run("Continuously", 0)
    answers(host)
    before = host.api.sign_up()
    run("Continuously", 1)
    stale = host.backups / "wal/000000010000000000000000"
    stale.touch()
    shutil.chown(stale, *(("postgres", "postgres") if ROOTED else (getpass.getuser(),)))
    run("Continuously", 1)
    assert not stale.exists()
    run("Continuously", 2)
    wait_for(lambda: host.sql("SELECT count(*) FROM pg_stat_archiver WHERE last_archived_wal IS NOT "
                              "NULL AND last_failed_time IS NULL") == "1")
    between = host.api.sign_up()
    moment = host.sql("SELECT clock_timestamp()")
    after = host.api.sign_up()
    run("To a moment", 0, UNTIL=moment)
    answers(host)
    assert known(host, before) and known(host, between) and not known(host, after)
    again = host.api.sign_up()
    run("Continuously", 1)
    host.script("stop", "postgres")
    host.script("start", "postgres")
    answers(host)
    assert known(host, again) and not known(host, after)


def test_a_file_of_the_log_is_archived_twice(host, tmp_path):
    """The server archives a file again when it crashed before it recorded the success. Another file
    of that name is not overwritten."""
    host.operator.run("Continuously", 0)
    answers(host)
    command = host.sql("SHOW archive_command")
    source = tmp_path / "source"

    def archive(content):
        source.write_text(content, encoding="ascii")
        return subprocess.run(["sh", "-c", command.replace("%p", str(source)).replace("%f", "0A")],
                              check=False).returncode

    archived = host.backups / "wal/0A"
    (host.backups / "wal/0A.new").write_text("a half", encoding="ascii")
    assert archive("the log") == 0 and archive("the log") == 0
    assert archive("another log") != 0
    assert archived.read_text(encoding="ascii") == "the log"
    archived.unlink()


def test_upgrade(host):
    """The public name may lead to another host, so the page asks this one."""
    assert "pending  0" in host.operator.run("UPGRADE", 0)
    elsewhere = f"https://localhost:{free_port()}"
    assert "WRONG" not in host.operator.run("UPGRADE", 1, BASE_URL=elsewhere,
                                            LOCAL=f"127.0.0.1:{host.https_port}")


def test_two_hosts_and_a_new_key(host):
    """Each stage leaves both hosts with the keys that they need."""
    run, second = host.operator.run, host.place / "second"
    run("TWO HOSTS", 1)
    assert (second / "private-key.pem").exists() and not (second / "revocations.jwt").exists()
    shown = run("TWO HOSTS", 2, OTHER_KEYS=second)
    assert re.search(r"current +yes +yes +yes", shown), shown
    run("CHANGING THE SIGNING KEY", 0)
    assert (second / "next-private-key.pem").exists()
    added = json.loads(host.billingctl("--json", "keys", "list").stdout)["keys"]
    kid = next(key["kid"] for key in added if key["state"] == "added")
    wait_for(lambda: kid in host.api.nobody.get("/.well-known/jwks.json").text)
    run("CHANGING THE SIGNING KEY", 1)
    shown = run("CHANGING THE SIGNING KEY", 1, KID=kid, OTHER_KEYS=second)
    assert re.search(f"{kid} +current +yes +yes +yes", shown), shown
    assert not (second / "next-private-key.pem").exists()
    shown = run("CHANGING THE SIGNING KEY", 2)
    assert not re.search(f"{kid} +current", shown)
    wait_for(lambda: kid not in host.api.nobody.get("/.well-known/jwks.json").text)
    shown = run("TWO HOSTS", 2, OTHER_KEYS=second)
    assert re.search(r"current +yes +yes +yes", shown), shown
    assert host.api.sign_up().license


@pytest.fixture(name="place")
def fixture_place():
    """A folder for servers' sockets, whose paths must be short, and one in it of PostgreSQL's user."""
    place = Path(tempfile.mkdtemp(prefix="ops-", dir="/tmp"))
    place.chmod(0o711)
    (place / "server").mkdir(mode=0o700)
    if ROOTED:
        shutil.chown(place / "server", "postgres", "postgres")
    yield place
    shutil.rmtree(place)


STANDBY = """as_postgres() {{ {prefix} "$@"; }}
as_postgres pg_ctl -w -t 60 --pgdata="$PGDATA" --log="{folder}/log" \\
    -o "-c unix_socket_directories={folder} -c listen_addresses= -c port=5432" "$1" """


def test_a_synchronous_standby(place):
    """While the standby is away no change is acknowledged. What was acknowledged is on the standby when
    the primary is lost, and billingctl goes on with it."""
    primary = Cluster()
    made = Scratch(primary).ready()
    sockets = re.search("host=([^&]*)", made.env["DATABASE_URL"])[1]
    folder = place / "server"
    operator = Operator(place, PGHOST=sockets, PGPORT=5432, PGDATA=folder / "data")
    operator.tool("systemctl", STANDBY.format(prefix=AS_POSTGRES, folder=folder))
    # The server of the unit tests commits without waiting.
    made.env["PGOPTIONS"] = "-c synchronous_commit=on"
    operator.run("SYNCHRONOUS STANDBY", 0)
    operator.run("SYNCHRONOUS STANDBY", 1)
    assert "sync_state" in operator.run("SYNCHRONOUS STANDBY", 2)
    # The server reads its settings a moment after it was told to.
    wait_for(lambda: primary.sql("SELECT sync_state FROM pg_stat_replication") == "sync")
    made("customer", "create", "ann@example.com")
    environment = {**operator.environment, "PGDATA": str(folder / "data")}
    systemctl = operator.tools / "systemctl"
    subprocess.run([systemctl, "stop"], env=environment, check=True, capture_output=True)
    refused = made.refuses("customer", "create", "bob@example.com", DB_STATEMENT_TIMEOUT_MS=500)
    assert "outcome" in refused or "not available" in refused
    subprocess.run([systemctl, "start"], env=environment, check=True, capture_output=True)
    wait_for(lambda: made.run("customer", "create", "cyd@example.com").returncode == 0 or
             made("customer", "list", "--email", "cyd@example.com")["customers"])
    made.env["DATABASE_URL"] = made.env["DATABASE_URL"].replace(
        f"host={sockets}&port=5432", f"host={sockets},{folder}&port=5432,5432")
    primary.close()
    operator.run("SYNCHRONOUS STANDBY", 3)
    emails = {one["email"] for one in made("customer", "list")["customers"]}
    assert {"ann@example.com", "cyd@example.com"} <= emails
    made("customer", "create", "dan@example.com")
    subprocess.run([systemctl, "stop"], env=environment, check=True, capture_output=True)
    shutil.rmtree(made.place)


POOLER = """{prefix} /usr/sbin/pgbouncer -q "$POOLER/pgbouncer.ini" >"$POOLER/log" 2>&1 &
echo $! >"{place}/pid" """


def test_pgbouncer(place, new_scratch):  # noqa: F811 pylint: disable=redefined-outer-name
    """The role that `migrate up` makes logs in through the pooler, with its time limits."""
    scratch = new_scratch()
    direct, role = scratch.env["DATABASE_URL"], "service_" + scratch.name
    port = free_port()
    scratch.env.update(
        DATABASE_OWNER_URL=direct, DB_PREPARED="off",
        DATABASE_URL=f"postgresql://{role}:secret@127.0.0.1:{port}/{scratch.name}")
    operator = Operator(place, PGHOST=re.search("host=([^&]*)", direct)[1], PGPORT=5432, ROLE=role,
                        DATABASE=scratch.name, POOLER=place / "server", POOLER_PORT=port)
    operator.billingctl(scratch.env)
    operator.tool("systemctl", POOLER.format(prefix=AS_POSTGRES, place=place))
    operator.run("PGBOUNCER", 0)
    scratch("keys", "generate")
    try:
        wait_for(lambda: scratch.run("customer", "list").returncode == 0)
        scratch("customer", "create", "ann@example.com")
        checks = json.loads(scratch.run("doctor", "--json").stdout)["checks"]
        states = {one["check"]: one["state"] for one in checks}
        assert states["database"] == states["time_limits"] == states["statements"] == "ok", checks
    finally:
        os.kill(int((place / "pid").read_text(encoding="ascii")), 15)
    scratch.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")
