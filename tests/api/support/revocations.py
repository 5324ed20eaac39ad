"""The signed list of revoked licences, as an independent library reads it."""

import jwt

from .client import expect
from .stack import wait_for


def read_list(api):
    """The list's claims; the signature is checked with the published keys."""
    token = expect(api.nobody.get("/api/licenses/revocations"), 200)["revocations"]
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "revocations+jwt"
    keys = jwt.PyJWKSet.from_dict(expect(api.nobody.get("/.well-known/jwks.json"), 200))
    key = next(key for key in keys.keys if key.key_id == header["kid"])
    claims = jwt.decode(token, key.key, algorithms=["RS256"])
    assert set(claims) == {"iss", "number", "iat", "nextUpdate", "revoked", "revokedBefore",
                           "distrustedKeys"}
    return claims


def revokes(listed, token):
    """Whether the list revokes the licence."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return claims["jti"] in listed["revoked"] or \
        jwt.get_unverified_header(token)["kid"] in listed["distrustedKeys"] or \
        claims["iat"] < dict(listed["revokedBefore"]).get(claims["sub"], 0)


def is_revoked(api, token):
    """Whether the list that is served now revokes the licence."""
    return revokes(read_list(api), token)


def wait_until_revoked(api, *tokens):
    """Waits for the list that revokes all these licences, and returns it."""
    def listed():
        found = read_list(api)
        return found if all(revokes(found, token) for token in tokens) else None

    return wait_for(listed)
