"""Events reach webhook endpoints at least once, with one id, whatever is killed; and endpoints do not delay each
other."""

import contextlib
import itertools
import os
import signal
import socket
import statistics
import subprocess
import threading
import time

import pytest
from chaos.gates import Gate
from chaos.postgres import Postgres
from chaos.processes import LogTail, is_alive

from support.client import expect
from support.receiver import Receiver
from support.stack import free_port, wait_for, within

FULL = os.environ.get("FULL") == "1"
ENDPOINTS = "/api/webhook-endpoints"
PENDING = "SELECT count(*) FROM webhook_deliveries WHERE state = 'pending'"


@pytest.fixture(name="hooks", scope="module")
def fixture_hooks(new_stack):
    """A stack that may send to this machine by plain http."""
    made = new_stack(WEBHOOK_ALLOW="127.0.0.0/8")
    Postgres(made).skip_syncs()
    yield made
    made.close()


def make(stack, url, *types):
    """An endpoint's id."""
    made = expect(stack.api.owner.post(ENDPOINTS, {"url": url, "types": types or ["stripe.parked"]}), 201)
    return made["endpoint"]["endpoint_id"]


def drop_all(stack):
    """Removes all endpoints."""
    for one in expect(stack.api.owner.get(ENDPOINTS), 200)["endpoints"]:
        expect(stack.api.owner.delete(f"{ENDPOINTS}/{one['endpoint_id']}"), 200)


def happen(stack, count=1, kind="stripe.parked"):
    """Writes events, each in a transaction of its own; the number that each one has."""
    stack.sql("".join(f"SELECT event_add('{kind}', NULL, now(), '{{\"n\": {n}}}');"
                      for n in range(count)))


def sender(stack):
    """The process that sends webhooks, or None while there is none."""
    for pid in stack.pids()[1:]:
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii") as name:
                if name.read().startswith("billingd webhoo"):
                    return pid
        except OSError:
            continue
    return None


def pass_leases(stack):
    """As if the leases of a process that is gone were over. Rows that the sender locks are left out, so that
    neither waits for the other."""
    stack.sql("UPDATE webhook_deliveries SET due_at = now() WHERE (endpoint_id, event_id) IN (SELECT "
              "endpoint_id, event_id FROM webhook_deliveries WHERE state = 'pending' FOR UPDATE SKIP LOCKED)")


def ids_of(stack, kind="stripe.parked"):
    """The ids of all events of a kind that tests have written, as receivers see them."""
    return set(stack.sql("SELECT 'evt_' || replace(event_id::text, '-', '') FROM events "
                         f"WHERE type = '{kind}'").split())


def test_kills_lose_no_event(hooks, figures, rng):
    """The sender is killed at random moments, and PostgreSQL crashes, while events are written."""
    receiver = Receiver(answer=lambda *_: (time.sleep(rng.random() / 50), (204, {}, b""))[1])
    earlier = ids_of(hooks)
    for path in ("/one", "/two"):
        make(hooks, receiver.url(path, "127.0.0.1"))
    kills = 30 if FULL else 5
    for _ in range(kills):
        happen(hooks, 20)
        time.sleep(rng.random() / 2)
        pid = wait_for(lambda: sender(hooks))
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda pid=pid: sender(hooks) not in (None, pid))
        pass_leases(hooks)
    for _ in range(4 if FULL else 1):
        happen(hooks, 20)
        crash(hooks)
        wait_for(lambda: hooks.api.owner.get("/api/customers", faults=True).status_code == 200)
        pass_leases(hooks)
    wanted = ids_of(hooks) - earlier
    try:
        wait_for(lambda: pass_leases(hooks) or all(
            {message.id for message in receiver.at(path)} >= wanted for path in ("/one", "/two")),
            every=1)
    finally:
        figures["webhooks after kills"] = (
            f"{kills} kills of the sender, {len(wanted)} events to 2 endpoints, "
            f"{len(receiver.messages) - 2 * len(wanted)} sent twice")
    for path in ("/one", "/two"):
        messages = receiver.at(path)
        assert {message.id for message in messages} == wanted
        bodies = {message.id: message.body for message in messages}
        assert all(bodies[message.id] == message.body for message in messages)
    wait_for(lambda: pass_leases(hooks) or hooks.sql(PENDING) == "0", every=0.5)
    drop_all(hooks)
    receiver.close()


def crash(stack):
    """Kills a server process of PostgreSQL's, which makes all of it start again, and waits for that."""
    when = "SELECT min(backend_start) FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
    before = stack.sql(when)
    pid = wait_for(lambda: stack.sql("SELECT pid FROM pg_stat_activity WHERE application_name = "
                                     "'billingd webhooks'"))

    def restarted():
        try:
            return stack.sql(when) != before
        except AssertionError:
            return False

    os.kill(int(pid.split()[0]), signal.SIGKILL)
    wait_for(restarted)


