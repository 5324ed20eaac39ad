"""The OpenAPI document: its operations, and whether an answer agrees with it."""

import copy
import functools
import json
import re
from pathlib import Path

import jsonschema

# Texts that no answer may contain: SQL, paths, addresses, names of libraries and source files.
INTERNALS = re.compile(r"SELECT |INSERT |UPDATE |SQLSTATE|libpq|PQ[a-z]|psql|postgres|0x[0-9a-f]{6}|"
                       r"/(?:tmp|var|usr|home|root|etc|run)/|\.[ch]:\d|errno|nginx|FastCGI")

ROOT = Path(__file__).resolve().parents[3]
METHODS = ("get", "put", "post", "patch", "delete", "head", "options")

# Statuses of any address, from nginx or for an unknown path or method. Their body is an error.
GENERAL = {"400", "404", "405", "413", "414", "429", "431", "501", "502", "503", "504"}

# Codes that belong to no operation: those of nginx, and that of a request at the wrong pool.
NOT_THEIRS = {"not_found", "malformed_request", "headers_too_large", "uri_too_long",
              "service_unavailable", "wrong_pool"}


def _pattern(validator, pattern, instance, schema):
    """JSON Schema's patterns are ECMA-262's, whose `$` is the very end; Python's is not."""
    if validator.is_type(instance, "string"):
        strict = re.sub(r"\$$", r"\\Z", pattern)
        if not re.search(strict, instance):
            yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": _pattern})


def _object(members):
    """Many parsers refuse an object with two members of one name (RFC 8259, section 4)."""
    names = [name for name, _ in members]
    assert len(set(names)) == len(names), f"a name twice: {sorted(names)}"
    return dict(members)


def parse(text):
    """The value that a JSON text stands for; each object has each name once."""
    return json.loads(text, object_pairs_hook=_object)


class Operation:
    """One method of one path, with references to components taken in."""

    def __init__(self, document, path, method):
        item = document.raw["paths"][path]
        raw = item[method]
        self.document = document
        self.path = path
        self.method = method.upper()
        self.id = raw["operationId"]
        self.public = raw.get("security") == []
        self.responses = {status: document.resolve(answer)
                          for status, answer in raw["responses"].items()}
        self.parameters = [document.resolve(parameter) for parameter in
                           item.get("parameters", []) + raw.get("parameters", [])]
        self.body = None
        self.body_required = False
        if "requestBody" in raw:
            content = raw["requestBody"]["content"]
            self.body = content["application/json"]["schema"]
            self.body_required = raw["requestBody"].get("required", False)
        names = re.escape(path).replace(r"\{", "{").replace(r"\}", "}")
        self.matches = re.compile(re.sub(r"{[a-z_]+}", "[^/]+", names) + r"\Z").match

    def __repr__(self):
        return f"{self.method} {self.path}"

    def parameter(self, name):
        """The parameter of that name, or None."""
        return next((p for p in self.parameters if p["name"] == name), None)


class Document:
    """The document as the repository has it."""

    def __init__(self, raw):
        self.raw = raw
        self._resolver = jsonschema.RefResolver("", raw)
        self.operations = [Operation(self, path, method) for path, item in raw["paths"].items()
                           for method in item if method in METHODS]

    def resolve(self, value):
        """The component that a `$ref` stands for, or the value itself."""
        if "$ref" not in value:
            return value
        return self._resolver.resolve(value["$ref"])[1]

    def operation(self, operation_id):
        """The operation with this id."""
        return next(o for o in self.operations if o.id == operation_id)

    def find(self, method, path):
        """The operation for a request, or None. Literal segments win over parameters."""
        method = "GET" if method == "HEAD" else method
        found = [o for o in self.operations if o.matches(path)]
        fewest = min((o.path.count("{") for o in found), default=0)
        return next((o for o in found if o.method == method and o.path.count("{") == fewest), None)

    def errors(self, schema, value):
        """Why the value does not match the schema: a list of texts."""
        validator = Validator(schema, resolver=self._resolver)
        return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}"
                for e in validator.iter_errors(value)]

    def is_valid(self, schema, value):
        """The value matches the schema."""
        return Validator(schema, resolver=self._resolver).is_valid(value)

    def flat(self, schema):
        """The schema with every reference replaced by what it refers to."""
        if isinstance(schema, dict):
            if "$ref" in schema:
                rest = {k: v for k, v in schema.items() if k != "$ref"}
                return {**self.flat(self.resolve(schema)), **self.flat(rest)}
            return {k: self.flat(v) for k, v in schema.items()}
        if isinstance(schema, list):
            return [self.flat(item) for item in schema]
        return copy.deepcopy(schema)

    def needs(self, schema):
        """The names of the members of a smallest valid object; of alternatives the first counts."""
        flat = self.flat(schema)
        return [*flat.get("required", []), *flat.get("anyOf", [{}])[0].get("required", [])]


