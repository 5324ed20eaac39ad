"""A worker that runs out of memory ends, so that no library below it can return a wrong result. What the
jobs needed for much work goes back to the system."""

import os
import re
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest
from chaos.load import Ledger, Load
from chaos.processes import AS_SERVICE, LogTail, children, role_of
from support.stack import VARIANT, wait_for

# A worker that has served every kind of request needs no more memory than it has. New workers do,
# so they are limited, and WORKER_MAX_REQUESTS provides new ones all the time.
STACK = {"WORKERS": 4, "WORKER_MAX_REQUESTS": 40}
OUT_OF_MEMORY = 70
EXITS = 60
SLACK_BYTES = 192 * 1024
# It is about 400 with what the jobs need all the time, and 550 to 900 with what they freed.
JOBS_HEAP_KILOBYTES = 480


def limit_memory(pid, slack):
    """Limits the process's address space to its present size and `slack` bytes. Only the process's
    own user may do so. The process may have ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return
    limit = pages * resource.getpagesize() + slack
    subprocess.run([*AS_SERVICE, "prlimit", f"--pid={pid}", f"--as={limit}:"], check=False,
                   stderr=subprocess.DEVNULL)


@pytest.mark.skipif(VARIANT == "sanitize",
                    reason="AddressSanitizer reserves terabytes of address space and brings its "
                           "own allocator, so its processes cannot be limited")
def test_out_of_memory_ends_the_worker(stack, rng, report):
    """Every process may use only a little more memory than it has, so that the processes run out of
    memory at many different points of many requests."""
    ledger = Ledger(stack, company_name="\N{SNOWMAN}" * 200)
    tail = LogTail(stack)

    async def visit(client):
        customer_id, key = await ledger.sign_up(client)
        answer = await client.insist("GET", f"/api/licenses/{customer_id}", key=key)
        assert answer.status == 200, answer.body
        # A large, invalid licence needs memory that small requests do not need. A page of 100
        # customers with long names needs more than any limited worker has.
        large = {"license": "x" * client.rng.randrange(1000, 20000)}
        answer = await client.insist("POST", "/api/licenses/verify", large)
        assert answer.status == 401, answer.body
        answer = await client.insist("GET", "/api/customers?limit=100")
        assert answer.status == 200, answer.body

    def exits():
        return sum(line["exit_status"] == OUT_OF_MEMORY for line in tail.find("process died"))

    with Load(stack, 4, visit, rng.random()) as load:
        deadline = time.monotonic() + 180
        while exits() < EXITS:
            load.check()
            assert time.monotonic() < deadline, f"only {exits()} processes ran out of memory"
            for pid in children(stack):
                limit_memory(pid, rng.randrange(SLACK_BYTES))
            time.sleep(0.1)

    found = ledger.audit()
    count = load.count()
    # The master logs the end of a process a little later than nginx notices it.
    wait_for(lambda: count[502] <= exits())
    report(out_of_memory_exits=exits(), answered_502=count[502],
           acknowledged=len(ledger.acknowledged), lost=found["lost"],
           half_written=found["half_written"])
    assert found["stored"] == len(ledger.acknowledged) > 0
    assert found == {**found, "lost": 0, "duplicates": 0, "unacknowledged": 0, "half_written": 0}
    # Where libpq lacks memory the connection looks lost.
    assert not [answer for answer in load.unexpected(200, 201, 401, 409, 502)
                if answer[3:5] != (503, "database_unavailable")]


def heap_kilobytes(pid):
    """The memory of the process's heap that it shares with no other process."""
    maps = Path(f"/proc/{pid}/smaps").read_text(encoding="ascii", errors="replace")
    heaps = re.findall(r"\[heap\]\n(.*?)\nVmFlags", maps, re.DOTALL)
    return sum(int(re.search(r"Private_Dirty: +(\d+)", heap)[1]) for heap in heaps)


@pytest.mark.skipif(VARIANT == "sanitize", reason="AddressSanitizer keeps what is freed")
def test_jobs_give_memory_back(new_stack, report):
    """Counting many reports at once takes memory for a moment."""
    stack = new_stack(WORKERS=1)
    jobs = next(pid for pid in children(stack) if role_of(pid) == "billingd jobs")
    os.kill(jobs, signal.SIGSTOP)
    for customer in (stack.api.sign_up() for _ in range(20)):
        reports = [{"customer_id": customer.id, "instance_id": f"i{number}", "active_devices": 1,
                    "total_devices": 1} for number in range(300)]
        assert customer.client.post("/api/usage/reports", {"reports": reports}).status_code == 200
    os.kill(jobs, signal.SIGCONT)
    wait_for(lambda: stack.sql("SELECT count(*) FROM usage_pending") == "0")
    wait_for(lambda: heap_kilobytes(jobs) < JOBS_HEAP_KILOBYTES, 20)
    report(kilobytes=heap_kilobytes(jobs))
    stack.close()
