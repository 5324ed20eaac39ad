"""billingd's processes from outside: which are alive, their log lines, and killing them."""

import glob
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from support.stack import ROOT, parse_log, wait_for

# The command that runs another one as billingd's user.
AS_SERVICE = ["setpriv", "--reuid=billing", "--regid=billing", "--init-groups", "--"] \
    if os.geteuid() == 0 else []
FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), None)


def is_alive(pid):
    """Whether the process exists and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def role_of(pid):
    """The name of a process, as the kernel cuts it off: "billingd worker", "billingd stripe",
    "billingd jobs", "billingd jobs s", "billingd webhoo", "billingd mail"; "" when it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def kill(pid, number=signal.SIGKILL):
    """Sends a signal; false when the process has ended already."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def children(stack):
    """The ids of billingd's living children: workers of both pools and the jobs process."""
    return [pid for pid in stack.pids()[1:] if is_alive(pid)]


class LogTail:
    """The lines that billingd has logged since this object was created."""

    def __init__(self, stack):
        self.path = stack.run_dir / "log/billingd.log"
        self.offset = self.path.stat().st_size
        self.lines = []

    def read(self):
        """All lines so far, each a dict."""
        with open(self.path, encoding="ascii") as log:
            log.seek(self.offset)
            text = log.read()
        whole = text[:text.rfind("\n") + 1]
        self.offset += len(whole)
        self.lines += parse_log(whole)
        return self.lines

    def find(self, message):
        """The lines with this message."""
        return [line for line in self.read() if line["message"] == message]

    def wait(self, message, count=1, seconds=60):
        """Waits until there are so many lines with this message; returns the last one."""
        wait_for(lambda: len(self.find(message)) >= count, seconds, 0.01)
        return self.find(message)[-1]


