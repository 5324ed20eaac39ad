"""Full disks: that of the tables, of the write-ahead log, or of the service's own logs. Every
acknowledged report is stored, and every stored report is acknowledged. When there is room again,
the service continues by itself."""

import contextlib
import os
import subprocess
import time

import pytest
from chaos.disk import Disk, PostgresDisk
from chaos.load import Load
from chaos.postgres import Postgres
from chaos.usage import Sender
from support.stack import wait_for

STACK = {"WORKERS": 4, "DB_STATEMENT_TIMEOUT_MS": 2000}
CLIENTS = 16


@pytest.fixture
def postgres(stack):
    """The PostgreSQL server; it runs again after the test."""
    server = Postgres(stack)
    yield server
    if not server.is_running():
        server.start()


def refused(load):
    """The number of answers that said to retry."""
    count = load.count()
    return count[503] + count[502]


def stored_more(sender, load, more=200):
    """Waits until so many further reports are acknowledged."""
    before = len(sender.answers)
    wait_for(lambda: len(sender.answers) >= before + more or load.check())


def check_sums(report, sender, load, stack, **more):
    """Reports the numbers and checks that the stored sums match the acknowledged reports."""
    differences = sender.differences(stack)
    report(acknowledged=len(sender.answers), refused=refused(load), **more,
           differences=differences)
    assert not load.unexpected(200, 201, 502, 503, "lost")
    assert differences == 0


def test_a_full_disk_of_the_tables(stack, postgres, rng, report):
    """Writes fail; PostgreSQL and all reading requests continue."""
    sender = Sender(stack, rng)
    with PostgresDisk(postgres, "base", 96) as disk, \
            Load(stack, CLIENTS, sender.visit, rng.random()) as load:
        stored_more(sender, load)
        disk.fill()
        wait_for(lambda: refused(load) > 100 or load.check())
        for path in ("/health", "/api/usage/" + sender.customers[0]):
            assert stack.api.owner.get(path).status_code == 200
        assert not {answer[4] for answer in load.answers if answer[3] == 503} - {
            "database_unavailable"}
        freed = time.monotonic()
        disk.free()
        stored_more(sender, load)
        recovered = time.monotonic() - freed
    check_sums(report, sender, load, stack, seconds_until_200_more=f"{recovered:.2f}")


def test_a_full_disk_of_the_write_ahead_log(stack, postgres, rng, report):
    """PostgreSQL ends, and recovers when it is started with enough room."""
    sender = Sender(stack, rng)
    with PostgresDisk(postgres, "pg_wal", 96) as disk, \
            Load(stack, CLIENTS, sender.visit, rng.random()) as load:
        stored_more(sender, load)
        disk.fill(but=4 << 20)
        already = refused(load)
        # The rest of the present file is skipped; there is no room for the next one.
        with contextlib.suppress(subprocess.CalledProcessError):
            for _ in range(8):
                postgres.super_sql("SELECT pg_switch_wal()")
        wait_for(lambda: not postgres.is_running())
        wait_for(lambda: refused(load) > already + 100 or load.check())
        assert stack.api.nobody.get("/health").status_code == 200
        stored = len(sender.answers)
        disk.free()
        postgres.start()
        stored_more(sender, load)
    check_sums(report, sender, load, stack, acknowledged_before=stored)


@pytest.fixture
def own_stack(new_stack):
    """A stack of its own, whose log lines may be cut off."""
    made = new_stack(**STACK)
    yield made
    made.close()


@pytest.mark.skipif(os.environ.get("FULL") != "1", reason="takes its own stack: FULL=1")
def test_a_full_disk_of_the_logs(own_stack, rng, report):
    """The service loses log lines and continues; requests of any size need no disk space."""
    stack, sender = own_stack, Sender(own_stack, rng)
    large = {"reports": [{"customer_id": sender.customers[0], "report_id": f"large-{number}",
                          "instance_id": "x" * 100} for number in range(500)]}
    stack.stop()
    with contextlib.ExitStack() as disks:
        full = [disks.enter_context(Disk(stack.run_dir / folder, 8))
                for folder in ("log", "nginx/tmp")]
        stack.start()
        disks.callback(stack.stop)
        with Load(stack, CLIENTS, sender.visit, rng.random()) as load:
            stored_more(sender, load)
            for disk in full:
                disk.fill()
            stored_more(sender, load, 1000)
            answer = stack.api.owner.post("/api/usage/reports", large)
            for one in answer.json()["results"]:
                sender.record(one["report"])
            for disk in full:
                disk.free()
            stored_more(sender, load)
        check_sums(report, sender, load, stack)
        assert refused(load) == 0
    # The full disk may have cut a line off: the last part of it is removed.
    for log in (stack.run_dir / "log").iterdir():
        log.write_bytes(b"")
