"""HTTP: methods, limits, headers, paths, smuggling, log lines, and strict JSON."""

import json
import os
import re
import socket
import subprocess
import uuid
from pathlib import Path

import pytest

from support.client import expect
from support.document import ROOT, load
from support.raw import build, exchange
from support.stack import wait_for

CORPUS = (Path(os.environ.get("SHARED_DIR", ROOT.parent / "shared"))
          / "corpora/json-test-suite/test_parsing")
LIMIT = 64 * 1024


@pytest.fixture(scope="module")
def open_origins(new_stack):
    """A stack that two web pages may call."""
    stack = new_stack(CORS_ORIGINS="https://app.example.com, http://localhost:3000", WORKERS=2)
    yield stack.api
    stack.close()


# Methods.

@pytest.fixture(name="things", scope="module")
def fixture_things(stack):
    """Objects for paths, by their parameter."""
    api = stack.api
    endpoint = expect(api.owner.post("/api/webhook-endpoints", {"url": "https://hooks.example/"}), 201)["endpoint"]
    customer = api.sign_up()
    event = wait_for(lambda: expect(api.owner.get("/api/events?limit=1"), 200)["events"])[0]
    yield {"customer_id": customer.id, "event_id": event["id"], "endpoint_id": endpoint["endpoint_id"]}
    # No receiver is there: in time the endpoint would be a fault.
    expect(api.owner.delete(f"/api/webhook-endpoints/{endpoint['endpoint_id']}"), 200)


@pytest.mark.parametrize("operation", [o for o in load().operations if o.method == "GET"],
                         ids=lambda o: o.id)
def test_head_is_get_without_the_body(api, things, operation):
    customer = api.sign_up()
    path = operation.path.format(**{**things, "customer_id": customer.id})
    api.owner.post("/api/usage/report", {"customer_id": customer.id})
    varying = ("Date", "X-Request-Id")
    # These figures count requests.
    if operation.id == "get_metrics":
        varying += ("Content-Length",)

    def ask():
        """Jobs may change what is shown between two requests: then they are sent again."""
        got, head, again = (api.owner.request(method, path) for method in ("GET", "HEAD", "GET"))
        same = "Content-Length" in varying or len(got.content) == len(again.content)
        return (got, head) if same else None

    got, head = wait_for(ask)
    assert (head.status_code, head.content) == (200, b"")
    assert set(head.headers) == set(got.headers)
    for name in set(got.headers) - set(varying):
        assert head.headers[name] == got.headers[name], name


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST", "GET", "PROPFIND"])
def test_an_unknown_method_is_405_with_allow(api, method):
    paths = {operation.path for operation in load().operations}
    for path in sorted(paths):
        have = {o.method for o in load().operations if o.path == path}
        if method in have:
            continue
        asked = path.replace("{customer_id}", "cust_" + "0" * 32).replace("{key_id}", "key_x")
        answer = api.owner.request(method, asked)
        have |= {"OPTIONS"} | ({"HEAD"} if "GET" in have else set())
        expect(answer, 405, "method_not_allowed")
        assert set(answer.headers["Allow"].split(", ")) == have


def test_no_header_or_query_overrides_the_method(api):
    customer = api.sign_up()
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        expect(api.owner.get(f"/api/customers/{customer.id}", headers={name: "DELETE"}), 200)
    expect(api.owner.get(f"/api/customers/{customer.id}?_method=DELETE"), 400, "invalid_request")
    expect(api.owner.get(f"/api/customers/{customer.id}"), 200)


def test_methods_are_spelled_in_capitals(stack):
    assert exchange(stack, build("get", "/api/plans")).status == 400


def test_trace_is_refused(stack):
    answer = exchange(stack, build("TRACE", "/api/plans", [("X-API-Key", "canary-in-a-header")]))
    assert answer.status == 405 and b"canary-in-a-header" not in answer.received
    assert set(answer.headers["allow"].split(", ")) == {operation.method for operation in
                                                        load().operations} | {"HEAD", "OPTIONS"}


def test_connect(stack):
    assert exchange(stack, build("CONNECT", "elsewhere.example:443")).status in (400, 405)


# Limits.

