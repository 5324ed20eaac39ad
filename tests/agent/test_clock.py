"""The agent's verdicts when the clock is wrong, far ahead, or in a zone that jumps."""

import calendar
import time

import generate
import pytest
from support import DAY, FAKETIME, Agent, Service, Vendor

START = generate.NOW


@pytest.fixture
def world(tmp_path):
    """(agent, vendor) whose clock starts at START."""
    vendor = Vendor(START)
    vendor.issue()
    service = Service(vendor)
    yield Agent(tmp_path, service.url), vendor
    service.close()


def verdict(agent, now):
    """By a program of its own at that second, so over a restart too."""
    return agent.run("status", now=now)["verdict"]


def test_set_back(world):
    """After the licence's end no earlier clock brings it back; a newer licence does."""
    agent, vendor = world
    end = START + generate.YEAR + 30 * DAY
    assert agent.once(now=START)["verdict"] == "valid"
    vendor.down = 503
    assert [verdict(agent, now) for now in (end, end + DAY, end - 2 * DAY, START)] == \
        ["grace", "expired", "clock_suspicious", "clock_suspicious"]
    # Within a day it isn't suspicious, and gains nothing.
    assert verdict(agent, end + DAY - 3600) == "expired"
    vendor.down = None
    vendor.now = end + 2 * DAY
    vendor.issue()
    assert agent.once(now=vendor.now)["verdict"] == "valid"


def test_far_ahead_and_back(world):
    """A clock that stood in 2060 for a while: the next signed list heals it."""
    agent, vendor = world
    assert agent.once(now=START)["verdict"] == "valid"
    vendor.down = 503
    assert verdict(agent, calendar.timegm((2060, 1, 1, 0, 0, 0))) == "expired"
    assert verdict(agent, START + 3600) == "clock_suspicious"
    vendor.down = None
    vendor.now = START + 3600
    assert agent.once(now=vendor.now)["verdict"] == "valid"


@pytest.mark.parametrize("start", [2**31 - 60, 2**32 - 60], ids=["2038", "2106"])
def test_rollovers(world, start):
    """The seconds around the ends of 32-bit clocks."""
    agent, vendor = world
    vendor.now = start
    vendor.issue(life=DAY)
    assert agent.once(now=start)["verdict"] == "valid"
    assert verdict(agent, start + 120) == "valid"
    assert verdict(agent, start + DAY + 119) == "valid"
    assert verdict(agent, start + DAY + 120) == "grace"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("date", ["2026-03-29T00:59", "2026-10-25T00:59", "2026-11-01T05:59"])
def test_zones(world, zone, date):
    """Whatever the zone does at night, a licence of an hour lives an hour."""
    agent, vendor = world
    agent.env["TZ"] = zone
    start = calendar.timegm(time.strptime(date, "%Y-%m-%dT%H:%M"))
    vendor.now = start
    vendor.issue(life=3600, status="trialing", trial=True)
    # An hour that the zone has twice can't be named to libfaketime: only what can is looked at.
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


def test_faketime_is_at_work(world):
    """Or else the tests above would prove nothing."""
    agent, _ = world
    assert verdict(agent, 0) == "none"
    assert agent.once(now=START)["verdict"] == "valid" and FAKETIME
    assert agent.once(now=START - 2 * DAY)["verdict"] == "clock_suspicious"
