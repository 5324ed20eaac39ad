"""Stripe hangs, fails and is away, and events are lost. Requests that do not need Stripe are
not delayed, each request has one effect, and afterwards the data is equal (guarantees 9 and
34)."""

import os
import statistics
import threading
import time
import uuid

import pytest
from chaos.life import IN_PROGRESS, Life
from chaos.load import Load
from chaos.stripe import DEADLINE_SECONDS, Postman
from support.client import Client
from support.stack import wait_for, within

# In a full run Stripe hangs for a minute, and every fault meets every request.
FULL = int(os.environ.get("STRIPE_SHUFFLES", "8")) >= 200


def p99(load, word):
    """The times of requests whose line has that word, in seconds, and their number."""
    times = sorted(seconds for _, seconds, what, *_ in load.answers if word in what)
    return statistics.quantiles(times, n=100, method="inclusive")[-1], len(times)


def measure(shop, rng, lives, seconds, meanwhile=None):
    """Requests licences and reports usage for that long, or until `meanwhile` ends."""
    async def visit(client):
        life = client.rng.choice(lives)
        await client.send("GET", f"/api/licenses/{life.id}", key=life.customer.api_key)
        await client.send("POST", "/api/usage/report", {
            "customer_id": life.id, "active_devices": 1, "total_devices": 2},
            key=life.customer.api_key, idempotency_key=str(uuid.UUID(int=client.rng.getrandbits(128))))

    with Load(shop, 4, visit, rng.random()) as load:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            load.check()
            if meanwhile:
                meanwhile()
            time.sleep(0.05)
    return load


def test_stripe_hangs_under_load(shop, books, rng, report):
    """Licences and usage are not delayed, webhooks are accepted at once, checkouts fail in
    time, and all events are processed afterwards."""
    seconds = 60 if FULL else 5
    lives = [Life(shop) for _ in range(4)]
    for life in lives[:3]:
        life.buy()
    books.rest()
    webhooks, checkouts = {True: [], False: []}, []

    def buy():
        while time.monotonic() < end:
            start = time.monotonic()
            answer = Client(shop, lives[3].customer.client.headers).post(
                "/api/subscriptions/checkout", {"customer_id": lives[3].id, "plan": "starter"},
                faults=True)
            checkouts.append((answer.status_code, time.monotonic() - start))
            time.sleep(0.2)

    with Postman(shop) as postman:
        for life in lives[:3]:
            for plan in ("professional", "enterprise"):
                life.portal_change(plan)
        letters = postman.take()

        def bring(hanging):
            start = time.monotonic()
            postman.post(rng.choice(letters[:4] if hanging else letters[4:]))
            webhooks[hanging].append(time.monotonic() - start)

        before = measure(shop, rng, lives, seconds, lambda: bring(False))
        shop.stripe.fault("hang", path="^/v1/", seconds=600, times="forever")
        end = time.monotonic() + seconds
        buyer = threading.Thread(target=buy)
        buyer.start()
        during = measure(shop, rng, lives, seconds, lambda: bring(True))
        buyer.join()
        for letter in letters:
            postman.post(letter)
        shop.stripe.let_go()
        waited = time.monotonic()
    if FULL:
        books.rest(120)
    else:
        books.hurry(60)
    waited = time.monotonic() - waited
    books.check()
    figures = {}
    for word in ("licenses", "usage"):
        (old, _), (new, count) = p99(before, word), p99(during, word)
        figures[f"{word}_p99_before_during"] = f"{1000 * old:.0f}/{1000 * new:.0f} ms of {count}"
        assert new < max(3 * old, within(0.1)), figures
    usual, webhook = (statistics.quantiles(webhooks[hanging], n=100, method="inclusive")[-1]
                      for hanging in (False, True))
    slowest = max(seconds for _, seconds in checkouts)
    report(**figures, webhooks=len(webhooks[True]), applied_after=f"{waited:.1f} s",
           webhook_p99_before_during=f"{1000 * usual:.0f}/{1000 * webhook:.0f} ms",
           checkouts=len(checkouts), slowest_checkout=f"{slowest:.1f} s")
    assert not before.unexpected(200, 201) and not during.unexpected(200, 201)
    assert webhook < max(within(0.2), 3 * usual)
    assert {status for status, _ in checkouts} <= {502, 503} and slowest < within(DEADLINE_SECONDS + 1)
    for life in lives[:3]:
        life.end_now()
    books.rest()


def test_stripe_goes_away_and_comes_back(shop, books):
    """A customer's requests fail while Stripe is away, and work afterwards."""
    life = Life(shop)
    life.buy()
    books.rest()
    life.portal_change("enterprise")
    shop.stripe.stop()
    answer = life.customer.client.post("/api/subscriptions/upgrade", {
        "customer_id": life.id, "new_plan": "professional"}, faults=True)
    assert answer.status_code == 502
    shop.stripe.start()
    life.change("starter")
    books.hurry()
    books.check()
    life.end_now()
    books.rest()


def test_an_event_arrives_again_while_it_is_processed(shop, books):
    """Its processing waits for Stripe; its second delivery does not wait."""
    life = Life(shop)
    life.buy()
    books.rest()
    with Postman(shop) as postman:
        life.portal_change("enterprise")
        letters = postman.take()
        shop.stripe.fault("hang", method="GET", seconds=600, times="forever")
        for letter in letters:
            postman.post(letter)
        wait_for(lambda: shop.stripe.control("faults")[0]["used"] > 0, every=0.01)
        start = time.monotonic()
        for letter in letters:
            postman.post(letter)
        assert time.monotonic() - start < within(1)
        shop.stripe.let_go()
    books.hurry()
    books.check()
    life.end_now()
    books.rest()