def test_a_body_of_64_kb_and_one_byte_more(api):
    for size, status, code in ((LIMIT, 400, "invalid_request"), (LIMIT + 1, 413, "body_too_large"),
                               (4 * LIMIT, 413, "body_too_large")):
        body = b'{"license":"' + b"x" * (size - 14) + b'"}'
        assert len(body) == size
        expect(api.nobody.request("POST", "/api/licenses/verify", data=body), status, code)


def test_an_announced_gigabyte_is_refused_at_once(stack):
    answer = exchange(stack, build("POST", "/api/licenses/verify", [
        ("Content-Type", "application/json"), ("Content-Length", "1000000000")]), first=True)
    assert (answer.status, answer.code) == (413, "body_too_large")


@pytest.mark.parametrize("path", ["/api/customers", "/api/webhooks/stripe", "/checkout/done",
                                  "/metrics", "/nowhere"])
@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_body_that_is_too_large_is_refused_in_json(stack, version, path):
    """In every version of HTTP and at every path."""
    done = subprocess.run(
        ["curl", "-sS", "--http" + version, "--cacert", stack.ca_cert, "--data-binary", "@-",
         "-w", "\n%{http_version} %{http_code} %{content_type}", stack.base_url + path],
        input=b"x" * (1024 * 1024 + 1), stdout=subprocess.PIPE, check=True)
    body, told = done.stdout.decode().rsplit("\n", 1)
    assert told == f"{version} 413 application/json"
    assert json.loads(body)["code"] == "body_too_large"


