"""The revocation list under attack and at size; and licences whose rights have ended."""

import os
import statistics
import time

import jwt
import pytest
from chaos.attack import client_at, unharmed
from support.client import expect
from support.fcgi import ask
from support.payments import ask as pay
from support.payments import buy
from support.revocations import is_revoked, read_list, revokes, wait_until_revoked
from support.stack import wait_for, within

LIST = "/api/licenses/revocations"
# A million revoked licences with FULL=1.
CUSTOMERS = 5000 if os.environ.get("FULL") == "1" else 100
EACH = 200


@pytest.fixture(scope="module", name="limited")
def fixture_limited(new_stack):
    """A stack with nginx's limits and two workers in each pool."""
    made = new_stack(stripe=True, RATE_LIMITS="on", WORKERS=2, STRIPE_WORKERS=2)
    yield made
    made.close()


def fill(stack):
    """Customers with revoked licences, none of which is on the list yet."""
    stack.sql(f"""
        INSERT INTO customers (customer_id, email, company_name, email_key)
        SELECT 'cust_' || lpad(to_hex(n), 32, '0'), 'many-' || n || '@example.com', NULL,
               'many-' || n || '@example.com' FROM generate_series(1, {CUSTOMERS}) n;
        INSERT INTO licenses (jti, customer_id, kid, plan, reason, fingerprint, issued_at,
            expires_at, revoked_at)
        SELECT 'lic_many_' || n || '_' || i, 'cust_' || lpad(to_hex(n), 32, '0'), 'k', 'starter',
               'rotated', '', now() - make_interval(hours => 1 + i),
               now() + interval '300 days', now()
        FROM generate_series(1, {CUSTOMERS}) n, generate_series(1, {EACH}) i;
        INSERT INTO license_revocations (jti, customer_id, issued_at, expires_at, revoked_at)
        SELECT jti, customer_id, issued_at, expires_at, revoked_at FROM licenses
        WHERE jti LIKE 'lic_many_%';
        ANALYZE licenses; ANALYZE license_revocations; NOTIFY billing_jobs""")


def seconds_until_listed(stack):
    """How long a revocation takes to be on the list that is served."""
    customer = stack.api.sign_up()
    expect(stack.api.owner.post(f"/api/licenses/{customer.id}/revoke"), 200)
    start = time.monotonic()
    wait_until_revoked(stack.api, customer.license)
    return time.monotonic() - start


def get_ms(stack):
    """The median time of a GET without nginx."""
    def once():
        start = time.perf_counter()
        assert ask(stack.socket, "GET", LIST)[0] == 200
        return (time.perf_counter() - start) * 1000

    return statistics.median(once() for _ in range(50))


def test_many_revoked_licences(stack, report):
    """One entry stands for the revoked licences of each customer: the list stays small."""
    start = time.monotonic()
    fill(stack)
    wait_for(lambda: stack.sql("SELECT count(*) FROM license_revocations "
                               "WHERE list_number IS NULL") == "0", 120)
    filled = time.monotonic() - start
    listed = read_list(stack.api)
    token = stack.api.nobody.get(LIST).json()["revocations"]
    before = dict(listed["revokedBefore"])
    assert len(before) >= CUSTOMERS and len(token) < 1_000_000
    assert all(f"cust_{n:032x}" in before for n in range(1, CUSTOMERS + 1))
    assert int(stack.sql("SELECT count(*) FROM license_revocations")) <= 2 * CUSTOMERS + 10
    took = get_ms(stack)
    delays = [seconds_until_listed(stack) for _ in range(5)]
    report(revoked=CUSTOMERS * EACH, list_bytes=len(token), GET_ms=f"{took:.1f}",
           until_listed_ms=f"{statistics.median(delays) * 1000:.0f}", filled_s=f"{filled:.1f}")
    assert took < within(5) and max(delays) < within(5)


