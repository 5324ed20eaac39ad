"""Stripe does not answer for a minute: requests that need it fail in time, others are not
delayed."""

import threading
import time

from chaos.load import Load
from support.client import Client
from support.stack import wait_for

DEADLINE = 1.5
STACK = {"stripe": True, "WORKERS": 2, "STRIPE_WORKERS": 1,
         "STRIPE_DEADLINE_MS": int(1000 * DEADLINE)}
CHECKOUTS = 8


def test_a_hanging_stripe_delays_no_other_request(stack, rng, report):
    """One worker has a queue of checkouts, and each is answered within the deadline that begins
    with its arrival."""
    customers = [stack.api.sign_up() for _ in range(CHECKOUTS)]
    answers = []

    def buy(customer):
        start = time.monotonic()
        answer = Client(stack, customer.client.headers).post(
            "/api/subscriptions/checkout", {"customer_id": customer.id, "plan": "starter"},
            faults=True)
        answers.append((answer.status_code, time.monotonic() - start))

    async def visit(client):
        customer = client.rng.choice(customers)
        await client.send("GET", f"/api/licenses/{customer.id}", key=customer.api_key)

    stack.stripe.fault("hang", seconds=60, times="forever")
    with Load(stack, 4, visit, rng.random()) as load:
        threads = [threading.Thread(target=buy, args=(customer,)) for customer in customers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    slowest = load.slowest()
    usual = sorted(took for _, took, *_ in load.answers)[len(load.answers) * 9 // 10]
    report(checkouts=len(answers), slowest_checkout=f"{max(a[1] for a in answers):.2f} s",
           licences=len(load.answers), slowest_licence=f"{slowest:.3f} s")
    assert len(answers) == CHECKOUTS and {status for status, _ in answers} <= {502, 503}
    # In sequence they would take eight deadlines; licences that wait would take one.
    assert max(seconds for _, seconds in answers) < DEADLINE * CHECKOUTS / 2
    assert not load.unexpected(200) and usual < DEADLINE / 2

    # Everything works again when Stripe does.
    stack.stripe.faults([])
    body = {"customer_id": customers[0].id, "plan": "starter"}
    wait_for(lambda: customers[0].client.post("/api/subscriptions/checkout", body,
                                              faults=True).status_code == 200, every=0.2)