def chunk(data):
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_chunked_bodies(stack):
    headers = [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")]
    small = chunk(b'{"lic') + chunk(b'ense":"x"}') + chunk(b"")
    answer = exchange(stack, build("POST", "/api/licenses/verify", headers, small))
    assert (answer.status, answer.code) == (401, "license_malformed")
    large = chunk(b" " * 1000) * 70
    answer = exchange(stack, build("POST", "/api/licenses/verify", headers, large))
    assert (answer.status, answer.code) == (413, "body_too_large")


def test_a_long_address(api):
    assert api.nobody.get("/api/" + "x" * 6000).status_code == 404
    expect(api.nobody.get("/api/" + "x" * 9000), 414, "uri_too_long")


def test_a_large_header(api):
    expect(api.nobody.get("/api/plans", headers={"X-Large": "x" * 9000}), 431, "headers_too_large")
    assert api.nobody.get("/api/plans", headers={"X-Large": "x" * 6000}).status_code == 200


@pytest.mark.parametrize("value, status", [
    (None, 415), ("text/plain", 415), ("application/jsonx", 415), ("text/json", 415),
    ("application/x-www-form-urlencoded", 415), ("multipart/form-data; boundary=x", 415),
    ("application", 415), ("; application/json", 415), ("application/json", 401),
    ("Application/JSON", 401), ("application/json; charset=utf-8", 401),
    ("application/json;charset=UTF-8", 401)])
def test_only_json(stack, value, status):
    body = b'{"license":"x"}'
    headers = [("Content-Length", str(len(body)))]
    headers += [("Content-Type", value)] if value is not None else []
    answer = exchange(stack, build("POST", "/api/licenses/verify", headers, body))
    assert answer.status == status
    assert answer.code == ("license_malformed" if status == 401 else "invalid_media_type")


# Headers.

def test_every_answer_has_a_request_id_of_ours(api):
    ids = set()
    for answer in (api.nobody.get("/health"), api.nobody.get("/none"), api.nobody.get("/api/none"),
                   api.owner.get("/api/customers", headers={"X-Request-Id": "mine"}),
                   api.nobody.get("/" + "x" * 9000)):
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-Id"])
        ids.add(answer.headers["X-Request-Id"])
    assert len(ids) == 5


def test_answers_contain_no_server_version(api):
    for path in ("/health", "/none", "/api/none", "/" + "x" * 9000):
        assert not re.search(r"\d", api.nobody.get(path).headers.get("Server", ""))


@pytest.mark.parametrize("name", ["Host", "Content-Length"])
def test_a_repeated_header_is_refused(stack, name):
    value = "localhost" if name == "Host" else "2"
    headers = [(name, value)] * 2 + [("Content-Type", "application/json")]
    answer = exchange(stack, build("POST", "/api/licenses/verify", headers, b"{}"))
    assert (answer.status, answer.code) == (400, "malformed_request")


def test_only_the_first_of_two_keys_counts(api, stack):
    """nginx passes on the first of repeated headers; a proxy in front may read the last."""
    one, other = api.sign_up(), api.sign_up()
    for name, form in (("X-API-Key", "{}"), ("Authorization", "Bearer {}")):
        headers = [(name, form.format("nonsense")), (name, form.format(one.api_key))]
        answer = exchange(stack, build("GET", f"/api/customers/{one.id}", headers))
        assert answer.status in (400, 401)
        headers = [(name, form.format(other.api_key)), (name, form.format(one.api_key))]
        answer = exchange(stack, build("GET", f"/api/customers/{one.id}", headers))
        assert answer.status in (400, 404)


def test_the_same_key_in_both_headers_is_accepted(api):
    customer = api.sign_up()
    both = {"Authorization": f"Bearer {customer.api_key}"}
    expect(customer.client.get(f"/api/customers/{customer.id}", headers=both), 200)


def test_headers_cannot_pose_as_parameters(api, stack):
    """Headers named like parameters that only nginx may set, as a CGI program sees them."""
    customer = api.sign_up()
    headers = [(name, value) for name, value in {
        "Proxy": "http://elsewhere.example:8080", "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Host": "elsewhere.example", "X-Forwarded-Proto": "http",
        "X-Real-IP": "127.0.0.1", "X-Original-URL": "/metrics", "X-Rewrite-URL": "/metrics",
        "Request-Method": "DELETE", "Request-Uri": "/metrics", "Remote-Addr": "127.0.0.1",
        "Script-Name": "/metrics", "Request-Id": "forged", "HTTP_X_API_KEY": stack.admin_key,
        "X_API_KEY": stack.admin_key, "Http-Authorization": f"Bearer {stack.admin_key}",
        "X-Api-Key ": stack.admin_key}.items()]
    for some in (headers[:-1], headers[-1:]):
        answer = exchange(stack, build("GET", f"/api/customers/{customer.id}", some))
        assert answer.status in (400, 401), answer.received
    own = [("X-API-Key", customer.api_key), *headers[:12]]
    answer = exchange(stack, build("GET", f"/api/customers/{customer.id}", own))
    assert answer.status == 200 and "forged" not in answer.headers["x-request-id"]
    assert json.loads(answer.body)["customer"]["customer_id"] == customer.id


# Smuggling: whatever two servers could read differently is refused, and nothing of it is served.

SMUGGLED = (b"GET /api/customers HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
            b"X-Smuggled: yes\r\n\r\n")


@pytest.mark.parametrize("framing", [
    [("Content-Length", "{size}"), ("Transfer-Encoding", "chunked")],
    [("Transfer-Encoding", "chunked"), ("Content-Length", "{size}")],
    [("Content-Length", "4"), ("Content-Length", "{size}")],
    [("Content-Length", "{size}, {size}")],
    [("Content-Length", "+{size}")],
    [("Content-Length", "-1")],
    [("Content-Length", "0x10")],
    [("Content-Length", "99999999999999999999999")],
    [("Transfer-Encoding", "xchunked")],
    [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")],
    [("Transfer-Encoding", "chunked, identity")],
    [("Transfer-Encoding", "identity, chunked")],
    [("Transfer-Encoding ", "chunked"), ("Content-Length", "{size}")],
    [("Transfer-Encoding", "\x0bchunked")]], ids=str)
def test_ambiguous_framing(stack, figures, framing):
    smuggled = SMUGGLED % stack.admin_key.encode()
    body = b"0\r\n\r\n" + smuggled
    headers = [(name, value.format(size=len(body))) for name, value in framing]
    headers.append(("Content-Type", "application/json"))
    request = build("POST", "/api/licenses/verify", headers, body).replace(
        b"Connection: close\r\n", b"")
    answer = exchange(stack, request)
    assert answer.status in (400, 413, 501), answer.received
    assert answer.count() == 1 and b'"customers"' not in answer.received
    figures["ambiguous requests refused"] = figures.get("ambiguous requests refused", 0) + 1


@pytest.mark.parametrize("head", [
    b"GET /api/plans HTTP/1.1\r\n Host: localhost\r\n\r\n",
    b"GET /api/plans HTTP/1.1\r\nHost: localhost\r\nX: 1\r\n folded: 2\r\n\r\n",
    b"GET  /api/plans HTTP/1.1\r\n\r\n", b"GET /api/plans\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /api/plans HTTP/1.1\r\nHost: local\x00host\r\n\r\n",
    b"GET /api/plans HTTP/1.1\r\n\r\n", b"GET /api/plans HTTP/3.0\r\nHost: localhost\r\n\r\n",
    b"\x16\x03\x01\x00\xa5", b"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /api/plans HTTP/1.1\r\nHost: localhost\r\nX-A: a\x00b\r\n\r\n"], ids=repr)
def test_malformed_requests(stack, head):
    answer = exchange(stack, head)
    assert answer.status in (0, 400, 505) and b'"plans"' not in answer.received


def test_plain_http_is_told_to_use_tls(stack):
    with socket.create_connection(("localhost", stack.https_port), timeout=30) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")


# Paths.

def test_an_encoded_path_is_the_same_path(api, stack):
    customer = api.sign_up()
    key = [("X-API-Key", customer.api_key)]
    same = customer.id.replace("cust_", "%63ust%5F")
    for path in (f"/api/customers/{same}", f"/%61pi/customers/{customer.id}",
                 f"/api/customers/{customer.id}?", f"/api/customers/{customer.id}?&"):
        answer = exchange(stack, build("GET", path, key))
        assert answer.status == 200 and customer.id.encode() in answer.body, path


def test_no_other_path_is_a_path(api, stack):
    customer = api.sign_up()
    key = [("Authorization", f"Bearer {stack.admin_key}")]
    for path in ("/api/customers/", "//api/customers", "/api//customers", "/api/./customers",
                 "/api/x/../customers", "/api/customers%2F", "/api%2Fcustomers", "/API/customers",
                 "/api/customers;x=1", "/api/customers%00", "/api/customers%20",
                 f"/api/customers/{customer.id}%2Fkeys", f"/api/customers/{customer.id}/keys/",
                 f"/api/customers/{customer.id}%00", f"/api/customers/{customer.id}%0a",
                 f"/api/customers/%25{customer.id}", "/api/customers/%ff", "/api/customers/%c0%af",
                 "/api/customers/%ed%a0%80", "/api/customers/%", "/api/customers/%4",
                 "/", "/index.html", "/api", "/api/", "/.git/config", "/api/" + "a/" * 50,
                 "/health/", "/health/ready/x", "/metrics/", "/metricsx", "/.well-known/"):
        answer = exchange(stack, build("GET", path, key))
        assert answer.status in (400, 404), (path, answer.received)
        assert answer.headers["content-type"] == "application/json"
        assert set(json.loads(answer.body)) == {"error", "code", "request_id"}


def test_path_traversal_is_refused(stack):
    for path in ("/../../etc/passwd", "/api/../../../etc/passwd", "/..%2f..%2fetc/passwd",
                 "/api/%2e%2e/%2e%2e/etc/passwd", "/api/..%5c..%5cetc", "/%2e%2e/metrics/../x"):
        answer = exchange(stack, build("GET", path))
        assert answer.status in (400, 404) and b"root:" not in answer.received


# CORS.

def test_no_origin_is_allowed_unless_it_is_listed(api, open_origins):
    for client in (api.nobody, open_origins.nobody):
        for origin in ("https://evil.example", "null", "https://app.example.com.evil.example",
                       "http://app.example.com", "https://app.example.com:8443",
                       "HTTPS://APP.EXAMPLE.COM", "https://app.example.com,http://localhost:3000"):
            for method in ("GET", "OPTIONS"):
                answer = client.request(method, "/api/plans", headers={
                    "Origin": origin, "Access-Control-Request-Method": "GET"})
                assert not [name for name in answer.headers
                            if name.lower().startswith("access-control-")], origin


def test_listed_origins(open_origins):
    for origin in ("https://app.example.com", "http://localhost:3000"):
        answer = open_origins.nobody.request("OPTIONS", "/api/customers", headers={
            "Origin": origin, "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-api-key, content-type"})
        assert answer.status_code == 204
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        allowed = answer.headers["Access-Control-Allow-Headers"].lower()
        for name in ("authorization", "x-api-key", "content-type", "idempotency-key"):
            assert name in allowed
        for path, status in (("/api/plans", 200), ("/api/customers", 401), ("/api/none", 404)):
            answer = open_origins.nobody.get(path, headers={"Origin": origin})
            assert answer.status_code == status
            assert answer.headers["Access-Control-Allow-Origin"] == origin
            assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
            assert "Access-Control-Allow-Credentials" not in answer.headers


def test_caches_keep_origins_apart(open_origins):
    for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "http://localhost:3000"}):
        answer = open_origins.nobody.get("/api/plans", headers=headers)
        assert "Origin" in answer.headers["Vary"]


