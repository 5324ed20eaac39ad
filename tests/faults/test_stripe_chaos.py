"""Customers act, processes are killed and Stripe fails, at random and at once: in the end our
data is equal to Stripe's, and no customer has paid twice."""

import contextlib
import os
import random
import threading
import time

import pytest
from chaos.life import PATIENCE_SECONDS, Life, insist
from chaos.processes import Killer
from chaos.stripe import SHOP, Books
from support.stack import wait_for

SECONDS = float(os.environ.get("CHAOS_SECONDS", "10"))

# The faults of Stripe: each occurs once, and the request that it needs.
STUMBLES = [
    {"kind": "status", "status": 500}, {"kind": "status", "status": 503},
    {"kind": "status", "status": 429}, {"kind": "reset"}, {"kind": "reset_after"},
    {"kind": "garbage", "status": 200, "body": "<html>"}, {"kind": "slow", "seconds": 0.5},
    {"kind": "slow_after", "seconds": 0.5}, {"kind": "slow_after", "seconds": 5},
]


@pytest.fixture(name="shop")
def fixture_shop(new_stack):
    """A stack of its own: its customers would pay and renew during other tests."""
    made = new_stack(**SHOP)
    yield made
    made.close()


@pytest.fixture(name="books")
def fixture_books(shop):
    made = Books(shop)
    yield made
    made.close()


TURNS = ("renew", "fail", "give_up")
WEEK = 7 * 86400


class Calendar:
    """Time goes on for all at once: only while nobody acts, and a week at a time, with all of
    Stripe's news brought in between: it goes on trying for three days, and lists for thirty."""

    def __init__(self, stripe):
        self.stripe = stripe
        self.changes = threading.Condition()
        self.acting = 0

    @contextlib.contextmanager
    def act(self):
        """A step that takes no time."""
        with self.changes:
            self.acting += 1
        try:
            yield
        finally:
            with self.changes:
                self.acting -= 1
                self.changes.notify_all()

    @contextlib.contextmanager
    def turn(self):
        """A step to a later time."""
        with self.changes:
            self.changes.wait_for(lambda: self.acting == 0)
            yield

    def wait_until(self, moment):
        """To be called within a turn."""
        while (left := moment - self.stripe.now()) > 0:
            self.deliver()
            self.stripe.advance(min(left, WEEK))

    def deliver(self):
        """Waits until all events are processed."""
        def delivered():
            self.stripe.wait_idle(PATIENCE_SECONDS)
            failed = [one for one in self.stripe.events() if "failed" in one["deliveries"].values()]
            self.stripe.deliver(failed)
            return not failed
        wait_for(delivered, 2 * PATIENCE_SECONDS)


class Resident(Life):
    """A customer who is also changed by operators, and whose time passes."""

    def __init__(self, shop, calendar):
        super().__init__(shop)
        self.wait_until = calendar.wait_until

    def insist(self, method, path, body=None, status=(200,)):
        """An operator's request."""
        answer = insist(self.stack.api.owner, method, path, body)
        assert answer.status_code in status, f"{path} after {self.steps}: {answer.text}"

    def rename_here(self):
        """The customer's name, in our own books."""
        self.insist("PATCH", f"/api/customers/{self.id}", {"company_name": f"We {time.time()}"})

    def revoke(self):
        """Revokes the licence, and with it the subscription."""
        self.insist("POST", f"/api/licenses/{self.id}/revoke", {})

    def leave(self):
        """Deletes the customer; 404 means that the first attempt was successful."""
        self.insist("DELETE", f"/api/customers/{self.id}", status=(200, 404))

    def move(self, rng, without=()):
        """A revoked subscription ends at Stripe a little later, perhaps during the next
        step."""
        try:
            return super().move(rng, without)
        except AssertionError:
            if self.is_live():
                raise
            return None

    def moves(self):
        more = super().moves()
        return more if more == ["buy"] else [*more, "rename_here", "revoke"]


class Walk(threading.Thread):
    """Lets a customer take random steps until the end of the test."""

    def __init__(self, shop, rng, calendar, over):
        super().__init__()
        self.rng = random.Random(rng.random())
        self.calendar = calendar
        self.over = over
        self.shop = shop
        self.lives = [Resident(shop, calendar)]
        self.fault = None

    def run(self):
        try:
            while not self.over.is_set():
                self.step()
        except Exception as fault:  # pylint: disable=broad-except
            self.fault = fault

    def step(self):
        """One of the things that can be done at this moment, now and then one that takes time;
        and after some customers come others."""
        life, chance = self.lives[-1], self.rng.random()
        if chance < 0.2:
            with self.calendar.turn():
                if any(name in TURNS for name in life.moves()):
                    life.move(self.rng, set(life.moves()) - set(TURNS))
            return
        with self.calendar.act():
            if chance < 0.95:
                life.move(self.rng, TURNS)
                return
            life.leave()
            self.lives.append(Resident(self.shop, self.calendar))


def stumble(stripe, rng, over, stumbles):
    """Makes Stripe fail now and then."""
    while not over.wait(rng.uniform(0.1, 0.6)):
        wish = dict(rng.choice(STUMBLES))
        stripe.fault(wish.pop("kind"), agent="global-billing", **wish)
        stumbles.append(wish)


def test_random_lives_with_random_faults(shop, books, rng, report):
    over, stumbles = threading.Event(), []
    calendar = Calendar(shop.stripe)
    walks = [Walk(shop, rng, calendar, over) for _ in range(4)]
    stumbler = threading.Thread(target=stumble, args=(
        shop.stripe, random.Random(rng.random()), over, stumbles))
    with Killer(shop, rng, 0.2) as killer:
        for thread in (*walks, stumbler):
            thread.start()
        time.sleep(SECONDS)
        over.set()
        for thread in (*walks, stumbler):
            thread.join()
    shop.stripe.let_go()
    for walk in walks:
        assert walk.fault is None, (walk.lives[-1].steps, walk.fault)
    calendar.deliver()
    books.hurry(PATIENCE_SECONDS)
    untold = books.differences()
    books.sweep(PATIENCE_SECONDS)
    found = books.differences()
    lives = [life for walk in walks for life in walk.lives]
    report(lives=len(lives), steps=sum(len(life.steps) for life in lives), kills=killer.kills,
           stumbles=len(stumbles), differences_before_the_sweep=len(untold),
           differences=len(found))
    assert not found, ("\n".join(found), [(life.id, life.steps) for life in lives])
    assert not books.violations()
