"""make demo: a business that was made while the clock moved, then a service that runs on it by the real clock."""

import http.server
import importlib.util
import json
import os
import re
import signal
import ssl
import subprocess
import threading
import urllib.request

import pytest
from support.stack import PASSED_ON, ROOT, SCRIPT, VARIANT, free_port, wait_for, within


class Busy(http.server.BaseHTTPRequestHandler):
    """Answers each request 503 the first time, and then 201; 409 to all of /taken."""

    seen = []

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        status = 409 if self.path == "/taken" else 503 if all(one[0] != self.path for one in self.seen) else 201
        self.seen.append((self.path, self.headers["Idempotency-Key"], status))
        self.send_response(status)
        self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(b'{"made": true}')

    def log_message(self, *_):
        """Says nothing."""


def test_a_busy_service_is_asked_again():
    """By the same request: the key of the first attempt, or, of reports, their report_id."""
    spec = importlib.util.spec_from_file_location("demo", ROOT / "app/stack/demo.py")
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    with http.server.HTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack = demo.Stack.__new__(demo.Stack)
        stack.env, stack.trust = {"BASE_URL": f"http://127.0.0.1:{server.server_port}", "ADMIN_API_KEY": "x"}, None
        for path in ("/api/customers", "/api/usage/reports"):
            assert stack.api("POST", path, {}) == {"made": True}
        assert stack.api("POST", "/taken", {}, good=(409,)) is None
        with pytest.raises(SystemExit, match="409"):
            stack.api("POST", "/taken", {})
        server.shutdown()
    made, reports = Busy.seen[:2], Busy.seen[2:4]
    assert made[0][1] and made == [("/api/customers", made[0][1], 503), ("/api/customers", made[0][1], 201)]
    assert reports == [("/api/usage/reports", None, 503), ("/api/usage/reports", None, 201)]


def test_a_folder_with_files_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear", encoding="utf-8")
    done = subprocess.run([SCRIPT, "demo"], env={"PATH": os.environ["PATH"], "RUN_DIR": str(tmp_path)}, check=False,
                          capture_output=True, text=True)
    assert done.returncode == 1 and "holds files" in done.stderr
    assert (tmp_path / "letter.txt").exists()


def test_other_plans_are_refused(tmp_path):
    """A demonstration buys by the names of the shipped prices."""
    plans = (ROOT / "conf/plans.json").read_text(encoding="utf-8")
    assert plans.count('"amount_minor": 2900') == 1
    (tmp_path / "plans.json").write_text(plans.replace('"amount_minor": 2900', '"amount_minor": 3000'), encoding="utf-8")
    done = subprocess.run([SCRIPT, "demo"], check=False, capture_output=True, text=True, timeout=120, cwd=tmp_path, env={
        "PATH": os.environ["PATH"], "RUN_DIR": str(tmp_path / "demo"), "PLANS_FILE": "plans.json"})
    assert done.returncode == 1 and "PLANS_FILE has others" in done.stderr
    assert not (tmp_path / "demo").exists()


def begin(environment):
    """The process of a demonstration, and what it has said until it is ready or has failed."""
    for _ in range(5):
        environment["HTTPS_PORT"] = str(free_port())
        demo = subprocess.Popen([SCRIPT, "demo"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)
        said = ""
        for line in demo.stdout:
            said += line
            if "Ctrl-C stops everything" in line:
                break
        # Another program may have taken the port since it was found free.
        if "is in use by another program" not in said:
            break
        demo.wait()
    return demo, said


def test_a_short_demonstration(tmp_path):
    """Three weeks instead of fourteen months: customers, payments and use have the times of those weeks."""
    for place in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        place.chmod(0o755)
    run_dir = tmp_path / "demo"
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment.update(RUN_DIR=str(run_dir), BUILD_VARIANT=VARIANT, DEMO_DAYS="21")
    demo, said = begin(environment)
    try:
        assert "Global Billing is ready" in said and "/console/#link=" in said, said
        env = dict(re.findall(r"^(\w+)='(.*)'$", (run_dir / "env").read_text(encoding="utf-8"), re.M))
        found = subprocess.run(
            ["psql", "-XAtq", "-F", " ", "-d", env["DATABASE_OWNER_URL"].replace("user=billing", "user=postgres"), "-c", """
             SELECT count(*), count(DISTINCT created_at::date), (SELECT count(*) FROM usage_reports),
                 (SELECT count(*) FROM invoices WHERE status = 'paid'),
                 (SELECT count(*) FROM stripe_events WHERE state = 'parked'), now() < clock_timestamp() + '1 s',
                 (SELECT max(n) FROM (SELECT count(*) n FROM usage_reports
                     GROUP BY customer_id, instance_id, (reported_at AT TIME ZONE 'UTC')::date) d),
                 (SELECT count(*) FROM events WHERE type = 'instance.lost')
             FROM customers"""], env=environment, check=True, capture_output=True, text=True).stdout.split()
        customers, days, reports, paid, parked, right, a_day, lost = found
        assert int(customers) == 9 and int(days) >= 2 and int(reports) > 20 and int(paid) >= 1
        assert (parked, right) == ("0", "t")
        # Installations report once a day, and none is lost because a week passes at once.
        assert (a_day, lost) == ("1", "0")

        def use():
            """The use of yesterday in the analytics, which were added up beside the steps of the clock."""
            request = urllib.request.Request(env["BASE_URL"] + "/api/analytics/usage", headers={
                "Authorization": "Bearer " + env["VIEWER_API_KEY"]})
            with urllib.request.urlopen(request, timeout=10, context=ssl.create_default_context(
                    cafile=env["CA_CERT"])) as answer:
                return int(json.load(answer)["days"][-2]["total"])
        wait_for(use, within(60))
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.wait(within(60))
        subprocess.run([SCRIPT, "stop"], env=environment, check=False, capture_output=True)
