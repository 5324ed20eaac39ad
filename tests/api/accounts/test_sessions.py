"""Sessions of browsers: signing in by a key or a link, what a session may do, and how it ends."""

import concurrent.futures
import contextlib
import re
import subprocess

import pytest

from support.client import Client, expect
from support.stack import wait_for

CONSOLE = {"X-Billing-Console": "1"}
COOKIE = re.compile(r"__Host-billing=(gbs_[0-9a-f]{64}); Path=/; Secure; HttpOnly; "
                    r"SameSite=Strict; Max-Age=43200")


def sign_in(api, status=201, code=None, headers=None, **body):
    """The answer to a sign-in, and a client with its cookie."""
    answer = api.nobody.post("/api/session", body, headers={**CONSOLE, **(headers or {})})
    made = expect(answer, status, code)
    if status != 201:
        return made, None
    token = COOKIE.fullmatch(answer.headers["Set-Cookie"])[1]
    return made, Client(api.stack, {"Cookie": f"a=b; __Host-billing={token}; c=d", **CONSOLE})


def age(stack, session, column, interval):
    """Moves a time of the session back."""
    stack.sql(f"UPDATE sessions SET {column} = {column} - interval '{interval}' "
              f"WHERE session_id = '{session['session_id']}'")


@pytest.mark.quick
def test_an_operator_signs_in_and_out(api, stack):
    made, browser = sign_in(api, api_key=stack.admin_key, headers={"User-Agent": "Tester/1"})
    assert made["caller"]["role"] == "owner" and made["caller"]["customer_id"] is None
    assert made["session"]["user_agent"] == "Tester/1" and made["session"]["current"]
    assert expect(browser.get("/api/session"), 200) == made
    expect(browser.get("/api/customers?limit=1"), 200)
    customer = expect(browser.post("/api/customers", {"email": api.email()}), 201)["customer"]
    actor = stack.sql("SELECT actor FROM audit_log WHERE customer_id = "
                      f"'{customer['customer_id']}' LIMIT 1")
    assert actor == f"operator:{made['caller']['key_id']}"
    answer = browser.delete("/api/session")
    assert expect(answer, 200) == {"ended": 1} and "Max-Age=0" in answer.headers["Set-Cookie"]
    answer = browser.get("/api/customers")
    assert expect(answer, 401, "unauthenticated")["error"] == "The session has ended; sign in again."
    assert stack.sql("SELECT string_agg(action, ' ' ORDER BY audit_id) FROM audit_log WHERE "
                     f"subject = '{made['session']['session_id']}'") == "session_open session_end"


def test_only_digests_are_stored(api, stack):
    _, browser = sign_in(api, api_key=stack.admin_key)
    token = re.search("gbs_[0-9a-f]{64}", browser.headers["Cookie"])[0]
    link = expect(api.owner.post(f"/api/customers/{api.sign_up().id}/links"), 201)["url"]
    rows = stack.sql("SELECT sessions, session_links FROM sessions, session_links")
    assert token not in rows and link.split("link=")[1] not in rows
    assert stack.sql("SELECT count(*) FROM sessions WHERE digest = "
                     f"sha256('{token}'::bytea)") == "1"


def test_a_customer_has_the_rights_of_its_key(api):
    customer, other = api.sign_up(), api.sign_up()
    made, browser = sign_in(api, api_key=customer.api_key)
    assert made["caller"]["customer_id"] == customer.id
    assert expect(browser.get(f"/api/licenses/{customer.id}"), 200)["license"]
    expect(browser.post("/api/usage/report", {"customer_id": customer.id}), 201)
    expect(browser.get(f"/api/customers/{other.id}"), 404, "customer_not_found")
    expect(browser.get(f"/api/licenses/{other.id}"), 404, "customer_not_found")
    expect(browser.post("/api/usage/report", {"customer_id": other.id}), 404, "customer_not_found")
    expect(browser.get("/api/customers"), 403, "forbidden")
    _, browser = sign_in(api, api_key=api.mint(customer, "usage")[0])
    expect(browser.get(f"/api/licenses/{customer.id}"), 403, "scope_missing")


def test_a_viewer_changes_nothing(api, stack):
    customer = api.sign_up()
    made, browser = sign_in(api, api_key=stack.viewer_key)
    expect(browser.get(f"/api/customers/{customer.id}"), 200)
    expect(browser.patch(f"/api/customers/{customer.id}", {"company_name": "X"}), 403, "forbidden")
    expect(browser.post(f"/api/customers/{customer.id}/links"), 403, "forbidden")
    assert stack.sql("SELECT count(*) FROM audit_log WHERE action = 'operator_refused' AND "
                     f"subject = '{made['caller']['key_id']}' AND "
                     f"customer_id = '{customer.id}'") == "2"
    assert expect(browser.delete("/api/sessions"), 200)["ended"] >= 1


