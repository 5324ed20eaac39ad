"""Killed, or out of disk, at every single thing that the agent does to a file: the verdict stays right,
and each report that was acknowledged arrives, once."""

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
    """stumble.c as a library to preload."""
    made = tmp_path_factory.mktemp("stumble") / "stumble.so"
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-std=c17", "-Wall", "-Wextra", "-Werror", "-shared",
                    "-fPIC", "-o", made, ROOT / "tests/agent/stumble.c"], check=True, timeout=60)
    return made


@pytest.fixture(params=["kill", "full"])
def stumbling(request, library, tmp_path):
    """stumbling(agent, step, *arguments): runs a command that falls at this step; whether there was
    such a step, and the exit status."""
    def run(agent, step, *arguments):
        mark = tmp_path / "mark"
        mark.unlink(missing_ok=True)
        asan = agent.env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        done = subprocess.run([agent.program, *arguments], text=True, capture_output=True,
                              timeout=120, check=False, env={
                                  **agent.env, "LD_PRELOAD": str(library), "STUMBLE_AT": str(step),
                                  "STUMBLE_HOW": run.how, "STUMBLE_MARK": str(mark),
                                  "ASAN_OPTIONS": asan})
        assert "Sanitizer" not in done.stderr, done.stderr
        return mark.exists(), done.returncode
    run.how = request.param
    return run


def kept(agent):
    """The licence in the agent's folder."""
    return json.loads((agent.state / "license.json").read_text(encoding="ascii"))["license"]


def news(vendor):
    """Something for every file: a new licence, a new list, what a talk has to say."""
    vendor.now += 1
    vendor.issue()


def test_talks(agent, vendor, stumbling):
    """--once, with the licence, the list and a report to be sent."""
    agent.once()
    for turn, step in enumerate(itertools.count(1, STRIDE), 1):
        news(vendor)
        agent.run("usage", '{"counts": {"messages": 1}}')
        fell, _ = stumbling(agent, step, "--once")
        assert agent.run("status")["verdict"] == "valid"
        assert agent.once()["verdict"] == "valid"
        assert kept(agent) == vendor.token
        assert not agent.unsent() and vendor.counted("messages") == turn
        if not fell:
            break
    assert step > 15
    numbers = vendor.numbers()
    assert all(after[0] == before[1] + 1 for before, after in zip(numbers, numbers[1:])), numbers


def test_usage(agent, vendor, stumbling):
    """What was acknowledged counts; what was refused for want of disk doesn't."""
    acknowledged = unsure = 0
    for step in itertools.count(1, STRIDE):
        fell, status = stumbling(agent, step, "usage", '{"counts": {"messages": 1}}')
        acknowledged += status == 0
        unsure += status < 0
        assert agent.run("status", statuses=(3,))["verdict"] == "none"
        if not fell:
            break
    assert step > 3
    agent.once()
    assert acknowledged <= vendor.counted("messages") <= acknowledged + unsure


def test_imports(new_agent, vendor, stumbling, tmp_path):
    """A bundle whose import falls leaves the licence of before or the new one."""
    agent = new_agent(url="", LICENSE_PUBLIC_KEY="")
    path = tmp_path / "bundle"

    def bundle():
        path.write_text(json.dumps({
            "format": "global-billing-license-1", "license": vendor.token, "revocations": vendor.list(),
            "keys": json.dumps({"keys": [key.jwk for key in vendor.keys]})}), encoding="ascii")

    bundle()
    assert agent.run("import", path)["verdict"] == "valid"
    for step in itertools.count(1, STRIDE):
        news(vendor)
        bundle()
        fell, _ = stumbling(agent, step, "import", path)
        assert agent.run("status")["verdict"] == "valid"
        assert agent.run("import", path)["verdict"] == "valid"
        assert kept(agent) == vendor.token
        if not fell:
            break
    assert step > 5


class Importer:
    """What billingctl usage import makes of the files."""

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


def test_exports(new_agent, stumbling, tmp_path):
    """Each file that came to be is carried: none contradicts another, and together they tell all."""
    agent = new_agent(url="", LICENSE_PUBLIC_KEY=generate.FIRST.pem)
    importer = Importer()
    for turn, step in enumerate(itertools.count(1, STRIDE), 1):
        agent.run("usage", '{"counts": {"messages": 1}}')
        first, second = tmp_path / f"{step}-first", tmp_path / f"{step}-second"
        fell, _ = stumbling(agent, step, "export", first)
        if first.exists():
            importer.take(first)
        agent.run("usage", '{"counts": {"messages": 1}}')
        agent.run("export", second)
        importer.take(second)
        assert importer.counted() == 2 * turn and not agent.unsent()
        if not fell:
            break
    assert step > 10
