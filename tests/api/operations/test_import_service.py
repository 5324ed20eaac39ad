"""Clients of the original meet the import: their licences stay valid, and their ids work."""

import json
import re
import time
from urllib.parse import quote

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from support import original
from support.client import expect
from support.stack import wait_for

OLD_ID = "customer 10 / ä"


@pytest.fixture(scope="module", name="old")
def fixture_old(new_stack, tmp_path_factory):
    """A stack, a database of the original beside its own, and the original's key."""
    stack = new_stack()
    stack.sql("CREATE DATABASE original")
    stack.database_url, own = stack.database_url.replace("/billing?", "/original?"), stack.database_url
    assert stack.database_url != own
    stack.sql(original.script(20, 200))
    folder = tmp_path_factory.mktemp("old")
    url = folder / "url"
    url.touch(0o600)
    url.write_text(stack.database_url, encoding="ascii")
    stack.database_url = own
    key = rsa.generate_private_key(65537, 2048)
    (folder / "public-key.pem").write_bytes(key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    return stack, key, folder


def payload(**changes):
    """A licence as the original wrote it."""
    now = int(time.time())
    return {"customerId": OLD_ID, "customerName": "Acme Corp", "plan": "professional",
            "features": {"maxDevices": 50}, "limits": {"maxUsers": 10}, "trial": {"isTrialMode": False},
            "subscription": {"status": "active", "currentPeriodEndsAt": None},
            "issuedAt": now - 86400, "expiresAt": now + 86400, **changes}


def verify(stack, token):
    """The verdict of the service: its code, and the claims of a valid licence."""
    answer = stack.api.nobody.post("/api/licenses/verify", {"license": token})
    body = answer.json()
    assert body["valid"] == (answer.status_code == 200)
    return body.get("code"), body.get("data")


def test_licences_of_the_original_stay_valid(old):
    stack, key, folder = old
    claims = payload()
    plain = jwt.encode(claims, key, algorithm="RS256")
    named = jwt.encode(claims, key, algorithm="RS256", headers={"kid": "their-key-1"})
    assert "kid" not in jwt.get_unverified_header(plain)
    for token, code in ((plain, "license_malformed"), (named, "license_key_unknown")):
        assert jwt.decode(token, key.public_key(), algorithms=["RS256"]) == claims
        assert verify(stack, token) == (code, None)

    done = stack.billingctl("import", "original", f"@{folder}/url", "--keys", folder, "--json", check=False)
    assert (done.returncode, json.loads(done.stdout)["keys_made"]) == (3, 1), done.stderr
    wait_for(lambda: verify(stack, plain)[0] is None)
    wait_for(lambda: len(stack.api.nobody.get("/.well-known/jwks.json").json()["keys"]) == 2)
    for token in (plain, named):
        assert verify(stack, token) == (None, claims)
    found = [one for one in jwt.PyJWKSet.from_dict(
        stack.api.nobody.get("/.well-known/jwks.json").json()).keys
        if one.key.public_numbers() == key.public_key().public_numbers()]
    assert jwt.decode(plain, found[0].key, algorithms=["RS256"]) == claims

    check_refusals(stack, key)
    # Our licences are as before, and a second import publishes nothing anew.
    assert verify(stack, stack.api.sign_up().license)[0] is None
    again = stack.billingctl("import", "original", f"@{folder}/url", "--keys", folder, "--json", check=False)
    assert (json.loads(again.stdout)["keys_made"], json.loads(again.stdout)["keys_here"]) == (0, 1)
    checks = stack.billingctl("doctor", check=False).stdout
    assert re.search("ok +key_rotation", checks) and re.search("ok +published_keys", checks)
    assert expect(stack.api.nobody.get("/health/ready"), 200)["status"] == "ready"

    # An operator can end it at once.
    stack.billingctl("keys", "distrust", found[0].key_id, "--why", "the original is gone")
    wait_for(lambda: verify(stack, plain) == ("license_malformed", None))
    assert verify(stack, stack.api.sign_up().license)[0] is None
    refused = stack.billingctl("import", "original", f"@{folder}/url", "--keys", folder, check=False)
    assert refused.returncode == 1 and "is distrusted here" in refused.stderr


def check_refusals(stack, key):
    """Only what the key has signed, with an end, and a header that names no other key."""
    other = rsa.generate_private_key(65537, 2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))

    def signed(with_key=key, headers=None, **changes):
        return jwt.encode({k: v for k, v in payload(**changes).items() if v is not ...}, with_key,
                          algorithm="RS256", headers=headers)

    past = int(time.time()) - 3600
    for token, code in (
            (signed(expiresAt=past), "license_expired"),
            (signed(exp=past), "license_expired"),
            (signed(expiresAt=...), "license_malformed"),
            (signed(expiresAt="2999-01-01"), "license_malformed"),
            (signed(customerId=...), "license_malformed"),
            (signed(issuedAt=int(time.time()) + 3600), "license_not_yet_valid"),
            (signed(other), "license_signature_invalid"),
            (signed(other, {"kid": "x"}), "license_key_unknown"),
            (signed(headers={"jwk": public}), "license_malformed"),
            (signed(headers={"typ": "revocations+jwt"}), "license_malformed"),
            (signed()[:-4] + "AAAA", "license_signature_invalid"),
            (jwt.api_jws.PyJWS(algorithms=["HS256"]).encode(b"{}", "secret" * 8, "HS256"),
             "license_algorithm_invalid")):
        assert verify(stack, token)[0] == code, code


def test_an_id_of_the_original_works(old):
    stack, _, folder = old
    api = stack.api
    stack.billingctl("import", "original", f"@{folder}/url", check=False)
    shown = json.loads(stack.billingctl("customer", "show", OLD_ID, "--json").stdout)
    id = shown["customer_id"]
    path = quote(OLD_ID, safe="")
    assert id.startswith("cust_") and shown["email"] == "person10@original.example"

    key = expect(api.owner.post(f"/api/customers/{path}/keys", {}), 201)["api_key"]
    client = api.keyed(key)
    for caller in (client, api.owner):
        assert expect(caller.get(f"/api/customers/{path}"), 200)["customer"]["customer_id"] == id
        licence = expect(caller.get(f"/api/licenses/{path}"), 200)["license"]
        assert verify(stack, licence)[1]["customerId"] == id
        assert expect(caller.get(f"/api/usage/{path}/daily"), 200)["days"]
    report = {"customer_id": OLD_ID, "instance_id": "i", "active_devices": 1, "total_devices": 1}
    assert expect(client.post("/api/usage/report", report), 201)["report"]["customer_id"] == id
    batch = expect(client.post("/api/usage/reports", {"reports": [report]}), 200)
    assert batch["created"] == 1
    # Another customer's key, and an id that no customer has.
    stranger = api.sign_up().client
    for caller, wrong in ((stranger, OLD_ID), (client, "customer 20 / ä"), (api.owner, "nobody's")):
        expect(caller.get(f"/api/licenses/{quote(wrong, safe='')}"), 404, "customer_not_found")
        expect(caller.post("/api/usage/report", {**report, "customer_id": wrong}), 404, "customer_not_found")
