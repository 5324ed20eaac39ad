"""billing-agent with the real service behind the real nginx, over TLS."""

import base64
import calendar
import hashlib
import hmac
import json
import subprocess
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from support.revocations import wait_until_revoked
from support.stack import PASSED_ON


@pytest.fixture
def agent(api, stack, tmp_path):
    """A new customer's agent: agent(*arguments) gives the JSON that it prints."""
    import os
    customer = api.sign_up(company_name="Acme Agents")
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    env.update(BILLING_API_URL=f"{stack.base_url}/api", BILLING_CA_FILE=stack.ca_cert,
               CUSTOMER_ID=customer.id, BILLING_API_KEY=customer.api_key,
               AGENT_STATE_DIR=str(tmp_path / "state"),
               AGENT_LISTEN=str(tmp_path / "agent.sock"))

    def run(*arguments, statuses=(0, 3), **more):
        done = subprocess.run([stack.build_dir / "billing-agent", *arguments], text=True,
                              env={**env, **more}, capture_output=True, timeout=120, check=False)
        assert done.returncode in statuses, done.stdout + done.stderr
        run.stderr = done.stderr
        return json.loads(done.stdout) if done.stdout else None

    run.customer = customer
    run.state = tmp_path / "state"
    return run


def outcome(agent):
    return json.loads((agent.state / "sync.json").read_text())


def test_trial(agent):
    """A fresh customer's trial, with the keys that the service publishes."""
    got = agent("--once")
    assert got["verdict"] == "valid" and got["trial"]["daysRemaining"] == 14
    assert got["customer"] == {"id": agent.customer.id, "name": "Acme Agents"}
    assert got["features"]["maxDevices"] == 10 and got["limits"]["maxUsers"] == 5
    assert outcome(agent)["outcome"] == "done"
    before = (agent.state / "license.json").read_bytes()
    assert agent("--once")["verdict"] == "valid"
    assert (agent.state / "license.json").read_bytes() == before


def test_revoked(agent, api):
    """The agent sees a revocation at its next refresh, in the signed list."""
    assert agent("--once")["verdict"] == "valid"
    held = (agent.state / "license.json").read_bytes()
    assert api.owner.post(f"/api/licenses/{agent.customer.id}/revoke", {}).status_code == 200
    wait_until_revoked(api, agent.customer.license)
    got = agent("--once")
    assert got["verdict"] in ("canceled", "revoked") and got["features"]["maxDevices"] == 3
    # The earlier licence is revoked here, too.
    (agent.state / "license.json").write_bytes(held)
    assert agent("status")["verdict"] == "revoked"


def test_rotated(agent, api):
    """The next refresh replaces a leaked licence."""
    agent("--once")
    held = (agent.state / "license.json").read_bytes()
    assert api.owner.post(f"/api/licenses/{agent.customer.id}/rotate", {}).status_code == 200
    assert agent("--once")["verdict"] == "valid"
    assert (agent.state / "license.json").read_bytes() != held


@pytest.mark.parametrize("change, expected", [
    ({"BILLING_API_KEY": "cust_" + "0" * 32 + "_" + "0" * 64}, "refused"),
    ({"BILLING_CA_FILE": "/etc/ssl/certs/ca-certificates.crt"}, "unreachable"),
    ({"BILLING_API_URL": "https://localhost:1"}, "unreachable"),
    ({"LICENSE_ISSUER": "https://other.example"}, "untrusted"),
], ids=["wrong key", "unknown authority", "nobody there", "another issuer"])
def test_a_failed_refresh_keeps_the_licence(agent, change, expected):
    """Each kind of failure has its own code, and the licence that the agent has stays."""
    agent("--once")
    kept = (agent.state / "license.json").read_bytes()
    agent("--once", **change)
    assert outcome(agent)["outcome"] == expected, outcome(agent)
    assert (agent.state / "license.json").read_bytes() == kept
    assert agent("status")["verdict"] == "valid"


def test_recorded_use_is_stored_once(agent, api, document):
    """The service stores each recorded use once."""
    if "/api/usage/reports" not in document.raw["paths"]:
        pytest.skip("the service takes no usage")
    agent("--once")
    began = time.time()
    agent("usage", '{"active_devices": 3, "total_devices": 5}', statuses=(0,))
    ended = time.time()
    agent("--once")
    agent("--once")
    got = api.owner.get(f"/api/usage/{agent.customer.id}").json()
    assert [(one["active_devices"], one["total_devices"]) for one in got["reports"]] == [(3, 5)]
    reported_at = calendar.timegm(time.strptime(got["reports"][0]["reported_at"][:19], "%Y-%m-%dT%H:%M:%S"))
    assert began - 2 < reported_at < ended + 2
    assert not list((agent.state / "usage").glob("0*.json"))


