"""Judges whether a webhook comes from the service, by either of its signatures (Standard Webhooks).

Keep the body as the bytes that came, and parse it only after genuine() has said yes. Answer a genuine
webhook 2xx within 15 seconds and do the work afterwards, others 401. The same event can come more than
once, always with the same `webhook-id`: remember the ids, and do nothing for one that you have had.
"""

import base64
import hashlib
import hmac
import re

TOLERANCE_S = 300  # seconds; an older webhook may be a copy that a third party sends again


def is_by_secret(secret, signature, signed):
    """Whether a signature v1 is by the endpoint's secret, whsec_..."""
    mac = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    return hmac.compare_digest(base64.b64encode(mac), signature.encode())


def is_by_key(public_key, signature, signed):
    """Whether a signature v1a is by this key of /.well-known/webhook-key, whpk_..."""
    # Only v1a needs a library (Debian: python3-cryptography).
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    try:
        key.verify(base64.b64decode(signature), signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def genuine(headers, body, now, secret=None, public_keys=()):
    """Whether the webhook is signed with the endpoint's secret or by one of the service's public keys.
    `headers` finds a name in lower case, `body` is bytes, `now` is in seconds."""
    webhook_id, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not webhook_id or not re.fullmatch("[0-9]{1,12}", sent_at) or abs(now - int(sent_at)) > TOLERANCE_S:
        return False
    signed = f"{webhook_id}.{sent_at}.".encode() + body
    # While a secret or key is being replaced, a webhook has a signature by each.
    for item in headers.get("webhook-signature", "").split(" "):
        version, _, signature = item.partition(",")
        if version == "v1" and secret is not None and is_by_secret(secret, signature, signed):
            return True
        if version == "v1a" and any(is_by_key(key, signature, signed) for key in public_keys):
            return True
    return False
