"""The tests' own tools find the faults that they look for."""

import copy
import json
import types

import pytest
import requests

from support.document import check_answer, load
from support.stack import Stack

GOOD = {"status": "healthy", "service": "billing", "timestamp": "2025-02-01T09:30:00.000Z"}
HEADERS = {"X-Request-Id": "a" * 32, "Cache-Control": "no-store", "Content-Type":
           "application/json", "X-Content-Type-Options": "nosniff",
           "Strict-Transport-Security": "max-age=31536000"}


def answer(status=200, body=None, **headers):
    """An answer to GET /health."""
    made = requests.Response()
    made.request = requests.Request("GET", "https://localhost/health").prepare()
    made.status_code = status
    made.headers.update({k: v for k, v in {**HEADERS, **headers}.items() if v is not None})
    made._content = json.dumps(GOOD if body is None else body).encode()
    return made


def test_a_good_answer_passes():
    check_answer(answer(), load().operation("get_health"))


@pytest.mark.parametrize("bad", [
    {"status": 201}, {"status": 404}, {"body": {**GOOD, "more": 1}}, {"body": {**GOOD, "status": 1}},
    {"body": {k: v for k, v in GOOD.items() if k != "service"}},
    {"body": {**GOOD, "timestamp": "2025-02-01T09:30:00Z"}},
    {"body": {**GOOD, "timestamp": GOOD["timestamp"] + "\n"}},
    {"X-Request-Id": None}, {"Cache-Control": None}, {"Content-Type": "text/html"},
    {"Strict-Transport-Security": None}, {"X-Content-Type-Options": None},
    {"status": 429, "body": {"error": "x", "code": "rate_limited", "request_id": "a" * 32}},
    {"status": 400, "body": {"error": "x", "code": "bad", "request_id": "b" * 32}},
    {"status": 400, "body": {"error": "at /var/lib", "code": "bad", "request_id": "a" * 32}}],
    ids=str)
def test_a_bad_answer_fails(bad):
    bad = copy.deepcopy(bad)
    with pytest.raises(AssertionError):
        check_answer(answer(bad.pop("status", 200), bad.pop("body", None), **bad),
                     load().operation("get_health"))


def fake_stack(folder, **logs):
    """A stack that never ran, with these logs."""
    stack = object.__new__(Stack)
    stack.run_dir, stack.secrets = folder, {"gba_" + "a" * 64}
    stack.stripe = types.SimpleNamespace(secret_key="sk_test_x")
    stack.webhook_secret, stack.mail_domain = "whsec_x", "mail-x.example"
    (folder / "log").mkdir()
    (folder / "keys").mkdir()
    (folder / "keys/private-key.pem").write_text("-----BEGIN X-----\nMIIBODY\n-----END X-----\n")
    for name, text in logs.items():
        (folder / "log" / name.replace("_", ".")).write_text(text)
    return stack


def test_good_logs_pass(tmp_path):
    fake_stack(tmp_path, postgres_log="LOG: x\n", billingd_log='{"a":1}\n==12=='
               'Unable to get registers from thread 34.\n').check_logs()


@pytest.mark.parametrize("log, line", [
    ("billingd_log", "no JSON"), ("billingd_log", '{"a":1}{"b":2}'), ("billingd_log", ""),
    ("billingd_log", '{"key":"gba_' + "a" * 64 + '"}'), ("billingd_log", '{"a":"MIIBODY"}'),
    ("billingd_log", '{"a":"jane@mail-x.example"}'), ("postgres_log", "ERROR:  syntax error at"),
    ("postgres_log", 'ERROR:  column "x" does not exist'), ("postgres_log", "whsec_x"),
    ("billingd_log", '{"a":"sk_test_x"}'),
    ("billingctl_log", "==1==ERROR: AddressSanitizer: heap-use-after-free"),
    ("postgres_log", "x.c:1:2: runtime error: signed integer overflow")])
def test_bad_logs_fail(tmp_path, log, line):
    stack = fake_stack(tmp_path, **{log: line + "\n"})
    with pytest.raises(AssertionError):
        stack.check_logs()


def test_the_most_literal_path_is_found():
    document = load()
    assert document.find("GET", "/api/licenses/public-key").id == "get_public_key"
    assert document.find("GET", "/api/licenses/x").id == "get_license"
    assert document.find("HEAD", "/api/plans").id == "list_plans"
    assert document.find("GET", "/api/licenses/verify") is None
    assert document.find("GET", "/api/none") is None
