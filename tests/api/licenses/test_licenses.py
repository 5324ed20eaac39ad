"""Licences: their claims, verified by an independent library; kept, renewed, revoked, expired."""

import base64
import concurrent.futures
import datetime
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from support.client import expect, patiently
from support.revocations import is_revoked, wait_until_revoked
from support.payments import buy, settled
from support.stack import wait_for

DAY = 86400
TRIAL_FEATURES = {"maxDevices": 10, "dataRetentionDays": 30, "canExportData": True,
                  "hasAdvancedAlerts": False, "hasApiAccess": True, "hasMqttAccess": True,
                  "hasCustomBranding": False}
TRIAL_LIMITS = {"maxUsers": 5, "maxAlertRules": 25, "maxDashboards": 10}
PROFESSIONAL_FEATURES = {**TRIAL_FEATURES, "maxDevices": 50, "dataRetentionDays": 365,
                         "hasAdvancedAlerts": True}
PROFESSIONAL_LIMITS = {"maxUsers": 10, "maxAlertRules": 100, "maxDashboards": 20}
ENTERPRISE_FEATURES = {**PROFESSIONAL_FEATURES, "maxDevices": 999999, "dataRetentionDays": 999999,
                       "hasCustomBranding": True}


def claims_of(api, token, **options):
    """The claims, verified by PyJWT with the PEM."""
    pem = expect(api.nobody.get("/api/licenses/public-key"), 200)["public_key"]
    return jwt.decode(token, pem, algorithms=["RS256"], issuer=api.stack.base_url,
                      options={"require": ["iss", "sub", "jti", "iat", "exp"], **options})


def fetch(api, customer):
    """The customer's current licence: its token."""
    return expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)["license"]


def subscribe(stack, customer, **columns):
    """Makes the customer's subscription as a payment would."""
    columns = {"version": "version + 1", **columns}
    stack.sql(f"UPDATE subscriptions SET {', '.join(f'{k} = {v}' for k, v in columns.items())} "
              f"WHERE customer_id = '{customer.id}'")


def paid(stack, customer, plan="professional", **columns):
    """A paid subscription."""
    subscribe(stack, customer, **{"plan": f"'{plan}'", "status": "'active'",
                                  "current_period_ends_at": "'2035-02-15T00:00:00Z'", **columns})