def test_other_sites_change_nothing(api, stack):
    customer = api.sign_up()
    _, browser = sign_in(api, api_key=stack.admin_key)
    path = f"/api/customers/{customer.id}"
    del browser.headers["X-Billing-Console"]
    for method, where, body in (("PATCH", path, {"company_name": "X"}), ("DELETE", path, None),
                                ("POST", f"/api/licenses/{customer.id}/rotate", {}),
                                ("DELETE", "/api/session", None)):
        expect(browser.request(method, where, body=body), 403, "console_header_missing")
    for origin in ("https://evil.example", "null", stack.base_url + "9",
                   stack.base_url.replace("https", "http"), stack.base_url + "/x", "https:", "https:/"):
        answer = browser.delete(path, headers={**CONSOLE, "Origin": origin})
        expect(answer, 403, "origin_refused")
        sign_in(api, 403, "origin_refused", {"Origin": origin}, api_key=stack.admin_key)
    sign_in(api, 403, "console_header_missing", {"X-Billing-Console": "0"},
            api_key=stack.admin_key)
    expect(browser.patch(path, {"company_name": "X"},
                         headers={**CONSOLE, "Origin": stack.base_url}), 200)


def test_a_session_ends_in_time(api, stack):
    made, browser = sign_in(api, api_key=stack.admin_key)
    for _ in range(2):  # the last request counted
        age(stack, made["session"], "last_used_at", "55 minutes")
        assert expect(browser.get("/api/session"), 200)["caller"]["role"] == "owner"
    age(stack, made["session"], "last_used_at", "61 minutes")
    assert expect(browser.get("/api/session"), 200)["caller"] is None
    made, browser = sign_in(api, api_key=stack.admin_key)
    stack.sql("UPDATE sessions SET created_at = created_at - interval '1 day', expires_at = "
              f"now() WHERE session_id = '{made['session']['session_id']}'")
    assert expect(browser.get("/api/session"), 200)["caller"] is None


def test_a_use_is_written_once_a_minute(api, stack):
    made, browser = sign_in(api, api_key=stack.admin_key)
    row = f"FROM sessions WHERE session_id = '{made['session']['session_id']}'"
    before = stack.sql(f"SELECT xmin {row}")
    for _ in range(3):
        expect(browser.get("/api/customers?limit=1"), 200)
    assert stack.sql(f"SELECT xmin {row}") == before
    age(stack, made["session"], "last_used_at", "61 seconds")
    expect(browser.get("/api/customers?limit=1"), 200)
    assert stack.sql(f"SELECT last_used_at > now() - interval '30 seconds' {row}") == "t"


def test_the_end_of_a_key_ends_its_sessions(api):
    customer = api.sign_up()
    secret, key_id = api.mint(customer)
    _, browser = sign_in(api, api_key=secret)
    expect(browser.get(f"/api/customers/{customer.id}"), 200)
    expect(api.owner.delete(f"/api/customers/{customer.id}/keys/{key_id}"), 200)
    expect(browser.get(f"/api/customers/{customer.id}"), 401, "unauthenticated")
    sign_in(api, 401, "unauthenticated", api_key=secret)


def test_sessions_are_listed_and_ended(api, stack):
    customer, other = api.sign_up(), api.sign_up()
    _, first = sign_in(api, api_key=customer.api_key)
    made, second = sign_in(api, api_key=customer.api_key)
    _, stranger = sign_in(api, api_key=other.api_key)
    listed = expect(first.get("/api/sessions"), 200)["sessions"]
    assert len(listed) == 2 and [one["current"] for one in listed].count(True) == 1
    path = f"/api/sessions/{made['session']['session_id']}"
    expect(stranger.delete(path), 404, "session_not_found")
    expect(stranger.get(f"/api/sessions?customer_id={customer.id}"), 404, "customer_not_found")
    expect(first.delete(path), 200)
    assert expect(second.get("/api/session"), 200)["caller"] is None
    sign_in(api, api_key=customer.api_key)
    assert expect(first.delete("/api/sessions"), 200) == {"ended": 2}
    assert expect(first.get("/api/session"), 200)["caller"] is None
    expect(stranger.get("/api/session"), 200)
    of_other = expect(api.owner.get(f"/api/sessions?customer_id={other.id}"), 200)["sessions"]
    expect(api.owner.delete(f"/api/sessions/{of_other[0]['session_id']}?customer_id={other.id}"), 200)
    assert expect(stranger.get("/api/session"), 200)["caller"] is None
    sign_in(api, api_key=stack.viewer_key)
    roles = {one["role"] for one in expect(api.owner.get("/api/sessions"), 200)["sessions"]}
    assert "viewer" in roles and "customer" not in roles