# Each step of the process that sends webhooks: where it waits while PostgreSQL is killed.
STEPS = {
    "commits the feed": ("webhook_deliveries", "INSERT", "true", True),
    "moves the cursor": ("webhook_endpoints", "UPDATE", "NEW.number <> OLD.number"),
    "takes": ("webhook_deliveries", "UPDATE", "NEW.state = 'pending' AND NEW.attempts = OLD.attempts"),
    "commits the taking": ("webhook_deliveries", "UPDATE", "NEW.state = 'pending' AND NEW.attempts = OLD.attempts", True),
    "records": ("webhook_deliveries", "UPDATE", "NEW.state = 'delivered'"),
    "commits the record": ("webhook_deliveries", "UPDATE", "NEW.state = 'delivered'", True),
}


def test_postgresql_is_killed_in_each_step(hooks, figures):
    """Each event arrives at least once, under one id and with one body."""
    receiver = Receiver()
    make(hooks, receiver.url("/steps", "127.0.0.1"), "stripe.unknown_price")
    mine = "WHERE type = 'stripe.unknown_price'"
    left = (f"SELECT event_id FROM events {mine} "
            f"EXCEPT SELECT event_id FROM webhook_deliveries {mine} AND state = 'delivered'")
    kills = 0
    for number, step in itertools.product(range(4 if FULL else 1), STEPS if FULL else ["records"]):
        with Gate(hooks, *STEPS[step]) as gate:
            happen(hooks, 5, "stripe.unknown_price")
            gate.kill_postgres(immediate=number % 2 == 1)
            kills += 1
        wait_for(lambda: pass_leases(hooks) or hooks.sql(left) == "")
    wanted, messages = ids_of(hooks, "stripe.unknown_price"), receiver.at("/steps")
    figures["webhooks after kills of PostgreSQL"] = (
        f"{kills} kills, {len(wanted)} events, {len(messages) - len(wanted)} sent twice")
    assert len(wanted) == 5 * kills and {message.id for message in messages} == wanted
    bodies = {message.id: message.body for message in messages}
    assert all(bodies[message.id] == message.body for message in messages)
    wait_for(lambda: hooks.api.owner.get("/api/customers", faults=True).status_code == 200)
    drop_all(hooks)
    receiver.close()


def page_behind(stack, cursor=""):
    """All events behind the cursor, and the cursor behind them."""
    events = []
    while True:
        page = expect(stack.api.owner.get(f"/api/events?limit=100{cursor and '&cursor=' + cursor}"), 200)
        events += page["events"]
        cursor = page["cursor"]
        if page["next_cursor"] is None:
            return events, cursor


def test_a_restore_into_a_younger_cluster(hooks):
    """Readers and endpoints go on behind what they have read and miss nothing, and sequences have no gap."""
    receiver = Receiver()
    make(hooks, receiver.url("/restored", "127.0.0.1"), "customer.updated")
    customer = hooks.api.sign_up()
    tell = f"SELECT event_add('customer.updated', '{customer.id}', now(), '{{}}');"
    hooks.sql("DO $$ BEGIN FOR i IN 1..5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")
    hooks.sql(tell)
    wait_for(lambda: receiver.at("/restored"))
    _, cursor = page_behind(hooks)
    hooks.script("stop", "billingd")
    hooks.sql("SELECT event_floor_raise()")  # as the jobs do every ten seconds
    Postgres(hooks).restore_elsewhere()
    assert hooks.sql("SELECT pg_current_xact_id()::text::bigint + base < floor FROM event_clock") == "t"
    hooks.sql(10 * tell)  # before the jobs have seen the other cluster
    hooks.script("start", "billingd")
    wait_for(lambda: hooks.sql("SELECT base > 0 FROM event_clock") == "t")
    hooks.sql(10 * tell)
    def updates():
        return [event for event in page_behind(hooks, cursor)[0] if event["customer_id"] == customer.id]

    wait_for(lambda: len(updates()) >= 20)
    events = updates()
    assert [event["sequence"] for event in events] == list(range(6, 26))
    wait_for(lambda: pass_leases(hooks) or
             {message.id for message in receiver.at("/restored")} >= {event["id"] for event in events})
    assert len({message.id for message in receiver.at("/restored")}) == 21
    drop_all(hooks)
    receiver.close()


def p99(messages):
    """The 99th percentile of seconds from the event to its arrival."""
    return statistics.quantiles(messages, n=100, method="inclusive")[98]


