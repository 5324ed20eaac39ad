"""A private stack: PostgreSQL, billingd and nginx on a free port, with a folder of its own."""

import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from .client import SECRET, Api

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "app/stack/stack.sh"
VARIANT = os.environ.get("BILLING_VARIANT", "release")

def _stand_in():
    """The module that starts and controls a stand-in for Stripe."""
    spec = importlib.util.spec_from_file_location("stripe_handle", ROOT / "tests/stripe/handle.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


StandIn = _stand_in().StandIn

# Variables of the environment that are passed on; settings come from each test alone.
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")

# LeakSanitizer, of a process that is killed while it looks for leaks at its end.
REMARK = re.compile(r"==\d+==Unable to get registers from thread \d+\.$")
SANITIZER = re.compile(r"ERROR: AddressSanitizer|runtime error:|LeakSanitizer|DEADLYSIGNAL")
SQL_FAULT = re.compile(r"ERROR:.*(syntax error|does not exist|is ambiguous|invalid input syntax|"
                       r"invalid byte sequence|must be type|could not determine)")


def free_port():
    """A port that nobody listens on, on any address."""
    with socket.socket(socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET) as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds=60, every=0.05):
    """Polls until the condition is true and returns what it gave; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
        time.sleep(every)


def within(seconds):
    """The longest that something may take, in seconds. Whoever waits for what hangs takes longer than
    five times as many, which a busy machine may need; FULL=1 is for a quiet one."""
    return seconds if os.environ.get("FULL") == "1" else 5 * seconds


def parse_log(text):
    """The lines of a log of billingd's, each a dict."""
    lines = []
    for line in text.splitlines():
        if REMARK.match(line):
            continue
        try:
            lines.append(json.loads(line))
        except ValueError as fault:
            raise AssertionError(f"billingd logged what is no JSON: {line!r}") from fault
    return lines


# The prices of the stand-in for Stripe, and the settings that name them to billingd.
PRICES = {"starter": {"month": ("price_starter_month", 2900), "year": ("price_starter_year", 29000)},
          "professional": {"month": ("price_professional_month", 9900),
                           "year": ("price_professional_year", 99000)},
          "enterprise": {"month": ("price_enterprise_month", 49900),
                         "year": ("price_enterprise_year", 499000)}}


def priced(table, *plans):
    """Writes the prices above into a table of plans, for some of its plans."""
    for plan in table["plans"]:
        if plan["plan"] in plans:
            del plan["price"]
            plan["prices"] = [{"amount_minor": amount, "currency": "usd", "interval": interval}
                              for interval, (_, amount) in PRICES[plan["plan"]].items()]


# A price of a plan that conf/plans.json lacks.
FOURTH_PRICE = "price_platinum_month"


def settings_of(prices):
    """STRIPE_PRICES of a table like the one above."""
    return ",".join(f"{plan}:{price}" for plan, sold in prices.items() for price, _ in sold.values())


def four_plans(folder, *sold):
    """Writes a table of plans with a fourth, "platinum", into a folder that anyone may enter; its
    path. The plans in `sold` have monthly and yearly prices."""
    table = json.loads((ROOT / "conf/plans.json").read_text(encoding="utf-8"))
    table["plans"].append({**table["plans"][1], "plan": "platinum", "name": "Platinum", "price": {
        "amount_minor": 7900, "currency": "usd", "interval": "month"}})
    priced(table, *sold)
    path = folder / "four_plans.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    for place in (folder, folder.parent, folder.parent.parent):
        place.chmod(0o755)
    return path


