"""Judges a licence offline, with PyJWT (Debian: python3-jwt, python3-cryptography)."""

import json

import jwt

def opened(token, jwks, typ):
    """The payload of a token that one of the keys signed; ValueError otherwise."""
    try:
        token = "".join(token.split())
        header = jwt.get_unverified_header(token)
        if set(header) != {"alg", "typ", "kid"} or header["typ"] != typ:
            raise ValueError("not our kind of token")
        keys = {key.key_id: key.key for key in jwt.PyJWKSet.from_dict(jwks).keys}
        claims = json.loads(jwt.api_jws.decode(token, keys[header["kid"]], algorithms=["RS256"]))
    except (jwt.InvalidTokenError, KeyError, TypeError) as fault:
        raise ValueError("forged") from fault
    if not isinstance(claims, dict):
        raise ValueError("no claims")
    return {**claims, "kid": header["kid"]}

def judge(token, jwks, issuer, revocations, now, grace_days=30, instance=None):
    """The verdict on a licence."""
    token = token.lstrip("\ufeff")
    if not token.strip():
        return "none"
    try:
        claims = opened(token, jwks, "JWT")
        status, access, end = claims["subscription"]["status"], claims["subscription"].get("access", True), claims["exp"]
        if (claims["iss"] != issuer or claims["sub"] != claims["customerId"] or type(claims["features"]) is not dict
                or type(end) is not int or end != claims["expiresAt"] or claims["iat"] != claims["issuedAt"]):
            return "forged"
        revoked = opened(revocations, jwks, "revocations+jwt")
        # One entry of revokedBefore stands for all older licences of a customer, one of distrustedKeys
        # for all licences of a stolen key.
        if (claims["jti"] in revoked["revoked"] or claims["kid"] in revoked.get("distrustedKeys", [])
                or claims["iat"] < dict(revoked.get("revokedBefore", [])).get(claims["sub"], 0)):
            return "revoked"
        # A bound licence is for one installation alone.
        if "instance" in claims and claims["instance"] != instance:
            return "wrong_instance"
        grace_days = min(grace_days, claims.get("grace", {}).get("maxDays", grace_days))
        stale_days = claims.get("offline", {}).get("staleDays")
        stale = stale_days and now >= max(claims["iat"], revoked["iat"]) + stale_days * 86400 + 120
    except (ValueError, KeyError):
        return "forged"
    if not access or status not in ("active", "trialing", "past_due"):
        return "canceled"
    if now < max(claims["iat"], claims.get("nbf", 0)) - 86400:
        return "clock_suspicious"
    paid = not claims["trial"]["isTrialMode"]
    if now >= end + 120 and not (paid and now < end + 120 + grace_days * 86400):
        return "expired"
    if stale:
        return "stale"
    if now < end + 120:
        return "grace" if status == "past_due" else "valid"
    return "grace"