# Logs.

NASTY = ["%0d%0a", "%0a{\"level\":\"error\"}", "%1b[31m", "%00", "%ff%fe", "%22,%22x%22:%22",
         "%e2%80%a8", "%5c%22", "<script>"]


@pytest.mark.parametrize("nasty", NASTY)
def test_a_path_cannot_forge_a_log_line(stack, nasty):
    for path in (f"/api/customers/{nasty}", f"/api/{nasty}", f"/api/plans?{nasty}={nasty}"):
        answer = exchange(stack, build("GET", path, [("Authorization", f"Bearer {nasty}")]))
        if answer.status != 400 or answer.code != "malformed_request":
            check_one_line(stack, answer, path)


@pytest.mark.parametrize("value", [b"\x1b[31mred", b"\xff\xfe", b'"},{"x":"', b"\\", b"\xe2\x80\xa8",
                                   b"a\tb", b"\x7f", b"x" * 5000])
@pytest.mark.parametrize("name", ["Authorization", "X-API-Key", "User-Agent", "Origin", "Referer",
                                  "Content-Type", "Idempotency-Key", "If-None-Match"])
def test_a_header_cannot_forge_a_log_line(stack, name, value):
    answer = exchange(stack, build("POST", "/api/licenses/x/rotate", [(name, value)]))
    assert answer.status in (400, 401, 415), answer.received
    check_one_line(stack, answer, name)


