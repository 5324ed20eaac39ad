"""A client that checks every answer against the OpenAPI document."""

import dataclasses
import http.cookiejar
import json as json_module
import re
import time
import uuid

import requests

from .document import check_answer, load

SECRET = re.compile(r"(?:gb[als]|cust_[0-9a-f]{32})_[0-9a-f]{64}")


class Client:
    """One caller. `headers` say who it is. Not to be shared between threads."""

    def __init__(self, stack, headers=None):
        self.stack = stack
        self.headers = dict(headers or {})
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = stack.ca_cert
        # A session belongs to the client that is given its cookie.
        self.session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))

    def request(self, method, path, *, body=None, data=None, headers=None, faults=False):
        """Sends one request: `body` as JSON, or `data` as it is. The answer is checked; unless
        `faults` are expected, one that says the service is in trouble fails the test."""
        sent = {**self.headers, **(headers or {})}
        if body is not None:
            data = json_module.dumps(body)
        if data is not None and "Content-Type" not in sent:
            sent["Content-Type"] = "application/json"
        if isinstance(data, str):
            data = data.encode()
        response = self.session.request(method, self.stack.base_url + path, data=data,
                                        headers=sent, timeout=30, allow_redirects=False)
        self.stack.secrets.update(SECRET.findall(
            response.text + response.headers.get("Set-Cookie", "")))
        # The path as it was sent: the library removes dot segments.
        operation = load().find(method, response.request.path_url.split("?")[0])
        self.stack.driven.add((operation.id if operation else None, response.status_code))
        check_answer(response, operation)
        if not faults:
            assert response.status_code < 500, \
                f"{method} {path}: {response.text} {self.stack.recent_failures()}"
        return response

    def get(self, path, **more):
        """GET."""
        return self.request("GET", path, **more)

    def post(self, path, body=None, **more):
        """POST."""
        return self.request("POST", path, body=body, **more)

    def put(self, path, body=None, **more):
        """PUT."""
        return self.request("PUT", path, body=body, **more)

    def patch(self, path, body=None, **more):
        """PATCH."""
        return self.request("PATCH", path, body=body, **more)

    def delete(self, path, **more):
        """DELETE."""
        return self.request("DELETE", path, **more)


@dataclasses.dataclass
class Customer:
    """A customer that was signed up, and a client with its first key, which has all scopes."""

    id: str
    email: str
    api_key: str
    license: str
    answer: dict
    client: Client


class Api:
    """The callers of a stack, and the first steps of most tests."""

    def __init__(self, stack):
        self.stack = stack
        self.nobody = Client(stack)
        self.owner = self.bearer(stack.admin_key)
        self.viewer = self.bearer(stack.viewer_key)

    def bearer(self, key):
        """A client with `Authorization: Bearer`."""
        return Client(self.stack, {"Authorization": f"Bearer {key}"})

    def keyed(self, key):
        """A client with `X-API-Key`."""
        return Client(self.stack, {"X-API-Key": key})

    def email(self):
        """An e-mail address that no customer has."""
        return f"u{uuid.uuid4().hex}@{self.stack.mail_domain}"

    def sign_up(self, email=None, send=None, **more):
        """Signs a customer up as the owner, whose post is `send`; `more` are further members of
        the body."""
        email = email or self.email()
        answer = (send or self.owner.post)("/api/customers", {"email": email, **more})
        assert answer.status_code == 201, answer.text
        made = answer.json()
        return Customer(id=made["customer"]["customer_id"], email=email, api_key=made["api_key"],
                        license=made["license"], answer=made, client=self.keyed(made["api_key"]))

    def mint(self, customer, *scopes):
        """A further key of the customer: its secret and its id."""
        body = {"scopes": list(scopes)} if scopes else {}
        answer = self.owner.post(f"/api/customers/{customer.id}/keys", body)
        assert answer.status_code == 201, answer.text
        return answer.json()["api_key"], answer.json()["key"]["key_id"]


def patiently(send, *request, **more):
    """The answer to a request that is one of many at once: send(*request, faults=True, **more). While others wait on
    a busy machine, some are told to come back, which nothing was done for; they do so as Retry-After says."""
    deadline = time.monotonic() + 120
    while True:
        answer = send(*request, faults=True, **more)
        told = (answer.status_code, answer.json().get("code"))
        if told not in ((429, "rate_limited"), (503, "busy")):
            assert answer.status_code < 500, answer.text
            return answer
        assert time.monotonic() < deadline, answer.text
        time.sleep(int(answer.headers["Retry-After"]))


def expect(response, status, code=None):
    """Asserts status and code of an answer; its body."""
    got = (response.status_code, response.json().get("code") if response.content else None)
    assert got == (status, code), f"{response.request.method} {response.url}: {response.text}"
    return response.json() if response.content else None
