"""A stand-in for Stripe with a memory of its own: customers, prices, checkout with a page for a
person, subscriptions with proration, invoices, portal, meters, events, signed webhooks. It checks
requests as Stripe does, answers in the shapes of old and new API versions, moves its clock when
asked and makes any fault that is asked for. It needs nothing but Python.

    /usr/bin/python3 tests/stripe --secrets-file FILE [options]

    --secrets-file FILE    JSON, "-" is stdin: {"secret_key": the API key (sk_live_... makes all
                           objects livemode), "webhook_secret": "whsec_..[,whsec_..]" signs the
                           events, "control_token": opens the control interface}

    --port N               where to listen; 0, the standard, finds a free port
    --host ADDRESS         127.0.0.1
    --port-file FILE       the port is written here once it listens
    --public-url URL       what page addresses begin with; http://127.0.0.1:PORT
    --webhook-url URL      where events go; --webhook-ca FILE is trusted for https
    --account-version V    shape of events for endpoints without a version; 2026-10-28.endive
    --retry-scale SECONDS  wait before the first retry of a webhook (5), doubled each time;
                           --attempts N (8) in all, --workers N (4) at once
    --prices LIST          plan=price_id:amount:interval,... made at the start, with products
    --data-file FILE       keeps everything across restarts; across kill -9 all that was answered,
                           as long as writing takes under 10 ms (some hundred objects), then all
                           but the last half second
    --brand FILE           brand.json of the seller: name, logo and colour of the pages
    --tls-cert FILE --tls-key FILE   serves https

It prints one line when it listens, {"port": N, "url": "..."}, and ends on SIGTERM.

THE API is under /v1: account, customers, products, prices, checkout/sessions, subscriptions,
subscription_items, invoices (with create_preview and pay), invoice_payments, charges, refunds,
disputes, billing_portal/sessions and /configurations, events, webhook_endpoints, billing/meters,
meter_events and meter_event_adjustments. standin/routes.py has the list. Each request needs a
Stripe-Version.
What it does not serve (discounts, tiers, schedules ...) it refuses with 400 and says so.
Test payment methods: pm_card_visa, pm_card_chargeCustomerFail, pm_card_authenticationRequired.

PAGES for a person: the `url` of a checkout session or portal session, and an invoice's
`hosted_invoice_url`, where it can be paid.

THE CONTROL INTERFACE is under /_control/ on the same port: JSON in, JSON out, only from loopback
and with the header "Authorization: Bearer CONTROL_TOKEN". handle.py has a method for each.

    GET  ping                       {now}
    GET  settings, POST settings    {retry_days: [3,5,7], after_retries: cancel|unpaid|past_due,
                                    portal_configured, meter_delay, thin_url, tax_percent: what
                                    automatic tax adds, account: of GET /v1/account, null: 403};
                                    also {secret_key}
    POST account                    {account} the key is of that account, which has objects of
                                    its own
    POST lose                       {id} loses an object without any event
    POST webhook                    {url, secrets: [..], api_version, enabled_events}; url null
                                    takes the endpoint away
    POST hold                       {held: true|false} keeps deliveries back, or lets them go
    GET  queue                      what waits: [{event, type, endpoint, attempt, seconds}]
    POST hurry                      retries that wait begin now
    GET  idle                       {idle} whether nothing is queued or under way
    POST deliver                    {events: [ids], times: 1, parallel: false, version, endpoint}
                                    sends now, in this order, even if it was delivered; version
                                    renders another shape. [{event, status}]
    POST drop                       {events: [ids] | "all"} pending ones are never delivered
    POST send                       {event: {..} | body: text, url, secrets, timestamp, headers}
                                    sends anything. {status}; 0 is no answer
    POST thin                       {type, related, url} sends a v2.core.event. {status}
    POST card                       {customer, behaviour: none|good|declined|authenticate|bounces:
                                    a direct debit of a renewal fails after ten days}
    POST complete                   {session, card: good|declined|refused|authenticate|none,
                                    email, typed: {name, address}} pays as a person would. {subscription, customer,
                                    return_url}
    POST expire                     {session}
    POST pay                        {invoice, card} pays as its holder would. {paid}
    POST dispute                    {customer or charge, status: needs_response|
                                    warning_needs_response}. {dispute}
    POST close_dispute              {dispute, status: won|lost|warning_closed}
    POST advance                    {seconds} or {to: second} moves time, doing what is due
    GET  faults, POST faults        {rules: [{match: {method, path: regex, agent}, skip: 0,
                                    times: n|"forever", fault: {kind, ...}}]} replaces all rules
                                    and lets go what hangs. Kinds:
        slow {seconds}              waits, then runs;  slow_after runs, then waits
        hang {seconds}              no answer, then a reset; the operation does not run
        status {status, body, headers}        in place of running
        status_after {status, ...}            after running; kept under the idempotency key
        reset                       in place of running;  reset_after after running
        truncate                    runs, resets half-way through the answer's body
        garbage {status, body}, redirect {location}, huge {megabytes}    in place of running
    GET  requests                   [{number, method, path, query, headers, body, params,
                                    idempotency_key, connection, status, fault, request_id,
                                    replayed, time}]; POST requests/reset
    GET  events                     [{id, type, created, object, customer, deliveries}]
    GET  deliveries                 every attempt [{event, type, url, attempt, status, error,
                                    seconds}]; POST deliveries/reset
    GET  state                      customers, subscriptions (one canonical form), invoices,
                                    sessions, charges, charged (amount by customer), now
    GET  counters                   connections (since requests/reset), requests, those
                                    of them under_way, keys_in_use (Idempotency-Keys of
                                    them), and by customer charges, charged,
                                    subscriptions, live_subscriptions, sessions;
                                    events_pending
"""

