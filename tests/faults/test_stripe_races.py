"""Simultaneous actions of a customer, Stripe and us give one subscription and one charge; and
requests go only to Stripe itself (guarantees 23 and 37)."""

import datetime
import ipaddress
import itertools
import shutil
import subprocess
import threading
import uuid

import pytest
from chaos.life import IN_PROGRESS, Life
from chaos.processes import Daemon, LogTail
from chaos.stripe import Postman
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from support.client import Client
from support.stack import StandIn, parse_log, wait_for


def together(*calls):
    """Calls all functions at once; returns their results in their order."""
    results = [None] * len(calls)

    def run(number):
        results[number] = calls[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def asker(life, what, key=None, **wish):
    """A function that sends a request to one of our routes, with its own connection."""
    def ask():
        headers = {**life.customer.client.headers, **({"Idempotency-Key": key} if key else {})}
        return Client(life.stack, headers).post(
            f"/api/subscriptions/{what}", {"customer_id": life.id, **wish}, faults=True)
    return ask


def charged(life):
    """The number and the sum of Stripe's charges of the customer."""
    charges = [one for one in life.stripe.state()["charges"]
               if one["customer"] == life.at_stripe()[0]]
    return len(charges), sum(one["amount"] for one in charges)


def finish(books, life):
    """Checks at the end of a test that our data is equal to Stripe's."""
    books.hurry()
    books.check()
    if life.is_live():
        life.end_now()
    books.rest()


@pytest.mark.parametrize("same_key", [True, False], ids=["double click", "two tabs"])
def test_checkouts_at_once(shop, books, same_key, report):
    """All pages that can be paid are paid, and there is one subscription."""
    life = Life(shop)
    keys = [str(uuid.uuid4())] * 6 if same_key else [None] * 6
    answers = together(*(asker(life, "checkout", key, plan="starter") for key in keys))
    assert all(answer.status_code == 200 or answer.json()["code"] in IN_PROGRESS
               for answer in answers), [answer.text for answer in answers]
    pages = {answer.json()["session_id"] for answer in answers if answer.status_code == 200}
    state = shop.stripe.state()
    customer = life.at_stripe()[0]
    still_open = [id for id, one in state["sessions"].items()
                  if one["customer"] == customer and one["status"] == "open"]
    assert len(still_open) <= 1 and set(still_open) <= pages
    if same_key:
        assert len(pages) <= 1
    for page in still_open:
        shop.stripe.complete(page)
    if not still_open:
        life.buy()
    books.rest()
    assert charged(life) == (1, 2900)
    assert shop.stripe.counters()["live_subscriptions"][customer] == 1
    report(clicks=len(answers), pages_open=len(still_open), charges=1)
    finish(books, life)


def test_the_first_page_is_paid_while_the_second_opens(shop, books):
    """The first page is paid while the second checkout begins."""
    life = Life(shop)
    first = life.ask("checkout", plan="starter").json()["session_id"]
    shop.stripe.fault("slow", method="POST", path="^/v1/checkout/sessions$", seconds=60)
    with Postman(shop):  # and Stripe's event has not arrived
        second = threading.Thread(target=lambda: answers.append(
            asker(life, "checkout", plan="professional")()))
        answers = []
        second.start()
        wait_for(lambda: shop.stripe.control("faults")[0]["used"] == 1, every=0.01)
        shop.stripe.complete(first)
        shop.stripe.let_go()
        second.join()
    assert (answers[0].status_code, answers[0].json()["code"]) == (409, "subscription_exists")
    sessions = shop.stripe.state()["sessions"].values()
    assert not [one for one in sessions
                if one["customer"] == life.at_stripe()[0] and one["status"] == "open"]
    assert charged(life) == (1, 2900)
    books.sweep()
    finish(books, life)


def test_events_arrive_before_the_answer(shop, books):
    """The events of a change are processed while its request still waits for the answer."""
    life = Life(shop)
    shop.stripe.fault("slow_after", method="POST", path="^/v1/customers$", seconds=60)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(
        asker(life, "checkout", plan="starter")()))
    thread.start()
    wait_for(lambda: shop.stripe.control("faults")[0]["used"] == 1, every=0.01)
    customer = life.at_stripe()[0]
    # The vendor creates the subscription at Stripe, before the customer is linked.
    shop.stripe.card(customer, "good")
    shop.stripe.call("POST", "/v1/subscriptions", {
        "customer": customer, "items[0][price]": "price_professional_month",
        "metadata[customer_id]": life.id})
    books.rest()
    shop.stripe.let_go()
    thread.join()
    assert answers[0].status_code in (200, 409, 502), answers[0].text
    books.hurry()
    assert charged(life) == (1, 9900)
    finish(books, life)


