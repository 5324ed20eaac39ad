"""billing-agent with a vendor's service: what it serves, fetches, trusts and reports."""

import base64
import json
import os
import resource
import signal
import stat
import subprocess
import time

import generate
import pytest
from support import API_KEY, CUSTOMER, DAY, ROOT, VARIANT, Handler, Service, wait_for


# The fields of GET /license that the old client does not know; they come last.
NEW_FIELDS = ("reason", "expiresAt", "instanceId", "refreshedAt", "warning", "staleAt")


def test_license_in_the_old_shape(agent, vendor):
    """GET /license has the old client's fields in their order after the first refresh."""
    agent.start()
    wait_for(lambda: agent.license()["verdict"] == "valid")
    agent.post({"active_devices": 10, "total_devices": 25})
    got = agent.license()
    assert got["customer"] == {"id": CUSTOMER, "name": "Acme Zoë"}
    assert got["plan"] == "professional"
    assert got["subscription"] == {"status": "active", "currentPeriodEndsAt":
                                   generate.rfc3339(vendor.now + 30 * DAY)}
    assert got["trial"] is None
    assert got["features"] == generate.claims()["features"]
    assert got["limits"] == generate.claims()["limits"]
    # The service counts active devices too.
    assert got["usage"] == {"devices": {"current": 10, "max": 50, "percentUsed": 20}}
    assert got["upgradeUrl"] is None and got["reason"] == "license_valid"
    assert list(got) == ["customer", "plan", "subscription", "trial", "features", "limits", "usage",
                         "upgradeUrl", "verdict", *NEW_FIELDS]
    assert agent.get("/license/token") == (200, vendor.token)
    assert agent.get("/allows/canExportData")[1] == {
        "feature": "canExportData", "allowed": True, "verdict": "valid", "value": True}
    assert agent.get("/allows/hasCustomBranding")[1]["allowed"] is False
    assert agent.get("/health")[1]["lastTalk"] == "done"
    assert agent.stop() == 0
    assert not agent.socket.exists()


def test_unlicensed(new_agent):
    """Without a service and a licence the agent answers with the defaults."""
    agent = new_agent(url="", BILLING_UPGRADE_URL="https://example.com/buy").start()
    got = agent.license()
    assert got["verdict"] == "none" and got["plan"] == "unlicensed"
    assert got["features"] == {"maxDevices": 3, "dataRetentionDays": 7, "canExportData": False,
                               "hasAdvancedAlerts": False, "hasApiAccess": True,
                               "hasMqttAccess": True, "hasCustomBranding": False}
    assert got["limits"] == {"maxUsers": 1, "maxAlertRules": 5, "maxDashboards": 2}
    assert got["upgradeUrl"] == "https://example.com/buy"
    assert agent.get("/license/token")[0] == 404


def test_trial_and_unlimited(agent, vendor):
    """The days of a trial are counted; an absent limit stays absent."""
    features = {**generate.claims()["features"], "maxDevices": 999999}
    vendor.issue(life=3 * DAY, status="trialing", trial=True, features=features, limits={})
    got = agent.once()
    assert got["trial"] == {"isActive": True, "daysRemaining": 3,
                            "expiresAt": generate.rfc3339(vendor.now + 3 * DAY)}
    assert got["features"]["maxDevices"] == 999999 and got["limits"] == {}
    assert got["usage"]["devices"] == {"current": 0, "max": 999999, "percentUsed": 0}


def test_another_trade(agent, vendor):
    """Features and limits are the licence's own, whatever their names and types."""
    features = {"region": "eu-north \"Malmö\"", "sso": True, "exportsDaily": 2_000_000}
    vendor.issue(plan="campus-2026", features=features, limits={"seats": 40, "projects": None})
    got = agent.once()
    assert got["features"] == features and got["limits"] == {"seats": 40, "projects": None}
    assert got["usage"]["devices"] == {"current": 0, "max": 999999, "percentUsed": 0}
    agent.start()
    for name, allowed, value in (("sso", True, True), ("region", False, features["region"]),
                                 ("exportsDaily", False, 2_000_000), ("seats", False, 40),
                                 ("projects", False, None), ("hasApiAccess", False, None)):
        assert agent.get(f"/allows/{name}")[1] == {
            "feature": name, "allowed": allowed, "verdict": "valid", "value": value}