@functools.lru_cache(maxsize=None)
def load():
    """The document, read once."""
    return Document(parse((ROOT / "app/api/openapi.json").read_text(encoding="utf-8")))


def _check_headers(document, promised, response):
    for name, header in promised.items():
        header = document.resolve(header)
        value = response.headers.get(name)
        if value is None:
            assert not header.get("required"), f"{name} is missing"
            continue
        if header["schema"].get("type") == "integer":
            assert value.isdigit(), f"{name}: {value!r} is not a number"
            value = int(value)
        faults = document.errors(header["schema"], value)
        assert not faults, f"{name}: {faults}"


def _check_body(document, answer, response):
    if "content" not in answer:
        assert response.content == b"", "a body where none is promised"
        return
    media = response.headers["Content-Type"].split(";")[0]
    assert media in answer["content"], f"{media} is not promised"
    content = answer["content"][media]
    if media != "application/json":
        return
    body = parse(response.content)
    faults = document.errors(content["schema"], body)
    assert not faults, f"the body does not match its schema: {faults}\n{response.text}"
    if isinstance(body, dict) and "request_id" in body and \
            "Idempotent-Replayed" not in response.headers:
        assert body["request_id"] == response.headers["X-Request-Id"]


def _check_code(answer, response):
    """Each refusal is named in an example; which trouble there may be in faults is not the
    document's."""
    if response.status_code >= 500:
        return
    code = response.json()["code"]
    quoted = [example["value"]["code"]
              for example in answer["content"]["application/json"]["examples"].values()]
    assert code in quoted or code in NOT_THEIRS, f"{code} is not among the examples {quoted}"


def _check_general(response, status):
    for name, value in (("X-Content-Type-Options", "nosniff"),
                        ("Strict-Transport-Security", "max-age=31536000")):
        assert response.headers.get(name) == value, f"{name} is missing or wrong"
    if status >= "400":
        assert response.headers["Cache-Control"] == "no-store"
        if response.content:
            assert not INTERNALS.search(response.json().get("error", "")), "an internal detail"
    if status == "405":
        assert "OPTIONS" in response.headers["Allow"]


def check_answer(response, operation):
    """Asserts that the document describes this answer of the operation: its status,
    its headers and its body. Without an operation it has to be a general refusal."""
    document = load()
    status = str(response.status_code)
    request = response.request
    where = f"{request.method} {request.path_url} -> {status} {response.text[:500]!r}"
    try:
        _check_general(response, status)
        if request.method == "OPTIONS" and status == "204":
            assert response.content == b"" and "OPTIONS" in response.headers["Allow"]
            return
        promised = operation is not None and status in operation.responses
        if promised:
            answer = operation.responses[status]
        else:
            known = GENERAL if operation is None else {"413", "414", "431"}
            assert status in known, "the status is not in the document"
            answer = document.raw["components"]["responses"]["BadRequest"]
        _check_headers(document, answer.get("headers", {}), response)
        if request.method == "HEAD":
            assert response.content == b"", "HEAD has a body"
        else:
            _check_body(document, answer, response)
        if promised and status >= "400" and response.content:
            _check_code(answer, response)
    except AssertionError as fault:
        raise AssertionError(f"{where}: {fault}") from fault