class Killer:
    """Kills random children of billingd in a thread, at this interval, until the block ends."""

    def __init__(self, stack, rng, every):
        self.stack = stack
        self.rng = random.Random(rng.random())
        self.every = every
        self.kills = 0
        self.killed = set()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.over.wait(self.every):
            # A killed process needs processor time to end, and dies once.
            alive = [pid for pid in children(self.stack) if pid not in self.killed]
            victim = self.rng.choice(alive) if alive else None
            if victim is not None and kill(victim):
                self.killed.add(victim)
                self.kills += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class Daemon:
    """A billingd that replaces the stack's own: with the same sockets, database and nginx, but with
    settings, plans and keys in a folder of its own that tests can change."""

    def __init__(self, stack, **settings):
        self.stack = stack
        self.folder = stack.place / f"daemon-{time.monotonic_ns()}"
        self.folder.mkdir(mode=0o755)
        self.config = self.folder / "billing.env"
        self.plans = self.folder / "plans.json"
        self.keys = self.folder / "keys"
        self.program = self.folder / "billingd"
        self.pid_file = self.folder / "run/billingd.pid"
        self.process = None
        shutil.copy(stack.build_dir / "billingd", self.program)
        shutil.copy(ROOT / "conf/plans.json", self.plans)
        shutil.copytree(ROOT / "migrations", self.folder / "migrations")
        shutil.copytree(stack.run_dir / "keys", self.keys)
        self.pid_file.parent.mkdir()
        for path in (self.keys, *self.keys.rglob("*"), self.pid_file.parent):
            self.own(path)
        host = parse_qs(urlsplit(stack.database_url).query)["host"][0]
        self.socket = Path(host).parent / "billingd/billingd.sock"
        self.stripe_socket = self.socket.with_name("billingd-stripe.sock")
        self.settings = {
            "DATABASE_URL": stack.env["DATABASE_URL"], "BASE_URL": stack.base_url,
            "BILLING_SOCKET": self.socket, "BILLING_STRIPE_SOCKET": self.stripe_socket,
            "BILLINGD_PID_FILE": self.pid_file, "STRIPE_WORKERS": 1,
            "PLANS_FILE": self.plans, "KEYS_DIR": self.keys,
            "MIGRATIONS_DIR": self.folder / "migrations", "WORKERS": 3, **settings}
        self.write()

    def own(self, path):
        """Makes billingd's user the owner of a file."""
        if AS_SERVICE:
            shutil.chown(path, "billing", "billing")

    def write(self, *lines, **changes):
        """Writes the settings file. The changes are kept for later writes, the lines are not."""
        self.settings.update(changes)
        text = "".join(f"{name}={value}\n" for name, value in self.settings.items())
        self.config.write_text(text + "".join(f"{line}\n" for line in lines), encoding="ascii")
        self.config.chmod(0o644)

    def next_migration(self):
        """The path of the migration that would follow the last one."""
        folder = ROOT / "migrations"
        return self.folder / f"migrations/{1 + len(list(folder.glob('*.sql'))):03}_more.sql"

    def command(self, *arguments):
        """The command line."""
        return [*AS_SERVICE, str(self.program), "--config", str(self.config), *arguments]

    def environment(self, **more):
        """An environment without settings, but with these variables."""
        passed = ("PATH", "HOME", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
        return {**{name: os.environ[name] for name in passed if name in os.environ}, **more}

    def attempt(self, *arguments, **environment):
        """Runs it until it ends, for at most 30 s; returns the finished process."""
        return subprocess.run(self.command(*arguments), env=self.environment(**environment),
                              cwd=self.folder, capture_output=True, text=True, timeout=30,
                              check=False)

    def start(self):
        """Starts it with the stack's log; it serves when this returns."""
        self.make_room()
        return self.launch()

    def make_room(self):
        """Stops the stack's own, which has the sockets."""
        if self.stack.script("status", check=False).stdout.count("billingd: running"):
            self.stack.script("stop", "billingd")

    def launch(self):
        """Starts it beside the stack's own, with sockets of its own. All its processes have their names when
        this returns."""
        tail = LogTail(self.stack)
        with open(tail.path, "ab") as log:
            self.process = subprocess.Popen(self.command(), env=self.environment(), stderr=log,
                                            cwd=self.folder, start_new_session=True)
        tail.wait("started")
        wait_for(lambda: [role_of(pid)[:9] for pid in self.pids()[1:]] == ["billingd "] * (self.size() - 1))
        return self

    def size(self):
        """The number of its processes: master, jobs, webhooks, workers of both pools; jobs of Stripe
        and mail where there is a key and a server."""
        return 3 + int(self.settings["WORKERS"]) + int(self.settings["STRIPE_WORKERS"]) + \
            bool({"STRIPE_SECRET_KEY", "STRIPE_SECRET_KEY_FILE"} & set(self.settings)) + \
            ("SMTP_URL" in self.settings)

    def pids(self):
        """The ids of the master and of its living children."""
        master = self.process.pid
        text = Path(f"/proc/{master}/task/{master}/children").read_text(encoding="ascii")
        return [master, *(pid for pid in map(int, text.split()) if is_alive(pid))]

    def signal(self, number):
        """Sends a signal to the master."""
        self.process.send_signal(number)

    def stop(self):
        """Stops it if it still runs, and kills its children; returns the exit status."""
        if self.process is None:
            return None
        try:
            family = self.pids()
        except OSError:
            family = []
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            for pid in family:
                kill(pid)
            self.process.wait()


class Skewed(Daemon):
    """A billingd whose clock can be set. Its monotonic clock stays right."""

    def __init__(self, stack, **settings):
        super().__init__(stack, **settings)
        self.offset = self.folder / "offset"
        self.set("+0")

    def set(self, offset):
        """Sets the clock's offset from the true time."""
        self.offset.write_text(f"{offset}\n", encoding="ascii")
        self.offset.chmod(0o644)

    def command(self, *arguments):
        # Only billingd runs with it: run by root, it leaves a semaphore that others cannot open.
        faked = ("env", f"LD_PRELOAD={FAKETIME}", f"FAKETIME_TIMESTAMP_FILE={self.offset}",
                 "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1")
        return [*AS_SERVICE, *faked, str(self.program), "--config", str(self.config), *arguments]