def latencies(stack, receiver, path, count):
    """Seconds from each event's commit to its arrival at the path."""
    found = []
    for number in range(count):
        before = len(receiver.at(path))
        started = time.monotonic()
        happen(stack)
        wait_for(lambda before=before: len(receiver.at(path)) > before, every=0.005)
        found.append(receiver.at(path)[-1].at - started)
        assert number >= 0
    return found


def test_a_hanging_endpoint_delays_no_other(hooks, figures):
    release = threading.Event()
    receiver = Receiver(answer=lambda message, _: (
        release.wait(60) if message.path == "/hangs" else None, (204, {}, b""))[1])
    make(hooks, receiver.url("/fast", "127.0.0.1"))
    count = 200 if FULL else 15
    alone = latencies(hooks, receiver, "/fast", 200 if FULL else 5)
    for _ in range(3):
        make(hooks, receiver.url("/hangs", "127.0.0.1"))
    before = len({message.id for message in receiver.at("/fast")})
    happen(hooks, 30)
    wait_for(lambda: len(receiver.at("/hangs")) >= 20)
    wait_for(lambda: len({message.id for message in receiver.at("/fast")}) == before + 30)
    beside = latencies(hooks, receiver, "/fast", count)
    release.set()
    drop_all(hooks)
    figures["webhook beside 3 hanging endpoints"] = (
        f"p99 {p99(beside):.2f} s, alone {p99(alone):.2f} s, of {count} events")
    assert p99(beside) < within(1)
    receiver.close()


@pytest.mark.skipif(not FULL, reason="measures")
def test_a_large_prune_delays_no_delivery(hooks, figures):
    receiver, count = Receiver(), 300000
    endpoint_id = make(hooks, receiver.url("/beside", "127.0.0.1"))
    hooks.sql("INSERT INTO webhook_deliveries (endpoint_id, event_id, type, event_at, state, due_at, created_at) "
              f"SELECT '{endpoint_id}', gen_random_uuid(), 'stripe.parked', old, 'delivered', old, old "
              f"FROM generate_series(1, {count}), (SELECT now() - interval '40 days' AS old) AS t")
    left = lambda: int(hooks.sql("SELECT count(*) FROM webhook_deliveries "
                                 "WHERE created_at < now() - interval '30 days'"))
    wait_for(lambda: left() < count, seconds=90)
    before = left()
    beside = latencies(hooks, receiver, "/beside", 20)
    after = left()
    figures["webhook beside a prune"] = (
        f"p99 {p99(beside):.2f} s, while {before - after} of {count} old deliveries were removed")
    assert p99(beside) < within(1) and after < before
    drop_all(hooks)
    receiver.close()


def test_throughput(hooks, figures):
    """A fast receiver in a process of its own (nginx answers 204). Each statement deals with many deliveries,
    not only with the eight that may be on their way."""
    with nginx_receiver(hooks) as url:
        endpoint_id = make(hooks, url)
        count = 10000 if FULL else 2000
        delivered = f"FROM webhook_deliveries WHERE state = 'delivered' AND endpoint_id = '{endpoint_id}'"
        begun = time.monotonic()
        hooks.sql(f"SELECT event_add('stripe.parked', NULL, now(), '{{}}') FROM generate_series(1, {count})")
        done = lambda: int(hooks.sql(f"SELECT count(*) {delivered}"))
        wait_for(lambda: done() > 500, every=0.01)
        first, started = done(), time.monotonic()
        wait_for(lambda: done() >= count, seconds=120, every=0.05)
        ended = time.monotonic()
        rate = (count - first) / (ended - started)
        transactions = int(hooks.sql(f"SELECT count(DISTINCT xmin::text) {delivered}"))
        figures["webhooks to a fast receiver"] = (
            f"{rate:.0f} a second, {count / transactions:.0f} recorded at a time")
        drop_all(hooks)
        # Answers are recorded when there are 64, or after 50 ms; the first few at once.
        assert transactions < count / 64 + 20 * (ended - begun) + 20
        assert rate >= 500 or not FULL


def test_a_reload_delays_no_delivery(hooks):
    """A successor takes at once what a process had taken and not sent: no delivery waits for the lease of 30 s."""
    with nginx_receiver(hooks) as url:
        endpoint_id, count = make(hooks, url), 5000
        delivered = f"FROM webhook_deliveries WHERE state = 'delivered' AND endpoint_id = '{endpoint_id}'"
        hooks.sql(f"SELECT event_add('stripe.parked', NULL, now(), '{{}}') FROM generate_series(1, {count})")
        done = lambda: int(hooks.sql(f"SELECT count(*) {delivered}"))
        wait_for(lambda: done() > 500, every=0.01)
        os.kill(hooks.pids()[0], signal.SIGHUP)
        wait_for(lambda: done() >= count, seconds=60)
        pause = float(hooks.sql(
            "SELECT EXTRACT(EPOCH FROM max(pause)) FROM (SELECT attempted_at - lag(attempted_at) OVER ("
            f"ORDER BY attempted_at) AS pause {delivered}) AS t"))
        drop_all(hooks)
        assert pause < 15


