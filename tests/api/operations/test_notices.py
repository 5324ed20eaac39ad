"""Notices by e-mail: made of the events in the log, once each, by a mail server that keeps a ledger."""

import contextlib
import json
import os
import re
import shutil
import signal

import pytest

from support.client import expect
from support.mail import MailServer
from support.memory import role_of
from support.payments import restart
from support.stack import ROOT, wait_for
from support.usage import send

OPERATORS = ["ops@acme.example", "two@acme.example"]
# A server that is slow because the machine is busy must not look like one that hangs.
TIMEOUT_S = 10


@pytest.fixture(name="server", scope="module")
def fixture_server():
    with MailServer() as server:
        yield server


@pytest.fixture(name="templates", scope="module")
def fixture_templates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mail") / "texts"
    shutil.copytree(ROOT / "conf/mail", folder)
    for place in (folder, *folder.parents[:3]):
        place.chmod(0o755)
    return folder


@pytest.fixture(name="mailing", scope="module")
def fixture_mailing(server, new_stack, templates):
    """A stack whose notices go to that server."""
    stack = new_stack(MAIL_TEMPLATES=templates, SMTP_URL=server.url, MAIL_FROM="Acme Billing <billing@acme.example>",
                      MAIL_OPERATORS=",".join(OPERATORS), SMTP_TIMEOUT_SECONDS=TIMEOUT_S)
    wait_for(lambda: stack.sql("SELECT position IS NOT NULL FROM notice_cursor") == "t")
    wait_for(lambda: states(stack, "source LIKE 'digest%'") == ["sent", "sent"])
    return stack


@pytest.fixture(name="customer")
def fixture_customer(mailing, server):
    yield mailing.api.sign_up(company_name="Größe GmbH")
    server.rule = lambda step, address: None


def tell(stack, event, customer_id=None, /, **data):
    """Writes an event."""
    about = f"'{customer_id}'" if customer_id else "NULL"
    stack.sql(f"SELECT event_add('{event}', {about}, now(), $$" + json.dumps(data) + "$$)")


def wait_until_read(stack):
    """Waits until notices are made of all events that are written."""
    wait_for(lambda: stack.sql("SELECT NOT EXISTS (SELECT FROM events WHERE (position, number) > "
                               "(SELECT position, number FROM notice_cursor))") == "t")


def rows(stack, condition):
    text = stack.sql(f"SELECT json_agg(n) FROM notices AS n WHERE {condition}")
    return json.loads(text) if text else []


def states(stack, condition):
    return [row["state"] for row in rows(stack, condition)]


def letters(server, address):
    return [letter for letter in server.ledger if letter.recipients == [address]]


def links(stack, customer):
    """The number of live links that sign the customer in."""
    return int(stack.sql(f"SELECT count(*) FROM session_links WHERE customer_id = '{customer.id}'"))


def opens(stack, letter):
    """Whether the link in the letter opens a session."""
    token = re.search("/account/#link=(gbl_[0-9a-f]{64})", letter.text)[1]
    answer = stack.api.nobody.post("/api/session", {"link": token}, headers={"X-Billing-Console": "1"})
    assert answer.status_code in (201, 401)
    return answer.status_code == 201


def again(stack, customer):
    """Has the next attempts made now. An attempt that goes on is not repeated: the process that sends makes
    one at a time, and sets the time of the next one."""
    stack.sql("UPDATE notices SET next_try_at = now() "
              f"WHERE recipient = '{customer.id}' AND state = 'pending'")


def finished(stack, customer, count=1):
    """Waits until so many notices to the customer are finished; their states."""
    condition = f"recipient = '{customer.id}' AND finished_at IS NOT NULL"
    wait_for(lambda: len(rows(stack, condition)) >= count or again(stack, customer))
    return states(stack, condition)


def letter_with(told, text):
    """The only one of the letters that has the text in its subject."""
    [found] = [letter for letter in told if text in letter.subject]
    return found


