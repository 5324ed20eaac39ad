"""Behind PgBouncer, which drops the options of connections: the role itself has the time limits."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from support.scratch import cluster, new_scratch  # noqa: F401 pylint: disable=unused-import
from support.stack import wait_for

CONFIG = """
[databases]
{name} = host={host} port=5432 dbname={name} user={user}
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = {folder}
auth_type = any
pool_mode = transaction
{ignore}
logfile = {folder}/log
"""


@pytest.fixture(name="pooled", params=["ignore_startup_parameters = options,extra_float_digits"])
def fixture_pooled(new_scratch, request):  # noqa: F811 pylint: disable=redefined-outer-name
    """A scratch installation of two roles, which the service reaches through PgBouncer."""
    scratch = new_scratch()
    owner = scratch.env["DATABASE_URL"]
    service = "service_" + scratch.name
    scratch.env.update(DATABASE_OWNER_URL=owner, DB_PREPARED="off",
                       DATABASE_URL=re.sub("user=[^&]*", "user=" + service, owner))
    scratch("migrate", "up")
    scratch("keys", "generate")
    folder = Path(tempfile.mkdtemp(prefix="pgb-", dir="/tmp"))
    config = folder / "pgbouncer.ini"
    config.write_text(CONFIG.format(name=scratch.name, user=service, folder=folder, ignore=request.param,
                                    host=re.search("host=([^&]*)", owner)[1]), encoding="utf-8")
    prefix = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        shutil.chown(config, "postgres", "postgres")
        prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"]
        folder.chmod(0o755)
    with subprocess.Popen([*prefix, "/usr/sbin/pgbouncer", "-q", config]) as pooler:
        wait_for((folder / ".s.PGSQL.6432").exists)
        scratch.env["DATABASE_URL"] = re.sub("host=[^&]*&port=[0-9]*", f"host={folder}&port=6432",
                                             scratch.env["DATABASE_URL"])
        scratch.service = service
        yield scratch
        pooler.terminate()
    scratch.sql(f"DROP OWNED BY {service}; DROP ROLE {service}")
    shutil.rmtree(folder)


def diagnose(scratch, **env):
    """The doctor's checks by name."""
    answer = json.loads(scratch.run("doctor", "--json", **env).stdout)
    return {one["check"]: one for one in answer["checks"]}


def limits(scratch):
    """The doctor's check of the time limits."""
    return diagnose(scratch)["time_limits"]


def test_prepared_statements(pooled):
    """The doctor names the fault. A command gives prepared statements up and works."""
    assert diagnose(pooled)["pooler"]["state"] == "ok"
    assert diagnose(pooled)["plans_of_hosts"]["detail"] == "a connection pooler hides the hosts"
    first, second = (diagnose(pooled, DB_PREPARED="on") for _ in range(2))
    assert (first["pooler"]["state"], second["pooler"]["state"]) == ("warning", "wrong")
    assert "DB_PREPARED=off" in first["pooler"]["cure"] and "sessions" in first["pooler"]["cure"]
    assert "42P05" in second["pooler"]["detail"]
    assert second["pooler"]["cure"] == "set DB_PREPARED=off, and reload billingd"
    assert first["statements"]["state"] == second["statements"]["state"] == "ok"
    for name in ("a", "b"):
        pooled("customer", "create", f"{name}@example.com", DB_PREPARED="on")


@pytest.mark.parametrize("pooled", [""], indirect=True)
def test_options_that_the_pooler_refuses(pooled):
    found = diagnose(pooled)["database"]
    assert found["state"] == "wrong" and "unsupported startup parameter" in found["detail"]
    assert found["cure"].startswith("set ignore_startup_parameters = options in pgbouncer.ini")
    assert "unsupported startup parameter" in pooled.refuses("customer", "list")


def test_time_limits(pooled):
    assert limits(pooled)["state"] == "ok"
    shown = subprocess.run(["psql", "-XAtq", "-d", pooled.env["DATABASE_URL"], "-c",
                            "SHOW statement_timeout", "-c", "SHOW TimeZone", "-c",
                            "SHOW idle_in_transaction_session_timeout"],
                           capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["5s", "UTC", "130s"]
    # The pooler may give a command a connection whose end it has not seen yet.
    end = f"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE usename = '{pooled.service}'"
    pooled.sql(f"ALTER ROLE {pooled.service} IN DATABASE {pooled.name} RESET ALL; {end}")
    found = wait_for(lambda: (found := limits(pooled))["state"] == "wrong" and found)
    assert "pooler" in found["detail"] and "billingctl migrate up" in found["cure"]
    pooled("migrate", "up", DB_STATEMENT_TIMEOUT_MS="4000")
    pooled.sql(end)
    wait_for(lambda: limits(pooled)["state"] == "ok")
