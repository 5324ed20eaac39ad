"""billing-agent with the real service behind the real nginx, over TLS."""

import json
import subprocess
import time

import pytest

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
    """The vendor revokes; the agent sees it at its next refresh, from the signed list."""
    assert agent("--once")["verdict"] == "valid"
    held = (agent.state / "license.json").read_bytes()
    assert api.owner.post(f"/api/licenses/{agent.customer.id}/revoke", {}).status_code == 200
    got = agent("--once")
    assert got["verdict"] in ("canceled", "revoked") and got["features"]["maxDevices"] == 3
    # Even the licence of before is dead here now.
    (agent.state / "license.json").write_bytes(held)
    assert agent("status")["verdict"] == "revoked"


def test_rotated(agent, api):
    """A leaked licence is replaced by the next refresh."""
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
def test_in_vain(agent, change, expected):
    """Each kind of failure has its name, and the licence at hand stays."""
    agent("--once")
    kept = (agent.state / "license.json").read_bytes()
    agent("--once", **change)
    assert outcome(agent)["outcome"] == expected, outcome(agent)
    assert (agent.state / "license.json").read_bytes() == kept
    assert agent("status")["verdict"] == "valid"


def test_usage_arrives(agent, api, document):
    """What was noted is in the service's books, once."""
    if "/api/usage/reports" not in document.raw["paths"]:
        pytest.skip("the service takes no usage")
    agent("--once")
    agent("usage", '{"active_devices": 3, "total_devices": 5}', statuses=(0,))
    agent("--once")
    agent("--once")
    got = api.owner.get(f"/api/usage/{agent.customer.id}").json()
    assert [(one["active_devices"], one["total_devices"]) for one in got["reports"]] == [(3, 5)]
    assert abs(time.time() - time.mktime(time.strptime(
        got["reports"][0]["reported_at"][:19], "%Y-%m-%dT%H:%M:%S")) + time.timezone) < 60
    assert not list((agent.state / "usage").glob("0*.json"))
