#!/usr/bin/python3
"""Makes licenses.json: tokens with the verdict that every verifier of licences must give.

    generate.py           writes it
    generate.py --check   exit status 1 when the file isn't what this would write

The keys are fixed and RS256 is deterministic, so the file is always the same.
"""

import base64
import copy
import hashlib
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import padding

HERE = Path(__file__).resolve().parent
FILE = HERE / "licenses.json"
NOW = 1_767_225_600  # 2026-01-01T00:00:00Z
DAY = 86_400
YEAR = 365 * DAY
CUT = "cust_" + "5" * 32  # its licences before NOW are revoked
ISSUER = "https://billing.example.com"
INSTANCE = "inst_" + "a" * 32  # the installation that verifies


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Key:
    def __init__(self, name):
        pem = (HERE / f"keys/{name}.pem").read_bytes()
        self.private = serialization.load_pem_private_key(pem[pem.index(b"-----"):], None)
        public = self.private.public_key()
        self.pem = public.public_bytes(serialization.Encoding.PEM,
                                       serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        numbers = public.public_numbers()
        jwk = {"e": base64url(numbers.e.to_bytes(3, "big")), "kty": "RSA",
               "n": base64url(numbers.n.to_bytes(256, "big"))}
        self.kid = base64url(hashlib.sha256(compact(jwk).encode()).digest())
        self.jwk = {**jwk, "use": "sig", "alg": "RS256", "kid": self.kid}

    def sign(self, payload, typ="JWT", header=None):
        """A token; `header` replaces or adds members, None takes one away."""
        members = {"alg": "RS256", "typ": typ, "kid": self.kid, **(header or {})}
        members = {name: value for name, value in members.items() if value is not None}
        text = payload if isinstance(payload, str) else compact(payload)
        signed = f"{base64url(compact(members).encode())}.{base64url(text.encode())}"
        signature = self.private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{base64url(signature)}"


FIRST, SECOND, STRANGER = Key("first"), Key("second"), Key("stranger")
DISTRUSTED = Key("distrusted")  # a stolen one, which verifiers still know


def rfc3339(seconds):
    import datetime
    at = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def claims(*, issued=NOW, life=YEAR, status="active", trial=False, **changes):
    """The claims of a licence of the professional plan; `changes` replace members."""
    end = issued + life
    made = {
        "customerId": "cust_00112233445566778899aabbccddeeff", "customerName": "Acme Zoë",
        "plan": "professional",
        "features": {"maxDevices": 50, "dataRetentionDays": 365, "canExportData": True,
                     "hasAdvancedAlerts": True, "hasApiAccess": True, "hasMqttAccess": True,
                     "hasCustomBranding": False},
        "limits": {"maxUsers": 10, "maxAlertRules": 100, "maxDashboards": 20},
        "trial": {"isTrialMode": True, "expiresAt": rfc3339(end)} if trial
        else {"isTrialMode": False},
        "subscription": {"status": status, "currentPeriodEndsAt": rfc3339(issued + 30 * DAY)},
        "issuedAt": issued, "expiresAt": end, "iss": ISSUER,
        "sub": "cust_00112233445566778899aabbccddeeff", "jti": "lic_live", "iat": issued,
        "exp": end,
    }
    made.update(changes)
    return made


def forged_hs256():
    """Signed with HS256, the public key being the secret."""
    signed = (f"{base64url(compact({'alg': 'HS256', 'typ': 'JWT', 'kid': FIRST.kid}).encode())}."
              f"{base64url(compact(claims()).encode())}")
    mac = hmac.HMAC(FIRST.pem.encode(), hashes.SHA256())
    mac.update(signed.encode())
    return f"{signed}.{base64url(mac.finalize())}"


def flip(token, part):
    """One bit of a part changed."""
    parts = token.split(".")
    middle = len(parts[part]) // 2
    parts[part] = (parts[part][:middle] + ("A" if parts[part][middle] != "A" else "B")
                   + parts[part][middle + 1:])
    return ".".join(parts)


def vectors():
    """(name, token, seconds after NOW, verdict, reason[, warning[, instance that verifies]])."""
    good = FIRST.sign(claims())
    head, payload, signature = good.split(".")
    later = claims(life=30 * DAY)
    other_head = base64url(compact({"alg": "none"}).encode())
    forged = "forged"
    yield "nothing", "", 0, "none", "license_none"
    yield "blanks", " \r\n\t", 0, "none", "license_none"
    yield "good", good, 0, "valid", "license_valid"
    yield "good, by the second key", SECOND.sign(claims()), 0, "valid", "license_valid"
    yield "pasted with line breaks", "\n".join(good[i:i + 64] for i in range(0, len(good), 64)) \
        + "\r\n", 0, "valid", "license_valid"
    yield "from an editor that writes a byte order mark", "\ufeff" + good + "\r\n", 0, "valid", \
        "license_valid"
    yield "a byte order mark alone", "\ufeff\r\n", 0, "none", "license_none"
    yield "a second before the leeway ends", good, YEAR + 119, "valid", "license_valid"
    yield "the leeway is over", good, YEAR + 120, "grace", "license_grace"
    yield "a second before the grace ends", good, YEAR + 30 * DAY + 119, "grace", "license_grace"
    yield "the grace is over", good, YEAR + 30 * DAY + 120, "expired", "license_expired"
    yield "beyond 2038", FIRST.sign(claims(issued=2_200_000_000)), 2_200_000_000 - NOW, "valid", \
        "license_valid"
    yield "clock an hour behind", good, -3600, "valid", "license_valid"
    yield "clock a day behind", good, -DAY, "valid", "license_valid"
    yield "clock more than a day behind", good, -DAY - 1, "clock_suspicious", \
        "license_clock_suspicious"
    yield "clock at 1970", good, -NOW, "clock_suspicious", "license_clock_suspicious"
    yield "not before tomorrow", FIRST.sign(claims(nbf=NOW + 2 * DAY)), 0, "clock_suspicious", \
        "license_clock_suspicious"
    trial = FIRST.sign(claims(life=14 * DAY, status="trialing", trial=True))
    yield "trial", trial, 13 * DAY, "valid", "license_valid"
    yield "trial that is over has no grace", trial, 14 * DAY + 120, "expired", "license_expired"
    yield "past due", FIRST.sign(claims(status="past_due")), 0, "grace", "license_past_due"
    yield "past due for a day", FIRST.sign(claims(status="past_due", life=DAY)), 0, "grace", \
        "license_past_due"
    late = claims(status="past_due")
    late["subscription"]["access"] = False
    yield "past due, no access", FIRST.sign(late), 0, "canceled", "license_canceled"
    for status in ("canceled", "unpaid", "paused", "incomplete", "incomplete_expired"):
        yield status, FIRST.sign(claims(status=status, life=DAY)), 0, "canceled", \
            "license_canceled"
    offline = claims(offline={"warnDays": 10, "staleDays": 20})
    checked = FIRST.sign(offline)
    yield "a second before it warns", checked, 10 * DAY + 119, "valid", "license_valid", ""
    yield "long without news, warned of", checked, 10 * DAY + 120, "valid", "license_valid", \
        "license_offline"
    yield "a second before it is stale", checked, 20 * DAY + 119, "valid", "license_valid", \
        "license_offline"
    yield "stale", checked, 20 * DAY + 120, "stale", "license_stale", ""
    yield "stale, past due", FIRST.sign({**offline, "subscription": {
        "status": "past_due", "currentPeriodEndsAt": None}}), 20 * DAY + 120, "stale", \
        "license_stale"
    yield "stale in its grace", checked, YEAR + DAY, "stale", "license_stale"
    yield "expired, not only stale", checked, YEAR + 30 * DAY + 120, "expired", "license_expired"
    yield "canceled, not only stale", FIRST.sign({**offline, "subscription": {
        "status": "canceled", "currentPeriodEndsAt": None}}), 20 * DAY + 120, "canceled", \
        "license_canceled"
    yield "older than staleDays, the list is newer", FIRST.sign(claims(
        issued=NOW - 40 * DAY, offline={"staleDays": 20})), 0, "valid", "license_valid"
    yield "older than staleDays, as the list is", FIRST.sign(claims(
        issued=NOW - 40 * DAY, offline={"staleDays": 20})), 19 * DAY + 120, "stale", \
        "license_stale"
    yield "warned of, never stale", FIRST.sign(claims(offline={"warnDays": 10})), 300 * DAY, \
        "valid", "license_valid", "license_offline"
    yield "warned of without asking for it", good, 30 * DAY + 120, "valid", "license_valid", \
        "license_offline"
    yield "a second before that", good, 30 * DAY + 119, "valid", "license_valid", ""
    yield "asks for no warning", FIRST.sign(claims(offline={"warnDays": 0})), 300 * DAY, "valid", \
        "license_valid", ""
    short = FIRST.sign(claims(grace={"maxDays": 5}))
    yield "a second before the shorter grace ends", short, YEAR + 5 * DAY + 119, "grace", \
        "license_grace"
    yield "the shorter grace is over", short, YEAR + 5 * DAY + 120, "expired", "license_expired"
    yield "no grace", FIRST.sign(claims(grace={"maxDays": 0})), YEAR + 120, "expired", \
        "license_expired"
    yield "a longer grace than ours", FIRST.sign(claims(grace={"maxDays": 60})), \
        YEAR + 30 * DAY + 120, "expired", "license_expired"
    yield "active for a day", FIRST.sign(claims(life=DAY)), DAY - 1, "valid", "license_valid"
    yield "revoked", FIRST.sign(claims(jti="lic_revoked")), 0, "revoked", "license_revoked"
    yield "revoked and expired", FIRST.sign(claims(jti="lic_revoked")), 2 * YEAR, "revoked", \
        "license_revoked"
    for name, issued, verdict in (("before", NOW - 1, "revoked"), ("in", NOW, "valid")):
        yield f"issued {name} the second of revokedBefore", \
            FIRST.sign(claims(issued=issued, customerId=CUT, sub=CUT)), 0, verdict, \
            f"license_{verdict}"
    yield "by a distrusted key", DISTRUSTED.sign(claims()), 0, "revoked", "license_revoked"
    yield "by a distrusted key, expired", DISTRUSTED.sign(claims()), 2 * YEAR, "revoked", \
        "license_revoked"
    bound = FIRST.sign(claims(instance=INSTANCE))
    elsewhere = claims(instance="inst_" + "b" * 32)
    wrong = "wrong_instance", "license_wrong_instance"
    yield "bound to this instance", bound, 0, "valid", "license_valid"
    yield "bound to this instance, in its grace", bound, YEAR + 120, "grace", "license_grace"
    yield "bound to another instance", FIRST.sign(elsewhere), 0, *wrong, ""
    yield "bound to another instance, expired", FIRST.sign(elsewhere), 2 * YEAR, *wrong
    yield "bound to another instance, clock at 1970", FIRST.sign(elsewhere), -NOW, *wrong
    yield "bound to another instance, canceled", FIRST.sign({**elsewhere, "subscription": {
        "status": "canceled", "currentPeriodEndsAt": None}}), 0, *wrong
    yield "bound to another instance and revoked", FIRST.sign({**elsewhere, "jti": "lic_revoked"}), \
        0, "revoked", "license_revoked"
    yield "bound to the instance in other letters", FIRST.sign(claims(
        instance=INSTANCE.upper())), 0, *wrong
    yield "bound to a longer id", FIRST.sign(claims(instance=INSTANCE + "a")), 0, *wrong
    yield "bound, and the verifier has no id", bound, 0, *wrong, "", None
    yield "not bound, and the verifier has no id", good, 0, "valid", "license_valid", "", None
    more = claims()
    more["features"]["canFly"] = True
    more["other"] = {"deep": [1, 2.5, None]}
    yield "claims of a later version", FIRST.sign(more), 0, "valid", "license_valid"
    fewer = copy.deepcopy(later)
    fewer["limits"] = {}
    yield "no limits at all", FIRST.sign(fewer), 0, "valid", "license_valid"
    yield "no features and no limits", FIRST.sign(claims(features={}, limits={})), 0, "valid", \
        "license_valid"
    yield "another trade", FIRST.sign(claims(
        plan="campus-2026", features={"region": "eu-north \"Malmö\"", "sso": True,
                                      "exportsDaily": 2_000_000},
        limits={"seats": 40, "projects": None})), 0, "valid", "license_valid"
    yield "another issuer", FIRST.sign(claims(iss="https://other.example.com")), 0, forged, \
        "license_issuer_invalid"
    yield "a stranger's key", STRANGER.sign(claims()), 0, forged, "license_key_unknown"
    yield "a stranger under our kid", STRANGER.sign(claims(), header={"kid": FIRST.kid}), 0, \
        forged, "license_signature_invalid"
    yield "a stranger's own jwk", STRANGER.sign(claims(), header={
        "kid": FIRST.kid, "jwk": STRANGER.jwk}), 0, forged, "license_malformed"
    yield "no kid", FIRST.sign(claims(), header={"kid": None}), 0, forged, "license_malformed"
    yield "no typ", FIRST.sign(claims(), header={"typ": None}), 0, forged, "license_malformed"
    yield "alg none", f"{other_head}.{payload}.", 0, forged, \
        "license_algorithm_invalid"
    yield "alg none with a signature", f"{other_head}.{payload}.{signature}", 0, forged, \
        "license_algorithm_invalid"
    yield "HS256 with the public key", forged_hs256(), 0, forged, "license_algorithm_invalid"
    yield "alg in small letters", FIRST.sign(claims(), header={"alg": "rs256"}), 0, forged, \
        "license_algorithm_invalid"
    yield "alg RS512", FIRST.sign(claims(), header={"alg": "RS512"}), 0, forged, \
        "license_algorithm_invalid"
    yield "unknown crit", FIRST.sign(claims(), header={"crit": ["exp"]}), 0, forged, \
        "license_malformed"
    yield "a revocation list", FIRST.sign({"iss": ISSUER, "iat": NOW, "nextUpdate": NOW + DAY,
                                           "revoked": []}, typ="revocations+jwt"), 0, forged, \
        "license_malformed"
    yield "changed payload", flip(good, 1), 0, forged, "license_signature_invalid"
    yield "changed signature", flip(good, 2), 0, forged, "license_signature_invalid"
    yield "another payload", f"{head}.{base64url(compact(claims(plan='enterprise')).encode())}." \
        f"{signature}", 0, forged, "license_signature_invalid"
    yield "cut short", good[:-6], 0, forged, "license_signature_invalid"
    yield "two parts", f"{head}.{payload}", 0, forged, "license_malformed"
    yield "no token", "license", 0, forged, "license_malformed"
    yield "payload no JSON", FIRST.sign("{"), 0, forged, "license_malformed"
    yield "payload a list", FIRST.sign("[]"), 0, forged, "license_malformed"
    for name in ("exp", "iat", "iss", "sub", "jti", "customerId", "features", "subscription"):
        lacking = claims()
        del lacking[name]
        yield f"without {name}", FIRST.sign(lacking), 0, forged, "license_malformed"
    yield "exp a string", FIRST.sign(claims(exp=str(NOW + YEAR))), 0, forged, "license_malformed"
    yield "exp not expiresAt", FIRST.sign(claims(exp=NOW + 2 * YEAR)), 0, forged, \
        "license_malformed"
    yield "sub not customerId", FIRST.sign(claims(sub="cust_ffeeddccbbaa99887766554433221100")), \
        0, forged, "license_malformed"


def document():
    revoked = FIRST.sign({"iss": ISSUER, "number": 7, "iat": NOW - DAY, "nextUpdate": NOW,
                          "revoked": ["lic_revoked", "lic_other"],
                          "revokedBefore": [["cust_" + "6" * 32, NOW + YEAR], [CUT, NOW],
                                            ["cust_" + "4" * 32, NOW + YEAR]],
                          "distrustedKeys": [STRANGER.kid, DISTRUSTED.kid]}, typ="revocations+jwt")
    return {
        "about": "What every verifier of licences must conclude. Made by generate.py from keys "
                 "that are public and protect nothing.",
        "issuer": ISSUER, "leeway_s": 120, "grace_days": 30, "instance": INSTANCE,
        "pem": FIRST.pem + SECOND.pem + DISTRUSTED.pem,
        "jwks": {"keys": [FIRST.jwk, SECOND.jwk, DISTRUSTED.jwk]},
        "revocations": revoked,
        "vectors": [{"name": name, "token": token, "now": NOW + after, "verdict": verdict,
                     "reason": reason, **dict(zip(("warning", "instance"), more))}
                    for name, token, after, verdict, reason, *more in vectors()],
    }


def main():
    text = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    if sys.argv[1:] == ["--check"]:
        if FILE.read_text(encoding="utf-8") == text:
            return
        sys.exit("tests/vectors/licenses.json isn't what generate.py makes")
    FILE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
