"""One customer cannot take the service away from others: attacks beside an honest client, and the
share of a pool of workers that a customer may have, and customers who do not pay."""

import contextlib
import json
import threading
import time
import uuid

import pytest
from chaos.attack import client_at, unharmed
from chaos.postgres import Postgres, Session
from chaos.processes import Daemon, kill, role_of
from support.client import Client, expect
from support.fcgi import ask
from support.payments import ask as pay
from support.payments import buy
from support.stack import wait_for


@pytest.fixture(scope="module", name="limited")
def fixture_limited(new_stack):
    """A stack with nginx's limits and two workers in each pool, whose statements wait long for a lock."""
    made = new_stack(stripe=True, RATE_LIMITS="on", WORKERS=2, STRIPE_WORKERS=2, DB_STATEMENT_TIMEOUT_MS=14000)
    yield made
    made.close()


def bad_batch(customer):
    """The dearest batch that was known: reports of unknown members, half a megabyte."""
    members = {f"n{number}": 0 for number in range(500)}
    return json.dumps({"reports": 73 * [{"customer_id": customer.id, **members}]})


def test_batches_full_of_bad_fields(limited, report):
    """A3: also with an Idempotency-Key, whose answer is stored."""
    attacker, victim = limited.api.sign_up(), limited.api.sign_up()
    body = bad_batch(attacker)
    seen = set()

    def attack():
        client = client_at(limited, "127.0.0.9", attacker.api_key)
        for number in range(10):
            answer = client.post("/api/usage/reports", data=body, headers={
                "Idempotency-Key": uuid.uuid4().hex} if number % 2 else {})
            assert len(answer.content) < 30000
            seen.add(answer.status_code)
            time.sleep(0.05)  # about as often as nginx permits

    figures = unharmed(lambda: expect(victim.client.get(f"/api/licenses/{victim.id}"), 200),
                       [attack])
    assert seen <= {200, 429} and 200 in seen
    report(**figures)


def test_many_payment_requests_of_one_customer(limited, report):
    """A4: he makes all keys that he may have and sends previews with each, while Stripe is slow."""
    attacker, victim = limited.api.sign_up(), limited.api.sign_up()
    buy(limited, attacker, "starter")
    keys = [attacker.api_key]
    keys += [limited.api.mint(attacker)[0] for _ in range(19)]
    expect(limited.api.owner.post(f"/api/customers/{attacker.id}/keys", {}), 409, "too_many_keys")
    slow = {"match": {"method": "POST", "path": "create_preview"}, "times": "forever", "skip": 0,
            "fault": {"kind": "slow", "seconds": 0.8}}
    limited.stripe.faults([slow])
    seen = []

    def attack(number):
        client = client_at(limited, "127.0.0.9", keys[number])

        def preview():
            seen.append(pay(client, "preview", attacker.id, new_plan="enterprise").status_code)
            time.sleep(0.05)
        return preview

    # As often as a customer may send payment requests at once.
    figures = unharmed(lambda: expect(pay(victim.client, "checkout", victim.id, plan="starter"), 200),
                       [attack(number) for number in range(8)], count=9)
    limited.stripe.faults([])
    assert set(seen) <= {200, 409, 429} and {409, 429} & set(seen)
    report(previews=len(seen), refused=len(seen) - seen.count(200), **figures)


def test_payment_requests_of_many_customers_of_one_address(limited):
    """Four are under way at a time. An operator's, and those of another address, are not refused for it,
    nor are new customers limited to half of the workers while Stripe answers in time."""
    customers, victim = [limited.api.sign_up() for _ in range(8)], limited.api.sign_up()
    limited.stripe.faults([{"match": {"path": "^/v1/"}, "times": "forever", "skip": 0,
                            "fault": {"kind": "slow", "seconds": 0.05}}])
    seen, stop = [], threading.Event()

    def attack(customer):
        client = client_at(limited, "127.0.0.9", customer.api_key)
        for _ in range(15):  # fewer than one customer may send at once
            if not stop.is_set():
                seen.append(pay(client, "checkout", customer.id, plan="starter").status_code)
                stop.wait(0.1)

    attackers = [threading.Thread(target=attack, args=(customer,)) for customer in customers]
    try:
        for thread in attackers:
            thread.start()
        wait_for(lambda: 429 in seen)
        expect(pay(victim.client, "checkout", victim.id, plan="starter"), 200)
        owner = client_at(limited, "127.0.0.9", limited.admin_key)
        expect(pay(owner, "checkout", victim.id, plan="starter"), 200)
    finally:
        stop.set()
        for thread in attackers:
            thread.join()
        limited.stripe.faults([])
    assert set(seen) <= {200, 409, 429}