def test_an_end_without_a_database(hooks):
    """The sender ends also while PostgreSQL is away; what it had taken is sent when the lease is over."""
    tail, written = LogTail(hooks), []
    with nginx_receiver(hooks) as url:
        endpoint_id = make(hooks, url)
        mine = f"SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = '{endpoint_id}'"
        taken, done = f"{mine} AND state = 'pending' AND due_at > now()", f"{mine} AND state = 'delivered'"
        pid, postgres = sender(hooks), Postgres(hooks)

        def stopped_in_time():
            """Writes events and stops the sender: whether it has taken more of them than it can have sent and
            not recorded."""
            hooks.sql("SELECT event_add('stripe.parked', NULL, now(), '{}') FROM generate_series(1, 1000)")
            written.append(1000)
            wait_for(lambda: int(hooks.sql(taken)) > 100 or int(hooks.sql(done)) == sum(written), every=0.01)
            os.kill(pid, signal.SIGSTOP)
            if int(hooks.sql(taken)) > 100:
                return True
            os.kill(pid, signal.SIGCONT)
            return False

        wait_for(stopped_in_time, every=0)
        postgres.end(signal.SIGQUIT)
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)
        line = tail.wait("webhooks that were not sent wait for their lease")
        wait_for(lambda: not is_alive(pid))
        postgres.start()
        wait_for(lambda: sender(hooks) not in (None, pid))
        wait_for(lambda: pass_leases(hooks) or int(hooks.sql(done)) == sum(written), every=0.5)
        assert line["code"] == "database_unavailable"
        drop_all(hooks)


def is_open(port):
    """Whether something listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def nginx_receiver(stack):
    """The URL of an nginx that answers 204 to everything."""
    port = free_port()
    place = stack.place / "receiver"
    place.mkdir(exist_ok=True)
    place.chmod(0o777)
    (place / "nginx.conf").write_text(
        f"daemon off; pid {place}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {place}/a; proxy_temp_path {place}/b; "
        f"fastcgi_temp_path {place}/c; uwsgi_temp_path {place}/d; scgi_temp_path {place}/e;\n"
        f"keepalive_requests 100000; server {{ listen 127.0.0.1:{port}; return 204; }} }}\n",
        encoding="ascii")
    process = subprocess.Popen(["nginx", "-c", str(place / "nginx.conf"), "-p", str(place)],
                               stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: is_open(port), every=0.01)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait()


def median_ms(call, count=100):
    """The least of three medians of so many calls, in milliseconds."""
    medians = []
    for _ in range(3):
        took = []
        for _ in range(count):
            started = time.monotonic()
            call()
            took.append(1000 * (time.monotonic() - started))
        medians.append(statistics.median(took))
    return min(medians)


FILL = """INSERT INTO events (position, number, event_id, type, customer_id, sequence, created_at, data)
SELECT pg_current_xact_id()::text::bigint + base, nextval('event_numbers'), gen_random_uuid(),
  'stripe.parked', NULL, n, now(), '{}' FROM event_clock, generate_series(1, %d) AS n"""


@pytest.mark.skipif(not FULL, reason="measures")
def test_a_million_undelivered_events(hooks, figures):
    """Reading and writing take as long as with a thousand."""
    numbers = itertools.count()
    make(hooks, "http://127.0.0.1:9/")  # nothing listens there
    calls = {
        "write": lambda: expect(hooks.api.owner.post(
            "/api/customers", {"email": f"m{next(numbers)}@{hooks.mail_domain}"}), 201),
        "read": lambda: expect(hooks.api.owner.get("/api/events?limit=50"), 200),
        "endpoints": lambda: expect(hooks.api.owner.get(ENDPOINTS), 200)}
    found = []
    for count in (1000, 999000):
        hooks.sql(FILL % count)
        hooks.sql("VACUUM ANALYZE")
        hooks.sql("CHECKPOINT")
        wait_for(lambda: hooks.sql(PENDING) == "1000")
        found.append({name: median_ms(call) for name, call in calls.items()})
    few, many = found
    figures["with a million undelivered events"] = ", ".join(
        f"{name} {many[name]:.1f} ms (with 1000: {few[name]:.1f})" for name in few)
    assert hooks.sql(PENDING) == "1000"
    assert all(many[name] < 2 * few[name] for name in few), figures