def test_license_from_the_environment(new_agent, vendor):
    """LICENSE_JWT may be wrapped into lines; its verdict depends on the pinned key."""
    wrapped = "\n".join(vendor.token[i:i + 60] for i in range(0, len(vendor.token), 60))
    agent = new_agent(url="", LICENSE_JWT=wrapped,
                      LICENSE_PUBLIC_KEY=generate.FIRST.pem.replace("\n", "\\n"))
    assert agent.run("status")["verdict"] == "valid"
    agent.env["LICENSE_PUBLIC_KEY"] = json.dumps({"keys": [generate.SECOND.jwk]})
    assert agent.run("status", statuses=(3,))["verdict"] == "forged"


def test_the_later_issued_licence_counts(agent, vendor):
    """The later issued of LICENSE_JWT and the fetched licence counts; a forged LICENSE_JWT is ignored."""
    old = vendor.token
    vendor.now += 1
    vendor.issue(plan="enterprise")
    agent.env["LICENSE_JWT"] = old
    assert agent.run("status")["plan"] == "professional"
    assert agent.once()["plan"] == "enterprise"
    agent.env["LICENSE_JWT"] = generate.STRANGER.sign(generate.claims(plan="starter"))
    assert agent.run("status")["plan"] == "enterprise"
    vendor.now += 1
    agent.env["LICENSE_JWT"] = later = vendor.issue(plan="starter")
    assert agent.run("status")["plan"] == "starter"
    vendor.down = 503
    agent.start()
    assert agent.license()["plan"] == "starter" and agent.get("/license/token") == (200, later)


def test_a_bound_licence_counts_at_its_instance_alone(new_agent, vendor, tmp_path):
    """Elsewhere it is not imported, and never goes before a licence that counts."""
    free = vendor.issue()
    vendor.now += 60
    bound = vendor.issue(instance="inst-a")
    bundle = tmp_path / "bundle"
    bundle.write_text(json.dumps({"format": "global-billing-license-1", "license": bound,
                                  "keys": "", "revocations": vendor.list()}), encoding="ascii")
    agent = new_agent(url="")
    got = agent.run("import", bundle, INSTANCE_ID="inst-a")
    assert (got["verdict"], got["instanceId"]) == ("valid", "inst-a")
    got = agent.run("status", INSTANCE_ID="inst-b", statuses=(3,))
    assert (got["verdict"], got["reason"]) == ("wrong_instance", "license_wrong_instance")
    assert got["features"]["canExportData"] is False
    assert agent.run("status", INSTANCE_ID="inst-b", LICENSE_JWT=free)["verdict"] == "valid"
    for instance in ({"INSTANCE_ID": "inst-b"}, {}):
        agent.run("import", bundle, statuses=(1,), **instance)
        assert "bound to another instance" in agent.stderr


def test_key_in_a_file(agent, tmp_path):
    """BILLING_API_KEY_FILE is read, unless the file is missing or readable by every user."""
    path = tmp_path / "key"
    path.write_text(API_KEY + "\n", encoding="ascii")
    path.chmod(0o600)
    del agent.env["BILLING_API_KEY"]
    agent.env["BILLING_API_KEY_FILE"] = str(path)
    assert agent.once()["verdict"] == "valid"
    path.chmod(0o604)
    agent.run("--once", statuses=(1,))
    assert "open to every user" in agent.stderr and API_KEY not in agent.stderr
    path.unlink()
    agent.run("--once", statuses=(1,))
    assert str(path) in agent.stderr


def test_keys_in_a_file(new_agent, tmp_path):
    """LICENSE_PUBLIC_KEY_FILE pins the keys; without a key in it the agent fails and trusts no other."""
    path = tmp_path / "keys.pem"
    path.write_text(generate.FIRST.pem, encoding="ascii")
    agent = new_agent(LICENSE_PUBLIC_KEY="", LICENSE_PUBLIC_KEY_FILE=path)
    assert agent.once()["verdict"] == "valid" and not (agent.state / "keys.json").exists()
    for text in ("", "\n", "nonsense"):
        path.write_text(text, encoding="ascii")
        agent.run("--once", statuses=(1,))
        assert len(agent.stderr.splitlines()) == 1
    path.unlink()
    agent.run("--once", statuses=(1,))
    assert str(path) in agent.stderr and not (agent.state / "keys.json").exists()