def check_one_line(stack, answer, what):
    """The request has one line in each log, and each is valid JSON."""
    request_id = answer.headers["x-request-id"]
    line = stack.log_of(request_id)
    assert line["status"] == answer.status, what
    assert {"time", "level", "request_id", "status"} <= set(line)
    assert sum(line.get("request_id") == request_id for line in stack.billingd_log()) == 1
    for text in stack.whole_lines("nginx-access.log").splitlines():
        json.loads(text)


def test_a_log_line_has_caller_and_route_and_no_secrets(api, stack):
    customer = api.sign_up(company_name="Log Canary Ltd")
    refused = customer.client.get(f"/api/customers/{customer.id}?email={customer.email}")
    expect(refused, 400, "invalid_request")
    answer = customer.client.get(f"/api/customers/{customer.id}")
    for one in (refused, answer):
        line = stack.log_of(one.headers["X-Request-Id"])
        wait_for(lambda one=one: one.headers["X-Request-Id"] in stack.log_text("nginx-access.log"))
    assert line["route"] == "/api/customers/:customer_id"
    assert line["level"] == "info" and line["status"] == 200
    text = stack.log_text("billingd.log") + stack.log_text("nginx-access.log")
    for secret in (customer.api_key, customer.email, "Log Canary Ltd", customer.license[-40:]):
        assert secret not in text


# JSON.

BAD_JSON = [
    b"{", b"}", b"[]", b'"x"', b"1", b"null", b"true", b"{}{}", b"{} x", b"{'license':'x'}",
    b"{license:1}", b'{"license":"x",}', b'{"license":"x"} //', b'{"license":"x" /* */}',
    b'{"license":"a","license":"b"}', b'{"license":"a","\\u006cicense":"b"}',
    b'{"license":"a\\u0000b"}', b'{"a\\u0000":1}', b'{"license":"a\x00b"}', b'{"license":"a\nb"}',
    b'{"license":"\\ud800"}', b'{"license":"\\udc00\\ud800"}', b'{"license":"\xff"}',
    b'{"license":"\xc0\xaf"}', b'{"license":"\xed\xa0\x80"}', b'{"license":"\xf4\x90\x80\x80"}',
    b'{"license":NaN}', b'{"license":Infinity}', b'{"license":-Infinity}', b'{"license":01}',
    b'{"license":1.}', b'{"license":.5}', b'{"license":+1}', b'{"license":0x1}', b'{"license":1e}',
    b'{"license":"\\x41"}', b'{"license":"\\u12"}',
    b'\xef\xbb\xbf', '{"license":"x"}'.encode("utf-16"), b'{"license":"x"}\x00',
    b"\x0b{}", b'{"a":' * 40 + b"1" + b"}" * 40, b"[" * 60000, b'{"license":' + b"[" * 50000]


