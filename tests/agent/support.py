"""A vendor with keys and a clock, its billing service on loopback, and the agent that calls it."""

import contextlib
import datetime
import glob
import http.client
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zoneinfo
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/vectors"))
import generate  # noqa: E402  pylint: disable=wrong-import-position

VARIANT = os.environ.get("BILLING_VARIANT", "release")
CUSTOMER = "cust_00112233445566778899aabbccddeeff"
API_KEY = f"{CUSTOMER}_{'5' * 64}"
DAY = 86_400
START = 2_114_380_800  # 2037-01-01, where faked clocks start: none may be before the agent's build
FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")))
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")


def wait_for(condition, seconds=60, every=0.02):
    """Polls until the condition is true and returns its value; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
        time.sleep(every)


class Vendor:
    """The state of the service, which tests change. Times are seconds since 1970."""

    def __init__(self, now=generate.NOW):
        self.now = now
        self.keys = [generate.FIRST]
        self.claims = {}          # claims that differ from the default licence
        self.revoked = []
        self.issued = 0           # licences so far
        self.down = None          # a status, "hang" or "garbage" instead of answers
        self.token = None
        self.reports = {}         # by report_id
        self.sends = 0            # how many reports came, repeated ones too
        self.requests = []        # (method, path, status)
        self.refuse_reports = False
        self.reports_wait = None  # seconds that reports have to wait, told with 429
        self.lose_answers = 0     # reports are taken, but the answer is lost
        self.list_is_blocked = False
        self.metrics = None       # the metrics that the service knows, by name
        self.knows_versions = True

    def issue(self, **claims):
        """Issues a new licence; `claims` as generate.claims() takes them."""
        self.issued += 1
        self.claims.update(claims)
        made = generate.claims(issued=self.now, jti=f"lic_{self.issued}", **self.claims)
        self.token = self.keys[0].sign(made)
        return self.token

    def list(self):
        """The signed revocation list."""
        return self.keys[0].sign({"iss": generate.ISSUER, "iat": self.now,
                                  "nextUpdate": self.now + DAY, "revoked": self.revoked},
                                 typ="revocations+jwt")

    def take_reports(self, body):
        """POST /api/usage/reports."""
        results = []
        for index, report in enumerate(body["reports"]):
            self.sends += 1
            known = report["report_id"] in self.reports
            bad = [f"metrics.{name}" for name in report["metrics"] if self.metrics and name not in self.metrics]
            if "version" in report and not self.knows_versions:
                bad = ["version"]
            status = "invalid" if self.refuse_reports or bad else \
                "duplicate" if known else "created"
            if status == "created":
                assert report["customer_id"] == CUSTOMER
                assert 0 <= report["active_devices"] <= report["total_devices"]
                self.reports[report["report_id"]] = report
            results.append({"index": index, "status": status,
                            **({"error": "no"} if status == "invalid" else {}),
                            **({"details": [{"field": name, "message": "is unknown"} for name in bad[:20]]} if bad else {})})
        return {"results": results}

    def counted(self, name):
        """The sum of a metric over all reports."""
        # A copy: the service may take a report meanwhile.
        return sum(report["metrics"].get(name, 0) for report in list(self.reports.values()))

    def numbers(self):
        """The report numbers that arrived, as (first, last), sorted."""
        found = [re.fullmatch(r"agent:[0-9a-f]{12}:(\d+)-(\d+):[0-9a-f]{8}", key)
                 for key in list(self.reports)]
        return sorted((int(one[1]), int(one[2])) for one in found)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass

    def answer(self, status, body=None, **headers):
        data = b"" if body is None else json.dumps(body).encode()
        self.server.vendor.requests.append((self.command, self.path, status))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_request(self):
        vendor = self.server.vendor
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if vendor.down == "hang":
            self.server.stopping.wait(30)
            return
        if vendor.down == "garbage":
            self.answer(200, ["nonsense"])
        elif vendor.down:
            self.answer(vendor.down, {"error": "x", "code": "down"})
        elif self.path == "/.well-known/jwks.json":
            self.answer(200, {"keys": [key.jwk for key in vendor.keys]})
        elif self.path == "/api/licenses/revocations" and vendor.list_is_blocked:
            self.answer(403, {"error": "x", "code": "blocked"})
        elif self.path == "/api/licenses/revocations":
            self.answer(200, {"revocations": vendor.list()})
        elif self.path == "/api/plans" and vendor.metrics:
            self.answer(200, {"plans": [], "metrics": vendor.metrics})
        elif self.headers.get("X-API-Key") != API_KEY:
            self.answer(401, {"error": "x", "code": "unauthenticated"})
        elif self.path == f"/api/licenses/{CUSTOMER}":
            etag = f'"{vendor.issued}"'
            if self.headers.get("If-None-Match") == etag:
                self.answer(304, ETag=etag)
            else:
                self.answer(200, {"license": vendor.token, "customer_id": CUSTOMER,
                                  "plan": "professional", "status": "active"}, ETag=etag)
        elif self.path == "/api/usage/reports" and vendor.reports_wait:
            self.answer(429, {"error": "x", "code": "too_many_instances"}, Retry_After=str(vendor.reports_wait))
        elif self.path == "/api/usage/reports" and self.command == "POST":
            results = vendor.take_reports(json.loads(body))
            if vendor.lose_answers:
                vendor.lose_answers -= 1
                self.close_connection = True
                return
            self.answer(200, results)
        else:
            self.answer(404, {"error": "x", "code": "not_found"})

    do_GET = do_POST = handle_request


class Service(http.server.ThreadingHTTPServer):
    """The vendor's service on a free port of loopback."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, vendor):
        super().__init__(("127.0.0.1", 0), Handler)
        self.vendor = vendor
        self.stopping = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.stopping.set()
        self.shutdown()
        self.server_close()


class LocalConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.unix_path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(20)
        self.sock.connect(self.unix_path)


class Agent:
    """billing-agent with a folder of its own. `settings` are its environment."""

    def __init__(self, place, url="", **settings):
        self.place = Path(place)
        self.state = self.place / "state"
        self.socket = self.place / "agent.sock"
        self.log = self.place / "agent.log"
        self.clock = self.place / "clock"
        self.process = None
        self.program = ROOT / "build" / VARIANT / "billing-agent"
        self.env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self.env.update(BILLING_API_URL=url, CUSTOMER_ID=CUSTOMER, BILLING_API_KEY=API_KEY,
                        AGENT_STATE_DIR=str(self.state), AGENT_LISTEN=str(self.socket),
                        LICENSE_PUBLIC_KEY=generate.FIRST.pem)
        self.env.update({name: str(value) for name, value in settings.items()})

    def faked(self, now):
        """The environment in which the clock shows this second."""
        if now is None:
            return self.env
        self.set_clock(now)
        asan = self.env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        return {"TZ": "UTC", **self.env, "FAKETIME_TIMESTAMP_FILE": str(self.clock),
                "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "LD_PRELOAD": FAKETIME, "ASAN_OPTIONS": asan}

    def set_clock(self, now):
        """Sets the clock of all programs with a faked clock, running ones too."""
        beside = self.clock.with_suffix(".new")
        at = datetime.datetime.fromtimestamp(now, zoneinfo.ZoneInfo(self.env.get("TZ", "UTC")))
        beside.write_text(at.strftime("%Y-%m-%d %H:%M:%S\n"), encoding="ascii")
        beside.replace(self.clock)

    def run(self, *arguments, now=None, statuses=(0, 3), **env):
        """Runs a command and returns its output, parsed if it is JSON."""
        done = subprocess.run([self.program, *arguments], env={**self.faked(now), **env},
                              text=True, capture_output=True, timeout=120, check=False)
        assert done.returncode in statuses, f"{done.returncode}: {done.stdout}{done.stderr}"
        self.stderr = done.stderr
        return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout

    def once(self, now=None, **more):
        """Runs --once."""
        return self.run("--once", now=now, **more)

    def start(self, *wrapper, now=None):
        """Starts the daemon and waits until it serves."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*wrapper, self.program], env=self.faked(now),
                                            stderr=log, stdin=subprocess.DEVNULL)
        wait_for(self.serves)
        return self

    def serves(self):
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(OSError):
            return self.get("/health")[0] == 200
        return False

    def stop(self, signal_number=signal.SIGTERM):
        """Ends the daemon; its exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        status = self.process.wait(60)
        self.process = None
        return status

    def ask(self, method, path, body=None, headers=None):
        """(status, body) of a request to the daemon; a JSON body is parsed."""
        connection = LocalConnection(self.socket)
        with contextlib.closing(connection):
            data = json.dumps(body) if isinstance(body, dict) else body
            connection.request(method, path, body=data, headers=headers or {})
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.headers["Content-Type"] == "application/json":
                text = json.loads(text)
            return answer.status, text

    def get(self, path):
        return self.ask("GET", path)

    def post(self, body):
        """POST /usage."""
        return self.ask("POST", "/usage", body)

    def license(self):
        status, body = self.get("/license")
        assert status == 200
        return body

    def unsent(self):
        """The names of the unsent reports."""
        return sorted(path.name for path in (self.state / "usage").glob("0*.json"))

    def resident_kb(self):
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1])