def test_instance_of_the_environment(agent, vendor):
    """INSTANCE_ID overrides the kept id; without it the kept id stays the same."""
    first = agent.once()["instanceId"]
    assert agent.once()["instanceId"] == first == (agent.state / "instance-id").read_text().strip()
    agent.env["INSTANCE_ID"] = "line-7"
    agent.run("usage", '{"counts": {"messages": 1}}')
    assert agent.once()["instanceId"] == "line-7"
    [report] = vendor.reports.values()
    assert report["instance_id"] == "line-7"


def test_an_unchanged_licence_is_not_fetched(agent, vendor):
    """If-None-Match is sent, and the licence's file is not written again."""
    agent.once()
    before = (agent.state / "license.json").stat()
    vendor.requests.clear()
    agent.once()
    assert ("GET", f"/api/licenses/{CUSTOMER}", 304) in vendor.requests
    after = (agent.state / "license.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_hup_refreshes_now(agent, vendor):
    """After HUP an upgrade and a revocation apply at once, and the log has the new verdict."""
    agent.start()
    wait_for(lambda: agent.license()["verdict"] == "valid")
    vendor.now += 1
    vendor.issue(plan="enterprise")
    agent.process.send_signal(signal.SIGHUP)
    wait_for(lambda: agent.license()["plan"] == "enterprise")
    vendor.revoked = [f"lic_{vendor.issued}"]
    vendor.now += 1
    agent.process.send_signal(signal.SIGHUP)
    wait_for(lambda: agent.license()["verdict"] == "revoked")
    assert agent.license()["features"]["maxDevices"] == 3
    assert "the verdict has changed" in agent.log.read_text()


@pytest.mark.parametrize("spoil", [
    lambda vendor: vendor.issue(iss="https://billing.example.com", sub="cust_" + "f" * 32,
                                customerId="cust_" + "f" * 32),
    lambda vendor: setattr(vendor, "token", generate.STRANGER.sign(generate.claims())),
    lambda vendor: setattr(vendor, "token", generate.flip(vendor.token, 2)),
    lambda vendor: setattr(vendor, "token", ""),
    lambda vendor: setattr(vendor, "down", "garbage"),
    lambda vendor: setattr(vendor, "down", 503),
    lambda vendor: setattr(vendor, "down", 401),
    lambda vendor: setattr(vendor, "down", 302),
], ids=["another customer's", "a stranger's", "a changed", "an empty", "garbage", "503", "401",
        "a redirect"])
def test_a_licence_that_does_not_verify_replaces_nothing(agent, vendor, spoil):
    """The good licence stays, whatever the service answers."""
    agent.once()
    kept = (agent.state / "license.json").read_bytes()
    vendor.issued += 1
    spoil(vendor)
    assert agent.once()["verdict"] == "valid"
    assert (agent.state / "license.json").read_bytes() == kept
    assert json.loads((agent.state / "sync.json").read_text())["outcome"] != "done"


def test_keys_of_the_service(new_agent, vendor):
    """Without pinned keys the published keys are trusted, also across a rotation with overlap."""
    agent = new_agent(LICENSE_PUBLIC_KEY="")
    assert agent.once()["verdict"] == "valid"
    vendor.keys = [generate.SECOND, generate.FIRST]
    assert agent.once()["verdict"] == "valid"
    vendor.now += 1
    vendor.issue()
    assert agent.once()["verdict"] == "valid"
    vendor.keys = [generate.SECOND]
    assert agent.once()["verdict"] == "valid"


def test_through_a_proxy(new_agent, vendor):
    """BILLING_PROXY is used, with its password; the proxies of the environment are not."""
    seen = []

    class Proxy(Handler):
        """Removes the service's address from the path and answers in its place."""

        def handle_request(self):
            seen.append(self.headers.get("Proxy-Authorization"))
            self.path = self.path.removeprefix("http://localhost:1")
            super().handle_request()

        do_GET = do_POST = handle_request

    proxy = Service(vendor)
    proxy.RequestHandlerClass = Proxy
    address = proxy.url.replace("//", "//a:secretword@")
    try:
        agent = new_agent(url="http://localhost:1", http_proxy=address, all_proxy=address)
        assert agent.once()["verdict"] == "none" and not seen
        agent.env["BILLING_PROXY"] = address
        assert agent.once()["verdict"] == "valid"
        vendor.down = 503
        agent.once()
    finally:
        proxy.close()
    assert set(seen) == {"Basic " + base64.b64encode(b"a:secretword").decode()}
    assert "secretword" not in agent.stderr


def test_compiled_in_keys(new_agent, vendor, tmp_path):
    """Keys that the vendor compiled in override LICENSE_PUBLIC_KEY."""
    keys = tmp_path / "keys.pem"
    keys.write_text(generate.SECOND.pem, encoding="ascii")
    variant = [] if VARIANT == "release" else ["SANITIZE=1"]
    subprocess.run(["make", "--no-print-directory", "-s", "-C", ROOT, "vendor-agent", *variant,
                    f"AGENT_KEYS={keys}", f"AGENT_OUT={tmp_path}"], check=True, timeout=300)
    agent = new_agent(LICENSE_PUBLIC_KEY=generate.FIRST.pem)
    agent.program = tmp_path / "billing-agent"
    assert agent.once()["verdict"] == "none"
    assert json.loads((agent.state / "sync.json").read_text())["outcome"] == "untrusted"
    vendor.keys = [generate.SECOND]
    vendor.issue()
    assert agent.once()["verdict"] == "valid"


def test_damaged_keys_are_fetched_again(new_agent):
    """With damaged keys in its folder the agent starts, and fetches them again."""
    agent = new_agent(LICENSE_PUBLIC_KEY="")
    agent.once()
    keys = agent.state / "keys.json"
    good = keys.read_bytes()
    for spoiled in (b"", good[:-2], b"\0" * 100, os.urandom(64), b"{}"):
        keys.write_bytes(spoiled)
        assert agent.run("status")["verdict"] == "none"
    agent.start()
    wait_for(lambda: agent.license()["verdict"] == "valid")
    assert keys.read_bytes() == good


def test_usage_is_reported_once(agent, vendor):
    """Counts are summed, of levels and devices the newest counts; a report has a number and an id."""
    agent.start()
    wait_for(lambda: agent.license()["verdict"] == "valid")
    assert agent.post({"active_devices": 1, "total_devices": 2, "counts": {"messages": 5}})[0] == 201
    assert agent.post({"active_devices": 3, "total_devices": 4, "metrics": {"messages": 7},
                       "levels": {"disk": 9}})[0] == 201
    agent.process.send_signal(signal.SIGHUP)
    wait_for(lambda: vendor.reports)
    [report] = vendor.reports.values()
    assert (report["active_devices"], report["total_devices"]) == (3, 4)
    assert report["metrics"] == {"messages": 12, "disk": 9}
    assert report["instance_id"] == (agent.state / "instance-id").read_text().strip()
    assert abs(time.time() - time.mktime(time.strptime(
        report["reported_at"][:19], "%Y-%m-%dT%H:%M:%S")) + time.timezone) < 60
    wait_for(lambda: not agent.unsent())
    agent.post({"counts": {"messages": 1}})
    agent.process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(vendor.reports) == 2)
    assert vendor.counted("messages") == 13 and vendor.numbers() == [(1, 1), (2, 2)]