import argparse
import ctypes
import json
import os
import signal
import ssl
import sys
import threading
import time

from standin import model, shapes
from standin.look import look
from standin.operations import catalogue, renewal
from standin.server import StandIn
from standin.state import State
from standin.wire import Server

TICK = 0.5
PR_SET_DUMPABLE = 4  # <linux/prctl.h>; at 0 other processes of the user cannot read the secrets
ENDING = {signal.SIGTERM, signal.SIGINT}


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests/stripe", description=__doc__.split("\n\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file")
    parser.add_argument("--public-url")
    parser.add_argument("--secrets-file", required=True)
    parser.add_argument("--webhook-url")
    parser.add_argument("--webhook-ca")
    parser.add_argument("--account-version", default=shapes.NEWEST_VERSION)
    parser.add_argument("--retry-scale", type=float, default=5.0)
    parser.add_argument("--attempts", type=int, default=8)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--prices", default="")
    parser.add_argument("--data-file")
    parser.add_argument("--brand")
    parser.add_argument("--tls-cert")
    parser.add_argument("--tls-key")
    options = parser.parse_args()
    with (sys.stdin if options.secrets_file == "-" else
          open(options.secrets_file, encoding="ascii")) as file:
        vars(options).update(json.load(file))
    return options


def tls_context(options):
    """The listener's TLS, if it has any."""
    if not options.tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.tls_cert, options.tls_key)
    return context


def prepare(options):
    """The state and the stand-in, as the command line wants them or as they were kept."""
    state = State(livemode=options.secret_key.startswith(("sk_live_", "rk_live_")),
                  api_version=options.account_version, file=options.data_file)
    state.load()
    plans = catalogue.add_named(state, options.prices)
    state.endpoints.pop("we_command_line", None)
    if options.webhook_url:
        state.endpoints.add(model.Endpoint(
            "we_command_line", state.now(), url=options.webhook_url,
            api_version=options.account_version, secrets=options.webhook_secret.split(",")))
    stand_in = StandIn(state, options.secret_key, plans=plans, workers=options.workers,
                       retry_scale=options.retry_scale, attempts=options.attempts,
                       ca_file=options.webhook_ca, control_token=options.control_token)
    renewal.enter_all(state)
    stand_in.courier.resume_all()
    return state, stand_in


def keep_time(state, stand_in):
    """Does what is due, also when nobody asks for anything."""
    while True:
        time.sleep(TICK)
        with state.lock:
            due = state.agenda.entries and state.agenda.entries[0][0] <= state.now()
            if due:
                stand_in.tick()
                state.save()
            state.keep()
            state.forget()


def main():
    """Listens until SIGTERM."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    options = arguments()
    if options.brand:
        look.read(options.brand)
    # Before any thread begins, so that none of them takes a signal from the one that waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    state, stand_in = prepare(options)
    tls = tls_context(options)
    server = Server((options.host, options.port), stand_in.respond, tls)
    port = server.server_address[1]
    url = f"{'https' if tls else 'http'}://{options.host}:{port}"
    state.public_url = (options.public_url or url).rstrip("/")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=keep_time, args=(state, stand_in), daemon=True).start()
    if options.port_file:
        with open(options.port_file + ".new", "w", encoding="ascii") as file:
            file.write(f"{port}\n")
        os.replace(options.port_file + ".new", options.port_file)
    print(json.dumps({"port": port, "url": url}), flush=True)
    signal.sigwait(ENDING)
    with state.lock:
        state.keep()
        os._exit(0)


if __name__ == "__main__":
    main()
