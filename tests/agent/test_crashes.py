"""The agent is killed, or its disk fills up, at each step that it takes on a file: the verdict stays right,
and each acknowledged report arrives exactly once."""

import base64
import itertools
import json
import subprocess

import generate
import pytest
from support import CUSTOMER, ROOT, VARIANT

# Sanitizers slow each step down, so they see fewer.
STRIDE = 1 if VARIANT == "release" else 6


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """fault.c as a library to preload."""
    made = tmp_path_factory.mktemp("fault") / "fault.so"
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-std=c17", "-Wall", "-Wextra", "-Werror", "-shared",
                    "-fPIC", "-o", made, ROOT / "tests/agent/fault.c"], check=True, timeout=60)
    return made


@pytest.fixture(params=["kill", "full"])
def failing(request, library, tmp_path):
    """failing(agent, step, *arguments): runs a command that fails at this step. Returns whether there was
    such a step, and the exit status."""
    def run(agent, step, *arguments):
        mark = tmp_path / "mark"
        mark.unlink(missing_ok=True)
        asan = agent.env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        done = subprocess.run([agent.program, *arguments], text=True, capture_output=True,
                              timeout=120, check=False, env={
                                  **agent.env, "LD_PRELOAD": str(library), "FAULT_AT": str(step),
                                  "FAULT_HOW": run.how, "FAULT_MARK": str(mark),
                                  "ASAN_OPTIONS": asan})
        assert "Sanitizer" not in done.stderr, done.stderr
        return mark.exists(), done.returncode
    run.how = request.param
    return run


def kept(agent):
    """The licence in the agent's folder."""
    return json.loads((agent.state / "license.json").read_text(encoding="ascii"))["license"]


def change(vendor):
    """Changes every file at the next session: a new licence and a new list."""
    vendor.now += 1
    vendor.issue()


def test_once(agent, vendor, failing):
    """--once fetches licence and list and sends a report."""
    agent.once()
    for count, step in enumerate(itertools.count(1, STRIDE), 1):
        change(vendor)
        agent.run("usage", '{"counts": {"messages": 1}}')
        failed, _ = failing(agent, step, "--once")
        assert agent.run("status")["verdict"] == "valid"
        assert agent.once()["verdict"] == "valid"
        assert kept(agent) == vendor.token
        assert not agent.unsent() and vendor.counted("messages") == count
        if not failed:
            break
    assert step > 15
    numbers = vendor.numbers()
    assert all(after[0] == before[1] + 1 for before, after in zip(numbers, numbers[1:])), numbers


def test_usage(agent, vendor, failing):
    """Acknowledged usage counts; usage that was refused on a full disk does not."""
    acknowledged = unsure = 0
    for step in itertools.count(1, STRIDE):
        failed, status = failing(agent, step, "usage", '{"counts": {"messages": 1}}')
        acknowledged += status == 0
        unsure += status < 0
        assert agent.run("status", statuses=(3,))["verdict"] == "none"
        if not failed:
            break
    assert step > 3
    agent.once()
    assert acknowledged <= vendor.counted("messages") <= acknowledged + unsure


def test_imports(new_agent, vendor, failing, tmp_path):
    """A failed import leaves the previous licence or the new one."""
    agent = new_agent(url="", LICENSE_PUBLIC_KEY="")
    path = tmp_path / "bundle"

    def bundle():
        path.write_text(json.dumps({
            "format": "global-billing-license-1", "license": vendor.token, "revocations": vendor.list(),
            "keys": json.dumps({"keys": [key.jwk for key in vendor.keys]})}), encoding="ascii")

    bundle()
    assert agent.run("import", path)["verdict"] == "valid"
    for step in itertools.count(1, STRIDE):
        change(vendor)
        bundle()
        failed, _ = failing(agent, step, "import", path)
        assert agent.run("status")["verdict"] == "valid"
        assert agent.run("import", path)["verdict"] == "valid"
        assert kept(agent) == vendor.token
        if not failed:
            break
    assert step > 5


class Importer:
    """Takes usage files as billingctl usage import does."""

    def __init__(self):
        self.files = {}
        self.reports = {}

    def take(self, path):
        text = path.read_text(encoding="ascii")
        payload = text.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
        assert claims["customer_id"] == CUSTOMER
        name = (claims["chain"], claims["file"])
        assert self.files.setdefault(name, text) == text, f"two files are {name}"
        for report in claims["reports"]:
            self.reports[report["report_id"]] = report

    def counted(self):
        return sum(report["metrics"]["messages"] for report in self.reports.values())


def test_exports(new_agent, failing, tmp_path):
    """Every exported file is imported: no two files differ under one number, and no report is missing."""
    agent = new_agent(url="", LICENSE_PUBLIC_KEY=generate.FIRST.pem)
    importer = Importer()
    for count, step in enumerate(itertools.count(1, STRIDE), 1):
        agent.run("usage", '{"counts": {"messages": 1}}')
        first, second = tmp_path / f"{step}-first", tmp_path / f"{step}-second"
        failed, _ = failing(agent, step, "export", first)
        if first.exists():
            importer.take(first)
        agent.run("usage", '{"counts": {"messages": 1}}')
        agent.run("export", second)
        importer.take(second)
        assert importer.counted() == 2 * count and not agent.unsent()
        if not failed:
            break
    assert step > 10
