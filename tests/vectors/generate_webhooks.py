#!/usr/bin/python3
"""Makes webhooks.json: webhooks, each with whether a receiver must take it for genuine.

    generate_webhooks.py           writes it
    generate_webhooks.py --check   exit status 1 when the file isn't what this would write

The secret and first message are the published example of the Standard Webhooks libraries.
"""

import base64
import hashlib
import hmac
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

FILE = Path(__file__).parent / "webhooks.json"
ID, SENT_AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}'
SECRET, OTHER_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_b3RoZXIgc2VjcmV0IG9mIGFuIGVuZHBvaW50"
KEY, OTHER_KEY = (Ed25519PrivateKey.from_private_bytes(bytes([byte]) * 32) for byte in (1, 2))


def public(key):
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return "whpk_" + base64.b64encode(raw).decode()


def v1(text, secret=SECRET):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()


def v1a(text, key=KEY):
    return "v1a," + base64.b64encode(key.sign(text.encode())).decode()


def vector(name, genuine, signature, now=SENT_AT, body=BODY, **headers):
    sent = {"webhook-id": ID, "webhook-timestamp": str(SENT_AT), "webhook-signature": signature}
    sent.update({f"webhook-{header}": value for header, value in headers.items()})
    return {"name": name, "headers": {header: value for header, value in sent.items() if value is not None},
            "body": body, "now": now, "genuine": genuine}


def vectors():
    text = f"{ID}.{SENT_AT}.{BODY}"
    secret, key = v1(text), v1a(text)
    other_secret, other_key = v1(text, OTHER_SECRET), v1a(text, OTHER_KEY)
    yield vector("signed with the secret", True, secret)
    yield vector("signed by the key", True, key)
    yield vector("both", True, f"{secret} {key}")
    yield vector("the secret is being replaced", True, f"{other_secret} {secret} {other_key}")
    yield vector("the key is being replaced", True, f"{other_secret} {other_key} {key}")
    yield vector("unknown versions beside it", True, f"v9,AAAA v1b {secret}")
    yield vector("a letter beyond ASCII", True, v1(f"{ID}.{SENT_AT}.\u00fc"), body="\u00fc")
    yield vector("five minutes old", True, secret, now=SENT_AT + 300)
    yield vector("five minutes ahead", True, secret, now=SENT_AT - 300)
    for name, one in (("secret", secret), ("key", key)):
        yield vector(f"too old, {name}", False, one, now=SENT_AT + 301)
        yield vector(f"too far ahead, {name}", False, one, now=SENT_AT - 301)
        yield vector(f"changed body, {name}", False, one, body=BODY + " ")
        yield vector(f"changed id, {name}", False, one, id=ID + "x")
        yield vector(f"changed timestamp, {name}", False, one, timestamp=str(SENT_AT + 1))
    yield vector("another secret", False, other_secret)
    yield vector("another key", False, other_key)
    yield vector("a signature of the other version", False, f"v1,{key[4:]} v1a,{secret[3:]}")
    yield vector("an unknown version", False, f"v2,{secret[3:]}")
    yield vector("a cut signature", False, f"{secret[:-8]} {key[:-8]}")
    yield vector("a signature without version", False, secret[3:])
    yield vector("empty signatures", False, "v1, v1a, v1 v1a")
    yield vector("no base64", False, "v1,*** v1a,***")
    yield vector("no signature", False, None)
    yield vector("no id", False, v1(f".{SENT_AT}.{BODY}"), id=None)
    yield vector("no timestamp", False, v1(f"{ID}..{BODY}"), timestamp=None)
    for stamp in ("", "now", f"{SENT_AT}.0", f" {SENT_AT}", f"+{SENT_AT}", f"{SENT_AT}e0", f"{SENT_AT}" + "0" * 20):
        yield vector(f"timestamp {stamp!r}", False, v1(f"{ID}.{stamp}.{BODY}"), timestamp=stamp)


def document():
    return {"about": "Which webhooks a receiver takes for genuine. Made by generate_webhooks.py with a secret "
                     "and a key that are public and protect nothing.",
            "secret": SECRET, "public_keys": [public(KEY)], "vectors": list(vectors())}


def main():
    text = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    if sys.argv[1:] != ["--check"]:
        FILE.write_text(text, encoding="utf-8")
    elif FILE.read_text(encoding="utf-8") != text:
        sys.exit("tests/vectors/webhooks.json isn't what generate_webhooks.py makes")


if __name__ == "__main__":
    main()
