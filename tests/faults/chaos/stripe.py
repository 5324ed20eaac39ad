"""Compares Stripe's state with ours, and delivers Stripe's events in any order."""

import collections
import http.client
import http.server
import json
import ssl
import threading

import pytest

from .life import ENDED
from support.stack import wait_for
from support.webhook import signed

from .postgres import Session

# The number of events and calls that are still pending.
PENDING = """SELECT (SELECT count(*) FROM stripe_events WHERE state = 'pending')
                  + (SELECT count(*) FROM stripe_calls WHERE state = 'pending')"""

# The pending events and calls, for the message of a failure.
WAITING = """SELECT concat(count(*), ', such as ', (array_agg(words))[:3]) FROM (
  SELECT concat_ws(' ', event_id, type, 'of', subject, attempts, 'attempts, next', next_try_at, error) AS words
  FROM stripe_events WHERE state = 'pending'
  UNION ALL SELECT concat_ws(' ', 'call', call_id, kind, 'of', subject, attempts, 'attempts, next', next_try_at, error)
  FROM stripe_calls WHERE state = 'pending') AS waiting"""

# Makes every pending try due now. Those that are due already are left alone: they may be thousands.
HURRY = """UPDATE stripe_events SET next_try_at = now() WHERE state = 'pending' AND next_try_at > now();
           UPDATE stripe_calls SET next_try_at = now() WHERE state = 'pending' AND next_try_at > now();
           NOTIFY stripe_jobs"""

SWEEPS_ENDED = "SELECT bool_and(finished_at IS NOT NULL) FROM stripe_sweeps"

# No comparison with Stripe becomes due for a quarter of an hour. One that is under way is not disturbed.
POSTPONE = "UPDATE stripe_sweeps SET finished_at = now() WHERE finished_at IS NOT NULL"

SWEEP = """UPDATE stripe_sweeps SET finished_at = NULL, started_at = NULL; NOTIFY stripe_jobs"""

OURS = """
SELECT json_build_object('subscriptions', (SELECT json_object_agg(stripe_subscription_id,
    json_build_object('customer', customer_id, 'plan', plan, 'status', status,
        'price', stripe_price_id,
        'period_end', extract(epoch FROM current_period_ends_at)::bigint,
        'trial_end', extract(epoch FROM trial_ends_at)::bigint,
        'cancel_at_period_end', cancel_at_period_end,
        'cancel_at', extract(epoch FROM cancel_at)::bigint,
        'canceled_at', extract(epoch FROM canceled_at)::bigint,
        'ended_at', extract(epoch FROM ended_at)::bigint))
    FROM subscriptions JOIN customers USING (customer_id)
    WHERE stripe_subscription_id IS NOT NULL AND deleted_at IS NULL),
  'invoices', (SELECT json_object_agg(invoice_id, json_build_object('customer', customer_id,
        'subscription', stripe_subscription_id, 'number', number, 'status', status,
        'reason', billing_reason, 'amount_due', amount_due, 'amount_paid', amount_paid,
        'currency', currency)) FROM invoices JOIN customers USING (customer_id)
    WHERE deleted_at IS NULL),
  'customers', (SELECT json_object_agg(customer_id, json_build_object('stripe', stripe_customer_id,
        'email', email, 'name', company_name, 'current', (SELECT json_agg(json_build_array(
            stripe_subscription_id, status)) FROM subscriptions s
            WHERE s.customer_id = c.customer_id AND NOT superseded)))
    FROM customers c WHERE deleted_at IS NULL),
  'deleted', (SELECT json_object_agg(customer_id, deleted_at) FROM customers
    WHERE deleted_at IS NOT NULL),
  'paid', (SELECT json_object_agg(customer_id, paid) FROM (SELECT customer_id,
        sum(amount_paid) AS paid FROM invoices GROUP BY customer_id) AS sums))"""

