"""Migrations: run several times at once or killed at any moment, they lead to the same schema."""

import contextlib
import random
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from support.chance import SEED
from support.scratch import cluster, new_scratch  # noqa: F401 pylint: disable=unused-import
from support.stack import ROOT, wait_for

# A lock that one of the further migrations needs.
GATE = 20301
# Further migrations, each slow enough to be killed half-way.
SLOW = [
    "CREATE TABLE s1 (n bigint); INSERT INTO s1 SELECT generate_series(1, 1000);",
    "ALTER TABLE s1 ADD m bigint NOT NULL DEFAULT 0; SELECT pg_sleep(0.05); "
    "CREATE INDEX s1_m ON s1 (m);",
    "CREATE TABLE s3 (n bigint PRIMARY KEY); SELECT pg_sleep(0.05); DROP TABLE s1;",
    f"SELECT pg_advisory_xact_lock({GATE}); "
    "CREATE FUNCTION s4() RETURNS bigint LANGUAGE sql RETURN 4; SELECT pg_sleep(0.05);",
]


@pytest.fixture(name="folder")
def fixture_folder(tmp_path):
    """The project's migrations and the slow ones."""
    folder = tmp_path / "migrations"
    shutil.copytree(ROOT / "migrations", folder)
    first = len(list(folder.glob("*.sql"))) + 1
    for number, sql in enumerate(SLOW, first):
        (folder / f"{number:03}_slow.sql").write_text(sql, encoding="utf-8")
    return folder


def applied(scratch):
    """The rows of schema_migrations."""
    return scratch.sql("SELECT version, name, checksum FROM schema_migrations ORDER BY version")


def test_status_and_up(new_scratch):
    scratch = new_scratch()
    names = sorted(path.name for path in (ROOT / "migrations").glob("*.sql"))
    before = scratch("migrate", "status")
    assert before["pending"] == len(names)
    assert [m["name"] for m in before["migrations"]] == names
    assert all(m["applied_at"] is None and not m["applied"] for m in before["migrations"])
    assert scratch("migrate", "up") == {"applied": len(names)}
    assert scratch("migrate", "up") == {"applied": 0}
    after = scratch("migrate", "status")
    assert after["pending"] == 0 and all(m["applied"] for m in after["migrations"])
    table = scratch.run("migrate", "status").stdout.splitlines()
    assert table[0].split() == ["version", "name", "applied", "applied_at"]
    assert table[-1].split() == ["pending", "0"]


def test_another_schema(new_scratch):
    """The options of the connection string count: the tables are made in the schema that they name."""
    scratch = new_scratch()
    scratch.sql("CREATE SCHEMA app")
    scratch.env["DATABASE_URL"] += "&options=-csearch_path%3Dapp"
    scratch("migrate", "up")
    assert scratch.sql("SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') "
                       "AND relnamespace = 'public'::regnamespace") == "0"
    assert scratch.sql("SELECT prosecdef, proconfig FROM pg_proc "
                       "WHERE proname = 'usage_partitions_drop'") == \
        't|{lock_timeout=2s,"search_path=app, pg_temp"}'


def test_two_roles(new_scratch):
    """The owner migrates and lets the service's role do what its statements need."""
    scratch = new_scratch()
    service = "service_" + scratch.name
    scratch.env["DATABASE_OWNER_URL"] = scratch.env["DATABASE_URL"]
    scratch.env["DATABASE_URL"] = re.sub("user=[^&]*", "user=" + service,
                                         scratch.env["DATABASE_URL"])
    scratch("migrate", "up")
    assert scratch("migrate", "up") == {"applied": 0}
    scratch("operator", "create", "ann", "--role", "owner")
    assert "service_" in scratch.refuses("migrate", "up", DATABASE_OWNER_URL="")
    scratch.sql(f"DROP OWNED BY {service}; DROP ROLE {service}")


def test_one_role_of_the_version_before(new_scratch):
    """An installation whose only role owns the schema goes on with it, until it names two."""
    scratch = new_scratch()
    owner = "owner_" + scratch.name
    scratch.sql(f"CREATE ROLE {owner} LOGIN; ALTER DATABASE {scratch.name} OWNER TO {owner}")
    scratch.env["DATABASE_URL"] = re.sub("user=[^&]*", "user=" + owner, scratch.env["DATABASE_URL"])
    scratch("migrate", "up")
    scratch("operator", "create", "ann", "--role", "owner")
    refused = scratch.refuses(
        "migrate", "up", DATABASE_OWNER_URL=scratch.env["DATABASE_URL"],
        DATABASE_URL=scratch.env["DATABASE_URL"].replace(owner, "absent"))
    assert f"{owner} may not make it" in refused and "createuser absent" in refused
    scratch.sql(f"ALTER ROLE {owner} CREATEROLE")
    service = "service_" + scratch.name
    scratch.env.update(DATABASE_OWNER_URL=scratch.env["DATABASE_URL"],
                       DATABASE_URL=scratch.env["DATABASE_URL"].replace(owner, service))
    scratch("migrate", "up")
    assert len(scratch("operator", "list")["operators"]) == 1
    scratch.sql(f"DROP OWNED BY {service}; DROP ROLE {service}; "
                f"REASSIGN OWNED BY {owner} TO postgres; DROP OWNED BY {owner}; DROP ROLE {owner}")