def test_rotations_in_a_loop(limited, report):
    """One key rotates and changes the name as often as it may; the list stays small."""
    attacker, victim = limited.api.sign_up(), limited.api.sign_up()
    seen = []

    def attack():
        client = client_at(limited, "127.0.0.9", attacker.api_key)
        for number in range(15):
            seen.append(client.post(f"/api/licenses/{attacker.id}/rotate").status_code)
            seen.append(client.patch(f"/api/customers/{attacker.id}",
                                     {"company_name": f"N{number}"}).status_code)
            seen.append(client.get(f"/api/licenses/{attacker.id}").status_code)

    figures = unharmed(lambda: expect(victim.client.get(f"/api/licenses/{victim.id}"), 200),
                       [attack])
    assert 429 in seen and set(seen) <= {200, 429}
    issued = int(limited.sql(f"SELECT count(*) FROM licenses WHERE customer_id = '{attacker.id}'"))
    assert issued <= 61
    expect(limited.api.owner.post(f"/api/licenses/{attacker.id}/revoke"), 200)
    listed = wait_until_revoked(limited.api, attacker.license)
    assert len(listed["revoked"]) + len(listed["revokedBefore"]) <= 70
    nobody = limited.api.nobody

    def tag():
        return {"If-None-Match": nobody.get(LIST).headers["ETag"]}
    # The first rotation revoked this licence; the list may still be signed again for the last one.
    wait_for(lambda: nobody.get(LIST, headers=tag()).status_code == 304)
    report(requests=len(seen), refused=seen.count(429), issued=issued, **figures)


@pytest.mark.parametrize("how", ["cancel", "downgrade"])
def test_pay_once_and_leave(limited, how):
    """A licence fetched before the subscription was canceled or reduced is revoked."""
    customer = limited.api.sign_up()
    buy(limited, customer, "enterprise")
    token = expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)["license"]
    assert not is_revoked(limited.api, token)
    if how == "cancel":
        expect(pay(customer.client, "cancel", customer.id, at_period_end=False), 200)
    else:
        expect(pay(customer.client, "upgrade", customer.id, new_plan="starter"), 200)
    wait_until_revoked(limited.api, token)
    answer = limited.api.nobody.post("/api/licenses/verify", {"license": token})
    assert expect(answer, 401, "license_revoked")
    new = expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)["license"]
    assert not is_revoked(limited.api, new)


def test_a_scheduled_end_revokes_nothing_early(limited):
    """The licence goes on until the end of the period; one issued now ends soon after it."""
    customer = limited.api.sign_up()
    buy(limited, customer, "starter")
    path = f"/api/licenses/{customer.id}"
    token = expect(customer.client.get(path), 200)["license"]
    expect(pay(customer.client, "cancel", customer.id, at_period_end=True), 200)
    new = expect(customer.client.get(path), 200)["license"]
    # A list that has a later revocation would have this one.
    later = limited.api.sign_up()
    expect(limited.api.owner.post(f"/api/licenses/{later.id}/revoke"), 200)
    listed = wait_until_revoked(limited.api, later.license)
    assert not revokes(listed, token)
    life = jwt.decode(new, options={"verify_signature": False})
    assert life["exp"] - life["iat"] < 45 * 86400 and new != token


def test_a_restored_database(limited):
    """The published list is newer than the restored database: nothing that it revokes comes back."""
    customer = limited.api.sign_up()
    expect(limited.api.owner.post(f"/api/licenses/{customer.id}/rotate"), 200)
    number = wait_until_revoked(limited.api, customer.license)["number"]
    published = limited.run_dir / "keys/revocations.jwt"
    wait_for(lambda: published.exists() and
             int(published.read_text(encoding="ascii").split()[0]) >= number)
    limited.sql("BEGIN; DELETE FROM license_revocations; DELETE FROM revoked_before; "
                "UPDATE revocation_lists SET number = 1; UPDATE licenses SET revoked_at = NULL, "
                f"revoke_reason = NULL WHERE customer_id = '{customer.id}'; COMMIT; "
                "NOTIFY billing_jobs")
    listed = wait_for(lambda: (found := read_list(limited.api))["number"] > number and found)
    assert is_revoked(limited.api, customer.license) and listed["number"] > number
    ready = expect(limited.api.nobody.get("/health/ready"), 200)
    assert ready["status"] == "degraded" and not ready["checks"]["revocations"]["ok"]
    done = limited.billingctl("restore", "check", check=False)
    assert done.returncode == 3 and customer.id in done.stdout
    assert limited.billingctl("restore", "check", "--done").returncode == 0
    ready = expect(limited.api.nobody.get("/health/ready"), 200)
    assert ready["checks"]["revocations"]["ok"]
