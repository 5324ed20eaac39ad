"""The process that sends notices is killed in each step: no notice is lost, and none arrives twice but where
the mail server's answer was lost with the process."""

import signal
from collections import Counter
from pathlib import Path

import pytest
from chaos.processes import children, kill
from support.mail import MailServer
from support.stack import wait_for

ROUNDS = 2


@pytest.fixture(name="server", scope="module")
def fixture_server():
    with MailServer() as server:
        yield server


@pytest.fixture(name="mailing", scope="module")
def fixture_mailing(server, new_stack):
    stack = new_stack(SMTP_URL=server.url, MAIL_FROM="billing@acme.example", SMTP_TIMEOUT_SECONDS=1)
    wait_for(lambda: stack.sql("SELECT position IS NOT NULL FROM notice_cursor") == "t")
    return stack


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


def tell(stack, customer):
    stack.sql(f"SELECT event_add('subscription.canceled', '{customer.id}', now(), '{{}}')")


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
        wait_for(lambda n=number: len(arrived(server, customer)) == n)
    state = f"SELECT count(*) FROM notices WHERE recipient = '{customer.id}' AND state = 'sent'"
    wait_for(lambda: mailing.sql(state) == str(ROUNDS))
    assert max(Counter(arrived(server, customer)).values()) == 1


def test_it_is_killed_at_random_moments(mailing, server, rng):
    customers = [mailing.api.sign_up() for _ in range(8)]
    server.rule = lambda at, address: None
    for _ in range(4):
        for customer in customers:
            tell(mailing, customer)
    sent = "SELECT count(*) FROM notices WHERE state = 'pending'"
    kills = 0
    while kills < 4:
        victim = wait_for(lambda: mailer(mailing))
        before = len(server.ledger)
        wait_for(lambda n=before: len(server.ledger) >= n + rng.randrange(3)
                 or mailing.sql(sent) == "0", every=0.002)
        kill(victim, signal.SIGKILL)
        kills += 1
    wait_for(lambda: all(len(set(arrived(server, one))) == 4 for one in customers))
    wait_for(lambda: mailing.sql(sent) == "0")
    doubled = sum(len(arrived(server, one)) - 4 for one in customers)
    assert doubled <= kills
    tries = f"SELECT count(*) FROM notices WHERE attempts > 1 AND recipient = ANY ('{{{','.join(c.id for c in customers)}}}')"
    assert doubled <= int(mailing.sql(tries))


def test_postgresql_is_killed(mailing, server):
    """A message that the server accepted while the database was away may come again, under one Message-ID."""
    customer = mailing.api.sign_up()
    server.rule = lambda at, address: None
    tell(mailing, customer)
    wait_for(lambda: arrived(server, customer))
    mailing.script("stop", "postgres")
    mailing.script("start", "postgres")
    wait_for(lambda: mailing.api.owner.get("/api/customers", faults=True).status_code == 200)
    tell(mailing, customer)
    wait_for(lambda: len(set(arrived(server, customer))) == 2)
    assert len(arrived(server, customer)) == 2