def test_a_sign_in_ends_the_session_that_the_browser_had(api, stack):
    customer, other = api.sign_up(), api.sign_up()
    made, first = sign_in(api, api_key=customer.api_key)
    _, elsewhere = sign_in(api, api_key=customer.api_key)
    cookie = {"Cookie": first.headers["Cookie"]}
    for body, code in (({"api_key": "nonsense"}, "unauthenticated"), ({"link": "gbl_" + "0" * 64}, "link_invalid")):
        sign_in(api, 401, code, cookie, **body)
    sign_in(api, 403, "origin_refused", {**cookie, "Origin": "https://evil.example"}, api_key=other.api_key)
    assert expect(first.get("/api/session"), 200)["caller"]["customer_id"] == customer.id  # a refusal ends nothing
    _, second = sign_in(api, headers=cookie, api_key=other.api_key)
    assert expect(first.get("/api/session"), 200)["caller"] is None
    link = expect(api.owner.post(f"/api/customers/{customer.id}/links"), 201)["url"].split("=")[1]
    _, third = sign_in(api, headers={"Cookie": second.headers["Cookie"]}, link=link)
    assert expect(second.get("/api/session"), 200)["caller"] is None
    for browser in (third, elsewhere):
        assert expect(browser.get("/api/session"), 200)["caller"]["customer_id"] == customer.id
    assert stack.sql("SELECT actor = 'customer:' || (SELECT key_id FROM api_keys WHERE customer_id = "
                     f"'{other.id}'), customer_id, detail FROM audit_log WHERE action = 'session_end' AND "
                     f"subject = '{made['session']['session_id']}'") == f"t|{customer.id}|replaced by another sign-in"
    _, operator = sign_in(api, api_key=stack.admin_key)
    sign_in(api, headers={"Cookie": operator.headers["Cookie"]}, api_key=other.api_key)
    assert expect(operator.get("/api/session"), 200)["caller"] is None


def test_a_key_has_so_many_sessions(api, stack):
    customer = api.sign_up()
    browsers = [sign_in(api, api_key=customer.api_key)[1] for _ in range(22)]
    assert stack.sql(f"SELECT count(*) FROM sessions WHERE customer_id = '{customer.id}'") == "20"
    expect(browsers[-1].get("/api/session"), 200)


def test_a_link_opens_one_session(api, stack):
    customer, other = api.sign_up(), api.sign_up()
    made = expect(api.owner.post(f"/api/customers/{customer.id}/links"), 201)
    place, token = made["url"].split("/#link=")
    assert place == f"{stack.base_url}/account"
    opened, browser = sign_in(api, link=token)
    assert opened["caller"] == {"key_id": None, "name": None, "role": "customer",
                                "customer_id": customer.id,
                                "scopes": ["license", "usage", "billing"]}
    sign_in(api, 401, "link_invalid", link=token)
    expect(browser.get(f"/api/licenses/{customer.id}"), 200)
    expect(browser.get(f"/api/customers/{customer.id}/keys"), 200)
    expect(browser.patch(f"/api/customers/{customer.id}", {"company_name": "New"}), 200)
    expect(browser.get(f"/api/customers/{other.id}"), 404, "customer_not_found")
    expect(browser.post("/api/usage/report", {"customer_id": customer.id}), 403, "forbidden")
    assert expect(browser.delete("/api/sessions"), 200) == {"ended": 1}
    expect(api.owner.post("/api/customers/cust_" + "0" * 32 + "/links"), 404, "customer_not_found")
    made = expect(api.owner.post(f"/api/customers/{customer.id}/links",
                                 {"expires_in_minutes": 5}), 201)
    stack.sql("UPDATE session_links SET created_at = created_at - interval '1 hour', expires_at = "
              "expires_at - interval '6 minutes'")
    sign_in(api, 401, "link_invalid", link=made["url"].split("=")[1])


def test_a_customer_has_so_many_links(api, stack):
    customer = api.sign_up()
    for _ in range(11):
        made = expect(api.owner.post(f"/api/customers/{customer.id}/links"), 201)
    assert stack.sql(f"SELECT count(*) FROM session_links WHERE customer_id = '{customer.id}'") == "10"
    sign_in(api, link=made["url"].split("=")[1])


