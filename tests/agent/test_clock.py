"""The agent's verdicts when the clock is wrong, far ahead, or changes for daylight saving."""

import calendar
import json
import subprocess
import time

import generate
import pytest
from support import DAY, FAKETIME, ROOT, START, VARIANT, Agent, Service, Vendor


@pytest.fixture
def installation(tmp_path):
    """(agent, vendor) whose clock starts at START."""
    vendor = Vendor(START)
    vendor.issue()
    service = Service(vendor)
    yield Agent(tmp_path, service.url), vendor
    service.close()


def verdict(agent, now):
    """The verdict at that second of a new process that keeps the clock."""
    return agent.once(now=now)["verdict"]


def test_set_back(installation):
    """After the licence has expired, setting the clock back does not revive it; a newer licence does."""
    agent, vendor = installation
    end = START + generate.YEAR + 30 * DAY
    assert agent.once(now=START)["verdict"] == "valid"
    vendor.down = 503
    assert [verdict(agent, now) for now in (end, end + DAY, end - 2 * DAY, START)] == \
        ["grace", "expired", "clock_suspicious", "clock_suspicious"]
    # A clock that is less than a day back is not suspicious, and does not help.
    assert verdict(agent, end + DAY - 3600) == "expired"
    vendor.down = None
    vendor.now = end + 2 * DAY
    vendor.issue()
    assert agent.once(now=vendor.now)["verdict"] == "valid"


def test_far_ahead_and_back(installation):
    """After a clock that stood in 2060, the next signed list restores the right time."""
    agent, vendor = installation
    assert agent.once(now=START)["verdict"] == "valid"
    vendor.down = 503
    assert verdict(agent, calendar.timegm((2060, 1, 1, 0, 0, 0))) == "expired"
    assert verdict(agent, START + 3600) == "clock_suspicious"
    vendor.down = None
    vendor.now = START + 3600
    assert agent.once(now=vendor.now)["verdict"] == "valid"


@pytest.mark.parametrize("start", [2**31 - 60, 2**32 - 60], ids=["2038", "2106"])
def test_rollovers(installation, start):
    """Licences work around the end of 32-bit clocks."""
    agent, vendor = installation
    vendor.now = start
    vendor.issue(life=DAY)
    assert agent.once(now=start)["verdict"] == "valid"
    vendor.down = 503
    assert verdict(agent, start + 120) == "valid"
    assert verdict(agent, start + DAY + 119) == "valid"
    assert verdict(agent, start + DAY + 120) == "grace"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("date", ["2037-03-29T00:59", "2037-10-25T00:59", "2037-11-01T05:59"])
def test_zones(installation, zone, date):
    """A licence of an hour lives an hour, also when daylight saving begins or ends."""
    agent, vendor = installation
    agent.env["TZ"] = zone
    start = calendar.timegm(time.strptime(date, "%Y-%m-%dT%H:%M"))
    vendor.now = start
    vendor.issue(life=3600, status="trialing", trial=True)
    # libfaketime cannot name an hour that the zone has twice, so such times are left out.
    def named(now):
        import datetime
        import zoneinfo
        at = datetime.datetime.fromtimestamp(now, zoneinfo.ZoneInfo(zone))
        return not at.fold and at.replace(fold=1).utcoffset() == at.utcoffset()
    looks = [(0, "valid"), (3719, "valid"), (3720, "expired"), (2 * 3600 + 120, "expired")]
    if named(start):
        agent.once(now=start)
    else:
        vendor.now = start - 7200
        vendor.issue(life=3600 + 7200, status="trialing", trial=True)
        agent.once(now=start - 7200)
    vendor.down = 503
    checked = [(verdict(agent, start + after), wanted) for after, wanted in looks
               if named(start + after)]
    assert checked and all(got == wanted for got, wanted in checked)


def test_faketime_is_at_work(installation):
    """The tests above need a faked clock: this one proves that it is."""
    agent, _ = installation
    assert agent.run("status", now=0)["verdict"] == "none"
    assert agent.once(now=START)["verdict"] == "valid" and FAKETIME
    assert agent.once(now=START - 2 * DAY)["verdict"] == "clock_suspicious"


def test_reading_changes_nothing(installation, tmp_path):
    """status, usage and export under a wrong clock leave the highest clock as it was."""
    agent, vendor = installation
    assert agent.once(now=START)["verdict"] == "valid"
    vendor.down = 503
    clock = (agent.state / "clock").read_bytes()
    ahead = START + 10 * generate.YEAR
    assert agent.run("status", now=ahead)["verdict"] == "expired"
    agent.run("usage", '{"counts": {"messages": 1}}', now=ahead)
    agent.run("export", tmp_path / "usage.jwt", now=ahead)
    assert (agent.state / "clock").read_bytes() == clock
    assert agent.run("status", now=START + 60)["verdict"] == "valid"
    # `status` counts the times that the daemon and --once have seen.
    assert verdict(agent, ahead) == "expired"
    assert agent.run("status", now=START + 60)["verdict"] == "clock_suspicious"