# Files, where no network reaches.

def offline(agent, **more):
    """The agent without the service; the keys that it trusts are pinned unless said otherwise."""
    def run(*arguments, **also):
        return agent(*arguments, **{"BILLING_API_URL": "", **more, **also})
    return run


@pytest.fixture
def bundle(stack, agent, tmp_path):
    """bundle(customer id): what billingctl license export writes, as a path."""
    def make(customer_id=None):
        path = tmp_path / "bundle.json"
        stack.billingctl("license", "export", customer_id or agent.customer.id, "--out", str(path))
        return path
    return make


def test_a_licence_by_file(agent, stack, api, bundle):
    """Licence, keys and revocation list come as a file; a later file replaces them."""
    alone = offline(agent)
    assert alone("status")["verdict"] == "none"
    assert alone("import", str(bundle()))["verdict"] == "valid"
    assert alone("status")["verdict"] == "valid"
    first = bundle().read_bytes()
    assert api.owner.post(f"/api/licenses/{agent.customer.id}/rotate", {}).status_code == 200
    second = bundle()
    assert second.read_bytes() != first
    rotated_at = time.time()
    while int(time.time()) <= int(rotated_at):
        time.sleep(0.05)  # licences are told apart by the second
    assert api.owner.post(f"/api/licenses/{agent.customer.id}/rotate", {}).status_code == 200
    assert alone("import", str(bundle()))["verdict"] == "valid"
    second.write_bytes(first)
    assert alone("import", str(second), statuses=(1,)) is None
    assert "older" in agent.stderr
    assert alone("status")["verdict"] == "valid"
    assert api.owner.post(f"/api/licenses/{agent.customer.id}/revoke", {}).status_code == 200
    assert alone("import", str(bundle()))["verdict"] in ("canceled", "revoked")


def test_a_bound_licence_by_file(agent, stack, tmp_path):
    """A request goes out by file, and a bundle for this instance alone comes back."""
    alone, request, answer = offline(agent), tmp_path / "request", tmp_path / "answer"
    made = alone("request", str(request), INSTANCE_KIND="staging")
    written = json.loads(request.read_text())
    assert (written["instance_id"], written["kind"], written["nonce"], written["customer_id"]) == (
        made["instanceId"], "staging", made["nonce"], agent.customer.id)
    assert len(request.read_bytes()) < 1000 and request.stat().st_mode & 0o777 == 0o600
    assert alone("request", str(request), statuses=(1,)) is None
    assert "not overwritten" in agent.stderr or "exists" in agent.stderr
    stack.billingctl("license", "issue", "--request", str(request), "--out", str(answer))
    assert alone("import", str(answer))["verdict"] == "valid"
    assert alone("status", INSTANCE_ID="another")["verdict"] == "wrong_instance"
    assert alone("import", str(answer), statuses=(1,), INSTANCE_ID="another") is None
    instance, = agent.customer.client.get(
        f"/api/customers/{agent.customer.id}/instances").json()["instances"]
    assert (instance["instance_id"], instance["kind"], instance["state"]) == (
        made["instanceId"], "staging", "active")
    # The instance is in use as long as its licence lasts.
    assert alone("status")["expiresAt"][:19] == instance["lease_expires_at"][:19]
    listed = agent.customer.client.get(f"/api/licenses/{agent.customer.id}/history").json()["licenses"]
    assert [one.get("instance_id") for one in listed if one["reason"] == "bound"] == [
        made["instanceId"]]
    # A repeated request gets its first answer; one that differs is refused.
    first = json.loads(answer.read_text())["license"]
    again = stack.billingctl("license", "issue", agent.customer.id, "--request", str(request)).stdout
    assert json.loads(again)["license"] == first
    for change, why in (({"instance_id": "another"}, "answered before"),
                        ({"kind": "test"}, "kind must be"), ({"nonce": "1"}, "nonce must be"),
                        ({"customer_id": "cust_" + "0" * 32}, "another customer's"),
                        ({"format": "x"}, "format must be"), ({"x": "y" * 5000}, "")):
        request.write_text(json.dumps({**written, **change}))
        refused = stack.billingctl("license", "issue", agent.customer.id, "--request", str(request),
                                   check=False)
        assert refused.returncode == 1 and why in refused.stderr, change
    request.write_text(json.dumps({**written, "customer_id": None}))
    refused = stack.billingctl("license", "issue", "--request", str(request), check=False)
    assert refused.returncode == 2 and "names no customer" in refused.stderr
    assert stack.sql("SELECT string_agg(action, ' ' ORDER BY audit_id) FROM audit_log WHERE "
                     f"customer_id = '{agent.customer.id}' AND action IN ('instance_activate', "
                     "'license_bind')") == "instance_activate license_bind"


