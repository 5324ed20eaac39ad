"""Workers are killed with SIGKILL all the time, and everything that was acknowledged is stored.

At the end the clients' own ledger of answers is compared with the database."""

import time

from chaos.load import Ledger, Load
from chaos.processes import Killer, LogTail, children
from support.stack import wait_for

STACK = {"WORKERS": 8}
CLIENTS = 64
EVERY_SECONDS = 0.1


def test_killed_workers_lose_nothing(stack, rng, report, fault_seconds):
    ledger = Ledger(stack)
    tail = LogTail(stack)

    async def visit(client):
        customer_id, key = await ledger.sign_up(client)
        for _ in range(3):
            answer = await client.insist("GET", f"/api/licenses/{customer_id}", key=key)
            assert answer.status == 200, "a customer was acknowledged and is not stored"
            assert answer.json()["customer_id"] == customer_id

    with Load(stack, CLIENTS, visit, rng.random()) as load:
        with Killer(stack, rng, EVERY_SECONDS) as killer:
            end = time.monotonic() + fault_seconds
            while time.monotonic() < end:
                load.check()
                time.sleep(0.2)

    count = load.count()
    found = ledger.audit()
    report(kills=killer.kills, answers=len(load.answers), acknowledged=len(ledger.acknowledged),
           answered_502=count[502], connections_lost=count["lost"], retries=load.retries,
           replayed=ledger.replayed, lost=found["lost"], duplicates=found["duplicates"],
           half_written=found["half_written"])
    assert found["stored"] == len(ledger.acknowledged) > 0
    assert found == {**found, "lost": 0, "duplicates": 0, "unacknowledged": 0, "half_written": 0}
    assert killer.kills > fault_seconds
    assert count[502] <= killer.kills
    assert not load.unexpected(200, 201, 409, 502)
    # Workers are replaced; those that were killed before their first request after a delay.
    wait_for(lambda: len(children(stack)) > STACK["WORKERS"] / 2, 70)
    # The log has a line for every killed process.
    wait_for(lambda: sum(line["signal"] == 9 for line in tail.find("process died")) == killer.kills)


def test_a_key_has_one_effect_while_workers_are_killed(stack, rng, report, fault_seconds):
    """Twelve clients send the same requests with the same keys while workers are killed. Each
    request has one effect, and all clients get the same bytes."""
    answers = [[] for _ in range(12)]

    async def visit(client):
        mine = answers[client.number]
        number = len(mine)
        email = f"once-{number}@{stack.mail_domain}"
        made = await client.insist("POST", "/api/customers", {"email": email},
                                   idempotency_key=f"customer {number}")
        assert made.status == 201, made.body
        base = f"/api/customers/{made.json()['customer']['customer_id']}"
        minted = await client.insist("POST", f"{base}/keys", {"name": f"once {number}"},
                                     idempotency_key=f"mint {number}")
        assert minted.status == 201, minted.body
        rotated = await client.insist("POST", base.replace("customers", "licenses") + "/rotate",
                                      idempotency_key=f"rotate {number}")
        assert rotated.status == 200, rotated.body
        mine.append((made.body, minted.body, rotated.body))

    with Load(stack, len(answers), visit, rng.random()) as load:
        with Killer(stack, rng, EVERY_SECONDS) as killer:
            end = time.monotonic() + fault_seconds / 10
            while time.monotonic() < end or not (killer.kills and any(answers)):
                load.check()
                time.sleep(0.2)

    effects = stack.sql(
        "SELECT count(*), count(DISTINCT c.customer_id),"
        " (SELECT count(*) FROM api_keys WHERE name LIKE 'once %'),"
        " (SELECT count(*) FROM licenses l JOIN customers USING (customer_id)"
        f"  WHERE email LIKE 'once-%' AND l.reason = 'rotated') FROM customers c "
        "WHERE email LIKE 'once-%'")
    done = max(map(len, answers))
    report(kills=killer.kills, answers=len(load.answers), answered_502=load.count()[502],
           keys=3 * done, effects_of_customers_keys_rotations=effects.replace("|", "/"))
    assert effects == f"{done}|{done}|{done}|{done}"
    for number in range(done):
        got = {mine[number] for mine in answers if number < len(mine)}
        assert len(got) == 1, "the same key was answered differently"
