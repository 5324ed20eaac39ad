"""Stripe's events in any order, repeated and in all shapes: in the end our data is equal to
Stripe's, and the amounts are right (guarantees 7, 8 and 39)."""

import itertools
import json
import os
import threading
from pathlib import Path

import jwt
import pytest
from chaos.life import VERSIONS, Life
from chaos.stripe import POSTPONE, Postman
from support.client import Client, expect
from support.stack import wait_for
from support.webhook import signed

SHUFFLES = int(os.environ.get("STRIPE_SHUFFLES", "8"))
LIVES = max(2, SHUFFLES // 4)
SHAPES = dict(zip(("old", "basil", "endive"), VERSIONS))
RECORDED = Path(os.environ.get("SHARED_DIR", Path(__file__).resolve().parents[3] / "shared"),
                "stripe/events")

# The kinds of event that came later, in the shape of basil, have a folder of their own.
MORE_RECORDED = {"basil": ["2025-03-31.basil-more"]}
RECORDED_COUNTS = {"old": 31, "basil": 67, "endive": 68}

# A customer's steps, and the plan and status after each.
STORY = [
    ("buy", "starter", "active"), ("renew", "starter", "active"),
    ("change professional", "professional", "active"), ("change starter", "starter", "active"),
    ("portal_change enterprise", "enterprise", "active"), ("rename", "enterprise", "active"),
    ("end_later", "enterprise", "active"), ("go_on", "enterprise", "active"),
    ("fail", "enterprise", "past_due"), ("recover", "enterprise", "active"),
    ("fail", "enterprise", "past_due"), ("give_up", "enterprise", "canceled"),
    ("buy professional", "professional", "active"), ("end_later", "professional", "active"),
    ("renew", "professional", "canceled"), ("buy", "starter", "active"),
    ("end_now", "starter", "canceled"), ("buy", "starter", "active"),
    ("vanish", "starter", "canceled"),
]


# Steps that only flexible billing mode has.
FLEXIBLE_STORY = [
    ("buy", "starter", "active"), ("migrate", "starter", "active"),
    ("change professional", "professional", "active"), ("portal_end", "professional", "active"),
    ("go_on", "professional", "active"), ("portal_end", "professional", "active"),
    ("change enterprise", "enterprise", "active"), ("go_on", "enterprise", "active"),
    ("end_later", "enterprise", "active"), ("go_on", "enterprise", "active"),
    ("pause", "enterprise", "paused"), ("resume", "enterprise", "active"),
    ("fail", "enterprise", "past_due"), ("recover", "enterprise", "active"),
    ("portal_end", "enterprise", "active"), ("renew", "enterprise", "canceled"),
    ("buy", "starter", "active"), ("migrate", "starter", "active"), ("vanish", "starter", "canceled"),
]


def step(life, name):
    """Does a step by its name."""
    words = name.split()
    life.steps.append(name)
    getattr(life, words[0])(*words[1:])


def shown(life):
    """Plan and status as the customer sees them; checks that the licence has the same."""
    answer = expect(life.customer.client.get(f"/api/subscriptions/{life.id}"), 200)["subscription"]
    token = expect(life.customer.client.get(f"/api/licenses/{life.id}"), 200)["license"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["plan"] == answer["plan"], life.steps
    assert claims["subscription"]["status"] == answer["status"], life.steps
    return answer["plan"], answer["status"]


def play(shop, books, story, shape):
    """Plays a story with events of a version that arrive as Stripe sends them; after each step our
    data is equal to Stripe's."""
    stripe = shop.stripe
    stripe.webhook(stripe.options["webhook_url"], api_version=SHAPES[shape])
    life = Life(shop)
    try:
        for name, plan, status in story:
            step(life, name)
            books.rest()
            assert not books.differences(), (life.steps, books.differences())
            assert shown(life) == (plan, status), life.steps
    finally:
        stripe.webhook(stripe.options["webhook_url"], api_version=None)
    assert not books.violations()


@pytest.mark.parametrize("shape", SHAPES)
def test_step_by_step_all_is_as_stripe_has_it(shop, books, shape, report):
    play(shop, books, STORY, shape)
    report(steps=len(STORY), different_end_states=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_step_by_step_in_flexible_billing_mode(shop, books, shape, report):
    play(shop, books, FLEXIBLE_STORY, shape)
    report(steps=len(FLEXIBLE_STORY), different_end_states=0)


def test_a_life_ends_alike_in_each_shape_and_billing_mode(shop, books, report):
    """One list of steps in each version and in both billing modes leaves equal rows: only ids and
    times differ."""
    ends = set()
    for shape in SHAPES:
        for flexible in (False, True):
            life = Life(shop, flexible)
            live(shop, SHAPES[shape], life, [
                "buy", "change professional", "fail", "recover", "change enterprise", "end_later",
                "go_on", "end_now"])
            books.rest()
            books.check()
            ends.add(books.psql.value(OUTLINE.format(id=life.id)))
    report(lives=2 * len(SHAPES), end_states=len(ends))
    assert len(ends) == 1


@pytest.mark.parametrize("after", ["unpaid", "past_due"])
def test_other_ends_of_a_payment_that_fails(shop, books, after):
    shop.stripe.settings(after_retries=after)
    life = Life(shop)
    for name, status in [("buy", "active"), ("fail", "past_due"), ("give_up", after),
                         ("recover", "active"), ("end_now", "canceled")]:
        step(life, name)
        books.rest()
        books.check()
        assert shown(life) == ("starter", status), life.steps


def test_a_trial_at_stripe(shop, books):
    """The vendor starts a trial at Stripe; it ends with the first payment, or pauses."""
    life = Life(shop)
    life.buy()
    books.rest()
    life.end_now()
    customer, _ = life.at_stripe()
    for behaviour, status in (("create_invoice", "active"), ("pause", "paused"),
                              ("cancel", "canceled")):
        shop.stripe.call("POST", "/v1/subscriptions", {
            "customer": customer, "items[0][price]": "price_professional_month",
            "trial_period_days": 10, "metadata[customer_id]": life.id,
            "trial_settings[end_behavior][missing_payment_method]": behaviour})
        books.rest()
        books.check()
        assert shown(life) == ("professional", "trialing")
        shop.stripe.card(customer, "good" if status == "active" else "none")
        shop.stripe.advance(days=11)
        books.rest()
        books.check()
        assert life.at_stripe()[1]["status"] == status
        assert shown(life) == ("professional", status)
        if status != "canceled":
            shop.stripe.call("DELETE", f"/v1/subscriptions/{life.at_stripe()[1]['id']}")
            books.rest()


def test_an_end_in_flexible_billing_mode(shop, books):
    """The portal sets only `cancel_at` then."""
    life = Life(shop)
    life.buy()
    end = life.at_stripe()[1]["current_period_end"]
    life.update(cancel_at=end)
    books.rest()
    books.check()
    life.go_on()
    books.rest()
    books.check()
    assert life.at_stripe()[1]["cancel_at"] is None
    life.update(cancel_at=end)
    life.renew()
    books.rest()
    books.check()
    assert shown(life) == ("starter", "canceled")


# All rows of a customer, without the times when they were written.
SNAPSHOT = """
SELECT json_build_object('rows', (SELECT json_agg(json_build_array(stripe_subscription_id, plan,
      status, superseded, stripe_price_id, current_period_ends_at, cancel_at_period_end, cancel_at,
      canceled_at, stripe_subscription_id IS NULL OR ended_at IS NULL, trial_ends_at)
      ORDER BY stripe_subscription_id) FROM subscriptions WHERE customer_id = c.customer_id),
  'invoices', (SELECT json_agg(json_build_array(invoice_id, status, amount_due, amount_paid, number)
      ORDER BY invoice_id) FROM invoices WHERE customer_id = c.customer_id),
  'customer', json_build_array(stripe_customer_id, email, company_name))
FROM customers c WHERE customer_id = '{id}'"""

# The parts of a state that two customers with the same life have in common.
OUTLINE = """
SELECT json_build_object('rows', (SELECT json_agg(json_build_array(plan, status, superseded,
      stripe_price_id, cancel_at_period_end, cancel_at IS NULL, canceled_at IS NULL, ended_at IS NULL,
      stripe_subscription_id IS NULL) ORDER BY created_at)
      FROM subscriptions WHERE customer_id = c.customer_id),
  'invoices', (SELECT json_agg(json_build_array(status, billing_reason, amount_due, amount_paid)
      ORDER BY status, billing_reason, amount_due)
      FROM invoices WHERE customer_id = c.customer_id))
FROM customers c WHERE customer_id = '{id}'"""

# The state after sign-up and checkout: linked, on trial, without any event of Stripe's.
RESET = """
BEGIN;
{postpone};
DELETE FROM stripe_events;
DELETE FROM invoices WHERE customer_id = '{id}';
DELETE FROM subscriptions WHERE customer_id = '{id}' AND stripe_subscription_id IS NOT NULL;
UPDATE subscriptions SET status = 'trialing', superseded = false, ended_at = NULL
 WHERE customer_id = '{id}';
UPDATE customers SET stripe_customer_id = '{stripe}', company_name = 'Before'
 WHERE customer_id = '{id}';
COMMIT"""


def live(shop, version, life, story):
    """Continues a life and returns its events, each delivered at once, so that the next step
    finds our data current."""
    letters = []
    with Postman(shop, version) as postman:
        for name in story:
            step(life, name)
            new = postman.take()
            letters += new
            for letter in new:
                postman.post(letter)
            wait_for(lambda: shop.sql("SELECT count(*) FROM stripe_events "
                                       "WHERE state = 'pending'") == "0", every=0.02)
    return letters


def test_shuffled_and_repeated_events_give_the_same_result(shop, books, rng, report):
    """All events of a life in all shapes, each one to three times in random order."""
    life = Life(shop)
    letters = live(shop, SHAPES["old"], life, [
        "buy", "rename", "change professional", "fail", "recover", "end_later", "go_on"])
    customer = life.at_stripe()[0]
    letters += live(shop, SHAPES["basil"], life, [
        "portal_change enterprise", "fail", "give_up"])
    letters += live(shop, SHAPES["endive"], life, ["buy", "migrate", "portal_end", "vanish"])
    postman = Postman(shop)
    books.rest()
    books.check()
    effects = "SELECT count(*) FROM audit_log WHERE action = 'subscription_sync'"
    ends, lost, repeated = set(), 0, 0
    for _ in range(SHUFFLES):
        books.psql.run(RESET.format(id=life.id, stripe=customer, postpone=POSTPONE))
        order = letters + rng.choices(letters, k=len(letters) // 3)
        rng.shuffle(order)
        for letter in order:
            postman.post(letter)
        wait_for(lambda: books.pending() == 0, every=0.01)
        stored = books.count("SELECT count(*) FROM stripe_events WHERE state IN "
                             "('done', 'ignored')")
        lost += len(letters) - stored
        repeated += len(order) - stored
        ends.add(books.psql.value(SNAPSHOT.format(id=life.id)))
        books.check()
    # A further delivery changes nothing.
    before = books.count(effects)
    for letter in letters:
        postman.post(letter)
    books.rest()
    assert books.count(effects) == before
    postman.server_close()
    report(shuffles=SHUFFLES, events=len(letters), repeated=repeated, lost=lost,
           end_states=len(ends))
    assert len(ends) == 1 and lost == 0


def test_all_permutations_of_five_subscription_events(shop, books, report):
    """120 orders give one result (guarantee 8)."""
    life = Life(shop)
    letters = live(shop, SHAPES["basil"], life,
                   ["buy", "change professional", "end_later", "go_on", "end_now"])
    customer = life.at_stripe()[0]
    five = [letter for letter in letters
            if json.loads(letter)["type"].startswith("customer.subscription.")]
    assert len(five) == 5
    postman = Postman(shop)
    ends = set()
    for order in itertools.permutations(five):
        books.psql.run(RESET.format(id=life.id, stripe=customer, postpone=POSTPONE))
        for letter in order:
            postman.post(letter)
        wait_for(lambda: books.pending() == 0, every=0.002)
        ends.add(books.psql.value(SNAPSHOT.format(id=life.id)))
    for letter in letters:
        postman.post(letter)
    postman.server_close()
    books.rest()
    books.check()
    report(orders=120, end_states=len(ends))
    assert len(ends) == 1


def test_random_lives_with_late_events(shop, books, rng, report):
    """During a random life events arrive late, out of order and repeatedly; after the last one
    our data is equal to Stripe's."""
    steps = sent = 0
    with Postman(shop) as postman:
        for number in range(LIVES):
            postman.version = rng.choice(list(SHAPES.values()))
            shop.stripe.webhook(f"http://127.0.0.1:{postman.server_port}",
                                 api_version=postman.version)
            shop.stripe.settings(after_retries=rng.choice(["cancel", "unpaid", "past_due"]))
            life, waiting = Life(shop, flexible=rng.random() < 0.5), []
            for _ in range(rng.randrange(6, 14)):
                if not life.is_live():  # then a new one can be bought
                    sent += bring(postman, rng, waiting, len(waiting))
                    wait_for(lambda: books.pending() == 0, every=0.01)
                life.move(rng)
                steps += 1
                waiting += postman.take()
                sent += bring(postman, rng, waiting, rng.randint(0, len(waiting)))
            if life.is_live() and number % 2:
                life.end_now()
                waiting += postman.take()
            sent += bring(postman, rng, waiting, len(waiting))
            wait_for(lambda: books.pending() == 0, every=0.01)
            assert not books.differences(), (life.steps, books.differences())
    assert not books.violations()
    report(lives=LIVES, steps=steps, events_sent=sent, different_end_states=0)


def bring(postman, rng, waiting, count):
    """Delivers some of the waiting events in random order; some will be delivered again."""
    rng.shuffle(waiting)
    now, waiting[:] = waiting[:count], waiting[count:]
    for letter in now:
        postman.post(letter)
    waiting += [letter for letter in now if rng.random() < 0.1] if waiting else []
    return count


def test_one_event_fifty_times_at_once(shop, books, report):
    """One row and one effect (guarantee 7)."""
    with Postman(shop) as postman:
        life = Life(shop)
        life.buy()
        letters = postman.take()
        letter, = (letter for letter in letters
                   if json.loads(letter)["type"] == "customer.subscription.created")
        statuses = []

        def post():
            client = Client(shop)
            statuses.extend(client.post(
                "/api/webhooks/stripe", data=letter,
                headers=signed(letter, shop.webhook_secret)).status_code for _ in range(5))

        threads = [threading.Thread(target=post) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        books.rest()
        effects = shop.sql("SELECT count(*) FROM audit_log WHERE action = 'subscription_sync' "
                            f"AND customer_id = '{life.id}'")
        rows = shop.sql("SELECT count(*) FROM stripe_events "
                         f"WHERE event_id = '{json.loads(letter)['id']}'")
        for other in letters:
            postman.post(other)
        life.end_now()
        for other in postman.take():
            postman.post(other)
    books.rest()
    books.check()
    report(deliveries=len(statuses), rows=rows, effects=effects)
    assert statuses == [200] * 50 and (rows, effects) == ("1", "1")


@pytest.mark.skipif(not RECORDED.exists(), reason=f"not here: {RECORDED}")
@pytest.mark.parametrize("shape", SHAPES)
def test_recorded_events_of_stripe(shop, books, shape, report):
    """Events of unknown customers are accepted and stored. One whose object does not exist is
    tried again, then parked, and tried once more when it arrives again."""
    client = Client(shop)
    folders = [SHAPES[shape], *MORE_RECORDED.get(shape, [])]
    files = sorted(file for folder in folders for file in (RECORDED / folder).glob("*.json"))
    letters, before = [], books.ours()
    for file in files:
        event = json.loads(file.read_bytes())
        event["id"] = f"evt_{shape}_{event['id'].removeprefix('evt_')}"
        letters.append(json.dumps(event, separators=(",", ":")).encode())
    for letter in letters * 2:
        headers = signed(letter, shop.webhook_secret)
        expect(client.post("/api/webhooks/stripe", data=letter, headers=headers), 200)
    ids = ", ".join(f"'{json.loads(letter)['id']}'" for letter in letters)
    states = f"SELECT state, count(*) FROM stripe_events WHERE event_id IN ({ids}) GROUP BY 1"
    wait_for(lambda: shop.sql(f"SELECT count(*) FROM stripe_events WHERE event_id IN ({ids}) "
                               "AND state = 'pending' AND attempts = 0") == "0")
    # By the time of the next try, which may be over by now.
    delays = shop.sql("SELECT min(next_try_at - received_at) > interval '1 second' FROM stripe_events "
                       f"WHERE event_id IN ({ids}) AND state = 'pending'")
    books.hurry(60)
    found = dict(line.split("|") for line in shop.sql(states).splitlines())
    tries = shop.sql(f"SELECT DISTINCT attempts FROM stripe_events WHERE event_id IN ({ids}) "
                      "AND state = 'parked'")
    id = shop.sql(f"SELECT event_id FROM stripe_events WHERE event_id IN ({ids}) AND state = 'parked' LIMIT 1")
    parked, = (letter for letter in letters if json.loads(letter)["id"] == id)
    client.post("/api/webhooks/stripe", data=parked, headers=signed(parked, shop.webhook_secret))
    again = shop.sql(f"SELECT state FROM stripe_events WHERE event_id = '{id}'")
    books.hurry(60)
    report(events=len(letters), **found)
    assert sum(map(int, found.values())) == len(letters) == RECORDED_COUNTS[shape]
    assert set(found) == {"done", "parked", "ignored"} and tries == "12" and delays == "t"
    assert again == "pending"
    assert books.ours() == before