def test_state_removed_and_clock_set_back(installation):
    """Without its folder and on a clock before the build, an expired trial stays out of use."""
    agent, vendor = installation
    built = int((ROOT / "build" / VARIANT / "build-date.txt").read_text())
    token = vendor.keys[0].sign(generate.claims(issued=built - 40 * DAY, life=14 * DAY,
                                                status="trialing", trial=True))
    agent.env.update(BILLING_API_URL="", LICENSE_JWT=token)
    # Within a day of the build the clock is not suspicious, but the build's day is what counts.
    for now, wanted in ((built - 39 * DAY, "clock_suspicious"), (built - DAY, "expired"),
                        (built, "expired")):
        subprocess.run(["rm", "-rf", agent.state], check=True)
        assert agent.run("status", now=now)["verdict"] == wanted


@pytest.mark.parametrize("blocked", ["everything", "the list"])
def test_kept_offline(installation, blocked):
    """A vendor that asks for it gets a warning, then the verdict stale; contact ends both."""
    agent, vendor = installation
    vendor.issue(offline={"warnDays": 7, "staleDays": 14})
    assert agent.once(now=START)["warning"] is None
    vendor.down = 503 if blocked == "everything" else None
    if blocked == "the list":
        vendor.list_is_blocked = True
    got = agent.once(now=START + 7 * DAY + 120)
    assert (got["verdict"], got["warning"]) == ("valid", "license_offline")
    assert got["staleAt"] == generate.rfc3339(START + 14 * DAY)
    got = agent.once(now=START + 14 * DAY + 120)
    assert (got["verdict"], got["reason"], got["warning"]) == ("stale", "license_stale", None)
    assert got["features"]["maxDevices"] == 3
    assert agent.run("status", now=START + 15 * DAY, statuses=(3,))["verdict"] == "stale"
    vendor.down, vendor.list_is_blocked, vendor.now = None, False, START + 15 * DAY
    got = agent.once(now=START + 15 * DAY)
    assert (got["verdict"], got["warning"]) == ("valid", None)


def test_grace_of_the_licence(installation):
    """OFFLINE_GRACE_DAYS cannot widen the grace that the licence allows."""
    agent, vendor = installation
    agent.env["OFFLINE_GRACE_DAYS"] = "365"
    vendor.issue(life=DAY, grace={"maxDays": 3})
    agent.once(now=START)
    vendor.down = 503
    assert [verdict(agent, START + 4 * DAY + after) for after in (119, 120)] == \
        ["grace", "expired"]


def test_limits_of_the_vendors_build(installation, tmp_path):
    """Settings that the vendor compiled in cannot be changed or widened."""
    agent, vendor = installation
    keys = tmp_path / "keys.pem"
    keys.write_text(generate.FIRST.pem, encoding="ascii")
    variant = [] if VARIANT == "release" else ["SANITIZE=1"]
    customer = agent.env["CUSTOMER_ID"]
    subprocess.run(["make", "--no-print-directory", "-s", "-C", ROOT, "vendor-agent", *variant,
                    f"AGENT_KEYS={keys}", f"AGENT_OUT={tmp_path}", f"AGENT_CUSTOMER_ID={customer}",
                    f"AGENT_ISSUER={generate.ISSUER}", "AGENT_GRACE_DAYS=3"], check=True, timeout=300)
    agent.program = tmp_path / "billing-agent"
    for name, value in (("LICENSE_ISSUER", "https://other.example.com"),
                        ("CUSTOMER_ID", "cust_" + "f" * 32)):
        agent.run("status", statuses=(1,), **{name: value})
        assert name in agent.stderr and len(agent.stderr.splitlines()) == 1
    agent.env.update(OFFLINE_GRACE_DAYS="365", LICENSE_ISSUER="", CUSTOMER_ID="")
    vendor.issue(life=DAY, iss="https://other.example.com")
    assert agent.once(now=START)["verdict"] == "none"
    assert json.loads((agent.state / "sync.json").read_text())["outcome"] == "untrusted"
    vendor.claims.clear()
    vendor.issue(life=DAY)
    agent.once(now=START)
    vendor.down = 503
    assert [verdict(agent, START + 4 * DAY + after) for after in (119, 120)] == \
        ["grace", "expired"]
