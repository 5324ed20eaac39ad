"""Sign-up in parallel and in public: one customer per address, one trial per person."""

import concurrent.futures
import itertools
import time
import unicodedata
import uuid

import pytest
import requests

from support.client import expect
from support.raw import build, exchange


@pytest.fixture(scope="module")
def public(new_stack):
    """A stack with public sign-up and nginx's rate limits."""
    stack = new_stack(PUBLIC_SIGNUP="on", RATE_LIMITS="on")
    yield stack
    stack.close()


class From(requests.adapters.HTTPAdapter):
    """Connects from this address of the loopback range."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, source_address=(self.address, 0), **kwargs)


def variants(name, domain):
    """Spellings of one address: cases and Unicode forms."""
    forms = {unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    forms.add("".join(chr(ord(c) + 0xFEE0) if "a" <= c <= "z" else c for c in name))
    cases = (str.lower, str.upper, str.title, str.swapcase)
    spelled = {case(form) for case, form in itertools.product(cases, forms)}
    return sorted(f"{local}@{place}" for local in spelled
                  for place in (domain, domain.upper()))


def sign_up_at_once(api, emails):
    """Signs up all addresses in parallel; returns the answers."""
    def sign_up(email):
        return api.bearer(api.stack.admin_key).post("/api/customers", {"email": email})

    with concurrent.futures.ThreadPoolExecutor(len(emails)) as pool:
        return list(pool.map(sign_up, emails))


@pytest.mark.parametrize("name", ["jane.doe", "josé.müller", "ångström"])
def test_fifty_parallel_sign_ups_create_one_customer(api, stack, figures, name):
    local = f"{name}.{uuid.uuid4().hex[:8]}"
    spelled = variants(local, stack.mail_domain)
    assert len(spelled) >= 8
    emails = list(itertools.islice(itertools.cycle(spelled), 50))
    answers = sign_up_at_once(api, emails)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {
        "customer_exists"}
    made = next(answer.json() for answer in answers if answer.status_code == 201)
    customer_id = made["customer"]["customer_id"]
    ending = local.rsplit(".", 1)[1]
    assert stack.sql("SELECT count(*) FROM customers WHERE lower(normalize(email, NFKC)) LIKE "
                     f"'%{ending}@%'") == "1"
    for table in ("subscriptions", "licenses", "trial_redemptions", "api_keys"):
        assert stack.sql(f"SELECT count(*) FROM {table} WHERE customer_id = "
                         f"'{customer_id}'") == "1", table
    figures["parallel sign-ups"] = figures.get("parallel sign-ups", 0) + 50


def test_an_address_with_a_tag_gets_no_second_trial(api, stack):
    name = f"tag{uuid.uuid4().hex[:10]}"
    emails = [f"{name}{tag}@{stack.mail_domain}" for tag in ("", "+1", "+2", "+a+b")]
    answers = sign_up_at_once(api, emails * 3)
    created = [answer.json() for answer in answers if answer.status_code == 201]
    assert len(created) == 4
    assert sorted(made["subscription"] is None for made in created) == [False, True, True, True]
    for made in created:
        assert (made["subscription"] is None) == (made["license"] is None)


def test_dots_in_gmail_addresses_do_not_count(api):
    name = f"d{uuid.uuid4().hex}"[:20]
    dotted = name[:3] + "." + name[3:]
    made = [expect(api.owner.post("/api/customers", {"email": email}), 201)["subscription"]
            for email in (f"{name}@gmail.com", f"{dotted}@gmail.com", f"{dotted}@googlemail.com",
                          f"{name}@dots.example", f"{dotted}@dots.example")]
    assert [subscription is None for subscription in made] == [False, True, True, False, False]


def test_without_public_sign_up_only_operators_may_sign_up(api):
    customer = api.sign_up()
    body = {"email": api.email()}
    expect(api.nobody.post("/api/customers", body), 401, "unauthenticated")
    expect(customer.client.post("/api/customers", body), 403, "forbidden")
    expect(api.viewer.post("/api/customers", body), 403, "forbidden")


def test_public_sign_up_and_its_rate_limit(public, figures):
    """The limit is 10 a minute with bursts of 10; a refusal says when to retry."""
    api = public.api
    made = expect(api.nobody.post("/api/customers", {"email": api.email()}), 201)
    client = api.keyed(made["api_key"])
    customer_id = made["customer"]["customer_id"]
    expect(client.get(f"/api/customers/{customer_id}"), 200)
    expect(api.keyed("nonsense").post("/api/customers", {"email": api.email()}), 401,
           "unauthenticated")
    expect(client.post("/api/customers", {"email": api.email()}), 403, "forbidden")
    expect(api.nobody.get("/api/customers"), 401, "unauthenticated")
    start = time.monotonic()
    answers = [api.nobody.post("/api/customers", {"email": api.email()}) for _ in range(25)]
    took = time.monotonic() - start
    served = [answer for answer in answers if answer.status_code == 201]
    assert 8 <= len(served) <= 11 + took / 6
    for answer in answers:
        if answer.status_code != 201:
            assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
            assert answer.headers["Retry-After"] == "6"  # at 10 a minute
    figures["sign-ups served of 25 at 10 a minute"] = len(served)
    # The sign-up limit does not apply to the owner.
    for _ in range(15):
        expect(api.owner.post("/api/customers", {"email": api.email()}), 201)


def test_sign_ups_of_an_hour_are_bounded(public):
    """The bound is over all networks. It is not the operator's, and an address that is taken is refused as ever."""
    api = public.api
    taken = expect(api.owner.post("/api/customers", {"email": api.email()}), 201)["customer"]["email"]
    session = requests.Session()
    session.mount("https://", From("127.0.0.9"))

    def sign_up(email):
        return session.post(public.base_url + "/api/customers", json={"email": email}, timeout=30,
                            verify=str(public.ca_cert))

    # A count of the next hour holds in this one, so that the test may run at the end of an hour.
    public.sql("INSERT INTO sign_up_counts (hour, sign_ups) VALUES (date_trunc('hour', now(), 'UTC') + "
               "interval '1 hour', 1000) ON CONFLICT (only_row) DO UPDATE SET hour = excluded.hour, "
               "sign_ups = excluded.sign_ups")
    refused = sign_up(api.email())
    expect(refused, 429, "too_many_sign_ups")
    assert 1 <= int(refused.headers["Retry-After"]) <= 3600
    expect(sign_up(taken), 409, "customer_exists")
    expect(api.owner.post("/api/customers", {"email": api.email()}), 201)
    public.sql("UPDATE sign_up_counts SET sign_ups = 999")
    expect(sign_up(api.email()), 201)
    expect(sign_up(api.email()), 429, "too_many_sign_ups")
    public.sql("DELETE FROM sign_up_counts")


