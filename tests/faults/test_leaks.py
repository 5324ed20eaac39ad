"""Leaks: after many requests of every kind, refused ones included, each process has as much memory
and as many open files as after a small part of them."""

import collections
import os
from pathlib import Path

import pytest
from chaos.load import Load
from chaos.processes import children
from support.stack import VARIANT, wait_for
from support.usage_model import Reports, wait_until_folded

# The workers are never replaced. No request goes to the workers for Stripe.
STACK = {"WORKERS": 2, "STRIPE_WORKERS": 1, "WORKER_MAX_REQUESTS": 1000000000}
CLIENTS = 16
# Connections that nginx keeps have descriptors from here on, see app/billingd/sockets.c.
KEPT_FIRST = 1024
# FULL=1 sends a million requests.
FULL = os.environ.get("FULL") == "1"
EARLY, COUNT = (100000, 1000000) if FULL else (4000, 12000)
GROWTH_PERCENT = 1
# The memory of a large request is freed at once or some time later, so the sizes vary by this much.
# Divided by the requests of a worker it is 64 bytes each, or half a byte with FULL=1.
STEP_KB = 256


pytestmark = [
    pytest.mark.skipif(VARIANT == "sanitize", reason="AddressSanitizer keeps what is freed, and looks "
                       "for leaks itself when a process ends"),
    pytest.mark.skipif(os.geteuid() != 0,
                       reason="only root sees the open files of a protected process")]


class Visits:
    """The requests of the clients: each method returns `method, path, body, key` of one request,
    and the statuses that it may have."""

    def __init__(self, stack, rng):
        self.customers = [stack.api.sign_up() for _ in range(3)]
        self.ids = [customer.id for customer in self.customers]
        self.reports = Reports(rng.random(), self.ids)
        self.kinds = [self.report, self.batch, self.read, self.instance, self.wrong, self.stranger,
                      self.nowhere, self.sign_up, self.license]

    def report(self, _):
        """A report, sometimes one that was sent before."""
        return "POST", "/api/usage/report", self.reports.one(), None, (200, 201)

    def batch(self, rng):
        """A batch of reports, one of which is invalid."""
        items = [self.reports.one() for _ in range(rng.randint(1, 20))]
        items.insert(rng.randrange(len(items)), {"customer_id": self.ids[0], "active_devices": -1})
        return "POST", "/api/usage/reports", {"reports": items}, None, (200,)

    def read(self, rng):
        """A request that reads usage."""
        of_usage = ["", "/latest", "/daily", "/limits", "?limit=100", "?instance_id=a", "?cursor=x"]
        paths = [f"/api/usage/{rng.choice(self.ids)}{tail}" for tail in of_usage]
        paths += [f"/api/customers/{rng.choice(self.ids)}{tail}" for tail in ("/instances", "")]
        return "GET", rng.choice(paths), None, None, (200, 400, 404)

    def instance(self, rng):
        """Activates or releases an instance."""
        path = f"/api/customers/{rng.choice(self.ids)}/instances/i{rng.randrange(20)}"
        return rng.choice(("PUT", "DELETE")), path, None, None, (200, 201, 404)

    def wrong(self, rng):
        """A body with wrong members or that is no object."""
        bodies = [{"x": 1}, [], {"customer_id": self.ids[0], "metrics": {"none": "x" * 5000}},
                  {"customer_id": self.ids[0], "total_devices": 10**30}, {"reports": [{}] * 501}]
        path = rng.choice(("/api/usage/report", "/api/usage/reports", "/api/customers"))
        return "POST", path, rng.choice(bodies), None, (400, 413)

    def stranger(self, rng):
        """A request with an unknown key or the key of another customer."""
        path = f"/api/usage/{self.ids[0]}/{rng.choice(('latest', 'daily', 'limits'))}"
        return "GET", path, None, rng.choice(("x", self.customers[1].api_key)), (401, 404)

    def nowhere(self, rng):
        """A path that does not exist."""
        path = rng.choice(("/api/none", "/api/usage/cust_none/latest", "/api/usage/report"))
        return "GET", path, None, None, (404, 405)

    def sign_up(self, rng):
        """A sign-up, often with the address of an existing customer."""
        return "POST", "/api/customers", {"email": f"{rng.randrange(20)}@leaks.example"}, None, (
            201, 409)

    def license(self, rng):
        """A licence that was issued before."""
        return "GET", f"/api/licenses/{rng.choice(self.ids)}", None, None, (200,)

    async def visit(self, client):
        """Sends one random request."""
        method, path, body, key, statuses = client.rng.choice(self.kinds)(client.rng)
        answer = await client.send(method, path, body, key)
        # A kept-alive connection that nginx is closing gives no answer.
        assert answer is None or answer.status in statuses, (method, path, answer)


def open_files(pid):
    """The number of open files of a process without kept connections, and that of these."""
    numbers = [int(name) for name in os.listdir(f"/proc/{pid}/fd")]
    kept = sum(number >= KEPT_FIRST for number in numbers)
    return len(numbers) - kept, kept


def holdings(stack):
    """Resident memory of each process in kB and its open files: {pid: (kB, files)}. nginx decides
    how many connections it keeps, up to one for each client in each of its processes."""
    found = {}
    for pid in [stack.pids()[0], *children(stack)]:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        memory = int(status.split("VmRSS:")[1].split()[0])
        files, kept = open_files(pid)
        assert kept <= CLIENTS * os.cpu_count()
        found[pid] = memory, files
    return found


def holdings_at_rest(stack):
    """The holdings at rest, when the jobs have counted all reports: read until they have been equal for
    longer than a second, as an open request needs a file, and a worker gives freed memory back after a
    second."""
    wait_until_folded(stack)
    looks = [holdings(stack)]
    wait_for(lambda: looks.append(holdings(stack)) or looks[-15:] == 15 * looks[-1:], every=0.1)
    return looks[-1]


def test_nothing_leaks(stack, rng, report):
    visits, count, found = Visits(stack, rng), collections.Counter(), []
    for number in (EARLY, COUNT - EARLY):
        with Load(stack, CLIENTS, visits.visit, rng.random()) as load:
            wait_for(lambda n=number, l=load: len(l.answers) > n or l.check(), 3600, 0.01)
        count += load.count()
        found.append(holdings_at_rest(stack))
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
