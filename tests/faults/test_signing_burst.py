"""After a change of plans all customers come at once for a new licence: all of them get it, and other
requests do not wait for that."""

import concurrent.futures
import os
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

from support.fcgi import ask
from support.stack import within

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))

import customers  # noqa: E402  pylint: disable=wrong-import-position

STACK = {"WORKERS": 4, "STRIPE_WORKERS": 1}
# FULL=1 has as many customers as a large vendor.
COUNT, CONNECTIONS = (100000, 900) if os.environ.get("FULL") == "1" else (1500, 500)


def fill(stack, count):
    """Writes the customers, whose newest licence has other claims than a new one would have."""
    url = stack.env["DATABASE_OWNER_URL"].replace("user=billing", "user=postgres")
    plan = ask(stack.socket, "GET", "/api/plans")[1]["trial"]["plan"]
    customers.fill(SimpleNamespace(database=lambda _: url), 1, count, plan)


def asked(stack, *request, **params):
    """Status, body and seconds of a request that is sent now, as nginx would."""
    start = time.monotonic()
    status, body = ask(stack.socket, *request, ARRIVED=f"{time.time():.3f}", **params)
    return status, body, time.monotonic() - start


def take_licenses(stack, numbers, signed, refused):
    """Asks for the licence of one customer after another, again a second after it was told to."""
    for number in numbers:
        path = f"/api/licenses/{customers.customer_id(number)}"
        while True:
            status, body, _ = asked(stack, "GET", path, HTTP_X_API_KEY=customers.api_key(number))
            if status == 200:
                signed.append(body["license"])
                break
            assert (status, body["code"]) == (503, "busy")
            refused.append(number)
            time.sleep(1)


def ask_otherwise(stack, customer, stop, waits):
    """Sends reports and reads the list of customers until the burst is over."""
    report = (f'{{"customer_id":"{customer.id}","instance_id":"plant","active_devices":1,'
              '"total_devices":1}').encode()
    while not stop.is_set():
        for request in (("POST", "/api/usage/report", report), ("GET", f"/api/customers/{customer.id}")):
            status, body, seconds = asked(stack, *request, HTTP_X_API_KEY=customer.api_key)
            assert status in (200, 201), body
            waits.append(seconds)
        time.sleep(0.01)


def test_a_burst_of_customers_who_need_a_new_licence(stack, report):
    """More of them than may wait: some are told to come again, and nobody else is delayed."""
    fill(stack, COUNT)
    other, stop, waits = stack.api.sign_up(), threading.Event(), []
    signed, refused, lock = [], [], threading.Lock()
    left = iter(range(1, COUNT + 1))

    def numbers():
        while True:
            with lock:
                number = next(left, None)
            if number is None:
                return
            yield number

    with concurrent.futures.ThreadPoolExecutor(1 + CONNECTIONS) as pool:
        start = time.monotonic()
        watcher = pool.submit(ask_otherwise, stack, other, stop, waits)
        burst = [pool.submit(take_licenses, stack, numbers(), signed, refused) for _ in range(CONNECTIONS)]
        try:
            for one in burst:
                one.result()
            seconds = time.monotonic() - start
        finally:
            stop.set()
        watcher.result()
    assert len(signed) == len(set(signed)) == COUNT
    late = sorted(waits)[len(waits) * 99 // 100]
    assert late < within(1)
    report(licences_a_second=round(COUNT / seconds), told_to_come_again=len(refused),
           requests_of_others=len(waits), ms_of_the_slowest_hundredth=round(late * 1000))