def by_key(customer):
    """The FastCGI parameters of a request with the customer's key."""
    return {"HTTP_X_API_KEY": customer.api_key}


def waited(seconds):
    """The FastCGI parameter of a request that nginx received so long ago."""
    return {"ARRIVED": f"{time.time() - seconds:.3f}"}


def test_a_share_of_the_workers(limited):
    """While requests wait, a customer has at most half of the workers; others are served."""
    loud, quiet = limited.api.sign_up(), limited.api.sign_up()
    path = f"/api/customers/{loud.id}"
    answers = []
    with Session(limited) as session:
        session.run(f"SELECT FROM customers WHERE customer_id = '{loud.id}' FOR UPDATE")
        blocked = threading.Thread(target=lambda: answers.append(ask(
            limited.socket, "PATCH", path, b'{"company_name":"Held"}', **by_key(loud))))
        blocked.start()
        wait_for(lambda: Postgres(limited).waiting("billingd worker") == 1)
        assert ask(limited.socket, "GET", path, **by_key(loud))[0] == 200
        status, body = ask(limited.socket, "GET", path, **by_key(loud), **waited(1))
        assert (status, body["code"]) == (429, "rate_limited")
        other = f"/api/customers/{quiet.id}"
        assert ask(limited.socket, "GET", other, **by_key(quiet), **waited(1))[0] == 200
        owner = {"HTTP_X_API_KEY": limited.admin_key}
        assert ask(limited.socket, "GET", path, **owner, **waited(1))[0] == 200
        session.run("COMMIT")
        blocked.join()
    assert answers[0][0] == 200
    assert ask(limited.socket, "GET", path, **by_key(loud), **waited(1))[0] == 200


def test_a_share_of_the_workers_for_signing(limited):
    """While requests wait, half of the workers may sign licences; kept ones are returned."""
    slow, late, kept = (limited.api.sign_up() for _ in range(3))
    for customer in (slow, late):
        limited.sql("UPDATE subscriptions SET plan = 'professional', version = version + 1 "
                    f"WHERE customer_id = '{customer.id}'")

    def license_of(customer, **more):
        return ask(limited.socket, "GET", f"/api/licenses/{customer.id}", **by_key(customer), **more)

    answers = []
    with Session(limited) as session:
        session.run(f"SELECT FROM subscriptions WHERE customer_id = '{slow.id}' FOR UPDATE")
        signing = threading.Thread(target=lambda: answers.append(license_of(slow)))
        signing.start()
        wait_for(lambda: Postgres(limited).waiting("billingd worker") == 1)
        status, body = license_of(late, **waited(1))
        assert (status, body["code"]) == (503, "busy")
        assert license_of(kept, **waited(1))[0] == 200
        assert license_of(late)[0] == 200
        session.run("COMMIT")
        signing.join()
    assert answers[0][0] == 200
    limited.sql("UPDATE subscriptions SET plan = 'enterprise', version = version + 1 "
                f"WHERE customer_id = '{late.id}'")
    assert license_of(late, **waited(1))[0] == 200


@contextlib.contextmanager
def held_up(stack, customer):
    """Meanwhile the customer's checkout waits for Stripe. It ends well afterwards."""
    answers = []
    stack.stripe.fault("slow", method="POST", path="^/v1/customers$", seconds=60)
    blocked = threading.Thread(target=lambda: answers.append(checkout(stack, customer)))
    blocked.start()
    wait_for(lambda: stack.stripe.control("faults")[0]["used"] == 1, every=0.01)
    yield
    stack.stripe.let_go()
    blocked.join()
    expect(answers[0], 200)


def checkout(stack, customer):
    client = Client(stack, {"X-API-Key": customer.api_key})
    return pay(client, "checkout", customer.id, plan="starter", faults=True)