def test_bundles_are_refused(agent, api, bundle):
    """A bundle of another customer, a changed one, and one of unknown keys change nothing."""
    path = bundle()
    good = json.loads(path.read_text())
    pinned = offline(agent, LICENSE_PUBLIC_KEY=good["keys"])
    assert pinned("import", str(path))["verdict"] == "valid"
    state = {file.name: file.read_bytes() for file in agent.state.glob("*.j*")}
    foreign = json.loads((bundle(api.sign_up().id)).read_text())
    header, payload, signature = good["license"].split(".")
    for spoiled in (foreign, {**good, "license": f"{header}.{payload[:-4]}.{signature}"},
                    {**good, "format": "other"}, {**good, "revocations": good["license"]},
                    {**good, "revocations": ""}, {"license": good["license"]}, [], ""):
        path.write_text(json.dumps(spoiled) if spoiled != "" else "")
        pinned("import", str(path), statuses=(1,))
    path.write_text(json.dumps(good))
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    stranger = rsa.generate_private_key(65537, 2048).public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    offline(agent, LICENSE_PUBLIC_KEY=stranger)("import", str(path), statuses=(1,))
    assert {file.name: file.read_bytes() for file in agent.state.glob("*.j*")} == state


def test_usage_by_file(agent, stack, api, tmp_path):
    """Files are imported once, in any order. Missing files are named; no report counts twice."""
    alone = offline(agent)
    files = []
    for number in range(1, 5):
        alone("usage", json.dumps({"active_devices": number, "total_devices": 9, "version": f"3.{number}",
                                   "counts": {"mqtt_messages": 10}}), statuses=(0,))
        files.append(tmp_path / f"{number}.usage")
        made = alone("export", str(files[-1]), statuses=(0,))
        assert made == {"file": number, "reports": 1}

    def take(number, statuses=(0, 3)):
        done = stack.billingctl("--json", "usage", "import", str(files[number - 1]), check=False)
        assert done.returncode in statuses, done.stdout + done.stderr
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    # Beyond the day's bound of new instances nothing of a file is imported, and it can be imported later.
    stack.sql("INSERT INTO instance_counts VALUES "
              f"('{agent.customer.id}', (now() AT TIME ZONE 'UTC')::date + 1, 20000)")
    status, got = take(1, statuses=(1, 2))
    assert "new instances" in str(got)
    stack.sql(f"DELETE FROM instance_counts WHERE customer_id = '{agent.customer.id}'")
    status, got = take(1)
    assert status == 0 and (got["created"], got["duplicates"], got["refused"]) == (1, 0, 0)
    status, got = take(1)
    assert status == 0 and got["imported_before"] and got["created"] == 0
    status, got = take(4)
    assert status == 3 and got["missing_files"] == "2-3" and got["missing_reports"] == "2-3"
    status, got = take(2)
    assert status == 3 and got["missing_files"] is None and got["missing_reports"] == "3"
    status, got = take(3)
    assert status == 0 and got["missing_reports"] is None
    reports = api.owner.get(f"/api/usage/{agent.customer.id}").json()["reports"]
    assert sorted(one["active_devices"] for one in reports) == [1, 2, 3, 4]
    assert sum(one["metrics"]["mqtt_messages"] for one in reports) == 40
    instance, = api.owner.get(f"/api/customers/{agent.customer.id}/instances").json()["instances"]
    assert instance["version"] == "3.4"


@pytest.mark.parametrize("numbers", ["1-9223372036854775807", "1-9223372036854775808", "0-9",
                                     "-5-9", "9-1", "1-9007199254740992", "1-", "x"])
def test_a_report_id_of_the_customers_own_hides_no_gap(agent, stack, api, tmp_path, numbers):
    """An id that only looks like the agent's, with numbers out of bounds, is no numbered report."""
    import hashlib
    alone = offline(agent)
    for number in range(1, 4):
        alone("usage", '{"total_devices": 9}', statuses=(0,))
        alone("export", str(tmp_path / f"{number}.usage"), statuses=(0,))
    instance = (agent.state / "instance-id").read_text().strip()
    sender = hashlib.sha256(instance.encode()).hexdigest()[:12]
    assert api.owner.post("/api/usage/report", {
        "customer_id": agent.customer.id, "instance_id": instance,
        "report_id": f"agent:{sender}:{numbers}:w"}).status_code == 201
    for number in (1, 3):
        done = stack.billingctl("--json", "usage", "import", str(tmp_path / f"{number}.usage"),
                                check=False)
    assert json.loads(done.stdout)["missing_reports"] == "2"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(value):
    return base64url(json.dumps(value, separators=(",", ":")).encode())