def test_nothing_works_while_one_is_pending(new_scratch):
    scratch = new_scratch()
    for command in (["operator", "list"], ["customer", "list"], ["keys", "rotate"]):
        assert "billingctl migrate up" in scratch.refuses(*command)


def test_a_changed_migration(new_scratch, folder):
    scratch = new_scratch()
    scratch("migrate", "up", MIGRATIONS_DIR=folder)
    first = min(folder.glob("*.sql"))
    first.write_text(first.read_text(encoding="utf-8") + "-- more\n", encoding="utf-8")
    for command in ("status", "up"):
        line = scratch.refuses("migrate", command, MIGRATIONS_DIR=folder)
        assert first.name in line and "changed" in line


def test_a_broken_migration_says_where(new_scratch, folder):
    scratch = new_scratch()
    scratch("migrate", "up", MIGRATIONS_DIR=folder)
    broken = folder / f"{len(list(folder.glob('*.sql'))) + 1:03}_broken.sql"
    broken.write_text("CREATE TABLE never ();\n\nCREATE TABEL x ();\n", encoding="utf-8")
    line = scratch.refuses("migrate", "up", MIGRATIONS_DIR=folder)
    assert f'{broken.name}, line 3: syntax error at or near "TABEL"' in line
    assert scratch.sql("SELECT to_regclass('never') IS NULL") == "t"


def test_an_old_program_on_a_newer_schema(new_scratch, folder):
    scratch = new_scratch()
    scratch("migrate", "up", MIGRATIONS_DIR=folder)
    assert scratch("migrate", "up") == {"applied": 0}
    assert scratch("operator", "list") == {"operators": []}


def test_several_at_once(new_scratch, folder):
    clean, scratch = new_scratch(), new_scratch()
    clean("migrate", "up", MIGRATIONS_DIR=folder)
    running = [subprocess.Popen(**scratch.command("migrate", "up", MIGRATIONS_DIR=folder),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
               for _ in range(4)]
    answers = [process.communicate(timeout=240) for process in running]
    assert [process.returncode for process in running] == [0] * 4, answers
    counts = [int(out.split()[1]) for out, _ in answers]
    assert sum(counts) == len(list(folder.glob("*.sql")))
    assert scratch.schema() == clean.schema() and applied(scratch) == applied(clean)


@contextlib.contextmanager
def closed(scratch):
    """While it lasts, the last of the further migrations waits in this database; wait() waits for that."""
    with subprocess.Popen(["psql", "-XAtq", "-d", scratch.env["DATABASE_URL"]], text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as holder:
        holder.stdin.write(f"SELECT 'held' FROM pg_advisory_lock({GATE});\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "held\n"
        yield lambda: wait_for(lambda: scratch.sql(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND "
            f"objid = {GATE} AND database = (SELECT oid FROM pg_database WHERE datname = current_database())") != "0")
        holder.stdin.close()


def test_killed_at_any_moment(new_scratch, folder):
    """Twenty rounds of kills at random moments, every other one with two processes at once, and one between the
    first and the last migration."""
    generator = random.Random(SEED)
    clean = new_scratch()
    started = time.monotonic()
    clean("migrate", "up", MIGRATIONS_DIR=folder)
    usual = time.monotonic() - started
    schema, rows = clean.schema(), applied(clean)

    def killed(scratch, processes, moment):
        running = [subprocess.Popen(**scratch.command("migrate", "up", MIGRATIONS_DIR=folder),
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                   for _ in range(processes)]
        moment()
        for process in running:
            process.kill()
            process.wait()

    for round_ in range(21):
        scratch = new_scratch()
        if round_ == 20:
            with closed(scratch) as wait:
                killed(scratch, 1, wait)
        else:
            killed(scratch, 1 + round_ % 2, lambda: time.sleep(generator.uniform(0, usual)))
        pending = scratch("migrate", "status", MIGRATIONS_DIR=folder)["pending"]
        assert round_ != 20 or pending == 1
        assert scratch("migrate", "up", MIGRATIONS_DIR=folder)["applied"] <= pending
        assert scratch.schema() == schema, f"round {round_}"
        assert applied(scratch) == rows, f"round {round_}"


def test_another_encoding(new_scratch):
    scratch = new_scratch("ENCODING 'LATIN1' LOCALE 'C'")
    line = scratch.refuses("migrate", "up")
    assert "LATIN1" in line and "UTF8" in line and "createdb" in line


@pytest.mark.parametrize("names", [[], ["002_a.sql"], ["001_a.sql", "003_b.sql"], ["1_a.sql"]])
def test_a_bad_folder(new_scratch, tmp_path, names):
    for name in names:
        Path(tmp_path, name).write_text("SELECT 1", encoding="utf-8")
    scratch = new_scratch()
    assert str(tmp_path) in scratch.refuses("migrate", "up", MIGRATIONS_DIR=tmp_path)
    assert scratch.sql("SELECT count(*) FROM pg_class WHERE relname = 'schema_migrations'") == "0"