def test_version_of_the_application(agent, vendor):
    """The newest version goes with each report; a service that takes none gets the reports without it."""
    agent.run("usage", '{"version": "3.1.4", "counts": {"messages": 1}}')
    agent.once()
    agent.run("usage", '{"version": "3.2.0"}')
    agent.once()
    agent.run("usage", '{"counts": {"messages": 2}}')
    agent.once()
    assert [report.get("version") for report in vendor.reports.values()] == ["3.1.4", "3.2.0", "3.2.0"]
    vendor.knows_versions = False
    agent.run("usage", '{"counts": {"messages": 4}}')
    agent.once()
    assert "version" not in list(vendor.reports.values())[3] and not agent.unsent()
    assert vendor.counted("messages") == 7 and not list((agent.state / "usage").glob("*.refused"))


def test_once_keeps_to_the_buffer(new_agent, vendor):
    """With --once alone an outage leaves no more than AGENT_BUFFER_REPORTS reports either."""
    agent = new_agent(AGENT_BUFFER_REPORTS=10)
    vendor.down = 503
    for _ in range(12):
        agent.run("usage", '{"counts": {"messages": 1}}')
        agent.once()
    assert len(agent.unsent()) <= 10
    vendor.down = None
    agent.once()
    assert not agent.unsent() and vendor.counted("messages") == 12