FAULTS = {
    "500": {"kind": "status", "status": 500}, "503": {"kind": "status_after", "status": 503},
    "429": {"kind": "status", "status": 429}, "garbage": {"kind": "garbage"},
    "truncate": {"kind": "truncate"}, "reset": {"kind": "reset"},
    "reset_after": {"kind": "reset_after"},
    "redirect": {"kind": "redirect", "location": "http://127.0.0.1:9/"},
    "huge": {"kind": "huge", "megabytes": 16}, "hang": {"kind": "hang", "seconds": 600},
}


WISHES = [("upgrade", {"new_plan": "professional"}), ("upgrade", {"new_plan": "starter"}),
          ("cancel", {"at_period_end": True}), ("resume", {})]
CHANGES = FAULTS if FULL else ["503", "429", "truncate", "reset_after", "hang"]
CHECKOUTS = FAULTS if FULL else ["503", "reset_after"]


@pytest.mark.parametrize("times", [1, "forever"] if FULL else ["forever"])
@pytest.mark.parametrize("name", CHANGES)
def test_each_request_has_one_effect(shop, books, name, times, report):
    """With each fault, once or until the client repeats the request."""
    life, stripe = Life(shop), shop.stripe
    life.buy()
    books.rest()
    made = 0
    for what, wish in WISHES if FULL else WISHES[:1]:
        live = stripe.counters()["live_subscriptions"]
        before = len(stripe.state()["invoices"])
        headers = {"Idempotency-Key": str(uuid.uuid4())}

        def ask(what=what, wish=wish, headers=headers):
            return life.customer.client.post(
                f"/api/subscriptions/{what}", {"customer_id": life.id, **wish}, headers=headers,
                faults=True)

        stripe.fault(FAULTS[name]["kind"], method="POST", path="^/v1/subscriptions/", times=times,
                     **{key: value for key, value in FAULTS[name].items() if key != "kind"})
        start = time.monotonic()
        first = ask()
        assert time.monotonic() - start < within(DEADLINE_SECONDS + 1)
        assert first.status_code in (200, 502, 503), first.text
        stripe.let_go()
        second, = wait_for(lambda: (got := ask()).status_code < 500 and
                           got.json().get("code") not in IN_PROGRESS and [got], every=0.2)
        # When Stripe replays an error for the key, the next request looks up whether it was done.
        done = second.status_code == 200 or second.json()["code"] == "nothing_to_change"
        assert done, (what, wish, first.text, second.text)
        books.hurry()
        books.check()
        made = len(stripe.state()["invoices"]) - before
        assert made == (wish.get("new_plan") == "professional"), (what, wish, made)
        assert stripe.counters()["live_subscriptions"] == live
    life.end_now()
    books.rest()
    report(wishes=len(WISHES) if FULL else 1, different_end_states=0)


@pytest.mark.parametrize("name", CHECKOUTS)
def test_a_checkout_makes_one_session(shop, books, name):
    """One session and one customer at Stripe, whichever creation fails."""
    fault = FAULTS[name]
    for path in ("^/v1/customers$", "^/v1/checkout/sessions$"):
        life = Life(shop)
        shop.stripe.fault(fault["kind"], method="POST", path=path, times="forever",
                          **{key: value for key, value in fault.items() if key != "kind"})
        body = {"customer_id": life.id, "plan": "starter"}
        start = time.monotonic()
        first = life.customer.client.post("/api/subscriptions/checkout", body, faults=True)
        assert time.monotonic() - start < within(DEADLINE_SECONDS + 1)
        assert first.status_code in (200, 502, 503), first.text
        shop.stripe.let_go()
        life.buy()
        books.hurry()
        books.check()
        state = shop.stripe.state()
        mine = [id for id, one in state["customers"].items()
                if one["metadata"].get("customer_id") == life.id]
        still_open = [id for id, one in state["sessions"].items()
                      if one["customer"] in mine and one["status"] == "open"]
        assert len(mine) == 1 and not still_open
        assert shop.stripe.counters()["live_subscriptions"][mine[0]] == 1
        life.end_now()
    books.rest()


def test_lost_events_are_found(shop, books, report):
    """No event of a life arrives; the comparison with Stripe finds them."""
    life = Life(shop)
    found = "SELECT count(*) FROM stripe_events WHERE origin = 'sweep'"
    before = books.count(found)
    with Postman(shop) as postman:
        life.buy()
        lost = len(postman.take())
        books.sweep()
        books.check()
        # Stripe lists events for a month.
        for step in ("portal_change enterprise", "fail", "recover", "end_later", "rename Lost",
                     "end_now"):
            getattr(life, step.split()[0])(*step.split()[1:])
            lost += len(postman.take())
        books.sweep()
        books.check()
    found = books.count(found) - before
    report(lost=lost, found=found, different_end_states=0)
    assert 0 < found <= lost


def test_changes_without_events_are_found(shop, books):
    """Stripe no longer has the events of a change: the list of subscriptions shows it. An ended
    subscription is missing from that list."""
    life, ended = Life(shop), Life(shop)
    for one in (life, ended):
        one.buy()
    books.rest()
    with Postman(shop) as postman:
        life.portal_change("enterprise")
        ended.update(cancel_at_period_end="true")
        ended.renew()
        shop.stripe.advance(days=1)
        postman.take()
        # Our subscription is renewed every month; its newest events do not show the change.
        shop.stripe.fault("status", path="^/v1/events", times="forever", status=200,
                          body={"object": "list", "data": [], "has_more": False})
        books.sweep()
        shop.stripe.let_go()
    found = [line for line in books.differences() if line.startswith("subscription")]
    assert not found, found
    books.sweep()  # with the list of events, invoices too
    books.check()
    life.end_now()
    books.rest()