TEXTS = [
    ("trial.ending", {"trial_ends_at": "2099-01-31T00:00:00.000Z", "days_left": 7, "plan": "starter"},
     "trial ends on 2099-01-31", "ends on 2099-01-31"),
    ("payment.failed", {"id": "in_1", "amount_due": 2900, "currency": "usd"}, "A payment for",
     "https://invoice.example/i/1"),
    ("license.expiring", {"expires_at": "2099-02-28T00:00:00.000Z"}, "expires on 2099-02-28", "2099-02-28"),
    ("usage.threshold", {"name": "devices", "threshold": 80, "in_use": 8, "limit": 10},
     "80 % of devices", "Used: 8"),
    ("subscription.canceled", {"plan": "starter", "ended_at": "2025-01-01T00:00:00.000Z"},
     "is cancelled", "Ended on: 2025-01-01"),
    ("contract.ending", {"plan": "enterprise", "ends_at": "2099-03-31T00:00:00.000Z",
                         "reference": "PO-7\r\nBcc: x@y.example"}, "ends on 2099-03-31", "PO-7"),
]


def bill(stack, customer, invoice_id, status="open"):
    stack.sql("INSERT INTO invoices (invoice_id, customer_id, status, amount_due, amount_paid, currency, "
              f"created_at, fetched_at, hosted_invoice_url) VALUES ('{invoice_id}', '{customer.id}', "
              f"'{status}', 2900, 0, 'usd', now(), now(), 'https://invoice.example/i/1')")


def test_a_strangers_words_are_not_sent(mailing, server):
    """A link in the name of the company is in no message; the customer is greeted by the address."""
    customer = mailing.api.sign_up(company_name="your account is locked: https://evil.example/x")
    tell(mailing, "license.expiring", customer.id, expires_at="2099-02-28T00:00:00.000Z")
    assert finished(mailing, customer) == ["sent"]
    [letter] = letters(server, customer.email)
    assert "evil" not in letter.text + letter.subject and "locked" not in letter.text
    assert f"Hello {customer.email}," in letter.text


def test_customers_are_told_once(mailing, server, customer):
    bill(mailing, customer, "in_1")
    for kind, data, _, _ in TEXTS:
        tell(mailing, kind, customer.id, **data)
    tell(mailing, "customer.updated", customer.id, email="nobody")
    assert finished(mailing, customer, len(TEXTS)) == ["sent"] * len(TEXTS)
    told = letters(server, customer.email)
    assert len(told) == len(TEXTS) == len({letter.message_id for letter in told})
    # Notices that are due at the same moment go in any order.
    for kind, _, subject, text in TEXTS:
        letter = letter_with(told, subject)
        assert text in letter.text, kind
        assert "Größe GmbH" in letter.text and "{" not in letter.text
        assert letter.message["Bcc"] is None and not letter.message.defects
        assert letter.message["List-Unsubscribe"] == f"<{mailing.base_url}/account/>"
        assert "switch these messages off" in letter.text
    assert "Amount: $29.00" in letter_with(told, "A payment for").text
    # The link to the account page signs in once; none is made for a notice without one.
    assert links(mailing, customer) == sum("#link=" in letter.text for letter in told) == 4
    letter = letter_with(told, "trial ends on")
    assert opens(mailing, letter) and not opens(mailing, letter)


def test_a_payment_that_came_meanwhile(mailing, server, customer):
    bill(mailing, customer, "in_2", "paid")
    tell(mailing, "payment.failed", customer.id, id="in_2", amount_due=2900, currency="usd")
    assert finished(mailing, customer) == ["dropped"]
    # Another customer's invoice says nothing, and without one the link leads to the account.
    tell(mailing, "payment.failed", customer.id, id="in_1", amount_due=2900, currency="usd")
    finished(mailing, customer, 2)
    [letter] = letters(server, customer.email)
    assert "/account/" in letter.text and "invoice.example" not in letter.text


