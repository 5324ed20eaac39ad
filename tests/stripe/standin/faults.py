"""Scripted faults: rules that make some requests go wrong in a given way. The first rule that
matches and has times left is used. `control` documents the kinds."""

import json
import re
import threading


from .errors import ApiError
from .wire import Answer

KINDS = ("slow", "slow_after", "hang", "status", "status_after", "garbage", "truncate", "reset",
         "reset_after", "redirect", "huge")
HANG = 600


class Rule:
    """One rule, as it was sent."""

    def __init__(self, wish):
        match = wish.get("match", {})
        self.wish = wish
        self.method = match.get("method")
        # billingd reads its account when it likes: only a rule that names it counts that.
        self.path = re.compile(match.get("path") or "^(?!/v1/account$)")
        self.agent = match.get("agent") or ""
        times = wish.get("times", 1)
        self.left = float("inf") if times == "forever" else int(times)
        self.skip = int(wish.get("skip", 0))
        self.fault = wish["fault"]
        if self.fault.get("kind") not in KINDS:
            raise ApiError(400, f"A fault's kind is one of {', '.join(KINDS)}.")
        self.used = 0

    def matches(self, request):
        """Whether the rule is for a request."""
        return self.left > 0 and self.method in (None, request.method) and \
            self.path.search(request.path) is not None and \
            request.headers.get("user-agent", "").startswith(self.agent)


class Faults:
    """The rules in force."""

    def __init__(self):
        self.lock = threading.Lock()
        self.rules = []
        self.released = threading.Event()

    def set(self, wishes):
        """Replaces all rules, and lets those go that hang."""
        rules = [Rule(wish) for wish in wishes]
        with self.lock:
            self.rules = rules
            self.released.set()
            self.released = threading.Event()

    def take(self, request):
        """The fault for a request, or None. It knows by what it is released: others may be set
        before it comes to wait."""
        if not self.rules:
            return None
        with self.lock:
            for rule in self.rules:
                if rule.matches(request):
                    if rule.skip > 0:
                        rule.skip -= 1
                        return None
                    rule.left -= 1
                    rule.used += 1
                    return {**rule.fault, "released": self.released}
        return None

    def before(self, fault):
        """Applies faults before the operation runs: an answer in its place, or None."""
        kind = fault["kind"]
        if kind == "hang":
            fault["released"].wait(fault.get("seconds", HANG))
            return Answer(cut="reset")
        if kind == "reset":
            return Answer(cut="reset")
        if kind == "status":
            return self.status(fault)
        if kind == "garbage":
            return Answer(fault.get("status", 200), fault.get("body", "<html>proxy</html>\x00{"))
        if kind == "redirect":
            return Answer(302, "", {"Location": fault["location"]})
        if kind == "huge":
            filler = b'{"object":"' + b"x" * int(fault.get("megabytes", 16) * 1_000_000) + b'"}'
            return Answer(200, filler)
        return None

    def while_running(self, fault):
        """The wait of an operation that is slow."""
        if fault["kind"] == "slow":
            fault["released"].wait(fault.get("seconds", 1))

    def after(self, fault, answer):
        """Applies faults to the answer of an operation that has run."""
        kind = fault["kind"]
        if kind == "slow_after":
            fault["released"].wait(fault.get("seconds", 1))
        if kind == "reset_after":
            return Answer(cut="reset")
        if kind == "truncate":
            answer.cut = len(answer.body) // 2
        return answer

    @staticmethod
    def status(fault):
        """An answer with a chosen status."""
        status = fault.get("status", 500)
        body = fault.get("body")
        if body is None:
            body = {"error": {"type": ERROR_TYPES.get(status, "api_error"),
                              "message": "An error that was asked for."}}
            if status in ERROR_CODES:
                body["error"]["code"] = ERROR_CODES[status]
        if not isinstance(body, str):
            body = json.dumps(body)
        return Answer(status, body, {"Content-Type": "application/json",
                                     **fault.get("headers", {})})

    def list(self):
        """The rules with what is left of them."""
        return [{**rule.wish, "left": rule.left if rule.left != float("inf") else "forever",
                 "used": rule.used} for rule in self.rules]


ERROR_TYPES = {402: "card_error", 409: "idempotency_error", 429: "invalid_request_error",
               400: "invalid_request_error", 401: "invalid_request_error",
               403: "invalid_request_error", 404: "invalid_request_error"}
ERROR_CODES = {402: "card_declined", 409: "lock_timeout", 429: "rate_limit"}