def test_once_on_a_full_disk(agent, vendor):
    """The licence is printed, the exit status is 1, and the usage is not lost."""
    agent.once()
    agent.run("usage", '{"counts": {"messages": 1}}')
    done = subprocess.run([agent.program, "--once"], env=agent.env, text=True, capture_output=True,
                          timeout=60, check=False, restore_signals=False,  # SIGXFSZ stays ignored
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))
    assert done.returncode == 1 and json.loads(done.stdout)["verdict"] == "valid"
    assert "cannot be written" in done.stderr
    agent.once()
    assert vendor.counted("messages") == 1


KNOWN = {"messages": "sum", "storage_mb": "level"}


def test_reports_that_wait_delay_no_licence(agent, vendor):
    """The service takes the reports tomorrow only; the licence is fetched after the usual time."""
    vendor.reports_wait = 86400
    agent.run("usage", '{"total_devices": 9, "counts": {"messages": 1}}', statuses=(0,))
    agent.once()
    kept = json.loads((agent.state / "sync.json").read_text())
    assert (kept["outcome"], kept["retry_after"]) == ("unreachable", 3600)
    assert len(agent.unsent()) == 1
    vendor.reports_wait = None
    agent.once()
    assert not agent.unsent() and vendor.counted("messages") == 1


def test_unknown_metrics_are_refused_at_once(agent, vendor):
    """The agent asks the service what it knows, and names what it does not; nothing of it is kept."""
    agent.start()
    wait_for(lambda: agent.license()["verdict"] == "valid")
    assert agent.post({"counts": {"nope": 1}})[0] == 201  # this service says nothing of metrics
    vendor.metrics = {**KNOWN, "nope": "sum"}
    agent.process.send_signal(signal.SIGHUP)
    wait_for(lambda: vendor.counted("nope") == 1)
    wait_for(lambda: (agent.state / "metrics.json").exists())
    vendor.metrics = KNOWN
    agent.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "nope" not in (agent.state / "metrics.json").read_text())
    for member in ("counts", "metrics", "levels"):
        status, answer = agent.post({member: {"nope": 120}, "active_devices": 1, "total_devices": 1})
        assert status == 400 and answer["code"] == "invalid_usage"
        assert "nope" in answer["error"] and "messages, storage_mb" in answer["error"]
    assert agent.license()["usage"]["devices"]["current"] == 0
    assert agent.post({"counts": {"messages": 1}, "levels": {"storage_mb": 5}})[0] == 201
    agent.stop()
    agent.run("usage", '{"counts": {"nope": 1}}', statuses=(1,))
    assert "nope" in agent.stderr


@pytest.mark.parametrize("bad", [1, 30], ids=["one", "more than an answer names"])
def test_nothing_good_is_lost_with_something_bad(agent, vendor, bad):
    """Metrics that the service refuses are kept aside and told; the rest arrives; a retry sends them."""
    counts = {f"nope_{number:02d}": 120 + number for number in range(bad)}
    agent.run("usage", json.dumps({"counts": {"messages": 7, **counts}, "active_devices": 2,
                                   "total_devices": 2}))
    vendor.metrics = KNOWN
    agent.once()
    assert vendor.counted("messages") == 7 and not agent.unsent()
    assert json.loads((agent.state / "sync.json").read_text())["outcome"] == "done"
    agent.start()
    health = agent.get("/health")[1]
    assert health["refusedReports"] == 1
    assert health["refusedBecause"].startswith("metrics.nope_") and "unknown" in health["refusedBecause"]
    # Retried too early they are refused, and kept, again; then they arrive, each once.
    for known in (KNOWN, {**KNOWN, **counts}):
        vendor.metrics = known
        assert agent.ask("POST", "/usage/retry") == (200, {"retried": 1})
        agent.process.send_signal(signal.SIGHUP)
        wait_for(lambda: not agent.unsent() and json.loads(
            (agent.state / "usage/doubt.json").read_text()) == json.loads(
                (agent.state / "usage/sent.json").read_text()))
        wait_for(lambda: agent.get("/health")[1]["refusedReports"] == (0 if known != KNOWN else 1))
    wait_for(lambda: vendor.counted("nope_00") == 120)
    assert agent.ask("POST", "/usage/retry") == (200, {"retried": 0})
    agent.stop()
    assert agent.run("retry") == {"retried": 0}
    assert vendor.counted("messages") == 7
    assert sum(vendor.counted(name) for name in counts) == sum(counts.values())


