"""Databases and keys for billingctl without a stack, so that a test can damage them."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

import pytest

from .stack import PASSED_ON, ROOT, VARIANT

BILLINGCTL = ROOT / "build" / VARIANT / "billingctl"


class Cluster:
    """A PostgreSQL for the tests of one module, which is removed after them."""

    def __init__(self):
        # The server lives as long as this command, which ends with the test process.
        self.lifeline = subprocess.Popen(
            [ROOT / "tests/unit/with_database.sh", "sh", "-c",
             'echo "$TEST_DATABASE_URL"; exec cat >/dev/null'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.lifeline.stdout.readline().strip()
        assert self.url, "no database to test with"

    def close(self):
        self.lifeline.stdin.close()
        assert self.lifeline.wait(60) == 0
        self.lifeline.stdout.close()

    def url_of(self, name):
        return re.sub(r"/[^/?]*\?", f"/{name}?", self.url, count=1)

    def sql(self, query, database="postgres"):
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d",
                               self.url_of(database)],
                              input=query, text=True, capture_output=True, check=False)
        assert done.returncode == 0, f"{query}: {done.stderr}"
        return done.stdout.strip("\n")


class Scratch:
    """An empty database, an empty folder of keys, and billingctl working on both."""

    def __init__(self, cluster, options="ENCODING 'UTF8' LOCALE 'C.UTF-8'"):
        self.cluster = cluster
        self.name = f"scratch_{uuid.uuid4().hex[:12]}"
        self.place = Path(tempfile.mkdtemp(prefix="billing-scratch-"))
        self.keys = self.place / "keys"
        cluster.sql(f"CREATE DATABASE {self.name} TEMPLATE template0 {options}")
        self.env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self.env.update(DATABASE_URL=cluster.url_of(self.name), KEYS_DIR=str(self.keys),
                        PLANS_FILE=str(ROOT / "conf/plans.json"),
                        MIGRATIONS_DIR=str(ROOT / "migrations"), WORKERS="2",
                        BILLING_SOCKET=str(self.place / "none.sock"))

    def ready(self):
        """Migrated, and with a signing key."""
        self("migrate", "up")
        self("keys", "generate")
        return self

    def close(self):
        self.cluster.sql(f"DROP DATABASE {self.name} WITH (FORCE)")
        shutil.rmtree(self.place, ignore_errors=True)

    def command(self, *arguments, **env):
        """The arguments for subprocess to run billingctl here."""
        return {"args": [BILLINGCTL, *map(str, arguments)], "text": True,
                "env": {**self.env, **{name: str(value) for name, value in env.items()}}}

    def run(self, *arguments, input=None, stdout=subprocess.PIPE, **env):
        """Runs billingctl; the finished process. Never more than one line on stderr."""
        done = subprocess.run(**self.command(*arguments, **env), input=input, stdout=stdout,
                              stderr=subprocess.PIPE, timeout=120, check=False)
        # A statement that does not fit the schema is also logged.
        lines = [line for line in done.stderr.splitlines()
                 if not (arguments[:1] == ("doctor",) and line.startswith('{"time":'))]
        assert len(lines) <= 1 and all(line.startswith("billingctl: ") for line in lines), done
        return done

    def __call__(self, *arguments, **more):
        """Runs billingctl, which must succeed without a word on stderr: its JSON answer."""
        done = self.run(*arguments, "--json", **more)
        assert (done.returncode, done.stderr) == (0, ""), done
        return json.loads(done.stdout)

    def refuses(self, *arguments, status=1, **more):
        """Runs billingctl, which must fail with that status and one line: the line."""
        done = self.run(*arguments, **more)
        assert done.returncode == status and done.stdout == "" and done.stderr, done
        return done.stderr.strip()

    def sql(self, query):
        return self.cluster.sql(query, self.name)

    def schema(self):
        """The schema as SQL. pg_dump puts a random word into \\restrict lines."""
        done = subprocess.run(["pg_dump", "--schema-only", "-d", self.env["DATABASE_URL"]],
                              capture_output=True, text=True, check=True)
        return "\n".join(line for line in done.stdout.splitlines()
                         if not line.startswith(("\\restrict", "\\unrestrict")))


@pytest.fixture(scope="module")
def cluster():
    """A server for the databases of one module."""
    made = Cluster()
    yield made
    made.close()


@pytest.fixture
def new_scratch(cluster):
    """A maker of scratch places; they live until the test ends."""
    made = []

    def make(*options):
        made.append(Scratch(cluster, *options))
        return made[-1]

    yield make
    for scratch in made:
        scratch.close()


@pytest.fixture
def scratch(new_scratch):
    """One that is migrated and has a key."""
    return new_scratch().ready()