# Conditions that must hold at any time; each counts the violations.
AUDIT = """
SELECT json_build_object(
  'orphan invoices', (SELECT count(*) FROM invoices i WHERE stripe_subscription_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM subscriptions s WHERE s.customer_id = i.customer_id
        AND s.stripe_subscription_id = i.stripe_subscription_id)),
  'negative amounts', (SELECT count(*) FROM invoices WHERE amount_due < 0 OR amount_paid < 0),
  'paid with the wrong amount', (SELECT count(*) FROM invoices
      WHERE (status = 'paid') <> (amount_paid = amount_due)
        AND NOT (status = 'draft' OR amount_due = 0)),
  'customers without one current row', (SELECT count(*) FROM customers c WHERE deleted_at IS NULL
      AND (SELECT count(*) FROM subscriptions s WHERE s.customer_id = c.customer_id
             AND NOT superseded) <> 1),
  'a worse row counts', (SELECT count(*) FROM subscriptions s JOIN subscriptions better
      USING (customer_id) WHERE NOT s.superseded AND better.superseded
        AND better.status IN ('active', 'trialing')
        AND s.status NOT IN ('active', 'trialing')),
  'licences of another plan', (SELECT count(*) FROM subscriptions s JOIN LATERAL (
      SELECT plan, issued_at FROM licenses l WHERE l.customer_id = s.customer_id
      ORDER BY license_id DESC LIMIT 1) AS newest ON true
      WHERE NOT s.superseded AND newest.plan <> s.plan AND newest.issued_at > (
        SELECT max(updated_at) FROM subscriptions x WHERE x.customer_id = s.customer_id)),
  'words about the deleted', (SELECT count(*) FROM stripe_events e JOIN customers c
      ON c.customer_id IN (e.customer_id, e.customer_hint)
        OR c.stripe_customer_id = e.stripe_customer_id
      WHERE c.deleted_at IS NOT NULL AND payload IS NOT NULL),
  'calls that name the deleted', (SELECT count(*) FROM stripe_calls JOIN customers
      USING (customer_id) WHERE deleted_at IS NOT NULL AND kind LIKE 'customer%'
        AND parameters <> ''),
  'events without an end', (SELECT count(*) FROM stripe_events
      WHERE (state = 'pending') = (finished_at IS NOT NULL)),
  'calls done and not heard of', (SELECT count(*) FROM stripe_calls
      WHERE state = 'done' AND finished_at IS NULL))"""


class Psql(Session):
    """A psql session without a transaction, for many short statements."""

    def __enter__(self):
        return self

    def value(self, query):
        """The one value of a query."""
        return self.run(query.strip()).strip()


class Postman(http.server.ThreadingHTTPServer):
    """Receives Stripe's events and stores them until a test delivers them. It signs them again,
    as the first signature may be too old by then. The comparisons with Stripe, which would find them
    meanwhile, run only when the test makes them due."""

    daemon_threads = True

    def __init__(self, stack, version=None):
        super().__init__(("127.0.0.1", 0), Letterbox)
        self.stack = stack
        self.letters = []
        self.link = http.client.HTTPSConnection(
            "localhost", stack.https_port, timeout=30,
            context=ssl.create_default_context(cafile=stack.ca_cert))
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.before = dict(stack.stripe.options)
        self.version = version

    def __enter__(self):
        self.thread.start()
        wait_for(lambda: self.stack.sql(SWEEPS_ENDED) == "t")
        self.stack.sql(POSTPONE)
        self.stack.stripe.wait_idle()
        self.stack.stripe.webhook(f"http://127.0.0.1:{self.server_port}",
                                  api_version=self.version)
        return self

    def __exit__(self, *_):
        self.link.close()
        stripe = self.stack.stripe
        stripe.wait_idle()
        stripe.webhook(stripe.options["webhook_url"], api_version=None)
        self.shutdown()
        self.server_close()

    def take(self):
        """The events received since the last call, in their order."""
        self.stack.stripe.wait_idle()
        letters, self.letters = self.letters, []
        return letters

    def post(self, letter, status=200):
        """Delivers one event to the service."""
        for _ in range(2):  # nginx closes a connection after a thousand requests
            try:
                self.link.request("POST", "/api/webhooks/stripe", letter,
                                  signed(letter, self.stack.webhook_secret))
                answer = self.link.getresponse()
                break
            except (http.client.RemoteDisconnected, ConnectionResetError):
                self.link.close()
        body = answer.read()
        assert answer.status == status, body


class Letterbox(http.server.BaseHTTPRequestHandler):
    """The endpoint that Stripe sends its events to."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):  # pylint: disable=invalid-name
        """Stores the event."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.letters.append(body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Logs nothing."""


# The longest time that a request of the shop which the tests share waits for Stripe.
DEADLINE_SECONDS = 10

# The settings of a stack that sells plans.
SHOP = {"stripe": True, "WORKERS": 2, "STRIPE_WORKERS": 2, "STRIPE_DEADLINE_MS": 3000}