@pytest.mark.parametrize("route", ["upgrade", "cancel"])
def test_the_same_request_six_times_at_once(shop, books, route, report):
    """Six times the same request: one change, one charge."""
    life = Life(shop)
    life.buy()
    books.rest()
    wish = {"new_plan": "professional"} if route == "upgrade" else {"at_period_end": True}
    answers = together(*(asker(life, route, **wish) for _ in range(6)))
    codes = [(answer.status_code, answer.json().get("code")) for answer in answers]
    assert (200, None) in codes
    assert {code for _, code in codes} <= {None, "nothing_to_change", *IN_PROGRESS}, codes
    books.rest()
    count, _ = charged(life)
    assert count == (2 if route == "upgrade" else 1)
    report(clicks=len(answers), done=codes.count((200, None)), charges=count)
    finish(books, life)


def test_an_upgrade_during_the_renewal(shop, books):
    """The period ends while a change of plan is being sent."""
    life = Life(shop)
    life.buy()
    books.rest()
    shop.stripe.fault("slow", method="POST", path="^/v1/subscriptions/", seconds=60)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(
        asker(life, "upgrade", new_plan="enterprise")()))
    thread.start()
    wait_for(lambda: shop.stripe.control("faults")[0]["used"] == 1, every=0.01)
    life.renew()
    shop.stripe.let_go()
    thread.join()
    assert answers[0].status_code == 200, answers[0].text
    books.rest()
    # The first month, the renewal and the difference are each charged once.
    assert charged(life)[0] == 3
    finish(books, life)


def test_a_second_subscription_is_reported(shop, books):
    """The older subscription counts; when it ends, the other counts."""
    life = Life(shop)
    life.buy()
    books.rest()
    first = life.at_stripe()[1]["id"]
    shop.stripe.advance(60)  # Stripe tells the age in seconds
    second = shop.stripe.call("POST", "/v1/subscriptions", {
        "customer": life.at_stripe()[0], "items[0][price]": "price_professional_month",
        "metadata[customer_id]": life.id})["id"]
    books.rest()
    books.check()
    assert books.psql.value(f"SELECT subject FROM audit_log WHERE customer_id = '{life.id}' "
                            "AND action = 'second_subscription'") == second
    current = f"SELECT stripe_subscription_id FROM subscriptions WHERE NOT superseded " \
              f"AND customer_id = '{life.id}'"
    assert books.psql.value(current) == first
    shop.stripe.call("DELETE", f"/v1/subscriptions/{first}")
    books.rest()
    assert books.psql.value(current) == second
    finish(books, life)


@pytest.fixture
def other_host(shop):
    """A function that replaces the shop's billingd by one with other settings."""
    made = []

    def start(**settings):
        known = {name: value for name, value in shop.settings.items()
                 if name.startswith("STRIPE_") and name != "STRIPE_STAND_IN"}
        daemon = Daemon(shop, **{**known, **settings})
        made.append(daemon)
        return daemon.start()

    yield start
    for daemon in made:
        daemon.stop()
    shop.script("start", "billingd")


def test_a_second_subscription_is_cancelled_if_configured(shop, books, other_host):
    other_host(STRIPE_SECOND_SUBSCRIPTION="cancel")
    life = Life(shop)
    life.buy()
    books.rest()
    first = life.at_stripe()[1]["id"]
    shop.stripe.advance(60)
    second = shop.stripe.call("POST", "/v1/subscriptions", {
        "customer": life.at_stripe()[0], "items[0][price]": "price_professional_month",
        "metadata[customer_id]": life.id})["id"]
    books.rest()
    wait_for(lambda: shop.stripe.state()["subscriptions"][second]["status"] == "canceled")
    books.rest()
    books.check()
    assert shop.stripe.counters()["live_subscriptions"][life.at_stripe()[0]] == 1
    assert shop.stripe.state()["subscriptions"][first]["status"] == "active"
    shop.stripe.call("DELETE", f"/v1/subscriptions/{first}")
    books.rest()
    books.check()