def file_signed_with(api_key, claims):
    """A usage file as billing-agent signs it: Ed25519, the seed following from the API key."""
    seed = hmac.new(api_key.encode(), b"global-billing usage file 1", hashlib.sha256).digest()
    text = f'{compact({"alg": "EdDSA", "typ": "usage+jwt"})}.{compact(claims)}'
    return f"{text}.{base64url(Ed25519PrivateKey.from_private_bytes(seed).sign(text.encode()))}"


def rfc3339(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def file_claims(customer_id, number=1):
    return {"customer_id": customer_id, "instance_id": "copied", "chain": "c", "file": number,
            "previous": "", "exported_at": "2026-01-01T00:00:00.000Z", "reports": []}


def test_a_copied_database_signs_no_usage_file(stack, api):
    """With each bytes value that the database stores of a key, in either form, a file is refused."""
    customer = api.sign_up()
    stored = [bytes.fromhex(text) for text in stack.sql(
        "SELECT encode(digest, 'hex') || '|' || encode(file_key, 'hex') FROM api_keys "
        f"WHERE customer_id = '{customer.id}'").split("|")]
    assert [len(text) for text in stored] == [32, 32]
    claims = compact(file_claims(customer.id))
    for key in (*stored, *(text.hex().encode() for text in stored)):
        for algorithm in ("HS256", "EdDSA"):
            text = f'{compact({"alg": algorithm, "typ": "usage+jwt"})}.{claims}'
            macs = [hmac.new(key, text.encode(), hashlib.sha256).digest()]
            if len(key) == 32:
                macs.append(Ed25519PrivateKey.from_private_bytes(key).sign(text.encode()))
            for mac in macs:
                done = stack.billingctl("usage", "import", "-", check=False,
                                        input=f"{text}.{base64url(mac)}")
                assert done.returncode == 1 and "signed it" in done.stderr


def test_keys_of_before_the_file_keys(stack, api):
    """An older key proves its files once it was presented; before, the operator may vouch."""
    customer = api.sign_up()
    stack.sql(f"UPDATE api_keys SET file_key = NULL WHERE customer_id = '{customer.id}'")
    text = file_signed_with(customer.api_key, file_claims(customer.id))

    def take(text, *options):
        return stack.billingctl("usage", "import", "-", *options, check=False, input=text)

    assert take(text).returncode == 1 and "--vouch" in take(text).stderr
    other = file_signed_with(customer.api_key, {**file_claims(customer.id), "instance_id": "b"})
    assert take(other, "--vouch").returncode == 0
    assert stack.sql("SELECT detail FROM audit_log WHERE action = 'usage.file_imported' "
                     f"AND customer_id = '{customer.id}'") == "vouched for"
    # Its use has been recorded today, and still the next use stores what was missing.
    stack.sql(f"UPDATE api_keys SET last_used_at = now() WHERE customer_id = '{customer.id}'")
    assert customer.client.get(f"/api/customers/{customer.id}").status_code == 200
    assert take(text).returncode == 0
    # A key without the scope proves nothing, nor does a revoked one.
    path = f"/api/customers/{customer.id}/keys"
    made = customer.client.post(path, {"scopes": ["license"]}).json()
    claims = {**file_claims(customer.id), "instance_id": "c"}
    assert take(file_signed_with(made["api_key"], claims)).returncode == 1
    made = customer.client.post(path, {"scopes": ["usage"]}).json()
    customer.client.delete(f"{path}/{made['key']['key_id']}")
    assert take(file_signed_with(made["api_key"], claims)).returncode == 1


def test_a_bad_metric_in_a_file(stack, api):
    """The metrics that the plans know are stored; the unknown one is listed, as is a version of another form."""
    customer = api.sign_up()
    made = {"first": 1, "number": 1, "report_id": "r1", "reported_at": rfc3339(time.time()),
            "active_devices": 1, "total_devices": 1,
            "metrics": {"mqtt_messages": 5, "nope": 120, "storage_mb": 7}}
    unfit = {**made, "number": 2, "first": 2, "report_id": "r2", "metrics": {}, "version": "3.2 "}
    text = file_signed_with(customer.api_key, {**file_claims(customer.id), "reports": [made, unfit]})
    done = stack.billingctl("--json", "usage", "import", "-", check=False, input=text)
    said = json.loads(done.stdout)
    assert done.returncode == 3 and (said["created"], said["refused"]) == (2, 2)
    assert said["refusals"] == [
        {"number": 1, "why": "metrics.nope is not a known metric; the rest is stored"},
        {"number": 2, "why": "version must be 1 to 64 printable ASCII characters without spaces at the ends; the rest is stored"}]
    _, report = api.owner.get(f"/api/usage/{customer.id}").json()["reports"]
    assert report["metrics"] == {"mqtt_messages": 5, "storage_mb": 7}


def test_metrics_are_known_and_refused(agent, stack, api):
    """The agent learns the metrics of plans.json from the service."""
    agent("--once")
    assert json.loads((agent.state / "metrics.json").read_text()) == {
        "mqtt_messages": "sum", "api_calls": "sum", "storage_mb": "level"}
    agent("usage", '{"counts": {"mqtt_messages": 1, "nope": 1}}', statuses=(1,))
    assert "nope" in agent.stderr
    # One that it accepted before it knew better: the rest arrives, the bad one is kept.
    (agent.state / "metrics.json").unlink()
    agent("usage", '{"counts": {"mqtt_messages": 3, "nope": 1}}', statuses=(0,))
    agent("--once")
    report, = api.owner.get(f"/api/usage/{agent.customer.id}").json()["reports"]
    assert report["metrics"] == {"mqtt_messages": 3}
    kept, = (agent.state / "usage").glob("*.refused")
    assert "metrics.nope" in json.loads(kept.read_text())["why"]


def test_usage_files_are_refused(agent, stack, api, tmp_path):
    """Refuses changed files, files of another key, a second file of a number, a broken chain."""
    alone = offline(agent)
    path = tmp_path / "usage"

    def export(devices, state=None):
        more = {"AGENT_STATE_DIR": str(state)} if state else {}
        alone("usage", json.dumps({"total_devices": devices}), statuses=(0,), **more)
        path.unlink(missing_ok=True)
        alone("export", str(path), statuses=(0,), **more)
        return path.read_text()

    def take(text):
        done = stack.billingctl("--json", "usage", "import", "-", input=text, check=False)
        return done.returncode, done.stdout + done.stderr

    first = export(1)
    header, payload, mac = first.split(".")
    for spoiled in ("", "x", first[:-1], f"{header}.{payload[:-8]}.{mac}", f"{header}.{payload}.",
                    f"{header}.{payload}.{mac[::-1]}", agent.customer.license):
        assert take(spoiled)[0] == 1, spoiled[:40]
    assert take(first)[0] == 0

    def signed(change):
        """Changes the file and signs it with the customer's key."""
        claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
        return file_signed_with(agent.customer.api_key, {**claims, **change})

    status, said = take(signed({"reports": []}))
    assert status == 1 and "another content" in said
    status, said = take(signed({"file": 2, "previous": "0" * 64}))
    assert status == 1 and "continue" in said
    other = api.sign_up()
    assert take(signed({"customer_id": other.id}))[0] == 1
    # A report that is refused is named; the others are imported.
    report = json.loads(base64.urlsafe_b64decode(payload + "=="))["reports"][0]
    previous = hashlib.sha256(first.encode()).hexdigest()
    status, said = take(signed({"file": 2, "previous": previous, "reports": [
        {**report, "number": 2, "first": 2, "report_id": "x.1"},
        {**report, "number": 3, "first": 3, "report_id": "x.2", "metrics": {"unicorns": 1}},
        {**report, "number": 4, "first": 4, "report_id": "x.3",
         "reported_at": "2020-01-01T00:00:00.000Z"}]}))
    got = json.loads(said)
    assert status == 3 and got["created"] == 2 and [one["number"] for one in got["refusals"]] == [3, 4]
    # An agent with a new folder begins another chain of the same instance.
    instance = (agent.state / "instance-id").read_text()
    fresh = tmp_path / "fresh"
    fresh.mkdir(mode=0o700)
    (fresh / "instance-id").write_text(instance)
    status, said = take(export(7, state=fresh))
    assert json.loads(said)["new_chain"] and json.loads(said)["created"] == 1
    # A revoked key verifies no file.
    keys = api.owner.get(f"/api/customers/{agent.customer.id}/keys").json()["keys"]
    later = export(2)
    assert api.owner.delete(
        f"/api/customers/{agent.customer.id}/keys/{keys[0]['key_id']}").status_code == 200
    assert take(later)[0] == 1
