"""A process is killed between Stripe and us, at any time: in the end our data is equal to
Stripe's, and each event has its effect once."""

import itertools
import json
import threading
import uuid

import pytest
from chaos.life import IN_PROGRESS, Life
from chaos.postgres import CRASH, FAST, Postgres, Session
from chaos.processes import children, kill, role_of
from chaos.stripe import Postman
from support.client import Client
from support.stack import wait_for

JOBS, WORKER, STRIPE_WORKER = "billingd jobs s", "billingd worker", "billingd stripe"

# The change at Stripe, its event that is processed when the process is killed, and its effect.
NEWS = {
    "subscription": ("portal_change", "customer.subscription.updated", "subscription_sync"),
    "invoice": ("renew", "invoice.paid", "subscription_sync"),
    "customer": ("rename", "customer.updated", "customer_update"),
}


@pytest.fixture(scope="module")
def life(shop, all_books):
    """A customer with a subscription."""
    made = Life(shop)
    made.buy()
    all_books.rest()
    yield made
    made.end_now()
    all_books.rest()


def another_plan(life):
    """A plan that the customer does not have."""
    return "professional" if life.at_stripe()[1]["plan"] != "professional" else "enterprise"


@pytest.fixture(scope="module")
def values():
    """The new names and plans of the steps, by family."""
    numbers = itertools.count()
    return {"subscription": another_plan, "customer": lambda _: f"Name {next(numbers)}",
            "invoice": lambda _: None}


def processes(stack, role):
    """The process ids of a role, as soon as there are any."""
    return wait_for(lambda: [pid for pid in children(stack) if role_of(pid) == role])


def wait_for_a_round(books):
    """Waits until the process sleeps: one that dies earlier counts as unable to start."""
    wait_for(lambda: books.count(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'billingd jobs stripe' "
        "AND state = 'idle' AND state_change < now() - interval '0.3 s'"), 60, 0.05)


def kill_all(stack, role):
    """Kills the processes, and returns how many."""
    return sum(map(kill, processes(stack, role)))


def used(stripe):
    """How often a fault has occurred."""
    return sum(rule["used"] for rule in stripe.control("faults"))


def after_receipt(shop, _life, bring):
    """The event is stored and answered, but not processed."""
    old = processes(shop, JOBS)
    for pid in old:
        kill(pid, 19)
    bring()
    return sum(map(kill, old))


def after_fetch(shop, _life, bring):
    """Stripe has answered the fetch, or is about to."""
    shop.stripe.fault("slow_after", method="GET", seconds=60)
    bring()
    wait_for(lambda: used(shop.stripe) == 1, every=0.01)
    killed = kill_all(shop, JOBS)
    shop.stripe.let_go()
    return killed


def before_commit(shop, life, bring):
    """The object is fetched, and about to be stored."""
    postgres = Postgres(shop)
    with Session(shop) as other:
        other.run(f"SELECT FROM customers WHERE customer_id = '{life.id}' FOR UPDATE")
        bring()
        wait_for(lambda: postgres.waiting() > 0, every=0.01)
        return kill_all(shop, JOBS)


@pytest.mark.parametrize("point", [after_receipt, after_fetch, before_commit],
                         ids=lambda point: point.__name__)
@pytest.mark.parametrize("family", NEWS)
def test_the_jobs_process_is_killed(shop, books, life, values, family, point, report):
    wait_for_a_round(books)
    step, type, effect = NEWS[family]
    value = values[family](life)
    effects = f"SELECT count(*) FROM audit_log WHERE customer_id = '{life.id}' " \
              f"AND action = '{effect}'"
    with Postman(shop) as postman:
        getattr(life, step)(*[value] if value else [])
        letters = postman.take()
        # Time passes for the customers of other tests too.
        mine, _ = life.at_stripe()
        letter = next(one for one in letters
                      if json.loads(one)["type"] == type and mine in str(one))
        before = books.count(effects)
        killed = point(shop, life, lambda: postman.post(letter))
        assert killed == 1
        books.rest()
        for one in letters:
            postman.post(one)
        books.rest()
    books.check()
    report(killed=killed, effects=books.count(effects) - before)
    assert books.count(effects) == before + 1