def test_a_refused_report_is_kept_whole(agent, vendor):
    """A report that is refused for itself is kept as it was, and counts once after a retry."""
    agent.run("usage", '{"counts": {"messages": 3}}')
    vendor.refuse_reports = True
    agent.once()
    kept, = (agent.state / "usage").glob("*.refused")
    assert json.loads(kept.read_text())["why"] == "no" and not agent.unsent()
    agent.run("usage", '{"counts": {"messages": 4}}')
    vendor.refuse_reports = False
    assert agent.run("retry") == {"retried": 1}
    agent.once()
    assert vendor.counted("messages") == 7 and not agent.unsent()
    assert len(vendor.numbers()) == 2


def test_export_overwrites_nothing(new_agent, tmp_path):
    """A file that exists stays as it is, and the usage stays unsent."""
    agent = new_agent(url="")
    agent.run("usage", '{"counts": {"messages": 3}}')
    first = tmp_path / "first"
    assert agent.run("export", first) == {"file": 1, "reports": 1}
    text = first.read_bytes()
    agent.run("usage", '{"counts": {"messages": 4}}')
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for path in (first, tmp_path / "dangling", tmp_path):
        agent.run("export", path, statuses=(1,))
        assert "exists" in agent.stderr and first.read_bytes() == text
        assert not (tmp_path / "nowhere").exists()
    assert len(agent.unsent()) == 1
    assert agent.run("export", tmp_path / "second") == {"file": 2, "reports": 1}


def test_foreign_chain(new_agent, tmp_path):
    """A chain with an impossible file number is replaced by a new one."""
    agent = new_agent(url="")
    agent.run("status")
    (agent.state / "usage/chain.json").write_text(
        '{"chain":"a","file":9223372036854775807,"digest":"b"}', encoding="ascii")
    for number in (1, 2):
        assert agent.run("export", tmp_path / str(number)) == {"file": number, "reports": 0}


def test_temporary_files_of_a_crash(agent):
    """Temporary files are removed at the next start once they are an hour old."""
    agent.once()
    kept = {path for path in agent.state.rglob("*") if path.is_file()}
    old = [agent.state / "license.json.new-0123456789ab", agent.state / "clock.aBcDeF",
           agent.state / "usage/current.json.new-0123456789ab"]
    fresh = agent.state / "usage/sent.json.new-0123456789ab"
    for arguments in ((), ("--once",)):
        for path in (*old, fresh):
            path.write_bytes(b"x")
        for path in old:
            os.utime(path, (time.time() - 7200, time.time() - 7200))
        if arguments:
            agent.run(*arguments)
        else:
            agent.start()
            agent.stop()
        found = {path for path in agent.state.rglob("*") if path.is_file()}
        assert fresh in found and not found.intersection(old) and kept <= found


def test_a_folder_that_is_not_free(agent):
    """The message tells a running agent from a lock that fails."""
    agent.start()
    for arguments in ((), ("usage", "{}")):
        agent.run(*arguments, statuses=(1,))
        assert "runs in this folder" in agent.stderr
    agent.stop()
    (agent.state / "daemon.lock").unlink()
    (agent.state / "daemon.lock").mkdir()
    for arguments in ((), ("usage", "{}")):
        agent.run(*arguments, statuses=(1,))
        assert "cannot be locked: Is a directory" in agent.stderr


def test_lost_answers_before_an_outage(new_agent, vendor):
    """Reports whose answer was lost are never merged with others, so each counts once."""
    agent = new_agent(AGENT_BUFFER_REPORTS=10)

    def use(times):
        for _ in range(times):
            agent.run("usage", '{"counts": {"messages": 1}}')
            agent.once()

    vendor.down = 503
    use(3)
    vendor.down, vendor.lose_answers = None, 2  # libcurl repeats the request once by itself
    use(1)
    assert vendor.counted("messages") == 4 and len(agent.unsent()) == 4
    vendor.down = 503
    use(14)
    assert len(agent.unsent()) <= 10
    vendor.down = None
    agent.once()
    assert not agent.unsent() and vendor.counted("messages") == 18
    numbers = vendor.numbers()
    assert numbers[0][0] == 1 and numbers[-1][1] == 18
    assert all(after[0] == before[1] + 1 for before, after in zip(numbers, numbers[1:])), numbers


