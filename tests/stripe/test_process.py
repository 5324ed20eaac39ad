"""The stand-in as a process: it is ready when it says so, and remembers over a crash."""

import os
import pathlib
import ssl
import subprocess
import threading

import handle
from conftest import PRICES, make_certificate


def test_remembers_over_a_crash(tmp_path):
    """With a data file everything answered is there after kill -9, also keys and time."""
    data = str(tmp_path / "data")
    with handle.StandIn(prices=PRICES, data_file=data) as stripe:
        customer = stripe.call("POST", "/v1/customers", {"payment_method": "pm_card_visa"},
                               key="k")["id"]
        stripe.call("POST", "/v1/subscriptions", {"customer": customer,
                                                  "items[0][price]": "price_pro"})
        stripe.advance(hours=5)
        before = stripe.state()
        stripe.kill()
        stripe.start()
        after = stripe.state()
        assert after.pop("now") - before.pop("now") < 60 and after == before
        assert stripe.call("POST", "/v1/customers", {"payment_method": "pm_card_visa"},
                           key="k")["id"] == customer
        stripe.advance(days=32)
        assert stripe.state()["charged"] == {customer: 2 * 9900}


def test_pending_events_survive(tmp_path, receiver):
    """An event that was not delivered before a crash is delivered after it."""
    with handle.StandIn(data_file=str(tmp_path / "data"), webhook_url=receiver.url) as stripe:
        stripe.hold()
        stripe.call("POST", "/v1/customers")
        stripe.kill()
        assert not receiver.got
        stripe.start()
        stripe.wait_idle()
        assert [one["type"] for one in receiver.events()] == ["customer.created"]


def test_command_line(tmp_path):
    """The port file, the end on SIGTERM, and a command line that is wrong."""
    port_file = tmp_path / "port"
    with handle.StandIn(port_file=str(port_file), public_url="https://pay.example/") as stripe:
        assert int(port_file.read_text()) == stripe.port
        process = stripe.process
        stripe.stop()
        assert process.returncode == 0
    wrong = subprocess.run([handle.PYTHON, str(handle.PROGRAM)], capture_output=True, check=False)
    assert wrong.returncode == 2 and b"--secrets-file" in wrong.stderr


def test_tls(tmp_path):
    """It serves https with the given certificate."""
    cert, key = make_certificate(tmp_path)
    with handle.StandIn(tls_cert=cert, tls_key=key) as stripe:
        assert stripe.url.startswith("https://")
        trusting = ssl.create_default_context(cafile=cert)
        stripe.tls = trusting
        assert stripe.api("GET", "/v1/customers")[0] == 200


def test_parallel_requests(process):
    """Many at once: each key acts once, and nothing is lost."""
    before = process.counters()["customers"]
    ids = []

    def make(number):
        for _ in range(3):
            status, answer = process.api("POST", "/v1/customers", {"name": number},
                                         key=f"p{os.getpid()}-{number}")
            if status == 200:
                ids.append(answer["id"])
    threads = [threading.Thread(target=make, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 20 and process.counters()["customers"] == before + 20


def test_other_users_of_the_machine(process):
    """The secrets are not on the command line, and the control interface needs its token."""
    shown = pathlib.Path(f"/proc/{process.process.pid}/cmdline").read_text(encoding="ascii")
    for secret in (process.secret_key, process.webhook_secret, process.control_token):
        assert secret not in shown
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer x"},
                    {"Authorization": "Bearer " + process.secret_key}):
        assert process.exchange("GET", "/_control/state", headers=headers)[0] == 401
