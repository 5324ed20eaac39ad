"""All that the stand-in knows, behind one lock, and where it is kept across restarts."""

import contextlib
import itertools
import os
import pickle
import random
import string
import threading
import time

from . import model, shapes
from .clock import Agenda, Clock
from .errors import missing_object

ALPHABET = string.ascii_letters + string.digits
EVENT_LIFETIME = 30 * 86400
FORMAT = 2  # of the file; another one is not read
QUICK = 0.01  # seconds that may go into saving before each answer
DAY = 86400

TABLES = {
    "customer": model.Customer, "product": model.Product, "price": model.Price,
    "subscription": model.Subscription, "invoice": model.Invoice, "charge": model.Charge,
    "refund": model.Refund, "dispute": model.Dispute,
    "checkout.session": model.Session, "webhook endpoint": model.Endpoint,
    "meter": model.Meter, "meter event": model.MeterEvent,
    "configuration": model.PortalConfiguration, "portal session": model.PortalSession,
    "event": model.Event,
}

SETTINGS = {
    "retry_days": [3, 5, 7],     # days between the attempts to collect a renewal
    "after_retries": "cancel",   # then: cancel, unpaid or past_due
    "portal_configured": True,   # false: the portal refuses until it has a configuration
    "meter_delay": 0,            # seconds until usage shows in summaries
    "thin_url": None,            # where thin events about meters go
    "tax_percent": 20,           # what automatic tax adds
    "account": "acct_1StandIn",  # what GET /v1/account answers; null: the key may not read it
}


class Table(dict):
    """Objects of one kind by id, oldest first, and by customer where they have one."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.of_customer = {}

    def __reduce__(self):
        return restore_table, (self.kind, list(self.values()))

    def add(self, thing):
        """Takes in a new object."""
        self[thing.id] = thing
        customer = getattr(thing, "customer", None)
        if customer:
            self.of_customer.setdefault(customer, []).append(thing)
        return thing

    def need(self, id, param=None):
        """The object with an id, or the refusal; `param` names the parameter that has it."""
        thing = self.get(id)
        if thing is None:
            raise missing_object(self.kind, id, param)
        return thing

    def newest(self, customer=None):
        """All objects, or those of a customer, newest first."""
        if customer is None:
            return list(reversed(self.values()))
        return [thing for thing in reversed(self.of_customer.get(customer, []))
                if thing.customer == customer]

    def adopt(self, thing):
        """Files an object that got its customer after it was made."""
        self.of_customer.setdefault(thing.customer, []).append(thing)


def restore_table(kind, things):
    """Makes a table again from what was kept."""
    table = Table(kind)
    for thing in things:
        table.add(thing)
    return table


def fresh_tables():
    """The tables of an account without any object."""
    return {kind: Table(kind) for kind in TABLES}


class State:
    """Everything, to be touched only with `lock` held. `request` is the id and idempotency key
    of the request that is being executed, for the events it causes."""

    def __init__(self, *, livemode=False, api_version=shapes.NEWEST_VERSION, file=None):
        self.lock = threading.RLock()
        self.clock = Clock()
        self.agenda = Agenda()
        self.tables = fresh_tables()
        self.accounts = {}  # the tables of other accounts, by their id
        self.settings = dict(SETTINGS)
        self.idempotency = {}
        self.livemode = livemode
        self.api_version = api_version
        self.file = file
        self.unsaved = False
        self.saving_takes = 0.0
        self.request = (None, None)
        self.announce = lambda event: None
        self.public_url = ""

    def __getattr__(self, name):
        """Tables by their plural: state.customers, state.prices ..."""
        kind = PLURALS.get(name)
        if kind is None:
            raise AttributeError(name)
        return self.tables[kind]

    def now(self):
        """The current second."""
        return self.clock.now()

    def new_id(self, prefix, length=24):
        """An identity nobody had."""
        return prefix + "".join(random.choices(ALPHABET, k=length))

    def shape(self):
        """The shape of the account's version."""
        return shapes.shape_of(self.api_version)

    def emit(self, type, thing, previous=None):
        """Writes an event about an object into the log and has it delivered."""
        event = model.Event(
            self.new_id("evt_1"), self.now(), type=type,
            objects={shape: shapes.render(self, thing, shape) for shape in shapes.SHAPES},
            previous=previous, api_version=self.api_version,
            request=self.request[0], idempotency_key=self.request[1])
        self.events.add(event)
        self.announce(event)
        return event

    @contextlib.contextmanager
    def changing(self, thing, type):
        """Around a change of an object: emits the event `type` when anything has changed."""
        before = {shape: shapes.render(self, thing, shape) for shape in shapes.SHAPES}
        yield
        previous = {shape: shapes.difference(before[shape], shapes.render(self, thing, shape))
                    for shape in shapes.SHAPES}
        if any(previous.values()):
            self.emit(type, thing, previous)

    def listed(self, event):
        """Whether GET /v1/events still shows the event."""
        return event.created > self.now() - EVENT_LIFETIME

    def forget(self):
        """Drops idempotency keys whose time has passed, and events that are neither listed nor
        still to be delivered."""
        now = self.now()
        for event in list(itertools.takewhile(lambda one: not self.listed(one),
                                              self.events.values())):
            if "pending" not in event.deliveries.values():
                del self.events[event.id]
        while self.idempotency:
            key, entry = next(iter(self.idempotency.items()))
            if entry.running or entry.time > now - DAY:
                break
            del self.idempotency[key]

    def save(self):
        """Keeps everything in the file, if there is one: at once while that is quick, else with
        the next keep()."""
        if self.file is not None:
            self.unsaved = True
            if self.saving_takes < QUICK:
                self.keep()

    def keep(self):
        """Writes the file if anything is unsaved; a crash leaves the old one or the new."""
        if not self.unsaved:
            return
        began = time.monotonic()
        kept = {"format": FORMAT, "tables": self.tables, "settings": self.settings,
                "accounts": self.accounts, "offset": self.clock.offset, "idempotency": {
                    key: entry for key, entry in self.idempotency.items()
                    if not entry.running}}
        with open(self.file + ".new", "wb") as file:
            pickle.dump(kept, file)
        os.replace(self.file + ".new", self.file)
        self.unsaved = False
        self.saving_takes = time.monotonic() - began

    def load(self):
        """Takes up what was kept. Whether there was anything."""
        if self.file is None or not os.path.exists(self.file):
            return False
        with open(self.file, "rb") as file:
            kept = pickle.load(file)
        if kept["format"] != FORMAT:
            return False
        self.tables.update(kept["tables"])
        self.settings.update(kept["settings"])
        self.accounts = kept.get("accounts", {})
        self.clock.offset = kept["offset"]
        self.idempotency = kept["idempotency"]
        return True


PLURALS = {
    "customers": "customer", "products": "product", "prices": "price",
    "subscriptions": "subscription", "invoices": "invoice", "charges": "charge",
    "refunds": "refund", "disputes": "dispute",
    "sessions": "checkout.session", "endpoints": "webhook endpoint", "meters": "meter",
    "meter_events": "meter event", "portal_configurations": "configuration",
    "portal_sessions": "portal session", "events": "event",
}