def test_reports_have_a_rate_limit_for_each_key(public, figures):
    """The limit is 20 a second with bursts of 100; other keys and other paths are not affected."""
    api = public.api
    loud, quiet = (expect(api.owner.post("/api/customers", {"email": api.email()}), 201)
                   for _ in range(2))

    def report(_):
        client = api.keyed(loud["api_key"])
        return [client.post("/api/usage/report", {"customer_id": loud["customer"]["customer_id"]})
                for _ in range(40)]

    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = [answer for some in pool.map(report, range(8)) for answer in some]
    took = time.monotonic() - start
    served = sum(answer.status_code == 201 for answer in answers)
    assert 100 <= served <= 102 + 20 * took
    for answer in answers:
        if answer.status_code != 201:
            assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
            assert int(answer.headers["Retry-After"]) >= 1
    figures["reports served of 320 at once"] = served
    expect(api.keyed(quiet["api_key"]).post("/api/usage/report", {
        "customer_id": quiet["customer"]["customer_id"]}), 201)
    loud_id = loud["customer"]["customer_id"]
    expect(api.keyed(loud["api_key"]).get(f"/api/customers/{loud_id}"), 200)
    assert int(public.sql("SELECT count(*) FROM usage_reports WHERE customer_id = "
                          f"'{loud_id}'")) == served


def test_a_sign_up_that_is_sent_twice_creates_one_customer(api, stack):
    """The client sends the same request twice on one connection."""
    email = api.email()
    body = b'{"email":"%s"}' % email.encode()
    headers = [("Authorization", f"Bearer {stack.admin_key}"), ("Content-Length", len(body)),
               ("Content-Type", "application/json")]
    headers = [(name, str(value)) for name, value in headers]
    once = build("POST", "/api/customers", headers, body).replace(b"Connection: close\r\n", b"")
    answer = exchange(stack, once + build("POST", "/api/customers", headers, body))
    assert answer.count() == 2 and answer.status == 201
    assert b"customer_exists" in answer.body
    stack.secrets.update(word.decode() for word in answer.body.split(b'"')
                         if word.startswith(b"cust_") and len(word) > 60)


def test_idempotency_keys_of_public_sign_up_belong_to_one_address(new_stack):
    """The stored answer contains an API key: another IP address must not get it."""
    public = new_stack(PUBLIC_SIGNUP="on")
    body = {"email": f"{uuid.uuid4().hex}@{public.mail_domain}"}

    def sign_up(address):
        session = requests.Session()
        session.mount("https://", From(address))
        return session.post(public.base_url + "/api/customers", json=body, timeout=30,
                            headers={"Idempotency-Key": "1"}, verify=str(public.ca_cert))

    first = sign_up("127.0.0.1")
    assert first.status_code == 201
    assert sign_up("127.0.0.1").content == first.content
    stranger = sign_up("127.0.0.2")
    assert stranger.status_code == 409
    assert stranger.json()["code"] == "customer_exists"
    public.close()