def test_a_trial_that_became_a_purchase_meanwhile(mailing, server, customer):
    server.rule = lambda step, address: "451 4.3.0 later"
    tell(mailing, "trial.ending", customer.id, plan="starter", trial_ends_at="2099-01-31T00:00:00.000Z")
    wait_for(lambda: rows(mailing, f"recipient = '{customer.id}' AND reason IS NOT NULL"))
    mailing.sql("UPDATE subscriptions SET status = 'active', stripe_subscription_id = 'sub_' || customer_id "
                f"WHERE customer_id = '{customer.id}'")
    # The server accepts nothing until the notice is dropped: an attempt that has begun before may still come.
    assert finished(mailing, customer) == ["dropped"]
    assert not letters(server, customer.email)


def test_what_the_service_itself_tells(mailing, server, customer):
    """Events that it writes have what the texts need: every line with a value is there."""
    send(customer, report_id="r1", instance_id="plant-1", active_devices=10, total_devices=20)
    wait_for(lambda: letters(server, customer.email))
    mailing.sql("UPDATE subscriptions SET trial_ends_at = now() + interval '7 days' "
                f"WHERE customer_id = '{customer.id}'")
    wait_for(lambda: len(letters(server, customer.email)) >= 2)
    expect(customer.client.post("/api/subscriptions/cancel", {"customer_id": customer.id}), 200)
    wait_for(lambda: len(letters(server, customer.email)) >= 3)
    told = letters(server, customer.email)
    assert "100 % of devices" in told[0].subject
    assert all(line in told[0].text for line in ("Limit: devices", "Used: 10", "Included: 10"))
    assert re.search(r"trial ends on 20\d\d-\d\d-\d\d", told[1].subject)
    assert re.search(r"Plan: starter\s+Ended on: 20\d\d-", told[2].text)


def test_operators_are_told(mailing, server, customer):
    digests = [letter for letter in server.ledger if "week" in letter.subject]
    assert sorted({letter.recipients[0] for letter in digests}) == OPERATORS
    before = {one: len(letters(server, one)) for one in OPERATORS}
    tell(mailing, "stripe.parked", id="evt_1", kind="event", error="stripe_error")
    tell(mailing, "stripe.unknown_price", customer.id, price_id="price_9",
         stripe_subscription_id="sub_9")
    tell(mailing, "endpoint.disabled", endpoint_id="whe_1", url="https://hooks.example/",
         disabled_reason="gone")
    wait_for(lambda: all(len(letters(server, one)) >= before[one] + 3 for one in OPERATORS))
    for one in OPERATORS:
        texts = [letter.text for letter in letters(server, one)[before[one]:]]
        for words in (["evt_1"], ["price_9", "Größe GmbH"], ["https://hooks.example/"]):
            assert any(all(word in text for word in words) for text in texts), words
    assert letters(server, OPERATORS[0])[before[OPERATORS[0]]].message["List-Unsubscribe"] is None
    assert not rows(mailing, f"recipient = '{customer.id}'")


def test_an_operator_whose_address_is_refused_keeps_nothing_from_the_others(mailing, server):
    server.rule = lambda step, address: "550 5.1.1 unknown" if address == OPERATORS[0] else None
    tell(mailing, "stripe.parked", id="evt_refused", kind="event", error="stripe_error")
    wait_for(lambda: any("evt_refused" in letter.text for letter in letters(server, OPERATORS[1])))
    wait_for(lambda: states(mailing, f"recipient = '{OPERATORS[0]}' AND state = 'refused'") == ["refused"])
    server.rule = lambda step, address: None
    assert not any("evt_refused" in letter.text for letter in letters(server, OPERATORS[0]))
    assert all(len(letter.recipients) == 1 for letter in server.ledger)