class Books:
    """The state at Stripe and here, and their comparison."""

    def __init__(self, stack):
        self.stack = stack
        self.stripe = stack.stripe
        self.psql = Psql(stack)

    def close(self):
        """Ends its psql."""
        self.psql.__exit__()

    def reopen(self):
        """Opens a new psql after a restart of PostgreSQL."""
        self.psql = Psql(self.stack)

    def pending(self):
        """The number of pending events and calls."""
        return int(self.psql.value(PENDING))

    def rest(self, seconds=60):
        """Waits until all events are delivered and nothing is pending."""
        self.until_nothing_waits(lambda: self.is_at_rest(seconds), seconds, 0.01)

    def is_at_rest(self, seconds):
        """Waits until all events are delivered; whether nothing is pending then. An event may lead to a
        call, and a call to events: neither was made meanwhile."""
        def made():
            counters = self.stripe.counters()
            return counters["requests"], counters["events"]

        before = made()
        self.stripe.wait_idle(seconds)
        return self.pending() == 0 and made() == before

    def until_nothing_waits(self, condition, seconds, every):
        """Waits for the condition; fails with what is pending."""
        try:
            wait_for(condition, seconds, every)
        except AssertionError:
            pytest.fail(f"pending after {seconds} s: {self.psql.value(WAITING)}")

    def hurry(self, seconds=60):
        """Like rest(), but makes every pending try due at once."""
        def done():
            self.stripe.hurry()
            self.psql.run(HURRY)
            return self.is_at_rest(seconds)
        self.until_nothing_waits(done, seconds, 0.1)

    def sweep(self, seconds=60):
        """Runs the sweeps that compare with Stripe; returns when all repairs are stored."""
        self.psql.run(SWEEP)
        wait_for(lambda: self.psql.value(SWEEPS_ENDED) == "t", seconds, 0.02)
        self.rest(seconds)

    def ours(self):
        """Our state."""
        made = json.loads(self.psql.value(OURS))
        return {name: value or {} for name, value in made.items()}

    def differences(self):
        """The differences between Stripe's state and ours, as sentences."""
        theirs, ours = self.stripe.state(), self.ours()
        found = []
        owners = owners_of(theirs, ours)
        found += compare("subscription", subscriptions_of(theirs, owners), ours["subscriptions"])
        found += compare("invoice", invoices_of(theirs, owners), ours["invoices"])
        paid = collections.Counter()
        for id, customer in owners.items():
            paid[customer] += theirs["charged"].get(id, 0)
            there, here = theirs["customers"][id], ours["customers"][customer]
            if there["deleted"] == (here["stripe"] == id):
                found.append(f"customer {customer}: deleted {there['deleted']}, link {here}")
            if here["stripe"] == id and (here["email"], here["name"]) != \
                    (there["email"], there["name"]):
                found.append(f"customer {customer}: {here} but {there}")
        twice = collections.Counter(customer for id, customer in owners.items()
                                    if not theirs["customers"][id]["deleted"])
        found += [f"customer {customer}: {count} customers of Stripe's"
                  for customer, count in twice.items() if count > 1]
        for customer, amount in paid.items():
            if amount != (ours["paid"].get(customer) or 0):
                found.append(f"customer {customer}: charged {amount}, {ours['paid']} here")
        found += [f"deleted customer {one['metadata']['customer_id']}: {id} is {one['status']}"
                  for id, one in theirs["subscriptions"].items()
                  if one["metadata"].get("customer_id") in ours["deleted"]
                  and one["status"] not in ENDED]
        for customer, here in ours["customers"].items():
            if len(here["current"] or []) != 1:
                found.append(f"customer {customer}: current rows {here['current']}")
        return found

    def violations(self):
        """The violated conditions: their counts by name."""
        return {name: count for name, count in json.loads(self.psql.value(AUDIT)).items() if count}

    def check(self):
        """Checks that both states are equal and all conditions hold."""
        assert not self.differences(), "\n".join(self.differences())
        assert not self.violations()

    def count(self, query):
        """The number that a query returns."""
        return int(self.psql.value(query))


def owners_of(theirs, ours):
    """Our customer for each of Stripe's, by the metadata that checkout writes."""
    return {id: one["metadata"]["customer_id"] for id, one in theirs["customers"].items()
            if one["metadata"].get("customer_id") in ours["customers"]}


def subscriptions_of(theirs, owners):
    """Stripe's subscriptions of our customers, as we should store them."""
    same = ("plan", "status", "price", "trial_end", "cancel_at_period_end", "cancel_at",
            "canceled_at", "ended_at")
    return {id: {"customer": owners[one["customer"]], "period_end": one["current_period_end"],
                 **{name: one[name] for name in same}}
            for id, one in theirs["subscriptions"].items()
            if one["customer"] in owners and one["plan"]}


def invoices_of(theirs, owners):
    """The invoices at Stripe of our customers, as ours() has them."""
    same = ("subscription", "number", "status", "reason", "amount_due", "amount_paid", "currency")
    return {id: {"customer": owners[one["customer"]], **{name: one[name] for name in same}}
            for id, one in theirs["invoices"].items() if one["customer"] in owners}


def compare(kind, theirs, ours):
    """The differences between two sets of objects by id."""
    return [f"{kind} {id}: theirs {theirs.get(id)}, ours {ours.get(id)}"
            for id in sorted({*theirs, *ours}) if theirs.get(id) != ours.get(id)]
