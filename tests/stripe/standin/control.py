"""The control interface: JSON under /_control/, only from loopback and with a token. ../__main__.py documents it."""

import concurrent.futures
import datetime
import hmac
import json
import time

from . import account, courier, dump, model
from .operations import billing, cards, checkout, refunds, renewal
from .errors import ApiError
from .shapes import BASIL
from .wire import Answer


def respond(server, request):
    """Answers a control request."""
    if not (request.peer[0].startswith("127.") or request.peer[0] == "::1"):
        return Answer(403, "Only from loopback.")
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), b"Bearer " + server.control_token.encode()):
        return Answer(401, "The token is missing or wrong; STRIPE_CONTROL_TOKEN of make run.")
    action = ACTIONS.get((request.method, request.path.removeprefix("/_control/")))
    if action is None:
        return Answer(404, f"No such control: {request.method} {request.path}")
    try:
        wish = json.loads(request.body) if request.body else {}
        status, value = 200, action(server, wish)
    except ApiError as error:
        status, value = error.status, error.body()
    except (KeyError, TypeError, ValueError) as error:
        status, value = 400, {"error": {"message": f"{type(error).__name__}: {error}"}}
    return Answer(status, json.dumps(value), {"Content-Type": "application/json"})


def changing(action):
    """An action on the state: with the lock held, what is due done, and everything kept."""
    def locked(server, wish):
        with server.state.lock:
            server.tick()
            value = action(server, wish)
            server.tick()
            server.state.save()
            return value
    return locked


def settings(server, wish):
    """Changes settings of state.SETTINGS, or the secret key. All of them as they are now."""
    if "secret_key" in wish:
        server.secret_key = wish.pop("secret_key")
    unknown = set(wish) - set(server.state.settings)
    if unknown:
        raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
    server.state.settings.update(wish)
    return server.state.settings


def switch_account(server, wish):
    """Has the key be of another account; each keeps its own objects."""
    account.switch(server.state, wish["account"])
    return {"account": server.state.settings["account"]}


def lose(server, wish):
    """Loses an object without any event, as deleted test data is lost."""
    for table in server.state.tables.values():
        thing = table.pop(wish["id"], None)
        if thing is not None and thing in table.of_customer.get(
                getattr(thing, "customer", None), []):
            table.of_customer[thing.customer].remove(thing)
    return {}


def webhook(server, wish):
    """Sets up the one endpoint of the command line anew; no url takes it away."""
    endpoints = server.state.endpoints
    endpoint = endpoints.pop("we_command_line", None)
    if wish.get("url") is None:
        return {}
    if endpoint is None:
        endpoint = model.Endpoint("we_command_line", server.state.now(),
                                  secrets=["whsec_stand_in"])
    for name in ("url", "secrets", "api_version", "enabled_events"):
        if name in wish:
            setattr(endpoint, name, wish[name])
    endpoints.add(endpoint)
    return {"id": endpoint.id}


def hold(server, wish):
    """Keeps deliveries back, or lets them go."""
    server.courier.hold(bool(wish["held"]))
    return {}


def queue(server, _wish):
    """The events that wait to be delivered."""
    return server.courier.pending()


def hurry(server, _wish):
    """Lets retries begin now."""
    server.courier.hurry()
    return {}


def deliver(server, wish):
    """Delivers events now, in the given order, each `times` times, whether they were or not;
    with `parallel` all at once. The statuses in the same order."""
    with server.state.lock:
        chosen = [server.state.events.need(id) for id in wish["events"]]
        endpoints = list(server.state.endpoints.values())
        if wish.get("endpoint"):
            endpoints = [server.state.endpoints.need(wish["endpoint"])]
    jobs = [(event, endpoint) for event in chosen for _ in range(wish.get("times", 1))
            for endpoint in endpoints]

    def one(job):
        return server.courier.deliver(*job, version=wish.get("version"))
    if wish.get("parallel"):
        with concurrent.futures.ThreadPoolExecutor(len(jobs) or 1) as pool:
            statuses = list(pool.map(one, jobs))
    else:
        statuses = [one(job) for job in jobs]
    return [{"event": event.id, "status": status}
            for (event, _), status in zip(jobs, statuses)]


def drop(server, wish):
    """Never delivers events that are pending: the given ones, or all."""
    dropped = []
    for event in server.state.events.values():
        if wish["events"] == "all" or event.id in wish["events"]:
            for endpoint, delivery in event.deliveries.items():
                if delivery == "pending":
                    event.deliveries[endpoint] = "dropped"
                    dropped.append(event.id)
    return dropped


def send(server, wish):
    """Sends a body of any kind, signed or with the given headers. The status."""
    with server.state.lock:
        url, secrets = target(server, wish)
    body = wish["body"] if "body" in wish else json.dumps(wish["event"])
    headers = wish.get("headers")
    if headers is None and ("secrets" in wish or "timestamp" in wish):
        headers = {"Stripe-Signature": courier.sign(
            wish.get("secrets", secrets), body.encode(),
            wish.get("timestamp", int(time.time())))}
    id = wish.get("event", {}).get("id")
    return {"status": server.courier.post(url, secrets, body.encode(), id,
                                          wish.get("event", {}).get("type"), 0, headers)}


def target(server, wish):
    """Where hand-made events go: the first endpoint, unless a url is given."""
    endpoint = next(iter(server.state.endpoints.values()), None)
    if endpoint is None and "url" not in wish:
        raise ValueError("there is no endpoint")
    return wish.get("url") or endpoint.url, endpoint.secrets if endpoint else []