def test_the_digest(mailing, server):
    lost, risky, new = (mailing.api.sign_up(company_name=name) for name in ("Lost", "Risky", "{new}"))
    mailing.sql(f"UPDATE customers SET created_at = now() - interval '8 days' "
                f"WHERE customer_id IN ('{lost.id}', '{risky.id}');"
                "UPDATE subscriptions SET stripe_subscription_id = 'sub_' || customer_id, "
                f"status = CASE WHEN customer_id = '{lost.id}' THEN 'canceled' ELSE 'past_due' END "
                f"WHERE customer_id IN ('{lost.id}', '{risky.id}');"
                f"UPDATE customers SET pending_email = 'x@y.example' WHERE customer_id = '{new.id}'")
    tell(mailing, "usage.threshold", risky.id, name="devices", threshold=100, in_use=10, limit=10)
    wait_for(lambda: rows(mailing, f"recipient = '{risky.id}' AND state = 'sent'"))
    digests = lambda: [letter for letter in server.ledger if "week" in letter.subject]
    mailing.script("stop", "billingd")
    before = {letter.message_id for letter in digests()}
    count = len(digests())
    mailing.sql("DELETE FROM notices WHERE source LIKE 'digest%'")
    mailing.script("start", "billingd")
    wait_for(lambda: len(digests()) >= count + 2)
    sent = digests()[count:]
    # The new process goes on behind what was read before. A digest whose row is lost, as by a restore,
    # comes again under the Message-ID that it had, unless another week has begun meanwhile.
    others = [letter.message_id for letter in server.ledger if "week" not in letter.subject]
    assert len(set(others)) == len(others)
    ids = {letter.message_id for letter in sent}
    assert len(ids) == 2 and (ids <= before or sent[0].subject != digests()[0].subject)
    parts = dict(part.split("\n", 1) for part in
                 sent[0].text.replace("\r\n", "\n").strip().split("\n\n") if "\n" in part)
    named = {title.split(",")[0].split(":")[0]: lines for title, lines in parts.items()}
    assert "  {new}" in named["New customers in the last seven days"]
    assert "Lost" not in named["New customers in the last seven days"]
    assert named["Subscriptions that ended in the last seven days"] == "  Lost, starter"
    assert named["At risk"] == "  Risky, starter, past_due"
    assert "  {new}, starter, trial, " in named["Trials"]
    assert "  Risky" in named["Reached a limit of their plan in the last seven days"]
    assert "customers whose new address waits for you: 1" in named["Needs attention"]


def test_a_customer_switches_its_notices_off(mailing, server, customer):
    path = f"/api/customers/{customer.id}"
    client = customer.client
    assert client.get(path).json()["customer"]["notices"] is True
    server.rule = lambda step, address: "451 4.3.0 later"
    tell(mailing, "subscription.canceled", customer.id, plan="starter")
    wait_for(lambda: rows(mailing, f"recipient = '{customer.id}' AND reason IS NOT NULL"))
    assert client.patch(path, {"notices": False}).json()["customer"]["notices"] is False
    tell(mailing, "subscription.canceled", customer.id, plan="starter")
    wait_until_read(mailing)
    # The server accepts nothing until the notice is dropped: an attempt that has begun before may still come.
    assert finished(mailing, customer) == ["dropped"]
    server.rule = lambda step, address: None
    done = mailing.billingctl("customer", "update", customer.id, "--notices", "true", "--json")
    assert json.loads(done.stdout)["customer"]["notices"] is True
    tell(mailing, "subscription.canceled", customer.id, plan="starter")
    assert sorted(finished(mailing, customer, 2)) == ["dropped", "sent"]
    assert len(letters(server, customer.email)) == 1
    assert client.patch(path, {"notices": None}).status_code == 400


def test_a_refusal_for_good_is_told_and_not_repeated(mailing, server, customer):
    server.rule = lambda step, address: f"550 5.1.1 <{address}> unknown" if step == "rcpt" else None
    tell(mailing, "subscription.canceled", customer.id, plan="starter")
    assert finished(mailing, customer) == ["refused"]
    assert links(mailing, customer) == 0
    assert server.tried.count(customer.email) == 1
    done = mailing.billingctl("notices", "list", "--state", "refused", "--json")
    [listed] = [row for row in json.loads(done.stdout)["notices"] if row["recipient"] == customer.id]
    assert listed["reason"] == "recipient refused: 550 5.1.1" and listed["attempts"] == 1
    assert listed["kind"] == "subscription_canceled"
    # The address that the server repeats is not in the log, and not in the row.
    assert customer.email not in mailing.log_text("billingd.log") + json.dumps(listed)
    wait_for(lambda: "billing_notices_refused_total 0" not in mailing.api.nobody.get("/metrics").text)


