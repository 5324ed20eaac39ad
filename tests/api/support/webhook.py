"""Signatures of Stripe's events."""

import hashlib
import hmac
import time


def signature(body, secret, at=None):
    """The Stripe-Signature of the bytes, made at that second or now."""
    at = int(time.time()) if at is None else at
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def signed(body, secret, at=None):
    """The headers of a webhook request with these bytes."""
    return {"Content-Type": "application/json", "Stripe-Signature": signature(body, secret, at)}
