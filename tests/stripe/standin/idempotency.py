"""Idempotency keys: the first answer is kept as soon as the operation has begun, also a 500, and
given again; the same key with something else is refused, and so is one still in use."""

import dataclasses
from typing import Any

from .errors import ApiError

MAX_LENGTH = 255


@dataclasses.dataclass
class Entry:
    """The record of an idempotency key."""

    request: Any
    time: int
    running: bool = True
    status: int = 0
    body: bytes = b""


def begin(state, key, request):
    """Takes a key for a request. Gives the answer to give again, or None: then it runs."""
    if len(key) > MAX_LENGTH:
        raise ApiError(400, f"Idempotency keys can have up to {MAX_LENGTH} characters.",
                       type="idempotency_error")
    entry = state.idempotency.get(key)
    if entry is not None and not entry.running and entry.time <= state.now() - 86400:
        entry = None
    if entry is None:
        state.idempotency[key] = Entry(request, state.now())
        return None
    if entry.request != request:
        raise ApiError(400, "Keys for idempotent requests can only be used with the same "
                       "parameters they were first used with. Try using a key other than "
                       f"'{key}' if you meant to execute a different request.",
                       type="idempotency_error")
    if entry.running:
        raise ApiError(409, "There is currently another in-progress request using this "
                       "Idempotent Key (that probably means you submitted twice, and the other "
                       f"request is still going through): {key}.",
                       type="idempotency_error", code="idempotency_key_in_use")
    return entry


def finish(state, key, status, body):
    """Keeps the answer."""
    entry = state.idempotency[key]
    entry.running, entry.status, entry.body = False, status, body


def release(state, key):
    """Gives a key back whose operation has not begun."""
    state.idempotency.pop(key, None)