@pytest.mark.parametrize("where", ["rcpt", "data"])
def test_a_refusal_for_now_is_repeated(mailing, server, customer, where):
    """A link that signs in lives from the attempt that the server accepts."""
    answers = iter(["451 4.3.0 later", "452 4.2.2 full"])
    server.rule = lambda step, address: next(answers, None) if (step, address) == (where, customer.email) else None
    tell(mailing, "subscription.canceled", customer.id, plan="starter")
    begin = {"rcpt": "recipient", "data": "answer"}[where]
    for attempt, answer in ((1, "451 4.3.0"), (2, "452 4.2.2")):
        # The next attempt, which makes a link again, may begin at any time: both are read at once.
        found = wait_for(lambda: mailing.sql(
            f"SELECT attempts > {attempt}, (SELECT count(*) FROM session_links l WHERE l.customer_id = n.recipient) "
            f"FROM notices n WHERE recipient = '{customer.id}' AND (attempts > {attempt} OR "
            f"state = 'pending' AND reason = '{begin} refused: {answer}')"))
        assert found.startswith("t|") or found == "f|0"
        again(mailing, customer)
    assert finished(mailing, customer) == ["sent"]
    [letter] = letters(server, customer.email)
    assert server.tried.count(customer.email) == 3 and links(mailing, customer) == 1
    assert opens(mailing, letter)


def test_an_answer_that_is_lost_may_double_with_one_message_id(mailing, server, customer):
    server.rule = lambda step, address: "close" if step == "data" else None
    tell(mailing, "subscription.canceled", customer.id, plan="starter")
    wait_for(lambda: rows(mailing, f"recipient = '{customer.id}' AND reason LIKE 'answer: %'"))
    server.rule = lambda step, address: None
    again(mailing, customer)
    assert finished(mailing, customer) == ["sent"]
    seen = [letter for letter in server.seen if letter.recipients == [customer.email]]
    assert len(seen) >= 2 and len({letter.message_id for letter in seen}) == 1
    assert len(letters(server, customer.email)) == 1
    # Any may be the one that people see.
    assert all(opens(mailing, letter) for letter in seen)


def test_a_server_that_hangs_delays_nothing_else(mailing, server, customer):
    server.rule = lambda step, address: "hang"
    tell(mailing, "subscription.canceled", customer.id, plan="starter")

    def checks():
        answer = mailing.api.nobody.get("/health/ready")
        assert answer.status_code == 200
        return answer.json()["checks"]
    told = wait_for(lambda: (now := checks()) and "does not answer" in now["mail"]["detail"] and now)
    assert not told["mail"]["ok"] and told["jobs"]["ok"]
    assert "takes no messages" not in mailing.billingctl("doctor", check=False).stdout
    server.rule = lambda step, address: None
    again(mailing, customer)
    assert finished(mailing, customer) == ["sent"]
    wait_for(lambda: checks()["mail"]["ok"])


def test_a_flood_is_bounded(mailing, server, customer):
    other = mailing.api.sign_up()
    mailing.sql("SELECT event_add('subscription.canceled', '" + customer.id + "', now(), '{}') "
                "FROM generate_series(1, 25)")
    tell(mailing, "subscription.canceled", other.id, plan="starter")
    assert finished(mailing, other) == ["sent"]
    assert sorted(finished(mailing, customer, 25)) == ["dropped"] * 15 + ["sent"] * 10
    assert len(letters(server, customer.email)) == 10


def test_a_deleted_customer_is_told_nothing_more(mailing, server, customer):
    server.rule = lambda step, address: "451 4.3.0 later"
    tell(mailing, "payment.failed", customer.id, id="in_3")
    wait_for(lambda: rows(mailing, f"recipient = '{customer.id}' AND reason IS NOT NULL"))
    export = mailing.api.owner.get(f"/api/customers/{customer.id}/export").json()
    assert [row["kind"] for row in export["notices"]] == ["payment_failed"]
    assert mailing.api.owner.delete(f"/api/customers/{customer.id}").status_code == 200
    assert rows(mailing, f"customer_id = '{customer.id}' AND kind = 'payment_failed'") == []
    assert not letters(server, customer.email)