def test_bodies_from_windows(api):
    """A byte order mark is passed over; UTF-16 is named in the error."""
    body = '{"license": "x"}'
    for encoding, status, part in (("utf-8-sig", 401, "licen"), ("utf-16", 400, "UTF-16"),
                                   ("utf-16-le", 400, "UTF-16"), ("utf-16-be", 400, "UTF-16")):
        answer = api.nobody.request("POST", "/api/licenses/verify", data=body.encode(encoding))
        assert answer.status_code == status and part in answer.json()["error"], encoding
    token = "\ufeff" + api.sign_up().license + "\r\n"
    expect(api.nobody.post("/api/licenses/verify", {"license": token}), 200)


@pytest.mark.parametrize("body", BAD_JSON, ids=lambda body: repr(body[:40]))
def test_bodies_that_are_no_json_object(api, body):
    expect(api.nobody.request("POST", "/api/licenses/verify", data=body), 400, "invalid_json")


@pytest.mark.parametrize("number", ["9223372036854775808", "-9223372036854775809", "1e400", "9" * 190, "9" * 5000])
def test_a_number_of_any_size_is_json(api, number):
    refused = expect(api.nobody.request(
        "POST", "/api/licenses/verify", data=f'{{"license":{number}, "x":{number}}}'), 400, "invalid_request")
    assert [one["field"] for one in refused["details"]] == ["license", "x"]


@pytest.mark.parametrize("body", [
    b' \t\r\n{"license"\t:\n"x" } ', b'{"\\u006cicense":"x"}', '{"license":"\U0001f511 é"}'.encode(),
    b'{"license":"\\ud83d\\udd11\\/\\b\\f\\n\\r\\t\\"\\\\"}'], ids=repr)
def test_bodies_that_are_a_json_object(api, body):
    answer = api.nobody.request("POST", "/api/licenses/verify", data=body)
    expect(answer, 401, "license_malformed")


def corpus(start):
    """Texts of JSONTestSuite, if it is available."""
    files = sorted(CORPUS.glob(f"{start}_*.json")) if CORPUS.is_dir() else []
    return files or [pytest.param(None, marks=pytest.mark.skip(
        reason=f"not here: {CORPUS}"))]


@pytest.mark.parametrize("path", corpus("n"), ids=lambda path: getattr(path, "stem", "none"))
def test_corpus_of_invalid_texts(api, figures, path):
    answer = api.nobody.request("POST", "/api/licenses/verify", data=path.read_bytes())
    assert answer.status_code == (413 if path.stat().st_size > LIMIT else 400)
    if path.stat().st_size > 0 and answer.status_code == 400:
        assert answer.json()["code"] == "invalid_json"
    figures["JSON texts refused"] = figures.get("JSON texts refused", 0) + 1


@pytest.mark.parametrize("path", corpus("y") + corpus("i"),
                         ids=lambda path: getattr(path, "stem", "none"))
def test_corpus_of_valid_and_optional_texts(api, path):
    answer = api.nobody.request("POST", "/api/licenses/verify", data=path.read_bytes())
    assert answer.status_code == 400


def test_an_unknown_name_is_escaped_in_the_answer(api):
    name = f"<b>\x1b[31m\u2028{uuid.uuid4().hex}"
    answer = api.nobody.post("/api/licenses/verify", {"license": "x", name: 1})
    assert expect(answer, 400, "invalid_request")["details"][0]["field"] == name
    assert answer.headers["Content-Type"] == "application/json"
    assert b"\x1b" not in answer.content
