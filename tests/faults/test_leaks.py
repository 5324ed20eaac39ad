"""Guarantee 42: nothing leaks. After many requests of every kind, those that are refused among them,
each process has the memory and the files that it had after a part of them."""

import collections
import os
from pathlib import Path

import pytest
from chaos.load import Load
from chaos.processes import children
from support.stack import VARIANT, wait_for
from support.usage_model import Reports

# Workers that are never replaced; Stripe's are not asked here.
STACK = {"WORKERS": 2, "STRIPE_WORKERS": 1, "WORKER_MAX_REQUESTS": 1000000000}
CLIENTS = 16
# FULL=1 sends a million requests.
FULL = os.environ.get("FULL") == "1"
EARLY, COUNT = (100000, 1000000) if FULL else (4000, 12000)
GROWTH_PERCENT = 1
# What a large request needed is given back at once or a while later, so that each process now has it
# and now has not. Spread over the requests of a worker it is 64 bytes each, or half a byte.
STEP_KB = 256


pytestmark = pytest.mark.skipif(VARIANT == "sanitize", reason="AddressSanitizer keeps what is "
                                "freed, and looks for leaks itself when a process ends")


class Visits:
    """What the clients do: `method, path, body, key` of one request, and the statuses that it may
    have."""

    def __init__(self, stack, rng):
        self.customers = [stack.api.sign_up() for _ in range(3)]
        self.ids = [customer.id for customer in self.customers]
        self.reports = Reports(rng.random(), self.ids)
        self.kinds = [self.report, self.batch, self.read, self.instance, self.wrong, self.stranger,
                      self.nowhere, self.sign_up, self.license]

    def report(self, _):
        """A report, some of them sent before."""
        return "POST", "/api/usage/report", self.reports.one(), None, (200, 201)

    def batch(self, rng):
        """Some reports, one of which is invalid."""
        items = [self.reports.one() for _ in range(rng.randint(1, 20))]
        items.insert(rng.randrange(len(items)), {"customer_id": self.ids[0], "active_devices": -1})
        return "POST", "/api/usage/reports", {"reports": items}, None, (200,)

    def read(self, rng):
        """Whatever can be read of usage."""
        of_usage = ["", "/latest", "/daily", "/limits", "?limit=100", "?instance_id=a", "?cursor=x"]
        paths = [f"/api/usage/{rng.choice(self.ids)}{tail}" for tail in of_usage]
        paths += [f"/api/customers/{rng.choice(self.ids)}{tail}" for tail in ("/instances", "")]
        return "GET", rng.choice(paths), None, None, (200, 400, 404)

    def instance(self, rng):
        """Activates one, or releases it."""
        path = f"/api/customers/{rng.choice(self.ids)}/instances/i{rng.randrange(20)}"
        return rng.choice(("PUT", "DELETE")), path, None, None, (200, 201, 404)

    def wrong(self, rng):
        """What has wrong members, or is no object."""
        bodies = [{"x": 1}, [], {"customer_id": self.ids[0], "metrics": {"none": "x" * 5000}},
                  {"customer_id": self.ids[0], "total_devices": 10**30}, {"reports": [{}] * 501}]
        path = rng.choice(("/api/usage/report", "/api/usage/reports", "/api/customers"))
        return "POST", path, rng.choice(bodies), None, (400, 413)

    def stranger(self, rng):
        """Somebody without a key that fits."""
        path = f"/api/usage/{self.ids[0]}/{rng.choice(('latest', 'daily', 'limits'))}"
        return "GET", path, None, rng.choice(("x", self.customers[1].api_key)), (401, 404)

    def nowhere(self, rng):
        """What there is not."""
        path = rng.choice(("/api/none", "/api/usage/cust_none/latest", "/api/usage/report"))
        return "GET", path, None, None, (404, 405)

    def sign_up(self, rng):
        """A customer that is there, with the key of an earlier answer now and then."""
        return "POST", "/api/customers", {"email": f"{rng.randrange(20)}@leaks.example"}, None, (
            201, 409)

    def license(self, rng):
        """A licence that is handed out again."""
        return "GET", f"/api/licenses/{rng.choice(self.ids)}", None, None, (200,)

    async def visit(self, client):
        """One of them."""
        method, path, body, key, statuses = client.rng.choice(self.kinds)(client.rng)
        answer = await client.send(method, path, body, key)
        # A kept connection that is just being closed answers nothing.
        assert answer is None or answer.status in statuses, (method, path, answer)


def holdings(stack):
    """Memory that each process has to itself, in kB, and its files: {pid: (kB, files)}."""
    found = {}
    for pid in [stack.pids()[0], *children(stack)]:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        memory = int(status.split("VmRSS:")[1].split()[0])
        found[pid] = memory, len(os.listdir(f"/proc/{pid}/fd"))
    return found


def settled(stack):
    """What they hold at rest, twice the same: who is answering has a connection more."""
    looks = [holdings(stack)]
    wait_for(lambda: looks.append(holdings(stack)) or looks[-1] == looks[-2], every=0.1)
    return looks[-1]


def test_nothing_leaks(stack, rng, report):
    visits, count, found = Visits(stack, rng), collections.Counter(), []
    for number in (EARLY, COUNT - EARLY):
        with Load(stack, CLIENTS, visits.visit, rng.random()) as load:
            wait_for(lambda n=number, l=load: len(l.answers) > n or l.check(), 3600, 0.01)
        count += load.count()
        found.append(settled(stack))
    early, late = found
    grown = {pid: 100 * (late[pid][0] - early[pid][0]) / early[pid][0] for pid in early}
    report(requests=sum(count.values()), refused=sum(
        number for status, number in count.items() if status != "lost" and status >= 400),
        lost=count["lost"], processes=len(early), growth=f"{max(grown.values()):.2f} %",
        kB_at_most=max(memory for memory, _ in late.values()))
    assert late.keys() == early.keys(), "a process has ended"
    assert {pid: files for pid, (_, files) in late.items()} == {
        pid: files for pid, (_, files) in early.items()}
    assert all(late[pid][0] - memory - STEP_KB < GROWTH_PERCENT / 100 * memory
               for pid, (memory, _) in early.items()), (early, late)
