"""The agent's verdicts when the clock is wrong, far ahead, or changes for daylight saving."""

import calendar
import time

import generate
import pytest
from support import DAY, FAKETIME, Agent, Service, Vendor

START = generate.NOW


@pytest.fixture
def installation(tmp_path):
    """(agent, vendor) whose clock starts at START."""
    vendor = Vendor(START)
    vendor.issue()
    service = Service(vendor)
    yield Agent(tmp_path, service.url), vendor
    service.close()


def verdict(agent, now):
    """The verdict that a new process gives at that second."""
    return agent.run("status", now=now)["verdict"]


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
    assert verdict(agent, start + 120) == "valid"
    assert verdict(agent, start + DAY + 119) == "valid"
    assert verdict(agent, start + DAY + 120) == "grace"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("date", ["2026-03-29T00:59", "2026-10-25T00:59", "2026-11-01T05:59"])
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
    checked = [(verdict(agent, start + after), wanted) for after, wanted in looks
               if named(start + after)]
    assert checked and all(got == wanted for got, wanted in checked)


def test_faketime_is_at_work(installation):
    """The tests above need a faked clock: this one proves that it is."""
    agent, _ = installation
    assert verdict(agent, 0) == "none"
    assert agent.once(now=START)["verdict"] == "valid" and FAKETIME
    assert agent.once(now=START - 2 * DAY)["verdict"] == "clock_suspicious"
