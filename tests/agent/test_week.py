"""A week of a running agent: upgrade, revocation, an outage of two days, restarts, a full disk, a key
rotation. No verdict is wrong, and no report is lost."""

import json
import resource
import signal

import generate
from support import DAY, START, VARIANT, Agent, Service, Vendor, wait_for

# Sanitizers slow each step down, so they see fewer.
STEP = (2 if VARIANT == "release" else 6) * 3600


class Week:
    """The installation; `acknowledged` counts the messages that the agent acknowledged."""

    def __init__(self, place):
        self.vendor = Vendor(START)
        self.vendor.issue(life=14 * DAY, status="trialing", trial=True, plan="starter")
        self.service = Service(self.vendor)
        keys = json.dumps({"keys": [generate.FIRST.jwk, generate.SECOND.jwk]})
        self.agent = Agent(place, self.service.url, LICENSE_PUBLIC_KEY=keys,
                           AGENT_BUFFER_REPORTS=10, LICENSE_ISSUER=generate.ISSUER)
        self.now = START
        self.acknowledged = self.refused = 0
        self.agent.start(now=START)
        self.wait_for_session()

    def wait_for_session(self):
        """Waits until a session that began now is over and the agent has read its results."""
        mark = generate.rfc3339(self.now)
        def over():
            _, health = self.agent.get("/health")
            return health["lastTalkAt"] == mark
        wait_for(over)
        wait_for(lambda: not self.children())

    def children(self):
        path = f"/proc/{self.agent.process.pid}/task/{self.agent.process.pid}/children"
        with open(path, encoding="ascii") as file:
            return file.read().split()

    def step(self):
        """Two hours later: usage is posted, then reported and the licence refreshed."""
        self.now += STEP
        self.vendor.now = self.now
        self.agent.set_clock(self.now)
        for devices in (5, 7):
            status, _ = self.agent.post({"active_devices": devices, "total_devices": 9,
                                         "counts": {"messages": devices}})
            assert status in (201, 503)
            if status == 201:
                self.acknowledged += devices
            else:
                self.refused += 1
        self.agent.process.send_signal(signal.SIGHUP)

    def go(self, days, verdict, plan):
        """Lets days pass; the verdict is the given one at each step."""
        for _ in range(int(days * DAY / STEP)):
            self.step()
            self.wait_for_session()
            got = wait_for(lambda: self.look(plan))
            assert got["verdict"] == verdict, (self.now - START, got)

    def look(self, plan):
        got = self.agent.license()
        return got if got["plan"] == plan else None

    def restart(self, number):
        self.agent.stop(number)
        self.agent.start(now=self.now)
        self.wait_for_session()

    def full_disk(self, full):
        """Writing to files fails in the running agent, and in what it starts."""
        limit = 0 if full else resource.RLIM_INFINITY
        resource.prlimit(self.agent.process.pid, resource.RLIMIT_FSIZE,
                         (limit, resource.RLIM_INFINITY))


def test_a_week(tmp_path):
    week = Week(tmp_path)
    vendor, agent = week.vendor, week.agent
    try:
        week.go(1, "valid", "starter")
        # An upgrade is seen at the next refresh.
        vendor.issue(plan="professional", status="active", life=generate.YEAR, trial=False)
        week.go(0.5, "valid", "professional")
        # Answers get lost: the same reports come again, and count once.
        vendor.lose_answers = 3
        week.go(0.5, "valid", "professional")
        # The service is down for two days, in several ways; the agent is restarted in between.
        vendor.down = 503
        week.go(0.5, "valid", "professional")
        agent.stop(signal.SIGKILL)
        agent.start(now=week.now)
        vendor.down = "garbage"
        week.go(0.5, "valid", "professional")
        week.restart(signal.SIGTERM)
        vendor.down = 401
        week.go(1, "valid", "professional")
        assert len(agent.unsent()) <= 10, "the buffer is bounded"
        vendor.down = None
        week.go(0.5, "valid", "professional")
        assert not agent.unsent()
        # The disk is full for half a day: usage that cannot be kept is not acknowledged.
        week.full_disk(True)
        for _ in range(DAY // 2 // STEP):
            week.step()
            assert agent.license()["verdict"] == "valid"
        assert week.refused == DAY // STEP
        week.full_disk(False)
        week.go(0.5, "valid", "professional")
        # A new signing key; the old list stays valid, then the new key signs all.
        vendor.keys = [generate.SECOND, generate.FIRST]
        vendor.now = week.now
        vendor.issue()
        week.go(0.5, "valid", "professional")
        # A payment fails, then the licence is revoked, then replaced.
        vendor.issue(status="past_due")
        week.go(0.25, "grace", "professional")
        vendor.revoked = [f"lic_{vendor.issued}"]
        week.go(0.25, "revoked", "professional")
        vendor.issue(status="active")
        week.go(0.5, "valid", "professional")
        assert week.now - START == 7 * DAY
    finally:
        agent.stop()
        week.service.close()
    print(f"a week: {len(vendor.reports)} reports, sent {vendor.sends} times, "
          f"{week.acknowledged} messages acknowledged, {week.refused} posts refused")
    assert vendor.counted("messages") == week.acknowledged
    numbers = vendor.numbers()
    assert numbers[0][0] == 1
    assert all(after[0] == before[1] + 1 for before, after in zip(numbers, numbers[1:])), numbers
    if VARIANT == "release":
        assert any(first < last for first, last in numbers), "no reports of a day were merged"