def test_the_workers_are_killed(shop, books, life, report):
    """Workers are killed while they receive events; Stripe sends the events again."""
    postgres = Postgres(shop)
    before = books.count("SELECT count(*) FROM stripe_events")
    shop.stripe.control("deliveries/reset", {})
    with Session(shop) as other:
        other.run("LOCK TABLE stripe_events IN SHARE ROW EXCLUSIVE MODE")
        life.portal_change(another_plan(life))
        wait_for(lambda: postgres.waiting(WORKER) > 0, every=0.01)
        killed = kill_all(shop, WORKER)
    books.rest()
    books.check()
    sent = {one["event"] for one in shop.stripe.deliveries()}
    failed = sum(one["status"] != 200 for one in shop.stripe.deliveries())
    stored = books.count("SELECT count(*) FROM stripe_events")
    lost = sum(not books.count(f"SELECT count(*) FROM stripe_events WHERE event_id = '{id}'")
               for id in sent)
    report(killed=killed, failed_deliveries=failed, new_events=stored - before, lost=lost)
    assert killed > 0 and failed > 0 and stored > before and lost == 0


def test_all_of_billingd_is_killed(shop, books, life):
    """While an event is processed and others arrive."""
    shop.stripe.fault("slow_after", method="GET", seconds=60)
    life.portal_change(another_plan(life))
    wait_for(lambda: used(shop.stripe) == 1, every=0.01)
    for pid in shop.pids():
        kill(pid)
    shop.stripe.let_go()
    life.rename("Later")
    shop.script("start", "billingd")
    books.rest()
    books.check()


@pytest.mark.parametrize("number", [FAST, CRASH], ids=["fast", "crash"])
def test_postgresql_is_restarted(shop, books, all_books, life, number):
    postgres = Postgres(shop)
    shop.stripe.fault("slow_after", method="GET", seconds=60)
    life.portal_change(another_plan(life))
    wait_for(lambda: used(shop.stripe) == 1, every=0.01)
    all_books.close()
    postgres.end(number)
    shop.stripe.let_go()
    life.rename(f"While it was away {number}")
    postgres.start()
    all_books.reopen()
    books.rest()
    books.check()


# The worker of a request is killed: (kind of fault, whether the client repeats the request).
REQUESTS = [("upgrade", {"new_plan": "professional"}), ("cancel", {"at_period_end": True}),
            ("cancel", {}), ("checkout", {"plan": "professional"})]


@pytest.mark.parametrize("again", [True, False], ids=["asks again", "goes away"])
@pytest.mark.parametrize("fault", ["slow", "slow_after"])
def test_the_worker_of_a_request_is_killed(shop, books, fault, again, report):
    """One request of a client makes one change at Stripe, and our data is equal."""
    life = Life(shop)
    killed = 0
    for what, wish in [("checkout", {"plan": "starter"}), *REQUESTS]:
        key = str(uuid.uuid4())
        before = shop.stripe.counters()

        def ask(what=what, wish=wish, key=key):
            client = Client(shop, life.customer.client.headers)
            return client.post(f"/api/subscriptions/{what}", {"customer_id": life.id, **wish},
                               headers={"Idempotency-Key": key}, faults=True)

        method = "DELETE" if wish == {} else "POST"
        path = "checkout/sessions$" if what == "checkout" else "/v1/subscriptions/"
        shop.stripe.fault(fault, method=method, path=path, seconds=60)
        thread = threading.Thread(target=ask)
        thread.start()
        wait_for(lambda: used(shop.stripe) == 1, every=0.01)
        killed += kill_all(shop, STRIPE_WORKER)
        shop.stripe.let_go()
        thread.join()
        if again:
            # PostgreSQL may not have noticed the end of the worker yet, which has the customer's lock.
            answer, = wait_for(lambda: (got := ask()).status_code < 500 and
                               got.json().get("code") not in IN_PROGRESS and [got])
            assert answer.status_code == 200, answer.text
        books.hurry()
        books.check()
        after = shop.stripe.counters()
        if what == "checkout":
            customer, _ = life.at_stripe()
            open_ones = [id for id, one in shop.stripe.state()["sessions"].items()
                         if one["customer"] == customer and one["status"] == "open"]
            assert len(open_ones) <= 1, open_ones
            assert after["customers"] - before["customers"] <= 1
            if not again and not open_ones:
                open_ones = [life.ask("checkout", plan="starter").json()["session_id"]]
            shop.stripe.complete(open_ones[0])
            books.hurry()
            books.check()
    life.end_now()
    books.rest()
    books.check()
    report(killed=killed, different_end_states=0)
