"""How a request becomes an answer: key, version, parameters, idempotency, faults, operation."""

import base64
import json
import re
import sys
import threading
import traceback
import urllib.parse

from . import control, idempotency, pages, parameters, routes, shapes
from .operations import lists, renewal
from .courier import Courier
from .errors import ApiError
from .faults import Faults
from .journal import Journal
from .wire import Answer

VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")
NO_FAULT = {"kind": None}
FORM = "application/x-www-form-urlencoded"


class Call:
    """One call of an operation: its parameters, the id in its path, the shape it wants."""

    def __init__(self, server, name, id, params, path, version):
        self.server = server
        self.state = server.state
        self.name = name
        self.id = id
        self.params = params
        self.path = path
        self.version = version
        self.new = shapes.shape_of(version)


class StandIn:
    """The stand-in behind its listener."""

    def __init__(self, state, secret_key, *, control_token, plans=None, **delivery):
        self.state = state
        self.control_token = control_token
        self.secret_key = secret_key
        self.plans = plans or {}
        self.courier = Courier(state, **delivery)
        self.faults = Faults()
        self.journal = Journal()
        self.connections = set()
        state.announce = self.courier.announce

    def respond(self, request):
        """Answers any request."""
        try:
            if request.path.startswith("/v1/"):
                return self.api(request)
            if request.path.startswith("/_control/"):
                return control.respond(self, request)
            return pages.respond(self, request)
        except Exception:  # whatever it is, the caller shall see a 500 and we the reason
            traceback.print_exc(file=sys.stderr)
            return Answer(500, json.dumps({"error": {
                "type": "api_error", "message": "The stand-in has a bug; see its log."}}),
                {"Content-Type": "application/json"})

    def api(self, request):
        """Answers a request to the API, as the faults want it."""
        self.connections.add(request.connection)
        record = self.journal.add(request)
        record["request_id"] = self.state.new_id("req_", 14)
        fault = self.faults.take(request) or NO_FAULT
        record["fault"] = fault["kind"]
        answer = self.faults.before(fault)
        if answer is None:
            answer = self.faults.after(fault, self.run(request, record, fault))
        record["status"] = 0 if answer.cut == "reset" else answer.status
        record["replayed"] = "Idempotent-Replayed" in answer.headers
        answer.headers["Request-Id"] = record["request_id"]
        return answer

    def run(self, request, record, fault):
        """Checks a request and runs its operation."""
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        try:
            self.check_key(request)
            version = check_version(request)
            headers["Stripe-Version"] = version
            call = self.prepare(request, record, version)
            answer = self.once(call, record, key, fault)
        except ApiError as error:
            answer = answer_of(error)
        answer.headers = {**headers, **answer.headers}
        return answer

    def check_key(self, request):
        """Bearer or Basic with the secret key."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given).decode().partition(":")[0]
            except ValueError:
                given = ""
        if not given:
            raise ApiError(401, "You did not provide an API key. You need to provide your API "
                           "key in the Authorization header, using Bearer auth.")
        if given.strip() != self.secret_key:
            raise ApiError(401, f"Invalid API Key provided: {given[:8]}****")

    def prepare(self, request, record, version):
        """Finds the operation and checks the parameters."""
        found = routes.find(request.method, request.path)
        if found is None:
            raise ApiError(404, f"Unrecognized request URL ({request.method}: {request.path}).")
        name, operation, id = found
        text = request.query
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.body:
            if kind != FORM:
                raise ApiError(400, "Invalid request (check that your POST content type is "
                               f"{FORM}).")
            text = "&".join(filter(None, (text, request.body.decode("utf-8", "replace"))))
        elif request.method == "POST" and kind not in ("", FORM):
            raise ApiError(400, f"Invalid request (check that your POST content type is {FORM}).")
        tree = parameters.decode(text)
        record["params"] = tree
        params = parameters.check(name, tree, version)
        call = Call(self, name, id and urllib.parse.unquote(id), params, request.path, version)
        call.operation = operation
        call.tree = tree
        return call

    def once(self, call, record, key, fault):
        """Runs an operation under its idempotency key, if it has one."""
        if key:
            with self.state.lock:
                known = idempotency.begin(self.state, key, (call.name, call.id, call.tree))
            if known is not None:
                return Answer(known.status, known.body, {"Idempotent-Replayed": "true"})
        try:
            # A slow request holds its key while it waits, as one at Stripe would.
            self.faults.while_running(fault)
            return self.execute(call, record, key, fault)
        except BaseException:
            with self.state.lock:
                idempotency.release(self.state, key)
            raise

    def execute(self, call, record, key, fault):
        """Runs an operation, keeps its answer under the key and everything in the file."""
        with self.state.lock:
            self.tick()
            self.state.request = (record["request_id"], key)
            try:
                result = call.operation(call)
                answer = Answer(200, json.dumps(lists.render(
                    self.state, result, call.new, call.params, call.path)))
            except ApiError as error:
                answer = answer_of(error)
            finally:
                self.state.request = (None, None)
            if fault["kind"] == "status_after":
                answer = self.faults.status(fault)
            if key:
                idempotency.finish(self.state, key, answer.status, answer.body)
            self.tick()
            if record["method"] != "GET":
                self.state.save()
        return answer

    def tick(self):
        """Does what is due. The lock is held."""
        renewal.advance(self.state, self.state.now())

    def thin_event(self, type, related):
        """Sends a thin event to where those go, if anywhere; without waiting, as the lock is
        held."""
        url = self.state.settings["thin_url"]
        if url:
            threading.Thread(target=control.send_thin, daemon=True,
                             args=(self, url, type, related)).start()


def answer_of(error):
    """A refusal as an answer."""
    return Answer(error.status, json.dumps(error.body()), dict(error.headers))


def check_version(request):
    """The version of the request; we always say which one we mean."""
    version = request.headers.get("stripe-version", "")
    if not VERSION.fullmatch(version):
        raise ApiError(400, "The Stripe-Version header is missing or no version."
                       if not version else f"Invalid Stripe API version: {version}")
    return version
