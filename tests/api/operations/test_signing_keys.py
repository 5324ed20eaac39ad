"""A change of the signing key on a running installation: published first, then used; distrust; two hosts."""

import json
import shutil

import jwt
import pytest

from support.client import expect
from support.stack import wait_for


@pytest.fixture(name="place", scope="module")
def fixture_place(new_stack):
    return new_stack(PUBLIC_SIGNUP="on")


def keys(place, *words, **env):
    return json.loads(place.billingctl("--json", "keys", *words, env=env or None).stdout)


def published(place):
    answer = place.api.nobody.get("/.well-known/jwks.json").json()
    return [key["kid"] for key in answer["keys"]]


def kid_of(token):
    return jwt.get_unverified_header(token)["kid"]


def license_of(place, customer):
    return expect(place.api.owner.get(f"/api/licenses/{customer.id}"), 200)["license"]


def ready(place):
    answer = place.api.nobody.get("/health/ready", faults=True)
    return answer.status_code, answer.json()["checks"]["signing_key"]["detail"]


def everywhere(place, wanted):
    """Waits until every worker answers so."""
    wait_for(lambda: all(wanted() for _ in range(8)))


def test_published_first_and_used_later(place):
    """No reload is needed. The key is in the JWK set before anything is signed with it."""
    customer = place.api.sign_up()
    old = kid_of(customer.license)
    added = keys(place, "add")["kid"]
    everywhere(place, lambda: published(place) == [old, added])
    assert kid_of(place.api.sign_up().license) == old
    done = place.billingctl("keys", "use", added, check=False)
    assert done.returncode == 1 and "can be used from" in done.stderr
    place.billingctl("keys", "use", added, "--now")
    everywhere(place, lambda: published(place) == [added, old])
    assert kid_of(license_of(place, customer)) == added
    assert kid_of(expect(place.api.nobody.get("/api/licenses/revocations"),
                         200)["revocations"]) in (old, added)
    answer = place.api.nobody.post("/api/licenses/verify", {"license": customer.license})
    assert expect(answer, 200)["valid"] is True
    assert ready(place) == (200, "loaded")


def test_a_distrusted_key(place):
    """Its licences are refused at once, every customer gets a new one, another key signs the list."""
    customer, gone = place.api.sign_up(), place.api.sign_up()
    old = kid_of(customer.license)
    stolen = (place.run_dir / "keys/private-key.pem").read_bytes()
    claims = jwt.decode(customer.license, options={"verify_signature": False})
    forged = jwt.encode({**claims, "jti": "lic_" + 32 * "f", "plan": "enterprise"}, stolen, "RS256",
                        headers={"kid": old})
    done = place.billingctl("keys", "distrust", old, check=False)
    assert done.returncode == 2 and "--why" in done.stderr
    made = keys(place, "distrust", old, "--why", "the laptop was stolen")
    assert made["current_kid"] != old
    everywhere(place, lambda: old not in published(place))
    assert published(place)[0] == made["current_kid"]
    for token in (customer.license, gone.license, forged):
        answer = place.api.nobody.post("/api/licenses/verify", {"license": token})
        expect(answer, 401, "license_key_unknown")
    assert kid_of(license_of(place, customer)) == made["current_kid"]

    def listed():
        token = place.api.nobody.get("/api/licenses/revocations").json()["revocations"]
        claims = jwt.decode(token, options={"verify_signature": False})
        return kid_of(token) == made["current_kid"] and old in claims["distrustedKeys"] and {
            jwt.decode(one.license, options={"verify_signature": False})["jti"]
            for one in (customer, gone)} <= set(claims["revoked"])

    wait_for(listed)
    assert place.sql("SELECT detail FROM audit_log WHERE action = 'signing_key.distrusted' "
                     f"AND subject = '{old}'") == "the laptop was stolen"
    assert not (place.run_dir / "keys/retired" / f"{old}.pem").exists()
    done = place.billingctl("keys", "use", old, check=False)
    assert done.returncode == 1 and "distrusted" in done.stderr
    known, = (row for row in keys(place, "list")["keys"] if row["kid"] == old)
    assert known["state"] == "distrusted" and known["distrusted_at"] and not known["published"]
    assert jwt.get_unverified_header(forged)["kid"] in place.billingctl("keys", "list").stdout


def test_published_keys_are_bounded(place):
    """32 at most, so that the JWK set stays small."""
    count = int(place.sql("SELECT count(*) FROM signing_keys WHERE state <> 'distrusted'"))
    place.sql("INSERT INTO signing_keys (kid, public_pem, state, added_at, publish_until) SELECT "
              "'bound' || n, public_pem, 'retired', now(), now() + interval '1 day' FROM signing_keys, "
              f"generate_series(1, {32 - count}) n WHERE state = 'current'")
    done = place.billingctl("keys", "add", check=False)
    assert done.returncode == 1 and "32 keys are published" in done.stderr
    place.sql("DELETE FROM signing_keys WHERE kid LIKE 'bound%'")


def test_another_host_uses_a_key(place, tmp_path):
    """A host that lacks the new key is not ready and says what to copy. It publishes the key, signs
    nothing, and hands out no licence of the old key. With the file it is ready again, by itself."""
    customer = place.api.sign_up()
    other = tmp_path / "keys"
    shutil.copytree(place.run_dir / "keys", other)
    (other / "private-key.pem").chmod(0o600)
    kid = keys(place, "rotate", "--now", KEYS_DIR=str(other))["kid"]
    everywhere(place, lambda: ready(place)[0] == 503)
    assert kid in ready(place)[1] and "copy the file" in ready(place)[1]
    assert published(place)[0] == kid
    answer = place.api.owner.get(f"/api/licenses/{customer.id}", faults=True)
    expect(answer, 503, "service_unavailable")
    assert "Retry-After" in answer.headers
    target = place.run_dir / "keys/next-private-key.pem"
    shutil.copy(other / "private-key.pem", target)
    owner = (place.run_dir / "keys/private-key.pem").stat()
    shutil.chown(target, owner.st_uid, owner.st_gid)
    everywhere(place, lambda: ready(place)[0] == 200)
    assert kid_of(license_of(place, customer)) == kid
    place.billingctl("keys", "use", kid)
    assert not target.exists()
    assert kid_of(license_of(place, customer)) == kid