class Stack:
    """`settings` are billingd's by name, and RATE_LIMITS, which is off unless given. With `stripe`
    it has a stand-in for Stripe of its own as `stack.stripe`, with the prices above, whose
    webhooks come in through nginx."""

    def __init__(self, stripe=False, **settings):
        self.settings = {"RATE_LIMITS": "off", "STRIPE_STAND_IN": "off",
                         "SUBSCRIPTION_CANCEL": "now",
                         **{k: str(v) for k, v in settings.items()}}
        self.with_stripe = stripe
        self.stripe = None
        self.build_dir = ROOT / "build" / VARIANT
        self.secrets = set()  # every key that was handed out
        self.driven = set()   # (operation id, status) of every answer
        # In every e-mail address that tests make up, so that it can be looked for.
        self.mail_domain = f"mail-{uuid.uuid4().hex[:12]}.example"
        self.place = Path(tempfile.mkdtemp(prefix="billing-test-"))
        self.place.chmod(0o711)  # PostgreSQL's and nginx's users go through it
        self.run_dir = self.place / "run"
        self.running = False
        self.through = ()  # the beginning of the commands that start and stop it
        self.https_port = 0
        self.said = ""  # by the last start
        self.api = None

    # Life.

    def start(self):
        """Starts all of it, on the same port as before if there was one."""
        if self.with_stripe:
            self._start_stripe()
        for attempt in range(5):
            self.https_port = self.https_port or free_port()
            done = self.script("start", check=False)
            if done.returncode == 0:
                self.said = done.stdout
                break
            # Another program may have taken the port since it was found free.
            assert "in use" in done.stderr and attempt < 4, done.stdout + done.stderr
            self.https_port = 0
        self.running = True
        self._read_env()
        if self.with_stripe:
            self._connect_stripe()
        self.api = self.api or Api(self)
        return self

    def _start_stripe(self):
        if self.stripe is not None:
            if self.stripe.process is None:
                self.stripe.start()
            return
        prices = ",".join(f"{plan}={price}:{amount}:{interval}" for plan, sold in PRICES.items()
                          for interval, (price, amount) in sold.items())
        prices += f",platinum={FOURTH_PRICE}:7900:month"
        self.stripe_log = open(self.place / "stripe.log", "ab")
        self.stripe = StandIn(prices=prices, data_file=self.place / "stripe.data",
                              log=self.stripe_log)
        known = {"STRIPE_API_BASE": self.stripe.url}
        for name, secret in (("STRIPE_SECRET_KEY", self.stripe.secret_key),
                             ("STRIPE_WEBHOOK_SECRET", self.stripe.webhook_secret)):
            known[name + "_FILE"] = str(self.keep_secret(name, secret))
        known["STRIPE_PRICES"] = settings_of(PRICES)
        self.settings = {**known, **self.settings}

    def keep_secret(self, name, secret):
        """Writes the secret down for the service's user alone; the file's path."""
        path = self.place / name
        path.touch(0o600)
        path.write_text(secret + "\n", encoding="ascii")
        if os.geteuid() == 0:
            shutil.chown(path, "billing", "billing")
        return path

    def _connect_stripe(self):
        """Gives the stand-in our address and certificate, which exists only after the start."""
        url = f"https://localhost:{self.https_port}/api/webhooks/stripe"
        if self.stripe.options.get("webhook_url") != url:
            self.stripe.options.update(webhook_url=url, webhook_ca=self.ca_cert)
            self.stripe.restart()

    def stop(self):
        """Stops all of it; the state stays."""
        self.script("stop")
        if self.stripe is not None:
            self.stripe.stop()
        self.running = False

    def close(self):
        """Stops, checks what the logs say, and removes everything."""
        try:
            if self.running:
                self.stop()
            self.check_logs()
        finally:
            self.script("stop", check=False)
            if self.stripe is not None:
                self.stripe.stop()
                self.stripe_log.close()
            shutil.rmtree(self.place, ignore_errors=True)

    def script(self, *arguments, check=True):
        """stack.sh start|stop|status, also of one service."""
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment.update(self.settings, RUN_DIR=str(self.run_dir), BUILD_VARIANT=VARIANT,
                           HTTPS_PORT=str(self.https_port or 8443))
        done = subprocess.run([*self.through, SCRIPT, *arguments], env=environment, capture_output=True,
                              text=True, timeout=240, check=False, stdin=subprocess.DEVNULL)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def _read_env(self):
        words = shlex.split((self.run_dir / "env").read_text(encoding="utf-8"), comments=True)
        values = dict(word.split("=", 1) for word in words)
        self.base_url = values["BASE_URL"]
        self.admin_key = values["ADMIN_API_KEY"]
        self.viewer_key = values["VIEWER_API_KEY"]
        self.ca_cert = values["CA_CERT"]
        # Tests look into the database as its superuser; billingd is the role billingd.
        owner = values["DATABASE_OWNER_URL"]
        self.database_url = owner.replace("user=billing", "user=postgres")
        self.webhook_secret = self.stripe.webhook_secret if self.stripe else \
            values.get("STRIPE_WEBHOOK_SECRET")
        self.pid_file = Path(values["BILLINGD_PID_FILE"])
        self.socket = Path(values["BILLING_SOCKET"])
        self.stripe_socket = Path(values["BILLING_STRIPE_SOCKET"])
        self.secrets.update((self.admin_key, self.viewer_key))
        # The environment with which billingctl, psql and the like work on this stack.
        self.env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self.env.update({name: value for name, value in self.settings.items()
                         if name not in ("RATE_LIMITS", "STRIPE_STAND_IN")})
        self.env.update(BASE_URL=self.base_url, DATABASE_URL=values["DATABASE_URL"],
                        DATABASE_OWNER_URL=owner,
                        KEYS_DIR=str(self.run_dir / "keys"),
                        PLANS_FILE=self.settings.get("PLANS_FILE", str(ROOT / "conf/plans.json")),
                        MAIL_TEMPLATES=self.settings.get("MAIL_TEMPLATES", str(ROOT / "conf/mail")),
                        MIGRATIONS_DIR=str(ROOT / "migrations"))

    # Programs beside it.

    def billingctl(self, *arguments, input=None, env=None, check=True):
        """Runs billingctl against this stack; the finished process, with text output."""
        done = subprocess.run([self.build_dir / "billingctl", *arguments], text=True, timeout=120,
                              capture_output=True, input=input, check=False,
                              env={**self.env, **(env or {})})
        self.secrets.update(SECRET.findall(done.stdout))
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done

    def sql(self, query, seconds=60):
        """The output of psql for the query: a line a row, columns separated by |. Fails after so many seconds."""
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.database_url],
                              env=self.env, input=query, text=True, capture_output=True,
                              check=False, timeout=seconds)
        assert done.returncode == 0, f"{query}: {done.stderr}"
        return done.stdout.strip("\n")

    def waiting(self):
        """How many requests wait for a lock of another transaction. Jobs may wait at any time."""
        return int(self.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
                            "application_name IN ('billingd worker', 'billingd stripe worker')"))

    def pg_dump(self):
        """The whole database as SQL."""
        return subprocess.run(["pg_dump", "-d", self.database_url], env=self.env, check=True,
                              capture_output=True, text=True, timeout=120).stdout

    def pids(self):
        """Process ids of billingd: the master first, then its children."""
        master = int(self.pid_file.read_text(encoding="ascii"))
        children = Path(f"/proc/{master}/task/{master}/children").read_text(encoding="ascii")
        return [master, *map(int, children.split())]

    def reload(self):
        """Has billingd read its configuration again. On return the processes that had the earlier one have ended."""
        master, *old = self.pids()
        os.kill(master, signal.SIGHUP)
        wait_for(lambda: not set(old) & set(self.pids()))

    # Logs.

    def log_text(self, name):
        """A log, such as billingd.log or nginx-access.log, as text; empty when there is none."""
        path = self.run_dir / "log" / name
        return path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""

    def whole_lines(self, name):
        """The text of a log without its last line while that is still being written."""
        return self.log_text(name).rpartition("\n")[0]

    def billingd_log(self):
        """The lines of billingd's log, each a dict."""
        return parse_log(self.whole_lines("billingd.log"))

    def recent_failures(self):
        """The newest lines of billingd's log about statements that failed."""
        lines = self.log_text("billingd.log").splitlines()
        return [line for line in lines if "statement failed" in line][-5:]

    def log_of(self, request_id):
        """The line of billingd's log about this request."""
        def find():
            return [line for line in self.billingd_log() if line.get("request_id") == request_id]
        return wait_for(find)[-1]

    def canaries(self):
        """Texts that no log may contain."""
        pem = (self.run_dir / "keys/private-key.pem").read_text(encoding="ascii")
        body = [line for line in pem.splitlines() if line and not line.startswith("-----")]
        stripe = {self.stripe.secret_key, self.webhook_secret} if self.stripe else set()
        return {*body, *stripe, self.mail_domain}

    def check_logs(self):
        """Asserts the rules for every log of every run."""
        logs = {path.name: path.read_bytes() for path in (self.run_dir / "log").iterdir()}
        everything = "".join(text.decode("utf-8", "replace") for text in logs.values())
        found = SANITIZER.search(everything)
        assert not found, everything[max(0, found.start() - 200):found.start() + 4000]
        parse_log(self.log_text("billingd.log"))
        for line in self.log_text("nginx-access.log").splitlines():
            json.loads(line)
        faults = [line for line in self.log_text("postgres.log").splitlines()
                  if SQL_FAULT.search(line)]
        assert not faults, f"PostgreSQL refused statements: {faults[:5]}"
        leaked = {text for text in self.canaries() if text in everything}
        leaked |= self.secrets & set(SECRET.findall(everything))
        assert not leaked, f"secrets in {sorted(logs)}: {len(leaked)}, such as {leaked.pop()[:12]}"