def thin(server, wish):
    """Sends a thin event. The status."""
    with server.state.lock:
        url, _ = target(server, wish)
    return {"status": send_thin(server, url, wish["type"], wish.get("related"))}


def send_thin(server, url, type, related):
    """Posts a thin event, which names an object instead of having it."""
    now = datetime.datetime.fromtimestamp(server.state.now(), datetime.timezone.utc)
    event = {"id": server.state.new_id("evt_test_"), "object": "v2.core.event", "type": type,
             "livemode": server.state.livemode, "related_object": related,
             "created": now.strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    endpoint = next(iter(server.state.endpoints.values()), None)
    return server.courier.post(url, endpoint.secrets if endpoint else [],
                               json.dumps(event).encode(), event["id"], type, 0)


def card(server, wish):
    """Sets how a customer's card behaves."""
    if wish["behaviour"] not in cards.BEHAVIOURS:
        raise ValueError(f"behaviour is one of {', '.join(cards.BEHAVIOURS)}")
    customer = server.state.customers.need(wish["customer"])
    cards.set_behaviour(server.state, customer, wish["behaviour"])
    return {"payment_method": customer.payment_method}


def complete(server, wish):
    """Completes a checkout session as a person would on its page."""
    session = server.state.sessions.need(wish["session"])
    subscription = checkout.complete(server.state, session, wish.get("card", "good"),
                                     wish.get("email", "someone@example.com"),
                                     wish.get("typed"))
    return {"subscription": subscription.id, "customer": session.customer,
            "return_url": checkout.return_url(session)}


def expire(server, wish):
    """Lets an open checkout session expire."""
    session = server.state.sessions.need(wish["session"])
    if session.status == "open":
        checkout.end(server.state, session)
    return {"status": session.status}


def pay(server, wish):
    """Pays an open invoice as its holder would on its page, with the card he has or another."""
    invoice = server.state.invoices.need(wish["invoice"])
    if "card" in wish:
        cards.set_behaviour(server.state, server.state.customers[invoice.customer], wish["card"])
    return {"paid": billing.pay(server.state, invoice, holder_present=True)}


def dispute(server, wish):
    """Has the bank of a customer dispute his newest charge, or the one that is named."""
    state = server.state
    if "charge" in wish:
        charge = state.charges.need(wish["charge"])
    else:
        charge = state.charges.newest(wish["customer"])[0]
    return {"dispute": refunds.dispute(state, charge, wish.get("status", "needs_response")).id}


def close_dispute(server, wish):
    """Has the bank decide a dispute."""
    refunds.close_dispute(server.state, server.state.disputes.need(wish["dispute"]),
                          wish["status"])
    return {}


def advance(server, wish):
    """Moves time on and does what is due on the way, in its order."""
    state = server.state
    seconds = wish["to"] - state.now() if "to" in wish else wish["seconds"]
    if seconds < 0:
        raise ValueError("time only goes forward")
    renewal.advance(state, state.now() + seconds)
    state.clock.offset += seconds
    state.forget()
    return {"now": state.now()}


def faults(server, wish):
    """Replaces the fault rules."""
    server.faults.set(wish["rules"])
    return {}


def events(server, _wish):
    """The event log, oldest first, with what became of each delivery."""
    with server.state.lock:
        return [{"id": event.id, "type": event.type, "created": event.created,
                 "deliveries": dict(event.deliveries),
                 "object": event.objects[BASIL].get("id"),
                 "customer": event.objects[BASIL].get("customer")}
                for event in server.state.events.values()]


def deliveries_reset(server, _wish):
    """Empties the record of attempts."""
    server.courier.log = []
    return {}


def requests_reset(server, _wish):
    """Empties the record of requests."""
    server.journal.reset()
    server.connections = set()
    return {}


ACTIONS = {
    ("GET", "ping"): lambda server, _wish: {"now": server.state.now()},
    ("GET", "settings"): lambda server, _wish: server.state.settings,
    ("POST", "settings"): changing(settings),
    ("POST", "account"): changing(switch_account),
    ("POST", "lose"): changing(lose),
    ("POST", "webhook"): changing(webhook),
    ("POST", "hold"): hold,
    ("GET", "queue"): queue,
    ("POST", "hurry"): hurry,
    ("GET", "idle"): lambda server, _wish: {"idle": server.courier.idle()},
    ("POST", "deliver"): deliver,
    ("POST", "drop"): changing(drop),
    ("POST", "send"): send,
    ("POST", "thin"): thin,
    ("POST", "card"): changing(card),
    ("POST", "complete"): changing(complete),
    ("POST", "expire"): changing(expire),
    ("POST", "pay"): changing(pay),
    ("POST", "dispute"): changing(dispute),
    ("POST", "close_dispute"): changing(close_dispute),
    ("POST", "advance"): changing(advance),
    ("GET", "faults"): lambda server, _wish: server.faults.list(),
    ("POST", "faults"): faults,
    ("GET", "requests"): lambda server, _wish: list(server.journal.records),
    ("POST", "requests/reset"): requests_reset,
    ("GET", "events"): events,
    ("GET", "deliveries"): lambda server, _wish: list(server.courier.log),
    ("POST", "deliveries/reset"): deliveries_reset,
    ("GET", "state"): changing(dump.state),
    ("GET", "counters"): changing(dump.counters),
}
