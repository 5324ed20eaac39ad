"""The stack's PostgreSQL: kills and starts it, and holds its locks and connections."""

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from support.stack import wait_for

from .processes import is_alive, kill

END_BACKENDS = """SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
                  WHERE application_name LIKE 'billingd%'"""

IMMEDIATE = signal.SIGQUIT
FAST = signal.SIGINT
CRASH = signal.SIGKILL


class Postgres:
    """The server of a stack."""

    def __init__(self, stack):
        self.stack = stack
        host = parse_qs(urlsplit(stack.database_url).query)["host"][0]
        self.socket = f"{host}/.s.PGSQL.5432"
        self.data = stack.pid_file.parents[1] / "postgres"

    def pid(self):
        """The id of the postmaster."""
        return int((self.data / "postmaster.pid").read_text(encoding="utf-8").split("\n")[0])

    def is_running(self):
        """Whether it runs."""
        return "postgres: running" in self.stack.script("status", check=False).stdout

    def end(self, number):
        """Ends it as `pg_ctl stop -m immediate` or `fast` would, or as a crash does."""
        pid = self.pid()
        kill(pid, number)
        wait_for(lambda: not is_alive(pid), every=0.01)

    def start(self):
        """Starts it; returns the time of the first connection, by the monotonic clock."""
        up = []

        def watch():
            while not up:
                connection = connect(self.socket)
                if connection is not None:
                    up.append(time.monotonic())
                    connection.close()
                else:
                    time.sleep(0.005)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            self.stack.script("start", "postgres")
        except BaseException:
            up.append(None)  # ends the watcher
            raise
        finally:
            watcher.join()
        return up[0]

    def fill(self):
        """Opens all connections that it allows; returns their sockets."""
        taken = []
        while (connection := connect(self.socket)) is not None:
            taken.append(connection)
        return taken

    def _super(self, query):
        """The arguments for subprocess that run SQL as the superuser."""
        url = f"postgresql:///billing?host={Path(self.socket).parent}&port=5432&user=postgres"
        return {"args": ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", query],
                "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                "env": {"PATH": os.environ["PATH"]}}

    def super_sql(self, query):
        """Runs SQL as the superuser."""
        return subprocess.run(**self._super(query), check=True, timeout=30).stdout.strip()

    def commits_wait(self):
        """Whether commits wait for a synchronous standby. The server knows a change of that setting
        a little later than its sessions."""
        cancel = """SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
                    WHERE application_name = 'psql' AND wait_event = 'SyncRep'"""
        with subprocess.Popen(**self._super("SELECT pg_logical_emit_message(true, '', '')")) as one:
            while one.poll() is None:
                if self.super_sql(cancel) != "0":
                    return True
        return False

    def kill_backend(self, pid):
        """Kills one server process, upon which PostgreSQL ends them all and recovers. Returns after
        the recovery."""
        query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
        before = self.super_sql(query)
        kill(pid)

        def recovered():
            try:
                return self.super_sql(query) not in ("", before)
            except subprocess.CalledProcessError:
                return False

        wait_for(recovered, every=0.02)

    def restore_elsewhere(self):
        """Restores a dump of the database into another cluster, which takes the place of this one. Its transactions
        have lower ids. billingd must be stopped."""
        env, dump = self.stack.env, self.stack.place / "dump"
        subprocess.run(["pg_dump", "-Fc", "-f", dump, "-d", self.stack.database_url], env=env, check=True)
        self.stack.script("stop", "postgres")
        old = self.data.rename(self.data.with_name("postgres.old"))
        owner = old.stat().st_uid
        self.data.mkdir(0o700)
        os.chown(self.data, owner, old.stat().st_gid)
        as_owner = ["setpriv", f"--reuid={owner}", f"--regid={old.stat().st_gid}", "--clear-groups", "--"] \
            if os.geteuid() == 0 else []
        initdb = shutil.which("initdb") or "/usr/lib/postgresql/15/bin/initdb"
        subprocess.run([*as_owner, initdb, "-D", self.data, "-U", "postgres", "--auth=peer", "--encoding=UTF8",
                        "--locale=C.UTF-8", "--no-sync", "--no-instructions"], cwd="/", check=True,
                       stdout=subprocess.DEVNULL)
        for name in ("pg_hba.conf", "pg_ident.conf"):
            (self.data / name).write_bytes((old / name).read_bytes())
        self.stack.script("start", "postgres")
        self.skip_syncs()
        subprocess.run(["pg_restore", "--exit-on-error", "-d", self.stack.database_url, dump], env=env, check=True)

    def skip_syncs(self):
        """Leaves out fsync(), which costs a recovery seconds. A file outlives the death of its writers without."""
        self.super_sql("ALTER SYSTEM SET fsync = off")
        self.super_sql("SELECT pg_reload_conf()")

    def end_backends(self):
        """Terminates every connection of billingd, and waits for their end; returns their number."""
        return int(self.super_sql(END_BACKENDS))

    @contextlib.contextmanager
    def without_free_connections(self):
        """While the block lasts, another client holds all connections, and billingd has none and gets none.
        Gives their number."""
        # The session stays, as its end would make a connection free.
        session, taken, full = Session(self.stack), [], 0
        try:
            # A connection of billingd may just begin, or one of psql end: twice in a row there is neither.
            deadline = time.monotonic() + 60
            while full < 2:
                more, ended = self.fill(), int(session.run(END_BACKENDS))
                taken += more
                full = 0 if more or ended else full + 1
                assert time.monotonic() < deadline, "connections become free again and again"
            yield len(taken)
        finally:
            for connection in taken:
                connection.close()
            session.__exit__()

    def waiting(self, name="billingd%"):
        """The number of statements of billingd, or of its processes of that name, that wait for a lock."""
        return int(self.super_sql("SELECT count(*) FROM pg_stat_activity WHERE application_name "
                                  f"LIKE '{name}' AND wait_event_type = 'Lock'"))


def connect(path):
    """An idle connection as the service's user, or None when it is refused. It sends the protocol's
    start-up message; peer authentication needs nothing more."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(10)
    try:
        connection.connect(path)
        words = b"user\0billing\0database\0billing\0application_name\0test\0\0"
        connection.sendall(struct.pack("!II", len(words) + 8, 196608) + words)
        while True:
            kind, length = struct.unpack("!cI", _exactly(connection, 5))
            _exactly(connection, length - 4)
            if kind == b"Z":
                return connection
            if kind == b"E":
                break
    except OSError:
        pass
    connection.close()
    return None


def _exactly(connection, length):
    received = b""
    while len(received) < length:
        chunk = connection.recv(length - len(received))
        if not chunk:
            raise ConnectionError("closed")
        received += chunk
    return received


class Session:
    """A psql session of another client, with a transaction that is open until the block ends."""

    def __init__(self, stack):
        self.process = subprocess.Popen(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", stack.database_url], env=stack.env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def run(self, query):
        """Runs SQL and returns its output."""
        self.process.stdin.write(f"{query};\n\\echo --done\n")
        lines = []
        while (line := self.process.stdout.readline()) != "--done\n":
            assert line, f"psql ended in {query}"
            lines.append(line)
        return "".join(lines)

    def __enter__(self):
        self.run("BEGIN")
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