def test_a_deleted_customer_has_no_session(api, stack):
    customer = api.sign_up()
    url = expect(api.owner.post(f"/api/customers/{customer.id}/links"), 201)["url"]
    _, by_key = sign_in(api, api_key=customer.api_key)
    _, by_link = sign_in(api, link=url.split("=")[1])
    expect(api.owner.post(f"/api/customers/{customer.id}/links"), 201)
    expect(api.owner.delete(f"/api/customers/{customer.id}"), 200)
    for browser in (by_key, by_link):
        assert expect(browser.get("/api/session"), 200)["caller"] is None
    assert stack.sql("SELECT (SELECT count(*) FROM sessions WHERE customer_id = c.customer_id) + "
                     "(SELECT count(*) FROM session_links WHERE customer_id = c.customer_id) "
                     f"FROM customers c WHERE customer_id = '{customer.id}'") == "0"


@contextlib.contextmanager
def held(stack, statements):
    """A transaction that has run the statements; calling it commits. Then a pool for requests that wait for it."""
    with subprocess.Popen(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", stack.database_url], env=stack.env, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder, \
            concurrent.futures.ThreadPoolExecutor(2) as pool:
        holder.stdin.write(f"BEGIN; {statements}; SELECT 'held';\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "held\n"
        try:
            yield pool, lambda: holder.communicate("COMMIT;\n")
        finally:
            if holder.poll() is None:
                holder.kill()


def test_of_two_uses_of_a_link_one_opens_a_session(api, stack):
    customer = api.sign_up()
    token = expect(api.owner.post(f"/api/customers/{customer.id}/links"), 201)["url"].split("=")[1]
    with held(stack, "DO $$ BEGIN PERFORM 1 FROM session_links WHERE customer_id = "
                     f"'{customer.id}' FOR UPDATE; END $$") as (pool, commit):
        uses = [pool.submit(api.nobody.post, "/api/session", {"link": token}, headers=CONSOLE) for _ in range(2)]
        wait_for(lambda: stack.waiting() == 2)
        commit()
        assert sorted(use.result().status_code for use in uses) == [201, 401]
    assert stack.sql(f"SELECT count(*) FROM sessions WHERE customer_id = '{customer.id}'") == "1"


def test_a_link_that_is_used_while_the_customer_is_deleted_leaves_no_session(api, stack):
    customer = api.sign_up()
    expect(api.owner.post(f"/api/customers/{customer.id}/links"), 201)
    with held(stack, f"DELETE FROM session_links WHERE customer_id = '{customer.id}'; INSERT INTO sessions (session_id, "
                     "digest, customer_id, created_at, last_used_at, expires_at) SELECT 'ses_' || substr(md5('x'), 1, 24), "
                     f"sha256('x'), '{customer.id}', now(), now(), now() + interval '12 hours'") as (pool, commit):
        deletion = pool.submit(api.owner.delete, f"/api/customers/{customer.id}")
        wait_for(lambda: stack.waiting() == 1)
        commit()
        expect(deletion.result(), 200)
    assert stack.sql(f"SELECT count(*) FROM sessions WHERE customer_id = '{customer.id}'") == "0"


@pytest.mark.parametrize("body", [{}, {"api_key": "x", "link": "y"}, {"api_key": ""},
                                  {"api_key": 1}, {"link": "x" * 201}, {"password": "x"}])
def test_bad_sign_ins(api, body):
    sign_in(api, 400, "invalid_request", **body)


def test_guesses_are_refused_and_recorded(api, stack):
    sign_in(api, 401, "unauthenticated", api_key="nonsense")
    sign_in(api, 401, "unauthenticated", api_key="gba_" + "d" * 64)
    sign_in(api, 401, "link_invalid", link="gbl_" + "0" * 64)
    assert stack.sql("SELECT count(*) FROM audit_log WHERE action = 'operator_refused' AND "
                     "subject = 'gba_dddddd' AND detail LIKE '%/api/session'") == "1"
    for value in ("gbs_" + "0" * 64, "gbs_x", "nonsense"):
        answer = api.nobody.get("/api/customers",
                                headers={"Cookie": f"__Host-billing={value}"})
        expect(answer, 401, "unauthenticated")


def test_a_key_counts_before_a_session(api, stack):
    customer = api.sign_up()
    _, browser = sign_in(api, api_key=stack.admin_key)
    answer = browser.get("/api/customers", headers=customer.client.headers)
    expect(answer, 403, "forbidden")
