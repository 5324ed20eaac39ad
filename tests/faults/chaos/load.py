"""Many clients at once, and the ledger of what they were told."""

import asyncio
import collections
import contextlib
import itertools
import json
import random
import threading
import time
import uuid

from .http import Connection, Lost

PATIENCE_SECONDS = 60
PAUSE_SECONDS = 0.02


class Client:
    """One client of a load. It records every answer."""

    def __init__(self, load, number, seed):
        self.load = load
        self.number = number
        self.rng = random.Random(f"{seed} client {number}")
        self.connection = Connection(load.stack)
        self.customer = None  # for visits to store their customer

    async def send(self, method, path, body=None, key=None, idempotency_key=None):
        """One request as the owner, or with a customer's key; None when the connection was lost.
        Recorded in the load's answers as (started, seconds, what, status or "lost", code)."""
        headers = [("Authorization", f"Bearer {key or self.load.stack.admin_key}")]
        if idempotency_key:
            headers.append(("Idempotency-Key", idempotency_key))
        data = b"" if body is None else json.dumps(body).encode()
        start = time.monotonic()
        try:
            answer = await self.connection.request(method, path, headers, data)
        except Lost:
            answer = None
        status = "lost" if answer is None else answer.status
        code = None if answer is None else answer.code
        what = f"{method} {path}"
        self.load.answers.append((start, time.monotonic() - start, what, status, code))
        return answer

    async def insist(self, method, path, body=None, key=None, idempotency_key=None):
        """Sends until the answer is not due to a fault. A POST needs an Idempotency-Key."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = await self.send(method, path, body, key, idempotency_key)
            if not is_fault(answer):
                return answer
            self.load.retries += 1
            assert time.monotonic() < deadline, f"{method} {path}: only faults: {answer}"
            await asyncio.sleep(PAUSE_SECONDS)


def is_fault(answer):
    """Whether the answer is due to a fault, so that the client may try again."""
    return answer is None or answer.status in (502, 503, 504) or \
        (answer.status == 409 and answer.code == "idempotency_in_progress")


async def knock(client):
    """A sign-up without retries: 32 clients that do it keep one worker's queue from emptying."""
    email = f"{client.rng.getrandbits(64)}@{client.load.stack.mail_domain}"
    await client.send("POST", "/api/customers", {"email": email})


class Load(contextlib.AbstractContextManager):
    """`count` clients that each call `await visit(client)` repeatedly until the block ends, all in
    one further thread. A visit that fails makes the block fail."""

    def __init__(self, stack, count, visit, seed=0):
        self.stack = stack
        self.visit = visit
        self.answers = []
        self.retries = 0
        self.ended = False
        self.clients = [Client(self, number, seed) for number in range(count)]
        self.failure = None
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.ended = True
        self.thread.join()
        if kind is None and self.failure is not None:
            raise self.failure

    async def _run(self):
        async def repeat(client):
            try:
                while not self.ended:
                    await self.visit(client)
            finally:
                client.connection.close()

        results = await asyncio.gather(*map(repeat, self.clients), return_exceptions=True)
        self.failure = next((fault for fault in results if fault is not None), None)

    def check(self):
        """Fails at once when a client has failed for good."""
        assert self.thread.is_alive() or self.ended, f"the load has ended: {self.failure}"

    def count(self):
        """The number of answers of each status."""
        return collections.Counter(status for _, _, _, status, _ in self.answers)

    def slowest(self):
        """The longest time until an answer, in seconds."""
        return max((seconds for _, seconds, *_ in self.answers), default=0)

    def unexpected(self, *statuses):
        """Answers with none of these statuses."""
        return [answer for answer in self.answers if answer[3] not in statuses]


class Ledger:
    """Sign-ups as the clients know them. `more` are further members of their bodies."""

    def __init__(self, stack, **more):
        self.stack = stack
        self.more = more
        self.tag = uuid.uuid4().hex[:10]
        self.numbers = itertools.count()
        self.acknowledged = {}  # e-mail -> customer id
        self.replayed = 0

    async def sign_up(self, client):
        """Signs up a customer, with retries; returns its id and its API key."""
        email = f"{self.tag}-{next(self.numbers)}@{self.stack.mail_domain}"
        key = str(uuid.UUID(int=client.rng.getrandbits(128)))
        answer = await client.insist("POST", "/api/customers", {"email": email, **self.more},
                                     idempotency_key=key)
        assert answer.status == 201, (answer.status, answer.body)
        made = answer.json()
        self.acknowledged[email] = made["customer"]["customer_id"]
        self.replayed += "idempotent-replayed" in answer.headers
        return made["customer"]["customer_id"], made["api_key"]

    def audit(self):
        """Compares with the database: counts, all of which but `stored` must be 0."""
        rows = "\n".join(f"{email}\t{name}" for email, name in self.acknowledged.items())
        values = self.stack.sql(AUDIT.format(rows=rows, tag=self.tag, whole=WHOLE)).split("|")
        names = ("stored", "lost", "duplicates", "unacknowledged", "half_written")
        return dict(zip(names, map(int, values)))


# Every sign-up writes one row into each of these tables, or none into any. No customer's sequence of
# events has a gap or a double. Each table is read once,
# not once for each customer, as some have no index by customer.
WHOLE = " AND ".join(
    f"customer_id IN (SELECT customer_id FROM {table} WHERE customer_id IS NOT NULL GROUP BY 1 "
    "HAVING count(*) = 1)"
    for table in ("subscriptions", "api_keys", "licenses", "trial_redemptions", "audit_log",
                  "(SELECT customer_id FROM events WHERE type = 'customer.created') AS created"))
AUDIT = """
CREATE TEMP TABLE acknowledged (email text PRIMARY KEY, customer_id text);
COPY acknowledged FROM stdin;
{rows}
\\.
CREATE TEMP TABLE stored AS SELECT customer_id, email FROM customers WHERE email LIKE '{tag}-%';
SELECT (SELECT count(*) FROM stored),
       (SELECT count(*) FROM acknowledged a WHERE NOT EXISTS (SELECT FROM stored s
         WHERE (s.email, s.customer_id) = (a.email, a.customer_id))),
       (SELECT count(*) - count(DISTINCT lower(email)) FROM stored),
       (SELECT count(*) FROM stored WHERE email NOT IN (SELECT email FROM acknowledged)),
       (SELECT count(*) FROM stored WHERE NOT ({whole}))
     + (SELECT count(*) FROM event_sequences q FULL JOIN (
         SELECT COALESCE(customer_id, '') AS customer_id, count(*) AS events,
                count(DISTINCT sequence) AS places, max(sequence) AS last FROM events GROUP BY 1) e
         USING (customer_id)
         WHERE (e.events, e.places, e.last) IS DISTINCT FROM (q.sequence, q.sequence, q.sequence))
     + (SELECT count(*) FROM audit_log x WHERE action = 'sign_up'
         AND NOT EXISTS (SELECT FROM customers c WHERE c.customer_id = x.customer_id));
"""