def test_customers_who_do_not_pay_have_half_of_the_payment_workers(new_stack):
    """Stripe hangs. A customer with a trial holds one of two workers; another one is refused before its
    request reaches Stripe. Customers who pay, and operators, are served."""
    stack = new_stack(stripe=True, WORKERS=2, STRIPE_WORKERS=2)
    try:
        payer, first, second, third = (stack.api.sign_up() for _ in range(4))
        buy(stack, payer, "starter")
        # The time in which a request waits for a worker tells nothing of Stripe.
        body = json.dumps({"customer_id": payer.id, "plan": "enterprise"}).encode()
        assert ask(stack.stripe_socket, "POST", "/api/subscriptions/preview", body,
                   **by_key(payer), **waited(6))[0] == 200
        with held_up(stack, first):
            expect(checkout(stack, second), 200)
        # Half of the time for Stripe passes: from now on Stripe counts as slow.
        stack.stripe.fault("slow", method="POST", path="^/v1/invoices/create_preview$", seconds=5.2)
        expect(pay(payer.client, "preview", payer.id, plan="enterprise"), 200)
        with held_up(stack, third):
            answer = checkout(stack, second)
            expect(answer, 503, "busy")
            assert 1 <= int(answer.headers["Retry-After"]) <= 9
            expect(pay(payer.client, "preview", payer.id, plan="enterprise"), 200)
            expect(pay(stack.api.owner, "checkout", second.id, plan="starter"), 200)
        expect(checkout(stack, second), 200)
    finally:
        stack.close()


def second_host(stack):
    """A billingd with sockets of its own, as on another host with the same database."""
    made = Daemon(stack, **{name: value for name, value in stack.settings.items()
                            if name.startswith("STRIPE_") and name != "STRIPE_STAND_IN"})
    made.socket, made.stripe_socket = (made.pid_file.with_name(name) for name in ("m.sock", "s.sock"))
    made.write(BILLING_SOCKET=made.socket, BILLING_STRIPE_SOCKET=made.stripe_socket, WORKERS=1)
    return made.launch()


def test_a_change_that_was_decided_on_outdated_state_is_refused(shop, books):
    """Two hosts change a subscription at once. The one that gets the lock second would charge a
    downgrade as an upgrade."""
    customer = shop.api.sign_up()
    bought = buy(shop, customer, "starter")
    path = f"/v1/subscriptions/{bought['stripe_subscription_id']}"
    other = second_host(shop)
    try:
        shop.stripe.reset_requests()
        shop.stripe.fault("slow_after", method="GET", path=f"^{path}", seconds=60, times=1)
        answers = []
        slow = threading.Thread(target=lambda: answers.append(pay(
            Client(shop, {"X-API-Key": customer.api_key}), "upgrade", customer.id,
            new_plan="professional")))
        slow.start()
        wait_for(lambda: shop.stripe.requests("GET", path))
        body = json.dumps({"customer_id": customer.id, "new_plan": "enterprise"}).encode()
        assert ask(other.stripe_socket, "POST", "/api/subscriptions/upgrade", body,
                   **by_key(customer))[0] == 200
        shop.stripe.let_go()
        slow.join()
        expect(answers[0], 409, "operation_in_progress")
        assert len(shop.stripe.requests("POST", path)) == 1
        answer = expect(pay(customer.client, "upgrade", customer.id, new_plan="professional"), 200)
        assert answer["subscription"]["plan"] == "professional"
        assert shop.stripe.requests("POST", path)[-1]["params"]["proration_behavior"] == \
            "create_prorations"
    finally:
        assert other.stop() == 0


def test_a_killed_worker_keeps_no_share(limited):
    """The customer whose payment request was killed can send another one."""
    customer = limited.api.sign_up()
    limited.stripe.fault("slow", method="POST", path="^/v1/customers$", seconds=60)
    done = threading.Thread(target=lambda: pay(Client(limited, {
        "X-API-Key": customer.api_key}), "checkout", customer.id, plan="starter", faults=True))
    done.start()
    wait_for(lambda: limited.stripe.control("faults")[0]["used"] == 1, every=0.01)
    expect(pay(customer.client, "portal", customer.id), 409, "operation_in_progress")
    for pid in limited.pids()[1:]:
        if role_of(pid) == "billingd stripe":
            kill(pid)
    done.join()
    limited.stripe.let_go()
    wait_for(lambda: pay(customer.client, "portal", customer.id, faults=True).json()["code"] ==
             "checkout_needed")