def rfc3339(seconds):
    """As the API writes it."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


# Claims.

@pytest.mark.quick
def test_claims_of_a_trial(api):
    began = time.time()
    customer = api.sign_up(company_name="Acme Corp")
    claims = claims_of(api, customer.license)
    assert began - 2 < claims["iat"] < time.time() + 2
    ends = customer.answer["subscription"]["trial_ends_at"]
    assert claims == {
        "customerId": customer.id, "customerName": "Acme Corp", "plan": "starter",
        "features": TRIAL_FEATURES, "limits": TRIAL_LIMITS,
        "trial": {"isTrialMode": True, "expiresAt": ends},
        "subscription": {"status": "trialing", "currentPeriodEndsAt": ends},
        "issuedAt": claims["iat"], "expiresAt": claims["exp"], "iss": api.stack.base_url,
        "sub": customer.id, "jti": claims["jti"], "iat": claims["iat"], "exp": claims["exp"]}
    assert ends == rfc3339(claims["exp"] + int(ends[-4:-1]) / 1000)
    assert began + 14 * DAY - 2 < claims["exp"] and claims["exp"] - claims["iat"] <= 14 * DAY
    assert claims["jti"].startswith("lic_")


@pytest.mark.parametrize("plan, features, limits", [
    ("starter", TRIAL_FEATURES, TRIAL_LIMITS),
    ("professional", PROFESSIONAL_FEATURES, PROFESSIONAL_LIMITS),
    ("enterprise", ENTERPRISE_FEATURES, {})])
def test_claims_of_a_paid_subscription(api, stack, plan, features, limits):
    customer = api.sign_up()
    paid(stack, customer, plan)
    claims = claims_of(api, fetch(api, customer))
    assert claims == {
        "customerId": customer.id, "customerName": customer.email, "plan": plan,
        "features": features, "limits": limits, "trial": {"isTrialMode": False},
        "subscription": {"status": "active", "currentPeriodEndsAt": "2035-02-15T00:00:00.000Z"},
        "issuedAt": claims["iat"], "expiresAt": claims["exp"], "iss": api.stack.base_url,
        "sub": customer.id, "jti": claims["jti"], "iat": claims["iat"], "exp": claims["exp"]}
    assert claims["exp"] - claims["iat"] == 365 * DAY


def test_claims_come_in_the_documented_order(api):
    payload = api.sign_up().license.split(".")[1]
    text = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
    assert list(json.loads(text)) == [
        "customerId", "customerName", "plan", "features", "limits", "trial", "subscription",
        "issuedAt", "expiresAt", "iss", "sub", "jti", "iat", "exp"]


def test_header_and_kid(api):
    customer = api.sign_up()
    key, = expect(api.nobody.get("/.well-known/jwks.json"), 200)["keys"]
    plain = json.dumps({"e": key["e"], "kty": key["kty"], "n": key["n"]}, separators=(",", ":"))
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(plain.encode()).digest()).rstrip(b"=")
    assert jwt.get_unverified_header(customer.license) == {
        "alg": "RS256", "typ": "JWT", "kid": thumbprint.decode()}
    public = expect(api.nobody.get("/api/licenses/public-key"), 200)
    assert (public["kid"], public["algorithm"]) == (key["kid"], "RS256")


@pytest.mark.quick
def test_a_licence_verifies_with_the_jwks(api):
    customer = api.sign_up()
    keys = jwt.PyJWKSet.from_dict(api.nobody.get("/.well-known/jwks.json").json())
    kid = jwt.get_unverified_header(customer.license)["kid"]
    key = next(key for key in keys.keys if key.key_id == kid)
    claims = jwt.decode(customer.license, key.key, algorithms=["RS256"])
    assert claims["customerId"] == customer.id
    assert claims == claims_of(api, customer.license)


def test_keys_and_revocations_may_be_cached(api):
    for path in ("/api/licenses/public-key", "/api/licenses/revocations",
                 "/.well-known/jwks.json"):
        assert "max-age" in api.nobody.get(path).headers["Cache-Control"]


# Kept and renewed.

def test_the_same_licence_comes_while_nothing_changes(api):
    customer = api.sign_up()
    answers = [client.get(f"/api/licenses/{customer.id}")
               for client in (customer.client, api.owner, api.viewer) * 2]
    assert {expect(answer, 200)["license"] for answer in answers} == {customer.license}
    assert expect(answers[0], 200) == {"license": customer.license, "customer_id": customer.id,
                                       "plan": "starter", "status": "trialing"}
    jti = claims_of(api, customer.license)["jti"]
    assert {answer.headers["ETag"] for answer in answers} == {f'"{jti}"'}
    assert answers[0].headers["Cache-Control"] == "private, no-cache"


def test_if_none_match(api):
    customer = api.sign_up()
    path = f"/api/licenses/{customer.id}"
    tag = customer.client.get(path).headers["ETag"]
    for match in (tag, "*", f"W/{tag}", f'"other", {tag}'):
        answer = customer.client.get(path, headers={"If-None-Match": match})
        assert (answer.status_code, answer.headers["ETag"]) == (304, tag), match
    for match in ('"other"', tag[:-2] + '"', tag.strip('"'), '""'):
        assert customer.client.get(path, headers={"If-None-Match": match}).status_code == 200
    head = customer.client.request("HEAD", path, headers={"If-None-Match": tag})
    assert head.status_code == 304


def test_an_etag_is_no_credential(api):
    customer, other = api.sign_up(), api.sign_up()
    tag = customer.client.get(f"/api/licenses/{customer.id}").headers["ETag"]
    answer = other.client.get(f"/api/licenses/{customer.id}", headers={"If-None-Match": tag})
    expect(answer, 404, "customer_not_found")


def test_a_changed_name_makes_a_new_licence(api):
    customer = api.sign_up(company_name="Old")
    expect(customer.client.patch(f"/api/customers/{customer.id}", {"company_name": "New"}), 200)
    token = fetch(api, customer)
    old, new = claims_of(api, customer.license), claims_of(api, token)
    assert new["customerName"] == "New" and new["jti"] != old["jti"]
    times = {"jti", "iat", "exp", "issuedAt", "expiresAt", "customerName"}
    assert {k: v for k, v in new.items() if k not in times} == \
        {k: v for k, v in old.items() if k not in times}
    assert fetch(api, customer) == token


def test_a_changed_email_counts_only_without_a_company_name(api):
    named, unnamed = api.sign_up(company_name="Acme"), api.sign_up()
    for customer in (named, unnamed):
        expect(api.owner.patch(f"/api/customers/{customer.id}", {"email": api.email()}), 200)
    assert fetch(api, named) == named.license
    assert fetch(api, unnamed) != unnamed.license


def test_a_changed_subscription_makes_a_new_licence(api, stack):
    customer = api.sign_up()
    paid(stack, customer)
    claims = claims_of(api, fetch(api, customer))
    assert claims["plan"] == "professional"
    subscribe(stack, customer, current_period_ends_at="'2036-01-01T00:00:00Z'")
    assert claims_of(api, fetch(api, customer))["subscription"]["currentPeriodEndsAt"] == \
        "2036-01-01T00:00:00.000Z"


def test_a_licence_of_yesterday_is_renewed(api, stack):
    customer = api.sign_up()
    paid(stack, customer)
    token = fetch(api, customer)
    stack.sql("UPDATE licenses SET issued_at = issued_at - interval '25 hours' "
              f"WHERE customer_id = '{customer.id}'")
    renewed = fetch(api, customer)
    assert renewed != token and fetch(api, customer) == renewed
    reasons = stack.sql("SELECT reason FROM licenses WHERE token IS NOT NULL AND customer_id = "
                        f"'{customer.id}' ORDER BY issued_at DESC LIMIT 1")
    assert reasons == "refreshed"


def test_a_licence_whose_token_is_gone_is_signed_again(api, stack):
    customer = api.sign_up()
    stack.sql(f"UPDATE licenses SET token = NULL WHERE customer_id = '{customer.id}'")
    assert fetch(api, customer) != customer.license


def test_twenty_first_requests_at_once_all_get_good_licences(api, stack):
    customer = api.sign_up()
    paid(stack, customer)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        tokens = set(pool.map(lambda _: fetch_alone(api, customer), range(20)))
    for token in tokens:
        assert claims_of(api, token)["plan"] == "professional"
    assert fetch(api, customer) in tokens


def fetch_alone(api, customer):
    """fetch() with a connection of its own, for threads."""
    answer = patiently(api.keyed(customer.api_key).get, f"/api/licenses/{customer.id}")
    return expect(answer, 200)["license"]


# Access and expiry: decided at each read, whether or not a job has recorded it.

def test_a_trial_past_its_end(api, stack):
    customer = api.sign_up()
    subscribe(stack, customer, trial_ends_at="now() - interval '1 second'")
    answer = expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)
    assert (answer["plan"], answer["status"]) == ("starter", "canceled")
    claims = claims_of(api, answer["license"])
    assert claims["trial"] == {"isTrialMode": False}
    assert claims["subscription"]["status"] == "canceled"
    assert claims["exp"] - claims["iat"] <= DAY
    for path in (f"/api/subscriptions/{customer.id}", f"/api/customers/{customer.id}"):
        assert expect(customer.client.get(path), 200)["subscription"]["status"] == "canceled"
    expect(api.nobody.post("/api/licenses/verify", {"license": answer["license"]}), 200)


def test_a_job_records_the_end_of_a_trial(api, stack):
    customer = api.sign_up()
    subscribe(stack, customer, trial_ends_at="now() - interval '1 second'")
    wait_for(lambda: stack.sql("SELECT status FROM subscriptions WHERE customer_id = "
                               f"'{customer.id}'") == "canceled", 90, 0.5)
    assert stack.sql("SELECT count(*) FROM audit_log WHERE action = 'trial_expired' "
                     f"AND customer_id = '{customer.id}'") == "1"
    assert stack.sql("SELECT count(*) FROM events WHERE type = 'trial.expired' "
                     f"AND customer_id = '{customer.id}'") == "1"


def test_a_trials_licence_ends_with_the_trial(api, stack):
    customer = api.sign_up()
    subscribe(stack, customer, trial_ends_at="now() + interval '10 minutes'")
    claims = claims_of(api, fetch(api, customer))
    assert claims["trial"]["isTrialMode"] is True
    assert claims["exp"] <= time.time() + 600
    assert claims["exp"] - claims["iat"] > 500


@pytest.mark.parametrize("status", ["unpaid", "canceled", "incomplete", "incomplete_expired",
                                    "paused"])
def test_without_access_a_licence_lasts_a_day(api, stack, status):
    customer = api.sign_up()
    paid(stack, customer, status=f"'{status}'")
    answer = expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)
    assert answer["status"] == status
    claims = claims_of(api, answer["license"])
    assert claims["subscription"]["status"] == status
    assert 0 < claims["exp"] - claims["iat"] <= DAY


@pytest.mark.parametrize("days, access", [(6, True), (8, False), (None, False)])
def test_past_due_has_a_week_of_grace(api, stack, days, access):
    customer = api.sign_up()
    since = "NULL" if days is None else f"now() - interval '{days} days'"
    paid(stack, customer, status="'past_due'", past_due_since=since)
    claims = claims_of(api, fetch(api, customer))
    assert claims["subscription"]["status"] == "past_due"
    assert claims["subscription"].get("access", True) == access
    assert (claims["exp"] - claims["iat"] > DAY) == access


def test_a_licence_that_ends_soon_is_renewed_in_time(api, stack):
    customer = api.sign_up()
    paid(stack, customer, status="'paused'")
    token = fetch(api, customer)
    stack.sql("UPDATE licenses SET issued_at = issued_at - interval '13 hours', expires_at = "
              f"expires_at - interval '13 hours' WHERE customer_id = '{customer.id}'")
    assert fetch(api, customer) != token


# Other policies.

@pytest.fixture(scope="module")
def strict(new_stack):
    """Licences end with the paid period plus three days."""
    stack = new_stack(stripe=True, LICENSE_EXPIRY="paid_through", LICENSE_GRACE_DAYS=3, PAST_DUE_GRACE_DAYS=0,
                      LICENSE_ISSUER="https://issuer.example", LICENSE_TTL_DAYS=30, WORKERS=2,
                      LICENSE_OFFLINE_WARN_DAYS=7, LICENSE_OFFLINE_STALE_DAYS=14,
                      LICENSE_MAX_GRACE_DAYS=5)
    yield stack
    stack.close()


def claims_at(stack, token):
    """The claims of a stack whose issuer is not its address."""
    pem = stack.api.nobody.get("/api/licenses/public-key").json()["public_key"]
    return jwt.decode(token, pem, algorithms=["RS256"], issuer="https://issuer.example")


def test_paid_through(strict):
    began = time.time()
    customer = strict.api.sign_up()
    trial = claims_at(strict, customer.license)
    assert began + 14 * DAY - 2 < trial["exp"] and trial["exp"] - trial["iat"] <= 14 * DAY
    paid(strict, customer)
    claims = claims_at(strict, fetch(strict.api, customer))
    ends = datetime.datetime(2035, 2, 18, tzinfo=datetime.timezone.utc)
    assert claims["exp"] == int(ends.timestamp())
    paid(strict, customer, status="'past_due'", past_due_since="now() - interval '1 second'")
    claims = claims_at(strict, fetch(strict.api, customer))
    assert claims["exp"] - claims["iat"] <= DAY


def test_paid_through_while_the_payment_is_on_its_way(strict):
    """A renewal begins the next period before it is paid: a licence lasts to the end of that one only from the payment on."""
    customer = strict.api.sign_up()
    bought = buy(strict, customer, "professional")["stripe_subscription_id"]

    def period():
        one = strict.stripe.call("GET", f"/v1/subscriptions/{bought}", {"expand[0]": "latest_invoice"})
        item, = one["items"]["data"]
        return one["status"], one["latest_invoice"], item["current_period_start"], item["current_period_end"]

    def expires():
        settled(strict, customer.id)
        return claims_at(strict, fetch(strict.api, customer))["exp"]

    def note_of_bundle():
        return strict.billingctl("license", "export", customer.id, "--out", strict.run_dir / "bundle").stderr
    _, invoice, _, end = period()
    assert invoice["status"] == "paid" and expires() == end + 3 * DAY
    strict.stripe.card(invoice["customer"], "bounces")
    strict.stripe.advance(to=end + 60)
    status, invoice, start, end = period()
    assert (status, invoice["status"]) == ("active", "open") and expires() == start + 3 * DAY
    before = fetch(strict.api, customer)
    ends = datetime.datetime.fromtimestamp(start + 3 * DAY, datetime.timezone.utc)
    assert f"this licence ends at {ends:%Y-%m-%dT%H:%M:%S}" in note_of_bundle()
    strict.stripe.pay(invoice["id"], card="good")
    assert expires() == end + 3 * DAY and "on its way" not in note_of_bundle()
    # A customer that keeps the licence of the time between is not locked out.
    answer = strict.api.nobody.post("/api/licenses/verify", {"license": before})
    assert expect(answer, 200)["data"]["exp"] == start + 3 * DAY


def test_no_licence_without_an_end(strict):
    customer = strict.api.sign_up()
    paid(strict, customer, current_period_ends_at="NULL")
    path = f"/api/licenses/{customer.id}"
    expect(customer.client.get(path), 409, "license_end_unknown")
    expect(customer.client.post(path + "/rotate"), 409, "license_end_unknown")
    # The refused request has changed nothing: the licence of the trial is still valid.
    answer = strict.api.nobody.post("/api/licenses/verify", {"license": customer.license})
    assert expect(answer, 200)["data"]["iss"] == "https://issuer.example"


def test_terms_for_verifiers(strict):
    """The licence says how long it may go without news, and the most days of grace."""
    claims = claims_at(strict, strict.api.sign_up().license)
    assert claims["offline"] == {"warnDays": 7, "staleDays": 14}
    assert claims["grace"] == {"maxDays": 5}


def test_stale_before_the_next_list(stack):
    """Licences that would be stale between two lists are refused as a setting."""
    done = stack.billingctl("doctor", env={"LICENSE_OFFLINE_STALE_DAYS": "1"}, check=False)
    assert done.returncode == 1 and "LICENSE_OFFLINE_STALE_DAYS must be more" in done.stdout


def test_a_shorter_life(strict):
    customer = strict.api.sign_up()
    subscribe(strict, customer, trial_ends_at="now() + interval '300 days'")
    claims = claims_at(strict, fetch(strict.api, customer))
    assert claims["exp"] - claims["iat"] == 30 * DAY


def test_a_new_signing_key(strict):
    """The old and the new key are published, newest first. Licences of both verify, here and in PyJWT."""
    customer = strict.api.sign_up()
    old_kid = jwt.get_unverified_header(customer.license)["kid"]
    folder = strict.run_dir / "keys"
    owners = {path.stat().st_uid for path in folder.iterdir()}
    strict.billingctl("keys", "rotate", "--now")
    assert {path.stat().st_uid for path in folder.iterdir()} == owners, "billingd cannot read it"

    def renewed():
        token = fetch(strict.api, customer)
        return token if jwt.get_unverified_header(token)["kid"] != old_kid else None

    tokens = [customer.license, wait_for(renewed)]
    keys = strict.api.nobody.get("/.well-known/jwks.json").json()
    assert [key["kid"] for key in keys["keys"]][-1] == old_kid and len(keys["keys"]) == 2
    by_kid = {key.key_id: key.key for key in jwt.PyJWKSet.from_dict(keys).keys}
    for token in tokens:
        claims = jwt.decode(token, by_kid[jwt.get_unverified_header(token)["kid"]],
                            algorithms=["RS256"], issuer="https://issuer.example")
        assert claims["sub"] == customer.id
        answer = strict.api.nobody.post("/api/licenses/verify", {"license": token})
        assert expect(answer, 200)["data"] == claims


# Revocation.

def verify(api, token):
    """Verifies online: None when valid, else the code."""
    answer = api.nobody.post("/api/licenses/verify", {"license": token})
    if answer.status_code == 200:
        assert answer.json()["data"] == claims_of(api, token, verify_exp=False)
        return None
    assert answer.status_code == 401
    return answer.json()["code"]


@pytest.mark.quick
def test_revoke(api, stack):
    customer, bystander = api.sign_up(), api.sign_up()
    jti = claims_of(api, customer.license)["jti"]
    assert verify(api, customer.license) is None and not is_revoked(api, customer.license)
    path = f"/api/licenses/{customer.id}"
    assert expect(api.owner.post(path + "/revoke", {"reason": "chargeback"}), 200)[
        "customer_id"] == customer.id
    assert verify(api, customer.license) == "license_revoked"
    listed = wait_until_revoked(api, customer.license)
    assert listed["iss"] == stack.base_url and listed["nextUpdate"] - listed["iat"] == DAY
    assert abs(listed["iat"] - time.time()) < 400
    answer = expect(customer.client.get(path), 200)
    assert answer["status"] == "canceled" and answer["license"] != customer.license
    assert expect(customer.client.get(f"/api/subscriptions/{customer.id}"), 200)[
        "subscription"]["status"] == "canceled"
    row = expect(customer.client.get(path + "/history"), 200)["licenses"][-1]
    assert (row["jti"], row["revoke_reason"]) == (jti, "chargeback")
    assert row["revoked_at"] is not None
    assert verify(api, bystander.license) is None
    assert stack.sql("SELECT action, detail FROM audit_log WHERE customer_id = "
                     f"'{customer.id}' AND action = 'license_revoke'") == \
        "license_revoke|", "the reason may name people: it stays with the licence"


def test_revoke_again_and_without_a_reason(api):
    customer = api.sign_up()
    path = f"/api/licenses/{customer.id}/revoke"
    for answer in (api.owner.post(path), api.owner.post(path, {})):
        expect(answer, 200)
    expect(api.owner.post("/api/licenses/cust_" + "0" * 32 + "/revoke"), 404,
           "customer_not_found")


def test_an_expired_licence_leaves_the_revocation_list(api, stack):
    customer, other = api.sign_up(), api.sign_up()
    expect(api.owner.post(f"/api/licenses/{customer.id}/revoke"), 200)
    wait_until_revoked(api, customer.license)
    jti = claims_of(api, customer.license)["jti"]
    ended = "UPDATE license_revocations SET expires_at = now() - interval '{} s' WHERE jti = '{}'"
    stack.sql(ended.format(5, jti))
    expect(api.owner.post(f"/api/licenses/{other.id}/rotate"), 200)
    listed = wait_until_revoked(api, other.license)
    assert jti in listed["revoked"], "verifiers forgive two minutes"
    stack.sql(ended.format(130, jti))
    expect(api.owner.post(f"/api/licenses/{other.id}/revoke"), 200)
    wait_for(lambda: not is_revoked(api, customer.license))


def test_the_list_is_sent_once_to_a_client_that_keeps_it(api):
    customer, path = api.sign_up(), "/api/licenses/revocations"
    first = api.nobody.get(path)
    tag = first.headers["ETag"]
    again = api.nobody.get(path, headers={"If-None-Match": tag})
    # A test beside this one may have revoked a licence.
    assert again.status_code == 304 or again.headers["ETag"] != tag
    expect(api.owner.post(f"/api/licenses/{customer.id}/rotate"), 200)
    wait_until_revoked(api, customer.license)
    changed = api.nobody.get(path, headers={"If-None-Match": tag})
    assert changed.status_code == 200 and changed.headers["ETag"] != tag
    assert changed.headers["Cache-Control"] == "public, max-age=300"


def test_rotate(api):
    customer = api.sign_up()
    path = f"/api/licenses/{customer.id}"
    answer = expect(customer.client.post(path + "/rotate"), 200)
    old, new = claims_of(api, customer.license), claims_of(api, answer["license"])
    assert (answer["customer_id"], answer["plan"], answer["status"]) == (
        customer.id, "starter", "trialing")
    assert new["jti"] != old["jti"]
    assert verify(api, customer.license) == "license_revoked"
    assert verify(api, answer["license"]) is None
    assert new["jti"] not in wait_until_revoked(api, customer.license)["revoked"]
    assert not is_revoked(api, answer["license"])
    assert fetch(api, customer) == answer["license"]
    assert expect(customer.client.get(f"/api/subscriptions/{customer.id}"), 200)[
        "subscription"] == customer.answer["subscription"]


@pytest.mark.quick
def test_history(api):
    customer = api.sign_up()
    path = f"/api/licenses/{customer.id}"
    tokens = [customer.license] + [expect(api.owner.post(path + "/rotate"), 200)["license"]
                                   for _ in range(4)]
    jtis = [claims_of(api, token)["jti"] for token in tokens][::-1]
    rows, cursor = [], None
    while True:
        page = expect(customer.client.get(path + "/history?limit=2" +
                                          (f"&cursor={cursor}" if cursor else "")), 200)
        assert (page["customer_id"], page["limit"]) == (customer.id, 2)
        rows += page["licenses"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [row["jti"] for row in rows] == jtis
    assert [row["reason"] for row in rows] == ["rotated"] * 4 + ["sign_up"]
    assert [row["revoke_reason"] for row in rows] == [None] + ["rotated"] * 4
    kid = jwt.get_unverified_header(customer.license)["kid"]
    assert {row["kid"] for row in rows} == {kid}
    claims = claims_of(api, tokens[-1])
    assert rows[0]["expires_at"] == rfc3339(claims["exp"])
    assert rows[0]["issued_at"][:19] == rfc3339(claims["iat"])[:19]


def test_history_refuses_bad_queries(api):
    customer = api.sign_up()
    for query in ("limit=0", "limit=101", "cursor=x", "limit=1&limit=2"):
        expect(customer.client.get(f"/api/licenses/{customer.id}/history?{query}"), 400,
               "invalid_request")


# Verified online.

def forge(header, payload, signature=b"x" * 256):
    """A token of these parts."""
    def encode(part):
        if not isinstance(part, bytes):
            part = json.dumps(part).encode()
        return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
    return ".".join(map(encode, (header, payload, signature)))


def test_each_verdict_has_its_code(api):
    customer = api.sign_up()
    head, payload, signature = customer.license.split(".")
    kid = jwt.get_unverified_header(customer.license)["kid"]
    claims = claims_of(api, customer.license)
    pem = api.nobody.get("/api/licenses/public-key").json()["public_key"]
    secret = pem.encode()
    hs256 = forge({"alg": "HS256", "typ": "JWT", "kid": kid}, claims)
    unsigned = hs256.rsplit(".", 1)[0]
    mac = hmac.new(secret, unsigned.encode(), hashlib.sha256).digest()
    hs256 = unsigned + "." + base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
    flipped = ("A" if signature[10] != "A" else "B").join((signature[:10], signature[11:]))
    cases = {
        "x": "license_malformed", "a.b.c": "license_malformed", "..": "license_malformed",
        f"{head}.{payload}": "license_malformed", customer.license + ".": "license_malformed",
        customer.license + "=": "license_malformed", customer.license + "AA":
            None, "{}": "license_malformed",
        forge({"alg": "none", "typ": "JWT", "kid": kid}, claims): "license_algorithm_invalid",
        forge({"alg": "None", "typ": "JWT", "kid": kid}, claims, b""): None,
        hs256: "license_algorithm_invalid",
        forge({"alg": "RS256", "typ": "JWT", "kid": "A" * 43}, claims): "license_key_unknown",
        f"{head}.{payload}.{flipped}": "license_signature_invalid",
        f"{head}.{payload[:-4]}AAAA.{signature}": "license_signature_invalid",
        "é": "license_malformed", "x" * 20000: "license_malformed",
    }
    for token, code in cases.items():
        got = verify(api, token)
        assert got is not None and (code is None or got == code), (token[:80], got)


def resign(stack, token, header=None, key=None, **changes):
    """The token's claims with changes (None takes one away), signed with the service's own key."""
    claims = {**jwt.decode(token, options={"verify_signature": False}), **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    pem = key or (stack.run_dir / "keys/private-key.pem").read_text(encoding="ascii")
    plain = jwt.get_unverified_header(token)
    return jwt.encode(claims, pem, algorithm="RS256", headers={**plain, **(header or {})})


def at(seconds, *names):
    """The instant, from now, under these names."""
    return {name: int(time.time()) + seconds for name in names}


@pytest.mark.parametrize("changes, code", [
    (lambda: {}, None),
    (lambda: at(-90, "exp", "expiresAt"), None),
    (lambda: at(-150, "exp", "expiresAt"), "license_expired"),
    (lambda: at(90, "iat", "issuedAt"), None),
    (lambda: at(150, "iat", "issuedAt"), "license_not_yet_valid"),
    (lambda: at(150, "nbf"), "license_not_yet_valid"),
    (lambda: {"iss": "https://elsewhere.example"}, "license_issuer_invalid"),
    (lambda: {"iss": None}, "license_malformed"),
    (lambda: {"exp": None}, "license_malformed"),
    (lambda: {"exp": str(int(time.time()) + 99)}, "license_malformed"),
    (lambda: {"exp": time.time() + 99.5}, "license_malformed"),
    (lambda: {"exp": 10**19}, "license_malformed"),
    (lambda: {"exp": -1}, "license_malformed"),
    (lambda: {"exp": True}, "license_malformed"),
    (lambda: {"jti": None}, "license_malformed"),
    (lambda: {"sub": "cust_" + "0" * 32}, "license_malformed"),
    (lambda: {"features": None}, "license_malformed"),
    (lambda: {"trial": {}}, "license_malformed")])
def test_claims_are_judged(api, stack, changes, code):
    token = resign(stack, api.sign_up().license, **changes())
    answer = api.nobody.post("/api/licenses/verify", {"license": token})
    assert answer.json().get("code") == code, answer.text


@pytest.mark.parametrize("header", [
    {"typ": "revocations+jwt"}, {"typ": "at+jwt"}, {"crit": ["exp"]}, {"b64": False},
    {"jwk": {"kty": "RSA"}}, {"jku": "https://elsewhere.example"}, {"x5u": "https://x.example"},
    {"x5c": []}, {"kid": "../../etc/passwd"}, {"kid": ""}, {"alg": "RS256 "}, {"alg": "rs256"}])
def test_headers_are_judged(api, stack, header):
    token = resign(stack, api.sign_up().license, {k: v for k, v in header.items() if k != "alg"})
    if "alg" in header:
        _, payload, signature = token.split(".")
        head = json.dumps({**jwt.get_unverified_header(token), **header}).encode()
        token = ".".join((base64.urlsafe_b64encode(head).rstrip(b"=").decode(), payload,
                          signature))
    assert verify(api, token) is not None


def test_another_key_under_our_kid(api, stack):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert verify(api, resign(stack, api.sign_up().license, key=key)) == \
        "license_signature_invalid"


@pytest.mark.parametrize("body", [{}, {"license": None}, {"license": 1}, {"license": ""},
                                  {"license": "x" * 20001}, {"licence": "x"},
                                  {"license": "x", "key": "y"}])
def test_verify_refuses_bad_bodies(api, body):
    expect(api.nobody.post("/api/licenses/verify", body), 400, "invalid_request")


def test_white_space_in_a_pasted_licence_is_ignored(api):
    token = api.sign_up().license
    folded = "\n".join(token[at:at + 64] for at in range(0, len(token), 64))
    answer = api.nobody.post("/api/licenses/verify", {"license": f"  {folded}\r\n"})
    assert answer.status_code == 200


def test_no_path_is_taken_for_a_customer_id(api):
    for name in ("public-key", "revocations"):
        assert "customer_id" not in expect(api.nobody.get(f"/api/licenses/{name}"), 200)