def test_billingctl_shows_them(mailing, customer):
    shown = mailing.billingctl("notices", "preview", "trial_ending", "--customer", customer.id, "--json")
    text = json.loads(shown.stdout)
    assert "Hello Größe GmbH," in text["body"] and text["recipient"] == "customer"
    unknown = mailing.billingctl("notices", "preview", "test", "--customer", "cust_" + "0" * 32, check=False)
    assert unknown.returncode == 1
    [row] = [row for row in json.loads(mailing.billingctl("doctor", "--json", check=False).stdout)["checks"]
             if row["check"] == "mail"]
    assert row["state"] in ("ok", "warning")
    gone = {"SMTP_URL": "smtp://127.0.0.1:1"}
    done = mailing.billingctl("doctor", env=gone, check=False)
    assert "The mail server takes no messages (connect: " in done.stdout and done.returncode == 1


def senders(stack):
    """The ids of the processes that send notices. During a reload there are two."""
    found = set()
    for pid in stack.pids()[1:]:
        with contextlib.suppress(OSError):  # it has ended
            found |= {pid} if role_of(pid) == "billingd mail" else set()
    return found


def reload(stack):
    """Reloads billingd. The process that had the earlier texts may be about to send, so this waits for its end."""
    before, count = senders(stack), stack.log_text("billingd.log").count("\"reloaded\"")
    os.kill(stack.pids()[0], signal.SIGHUP)
    wait_for(lambda: stack.log_text("billingd.log").count("\"reloaded\"") > count)
    wait_for(lambda: not before & senders(stack))


@pytest.fixture(name="text")
def fixture_text(mailing, templates):
    """The file with the text about the end of a subscription, which is as before after the test."""
    path = templates / "subscription_canceled.txt"
    before = path.read_text(encoding="utf-8")
    yield path
    path.write_text(before, encoding="utf-8")
    reload(mailing)


def test_a_bad_template_keeps_the_old_ones(mailing, server, customer, text):
    text.write_text("Subject: New\n\nGone for good, {customer_nam}.\n", encoding="utf-8")
    os.kill(mailing.pids()[0], signal.SIGHUP)
    wait_for(lambda: "subscription_canceled.txt:3: this template has no placeholder {customer_nam}; "
                     "did you mean customer_name?" in mailing.log_text("billingd.log"))
    tell(mailing, "subscription.canceled", customer.id, plan="starter")
    finished(mailing, customer)
    text.write_text("Subject: New\n\nGone for good, {customer_name}.\n", encoding="utf-8")
    reload(mailing)
    tell(mailing, "subscription.canceled", customer.id, plan="starter")
    finished(mailing, customer, 2)
    told = letters(server, customer.email)
    assert "is cancelled" in told[0].subject and told[1].text.strip() == "Gone for good, Größe GmbH."


@pytest.fixture(name="elsewhere")
def fixture_elsewhere(mailing, server):
    """The mail server is reached by an address that is not a loopback's, and without TLS."""
    before = dict(mailing.settings)
    restart(mailing, SMTP_URL=server.url.replace("localhost", "0.0.0.0"), SMTP_STARTTLS="off")
    yield
    del mailing.settings["SMTP_STARTTLS"]
    restart(mailing, **before)


@pytest.mark.usefixtures("elsewhere")
def test_links_sign_in_over_tls_or_to_this_host_alone(mailing, server, customer):
    tell(mailing, "trial.ending", customer.id, plan="starter", trial_ends_at="2099-01-31T00:00:00.000Z")
    assert finished(mailing, customer) == ["sent"]
    [letter] = letters(server, customer.email)
    assert re.search(r"/account/\s", letter.text) and "#link" not in letter.text
    assert links(mailing, customer) == 0