def test_two_hosts_process_one_queue(shop, books, report):
    """A second billingd uses the same database: each event is processed once."""
    known = {name: value for name, value in shop.settings.items()
             if name.startswith("STRIPE_") and name != "STRIPE_STAND_IN"}
    daemon = Daemon(shop, **{**known, "WORKERS": 1, "STRIPE_WORKERS": 1})
    run = daemon.pid_file.parent
    daemon.write(BILLING_SOCKET=run / "main.sock", BILLING_STRIPE_SOCKET=run / "stripe.sock")
    tail = LogTail(shop)
    lives = [Life(shop) for _ in range(5)]
    second = daemon.folder / "second.log"
    with open(second, "ab") as log:
        daemon.process = subprocess.Popen(
            daemon.command(), env=daemon.environment(), stderr=log, cwd=daemon.folder,
            start_new_session=True)
    letters, plans = [], itertools.cycle(["enterprise", "professional"])

    def live():
        """Sends more events; returns whether both hosts have processed some."""
        for life in lives:
            life.portal_change(next(plans))
        news = postman.take()
        for letter in news * 2:
            postman.post(letter)
        letters.extend(news)
        books.rest()
        here[:] = [line["event"] for line in tail.find("event processed")]
        log = parse_log(second.read_text(encoding="ascii").rpartition("\n")[0])
        there[:] = [line["event"] for line in log if line["message"] == "event processed"]
        return here and there

    try:
        here, there = [], []
        wait_for(lambda: '"started"' in second.read_text(encoding="ascii"))
        with Postman(shop) as postman:
            for life in lives:
                life.buy()
            wait_for(live)
        books.check()
    finally:
        assert daemon.stop() == 0
    twice = len(here + there) - len({*here, *there})
    report(events=len(letters), dealt_with_here=len(here), there=len(there), twice=twice)
    assert not twice
    for life in lives:
        life.end_now()
    books.rest()


def certificate(folder, name, *, host="127.0.0.1", days=30, issuer=None):
    """Makes a certificate for a host, signed by an issuer or by itself: (certificate, key),
    also as files NAME.pem and NAME.key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.utcnow()
    builder = x509.CertificateBuilder(
        issuer[0].subject if issuer else subject, subject, key.public_key(),
        x509.random_serial_number(), now - datetime.timedelta(days=60),
        now + datetime.timedelta(days=days))
    try:
        alternative = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        alternative = x509.DNSName(host)
    builder = builder.add_extension(x509.SubjectAlternativeName([alternative]), False)
    builder = builder.add_extension(x509.BasicConstraints(issuer is None, None), True)
    made = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    return made, key


def test_requests_go_only_to_stripe(shop, other_host, tmp_path_factory, report):
    """Nothing is sent to a server whose certificate is expired, of another host or of an
    unknown issuer; the right server gets the request (guarantee 23)."""
    folder = tmp_path_factory.mktemp("tls")
    folder.chmod(0o755)
    authority = certificate(folder, "authority")
    (folder / "authority.pem").chmod(0o644)
    shutil.copy(folder / "authority.pem", shop.place / "stripe-ca.pem")
    (shop.place / "stripe-ca.pem").chmod(0o644)
    certificate(folder, "good", issuer=authority)
    certificate(folder, "expired", issuer=authority, days=-1)
    certificate(folder, "wrong-host", issuer=authority, host="stripe.example")
    certificate(folder, "self-signed")
    life, accepted, port = Life(shop), 0, 0
    for name in ("expired", "wrong-host", "self-signed", "good"):
        with StandIn(tls_cert=folder / f"{name}.pem", tls_key=folder / f"{name}.key", port=port,
                     prices="starter=price_starter_month:2900:month") as stripe:
            if not port:
                port = stripe.port
                other_host(STRIPE_API_BASE=stripe.url, WORKERS=1,
                           STRIPE_CA_FILE=shop.place / "stripe-ca.pem")
            answer = asker(life, "checkout", plan="starter")()
            heard = stripe.requests()
            if name == "good":
                assert answer.status_code == 200 and heard, answer.text
            else:
                assert answer.status_code == 502, (name, answer.text)
                assert not heard, (name, heard)
                accepted += bool(heard)
    report(bad_certificates=3, accepted=accepted)