@pytest.mark.parametrize("body", [
    "", "[]", "{", '{"devices": 1}', '{"active_devices": -1}', '{"active_devices": 1.5}',
    '{"active_devices": "1"}', '{"total_devices": 2147483648}', '{"active_devices": 5}',
    '{"counts": []}', '{"counts": {"Bad Name": 1}}', '{"counts": {"a": -1}}',
    '{"counts": {"a": 9007199254740992}}', '{"counts": {"a": 1}, "counts": {"a": 1}}',
    json.dumps({"counts": {f"m{i}": 1 for i in range(33)}}),
    '{"version": 3.2}', '{"version": ""}', '{"version": " 1"}', '{"version": "\\u00e9"}',
    json.dumps({"version": "x" * 65}),
])
def test_bad_usage(shared, body):
    """Invalid usage is refused with a code, and nothing of it is kept."""
    status, answer = shared.post(body)
    assert status == 400 and answer["code"] in ("invalid_usage", "invalid_json")
    assert not shared.unsent()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """An agent without a service, for requests that change nothing."""
    from support import Agent
    agent = Agent(tmp_path_factory.mktemp("agent")).start()
    yield agent
    assert agent.stop() == 0


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/", 404), ("GET", "/allows/", 404), ("POST", "/license", 405), ("GET", "/usage", 405),
    ("PUT", "/license", 405), ("GET", "/license?x=y", 200), ("GET", "/license/", 404),
    ("GET", "/" + "a" * 300, 400),
])
def test_paths(shared, method, path, status):
    assert shared.ask(method, path)[0] == status


@pytest.mark.parametrize("text, status", [
    (b"GET /license\r\n\r\n", 400), (b"\r\n\r\n", 400), (b"GET /license HTTP/2.0\r\n\r\n", 505),
    (b"POST /usage HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
    (b"POST /usage HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    (b"POST /usage HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400),
    (b"POST /usage HTTP/1.1\r\nContent-Length: 99999\r\n\r\n", 413),
    (b"POST /usage HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", 417),
    (b"GET /license HTTP/1.1\r\nX : y\r\n\r\n", 400),
    (b"GET /license HTTP/1.1\r\n" + b"X: " + b"y" * 17000, 431),
    (b"GET /license HTTP/1.1\r\n\r\nGET /nothing HTTP/1.0\r\n\r\n", 200),
])
def test_raw_requests(shared, text, status):
    """Malformed or unsupported HTTP is refused, and the connection is closed."""
    import socket
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(20)
        raw.connect(str(shared.socket))
        raw.sendall(text)
        answer = b""
        while True:
            try:
                part = raw.recv(65536)
            except ConnectionResetError:
                break
            if not part:
                break
            answer += part
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    if status == 200:
        assert b"HTTP/1.1 404" in answer


def test_foreign_names_on_a_port(tmp_path):
    """On 127.0.0.1 a request with a foreign Host is refused (DNS rebinding)."""
    import http.client
    import socket
    from support import Agent
    agent = Agent(tmp_path)

    def start():
        """Another program may have taken the port since it was found free. The agent is then started
        on the next one."""
        nonlocal port
        if agent.process is None or agent.process.poll() is not None:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            agent.process = subprocess.Popen([agent.program], stderr=subprocess.DEVNULL,
                                             env={**agent.env, "AGENT_LISTEN": f"127.0.0.1:{port}"})
        return up()

    def ask(host):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/license", headers={"Host": host})
        return connection.getresponse().status

    def up():
        try:
            return ask("localhost") == 200 and agent.process.poll() is None
        except (OSError, http.client.HTTPException):
            return False

    port = 0
    wait_for(start)
    assert [ask(host) for host in (f"127.0.0.1:{port}", "evil.example", "localhost.evil.example",
                                   "")] == [200, 403, 403, 403]
    assert agent.stop() == 0


def test_secrets_and_modes(agent, vendor):
    """The API key is in no file and no log line; only the owner may read the folder."""
    agent.start()
    wait_for(lambda: agent.license()["verdict"] == "valid")
    agent.stop()
    vendor.down = 401
    agent.once()
    files = [path for path in agent.place.rglob("*") if path.is_file()]
    assert files and not [path for path in files if API_KEY.encode() in path.read_bytes()]
    assert API_KEY not in agent.stderr
    assert stat.S_IMODE(agent.state.stat().st_mode) == 0o700
    for path in agent.state.rglob("*.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.parametrize("name, value, part", [
    ("BILLING_API_URL", "http://billing.example.com", "https://"),
    ("BILLING_API_URL", "http://127.0.0.1:1@127.0.0.2:9599", "user name"),
    ("CUSTOMER_ID", "cust_1", "CUSTOMER_ID"), ("INSTANCE_ID", "a b", "INSTANCE_ID"),
    ("AGENT_LISTEN", "0.0.0.0:80", "AGENT_LISTEN"), ("CUSTOMER_IDS", "x", "CUSTOMER_ID"),
    ("LICENSE_PUBLIC_KEY", "nonsense", "keys"), ("AGENT_STATE_DIR", "/proc/x", "/proc/x"),
])
def test_bad_settings(agent, name, value, part):
    """The failure is one sentence that names the setting."""
    agent.run("status", statuses=(1,), **{name: value})
    assert part in agent.stderr and len(agent.stderr.splitlines()) == 1


