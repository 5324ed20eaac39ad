"""The processes that tell of ends and send notices are killed in each step, and PostgreSQL is: no event and no
notice is lost, no event is written twice, and no notice arrives twice but where the mail server's answer was lost
with the process."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from chaos.figures import wait_for_a_round
from chaos.gates import Gate
from chaos.postgres import Postgres
from chaos.processes import children, kill
from support.client import expect
from support.mail import MailServer
from support.stack import wait_for

FULL = os.environ.get("FULL") == "1"
ROUNDS = 2


@pytest.fixture(name="server", scope="module")
def fixture_server():
    with MailServer() as server:
        yield server


@pytest.fixture(name="mailing", scope="module")
def fixture_mailing(server, new_stack):
    stack = new_stack(SMTP_URL=server.url, MAIL_FROM="billing@acme.example", SMTP_TIMEOUT_SECONDS=20)
    Postgres(stack).skip_syncs()
    wait_for(lambda: stack.sql("SELECT position IS NOT NULL FROM notice_cursor") == "t")
    return stack


@pytest.fixture(name="spare", scope="module")
def fixture_spare(mailing):
    """Customers that signed up while PostgreSQL ran."""
    return [mailing.api.sign_up() for _ in STEPS]


def mailer(stack):
    """The process that sends notices, or None while there is none."""
    for pid in children(stack):
        try:
            if Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip() == "billingd mail":
                return pid
        except OSError:
            continue
    return None


def arrived(server, customer):
    return [letter.message_id for letter in server.ledger if letter.recipients == [customer.email]]


def tell(stack, customer, kind="subscription.canceled"):
    stack.sql(f"SELECT event_add('{kind}', '{customer.id}', now(), '{{}}')")


def sent(stack, customer):
    """The number of notices to the customer that are sent."""
    return int(stack.sql("SELECT count(*) FROM notices WHERE state = 'sent' "
                         f"AND recipient = '{customer.id}'"))


def hurry(stack):
    """As if the claims of processes that are gone were over."""
    stack.sql("UPDATE notices SET next_try_at = now() WHERE state = 'pending'")


@pytest.mark.parametrize("step", ["rcpt", "data"])
def test_it_is_killed_while_the_server_hangs(mailing, server, step):
    """The server has not accepted the message, so it arrives once."""
    customer = mailing.api.sign_up()
    for number in range(1, ROUNDS + 1):
        reached = []
        server.rule = lambda at, address, seen=reached: (
            seen.append(at) or "hang") if at == step else None
        tell(mailing, customer)
        wait_for(lambda seen=reached: seen)
        server.rule = lambda at, address: None
        kill(mailer(mailing), signal.SIGKILL)
        wait_for(lambda n=number: hurry(mailing) or len(arrived(server, customer)) == n)
    wait_for(lambda: hurry(mailing) or sent(mailing, customer) == ROUNDS)
    assert max(Counter(arrived(server, customer)).values()) == 1


def test_it_is_killed_at_random_moments(mailing, server, rng):
    customers = [mailing.api.sign_up() for _ in range(8)]
    server.rule = lambda at, address: None
    for _ in range(4):
        for customer in customers:
            tell(mailing, customer)
    pending = "SELECT count(*) FROM notices WHERE state = 'pending'"
    kills = 0
    while kills < 4:
        victim = wait_for(lambda: mailer(mailing))
        before = len(server.ledger)
        wait_for(lambda n=before: len(server.ledger) >= n + rng.randrange(3)
                 or mailing.sql(pending) == "0", every=0.002)
        kill(victim, signal.SIGKILL)
        kills += 1
    wait_for(lambda: hurry(mailing) or all(len(set(arrived(server, one))) == 4 for one in customers))
    wait_for(lambda: mailing.sql(pending) == "0")
    doubled = sum(len(arrived(server, one)) - 4 for one in customers)
    assert doubled <= kills
    tries = f"SELECT count(*) FROM notices WHERE attempts > 1 AND recipient = ANY ('{{{','.join(c.id for c in customers)}}}')"
    assert doubled <= int(mailing.sql(tries))


WHOSE = "WHERE customer_id = ANY ('{{{ids}}}')"
LICENSES = f"UPDATE licenses SET expires_at = {{at}} {WHOSE}; UPDATE reminders SET due_at = '-infinity' {WHOSE}"
AGREED = f"WHERE contract_id IN (SELECT contract_id FROM contracts {WHOSE})"
CONTRACTS = (f"UPDATE contract_versions SET ends_at = {{at}} {AGREED}; "
             f"UPDATE subscriptions SET ends_at = {{at}} {WHOSE} AND contract_id IS NOT NULL")
# The events of ends, and how an end is brought near.
ENDS = {
    "trial.ending": (f"UPDATE subscriptions SET trial_ends_at = {{at}} {WHOSE}", "3 days"),
    "trial.expired": (f"UPDATE subscriptions SET trial_ends_at = {{at}} {WHOSE}", "0"),
    "contract.ending": (CONTRACTS, "7 days"),
    "contract.ended": (CONTRACTS, "0"),
    "license.expiring": (LICENSES, "7 days"),
    "license.expired": (LICENSES, "0"),
}
SHORT_ENDS = ("trial.ending", "contract.ended")


@pytest.mark.parametrize("kind", ENDS if FULL else SHORT_ENDS)
def test_the_jobs_are_killed_while_they_tell_of_ends(mailing, server, kind):
    """At the commit of the events, which happens or not. Where the end comes with a notice, it comes once."""
    server.rule = lambda at, address: None
    for number in range(6 if FULL else 1):
        customers = [mailing.api.sign_up() for _ in range(10 if FULL else 2)]
        for one in customers if kind.startswith("contract") else ():
            expect(mailing.api.owner.post(f"/api/customers/{one.id}/contracts", {
                "plan": "enterprise", "billing": "manual", "ends_at": "2040-01-01T00:00:00Z"}), 201)
        change, distance = ENDS[kind]
        ids = ",".join(one.id for one in customers)
        with Gate(mailing, "events", "INSERT", f"NEW.type = '{kind}'", at_commit=True) as gate:
            at = f"now() + interval '{distance}'"
            mailing.sql(f"BEGIN; {change.format(at=at, ids=ids)}; COMMIT")
            gate.kill_process("billingd jobs", commits=number % 2 == 1)
        told = f"SELECT count(*), count(DISTINCT customer_id) FROM events {WHOSE} AND type = '{kind}'"
        wait_for(lambda sql=told.format(ids=ids): mailing.sql(sql).split("|")[1] == str(len(customers)))
        wait_for_a_round(mailing)
        assert mailing.sql(told.format(ids=ids)) == f"{len(customers)}|{len(customers)}"
        if kind.endswith("ing"):
            wait_for(lambda mine=customers: all(arrived(server, one) for one in mine))
            assert all(len(arrived(server, one)) == 1 for one in customers)


# Each step of the process that sends notices: where it waits while PostgreSQL is killed.
STEPS = {
    "makes the notice": ("notices", "INSERT"),
    "moves its cursor": ("notice_cursor", "UPDATE"),
    "commits both": ("notice_cursor", "UPDATE", "true", True),
    "makes a link": ("session_links", "INSERT"),
    "commits the link": ("session_links", "INSERT", "true", True),
    "claims": ("notices", "UPDATE", "NEW.attempts > OLD.attempts"),
    "commits the claim": ("notices", "UPDATE", "NEW.attempts > OLD.attempts", True),
    "records": ("notices", "UPDATE", "NEW.state = 'sent'"),
    "commits the record": ("notices", "UPDATE", "NEW.state = 'sent'", True),
}
SHORT = ("commits both", "records")


@pytest.mark.parametrize("step", STEPS if FULL else SHORT)
def test_postgresql_is_killed_in_each_step(mailing, server, spare, step):
    """The process keeps an answer of the mail server until the database has it, so each notice arrives once."""
    customer = spare.pop()
    server.rule = lambda at, address: None
    for number in range(1, (4 if FULL else 1) + 1):
        with Gate(mailing, *STEPS[step]) as gate:
            tell(mailing, customer, "trial.ending")
            gate.kill_postgres(immediate=number % 2 == 0)
        wait_for(lambda n=number: hurry(mailing) or sent(mailing, customer) == n)
        assert len(arrived(server, customer)) == number == len(set(arrived(server, customer)))
    made = "SELECT count(*), count(DISTINCT sequence) FROM events WHERE type = 'trial.ending' AND customer_id = "
    assert mailing.sql(f"{made}'{customer.id}'") == f"{number}|{number}"
