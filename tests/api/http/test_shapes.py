"""Requests of clients in use and of careless clients: unknown parameters, compressed bodies, odd items."""

import base64
import gzip
import json
import re

import pytest
import requests

from support.client import expect
from support.stack import wait_for


def test_unknown_parameters_are_refused_everywhere(api, stack):
    customer = api.sign_up()
    document = expect(api.nobody.get("/openapi.json"), 200)
    asked = 0
    for path, operations in document["paths"].items():
        if "get" not in operations:
            continue
        url = re.sub(r"\{\w+\}", "x", path.replace("{customer_id}", customer.id))
        refused = expect(api.owner.get(url + "?utm_source=mail"), 400, "invalid_request")
        assert [detail["field"] for detail in refused["details"]] == ["utm_source"], path
        asked += 1
    assert asked >= 20
    expect(api.owner.patch(f"/api/customers/{customer.id}?x=1", {"company_name": "No"}), 400,
           "invalid_request")
    assert stack.sql("SELECT company_name IS NULL FROM customers WHERE customer_id = "
                     f"'{customer.id}'") == "t"


def test_the_offset_of_a_time_may_have_a_plain_plus(api):
    customer = api.sign_up()
    for sign in ("+", "%2B", "-"):
        expect(customer.client.get(f"/api/usage/{customer.id}?from=2025-01-01T00:00:00{sign}02:00"), 200)


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip", "x"])
def test_a_compressed_body(api, encoding):
    body = gzip.compress(b'{"license": "x"}')
    answer = api.nobody.request("POST", "/api/licenses/verify", data=body,
                                headers={"Content-Encoding": encoding})
    expect(answer, 415, "unsupported_encoding")
    # It is recognised without the header, too.
    if encoding == "gzip":
        expect(api.nobody.request("POST", "/api/licenses/verify", data=body), 415,
               "unsupported_encoding")
    expect(api.nobody.request("POST", "/api/licenses/verify", data=b'{"license": "x"}',
                              headers={"Content-Encoding": "identity"}), 401, "license_malformed")


def test_the_period_of_a_trial_ends_with_it(api):
    customer = api.sign_up()
    for shown in (customer.answer["subscription"],
                  expect(customer.client.get(f"/api/customers/{customer.id}"), 200)["subscription"],
                  expect(customer.client.get(f"/api/subscriptions/{customer.id}"), 200)["subscription"]):
        assert shown["current_period_ends_at"] == shown["trial_ends_at"] is not None


def test_an_item_that_is_no_object_loses_no_other(api):
    customer = api.sign_up()
    good = {"customer_id": customer.id, "active_devices": 1, "total_devices": 2}
    for odd in ("x", 1, None, [], True, [good]):
        answer = expect(customer.client.post("/api/usage/reports", {"reports": [good, odd, good]}), 200)
        assert [result["status"] for result in answer["results"]] == ["created", "invalid", "created"]
        assert answer["results"][1]["code"] == "invalid_request"
        assert (answer["created"], answer["invalid"]) == (2, 1)


def test_each_wrong_algorithm_has_the_code_of_its_own(api):
    token = api.sign_up().license
    head, payload, signature = token.split(".")

    def header(**changes):
        padded = head + "=" * (-len(head) % 4)
        text = json.dumps({**json.loads(base64.urlsafe_b64decode(padded)), **changes})
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    for algorithm in ("none", "None", "RS999", "HS256", "", None):
        for end in (signature, ""):
            expect(api.nobody.post("/api/licenses/verify", {
                "license": f"{header(alg=algorithm)}.{payload}.{end}"}), 401, "license_algorithm_invalid")
    for garbage in ("garbage", f"{head}.{payload}.", f"{head}.{payload}"):
        expect(api.nobody.post("/api/licenses/verify", {"license": garbage}), 401, "license_malformed")


def exposition(stack):
    """The metrics, once they count the requests to a customer by both methods."""
    text = requests.get(stack.base_url + "/metrics", timeout=30, verify=str(stack.ca_cert)).text
    of_customer = {line.partition('method="')[2].partition('"')[0] for line in text.splitlines()
                   if line.startswith("billing_requests_total") and 'route="/api/customers/:customer_id"' in line}
    return text if {"GET", "PATCH"} <= of_customer else None


SAMPLE = re.compile(r'([a-z_:][a-z0-9_:]*)(?:\{((?:[a-z_]+="[^"\\\n]*",?)+)\})? (-?[0-9.]+(?:e[+-]?[0-9]+)?)')


def test_metrics_are_a_valid_exposition(api, stack):
    """Prometheus' text format 0.0.4: types before samples, one series for each name and labels."""
    customer = api.sign_up()
    expect(customer.client.get(f"/api/customers/{customer.id}"), 200)
    expect(customer.client.patch(f"/api/customers/{customer.id}", {"company_name": "Twice"}), 200)
    # A worker counts a request after its answer.
    text = wait_for(lambda: exposition(stack))
    kinds, helps, series, closed = {}, set(), set(), set()
    current = None
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# "):
            _, kind, name, rest = line.split(" ", 3)
            assert rest and kind in ("HELP", "TYPE")
            if name != current:
                assert name not in closed, f"{name} is not in one group"
                closed.add(current)
                current = name
            if kind == "HELP":
                assert name not in helps
                helps.add(name)
            else:
                assert name not in kinds and rest in ("counter", "gauge", "histogram")
                kinds[name] = rest
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        name, labels, value = match.groups()
        family = re.sub("_(bucket|sum|count)$", "", name) if kinds[current] == "histogram" else name
        assert family == current, line
        pairs = frozenset(re.findall(r'([a-z_]+)="([^"]*)"', labels or ""))
        assert len(pairs) == len(dict(pairs)) and (name, pairs) not in series, line
        series.add((name, pairs))
        float(value)
    assert set(kinds) == helps
    routes = [dict(pairs) for name, pairs in series if name == "billing_requests_total"]
    assert {"GET", "PATCH"} <= {labels["method"] for labels in routes
                                if labels["route"] == "/api/customers/:customer_id"}