@pytest.mark.parametrize("url", ["http://localhost.{0}", "http://127.{0}", "http://[::1].{0}",
                                 "http://127.0.0.1.{0}", "http://localhost:1\\\\@{0}"])
def test_the_key_is_sent_in_the_clear_to_this_machine_alone(agent, vendor, url):
    """A name that only begins like this machine's is refused before anything is sent."""
    agent.run("--once", statuses=(1,), BILLING_API_URL=url.format("example.com"))
    assert not vendor.requests and "BILLING_API_URL" in agent.stderr


def test_damaged_state_files(agent, vendor):
    """Each file, truncated, emptied or replaced by noise, counts as absent and is repaired."""
    agent.once()
    good = {path: path.read_bytes() for path in agent.state.rglob("*")
            if path.is_file() and path.name not in ("lock", "daemon.lock", "instance-id")}
    assert {path.name for path in good} == {"license.json", "revocations.jwt", "clock", "sync.json"}
    for path, text in good.items():
        for spoiled in (b"", text[:1], text[:len(text) // 2], text[:-2], b"\0" * len(text),
                        os.urandom(64), b"{}", b"[" * 10000, text + text):
            path.write_bytes(spoiled)
            got = agent.run("status")["verdict"]
            wanted = ("none",) if path.name == "license.json" else ("valid",)
            assert got in wanted, (path.name, spoiled[:20])
        # The last damaged text is still there: the next session repairs it.
        assert agent.once()["verdict"] == "valid"
        assert path.stat().st_size < 2 * len(text)
    assert vendor.issued == 1


def test_files_from_windows(new_agent, vendor, tmp_path):
    """Settings, keys and bundle with a byte order mark are read; UTF-16 is named with its file."""
    texts = {"keys": generate.FIRST.pem, "settings": "OFFLINE_GRACE_DAYS=5\r\n",
             "bundle": json.dumps({"format": "global-billing-license-1", "license": vendor.token,
                                   "keys": "", "revocations": vendor.list()})}

    def write(encoding):
        for name, text in texts.items():
            (tmp_path / name).write_bytes(text.encode(encoding))

    agent = new_agent(url="", LICENSE_PUBLIC_KEY="", LICENSE_PUBLIC_KEY_FILE=tmp_path / "keys")
    write("utf-8-sig")
    config = ("--config", tmp_path / "settings")
    assert agent.run(*config, "import", tmp_path / "bundle")["verdict"] == "valid"
    assert agent.run("status", LICENSE_JWT="\ufeff" + vendor.token)["verdict"] == "valid"
    for name in texts:
        write("utf-8-sig")
        (tmp_path / name).write_bytes(texts[name].encode("utf-16"))
        agent.run(*config, "import", tmp_path / "bundle", statuses=(1,))
        assert str(tmp_path / name) in agent.stderr and "UTF-16" in agent.stderr
