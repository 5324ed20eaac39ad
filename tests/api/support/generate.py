"""Requests generated from the OpenAPI document: valid ones, and ones with one part made invalid."""

import json
import os
import re
import string
from urllib.parse import quote

from hypothesis import strategies as st

# FULL=1 runs ten times as many examples.
EFFORT = 10 if os.environ.get("FULL") == "1" else 1

# Nothing that JSON or a header could not carry; the service's own limits are in the schemas.
TEXT = st.characters(blacklist_categories=("Cs",), blacklist_characters="\0")
LOCAL = st.text(string.ascii_letters + string.digits + "!#$%&'*+-/=?^_`{|}~.é", min_size=1,
                max_size=30)
LABEL = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20)
EMAILS = st.builds("{}@{}.{}.{}".format, LOCAL, LABEL, LABEL, st.just("fuzz.example"))

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2**63, 2**63 - 1) | st.text(TEXT, max_size=20) |
    st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(TEXT, max_size=5), inner,
                                                               max_size=3), max_leaves=5)


def _strings(schema):
    low, high = schema.get("minLength", 0), schema.get("maxLength", 60)
    if schema.get("format") == "email":
        return EMAILS
    if "pattern" in schema:
        pattern = re.compile(re.sub(r"\$$", r"\\Z", schema["pattern"]))
        free = st.text(TEXT, min_size=low, max_size=min(high, 60)).filter(pattern.search)
        edge = st.builds(lambda char, size: char * size, st.sampled_from("xé🔑"),
                         st.sampled_from([max(low, 1), high])).filter(pattern.search)
        # Free text does not meet a pattern that counts its characters, as those of ids do.
        counted = re.search(r"\{\d+\}", pattern.pattern)
        return st.from_regex(pattern) if low == high or counted else free | edge
    edges = st.sampled_from(["x" * max(low, 1), "é" * high])
    return st.text(TEXT, min_size=low, max_size=min(high, 60)) | edges


def valid(schema):
    """A strategy for values of a flat schema (all that our document uses of JSON Schema)."""
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema and "properties" not in schema:
        return st.one_of([valid(some) for some in schema["anyOf"]])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of([_of_kind(kind, schema) for kind in kinds])


def _of_kind(kind, schema):
    if kind == "null":
        return st.none()
    if kind == "boolean":
        return st.booleans()
    if kind == "integer":
        return st.integers(schema.get("minimum", -2**63), schema.get("maximum", 2**63 - 1))
    if kind == "array":
        return st.lists(valid(schema["items"]), min_size=schema.get("minItems", 0),
                        max_size=schema.get("maxItems", 5))
    if kind == "object" and "properties" not in schema:
        return st.dictionaries(st.text(TEXT, max_size=5), ANYTHING, max_size=3)
    if kind == "object":
        return st.one_of([_object(schema["properties"], schema["required"] + other["required"])
                          for other in schema.get("anyOf", [{"required": []}])])
    assert kind == "string", kind
    return _strings(schema)


def _object(members, needed):
    return st.fixed_dictionaries(
        {name: valid(members[name]) for name in needed},
        optional={name: valid(member) for name, member in members.items() if name not in needed})


class Request:
    """A request about one customer. `known` gives values for parameters and members by name, or
    strategies for members, where only real ones make sense."""

    def __init__(self, draw, document, operation, known):
        self.operation = operation
        self.known = known
        self.path = operation.path
        self.query = []
        self.headers = {}
        self.data = None
        for parameter in operation.parameters:
            self._add_parameter(draw, document, parameter)
        if operation.body is not None:
            self.schema = document.flat(operation.body)
            self.body = draw(valid(self.schema))
            for name in sorted(set(self.body) & set(known)):
                value = known[name]
                self.body[name] = draw(value) if isinstance(value, st.SearchStrategy) else value
            if operation.body_required or self.body or draw(st.booleans()):
                self.data = json.dumps(self.body, ensure_ascii=draw(st.booleans())).encode()

    def _add_parameter(self, draw, document, parameter):
        name, place, schema = parameter["name"], parameter["in"], document.flat(
            parameter["schema"])
        if not parameter.get("required") and draw(st.booleans()):
            return
        strategy = valid(schema)
        if place == "path":
            # Clients and nginx remove dot segments from a path (RFC 3986, section 5.2.4).
            strategy = strategy.filter(lambda value: value not in (".", ".."))
        value = self.known[name] if name in self.known else draw(strategy)
        if place == "path":
            self.path = self.path.replace("{%s}" % name, quote(str(value), safe=""))
        elif place == "query":
            self.query.append((name, json.dumps(value) if isinstance(value, bool) else str(value)))
        else:
            # Header lines are trimmed on their way, and latin-1 to the library.
            value = "".join(c for c in value if " " <= c <= "~").strip()
            self.headers.update({name: value} if value else {})

    @property
    def address(self):
        """Path and query."""
        pairs = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}"
                         for name, value in self.query)
        return self.path + ("?" + pairs if pairs else "")


def mutate(draw, request):
    """Changes one part; its name. The body may by chance still be valid."""
    ways = ["header", "path", "query"]
    if request.data is not None:
        ways += ["drop", "add", "replace", "replace", "text", "duplicate", "bound", "bound", "type"]
    way = draw(st.sampled_from(ways))
    globals()["_mutate_" + way](draw, request)
    return way


def _write(request):
    request.data = json.dumps(request.body).encode()


def _mutate_header(draw, request):
    name = draw(st.sampled_from(["Idempotency-Key", "If-None-Match", "Origin", "Accept",
                                 "X-Forwarded-For", "Range", "Expect-CT", "If-Match",
                                 "Accept-Encoding", "If-Modified-Since"]))
    request.headers[name] = draw(st.text(st.characters(min_codepoint=33, max_codepoint=255),
                                         min_size=1, max_size=300)).encode("latin-1")


def _mutate_path(draw, request):
    parts = request.path.split("/")
    at = draw(st.integers(1, len(parts) - 1))
    parts[at] = quote(draw(st.text(TEXT, max_size=40)), safe=draw(st.sampled_from(["", "%:@,;"])))
    request.path = "/".join(parts)


def _mutate_query(draw, request):
    name = draw(st.sampled_from(["limit", "offset", "cursor", "email", "q", "x", "customer_id"]))
    value = draw(st.text(TEXT, max_size=30) | st.integers().map(str) |
                 st.sampled_from(["", "-1", "0", "101", "1e3", "0x10", " 1", "1 ", "٣", "NaN"]))
    request.query += [(name, value)] * draw(st.integers(1, 2))


def _member(draw, request):
    return draw(st.sampled_from(sorted(request.schema.get("properties", {})) or ["x"]))


def _mutate_drop(draw, request):
    request.body.pop(_member(draw, request), None)
    _write(request)


def _mutate_add(draw, request):
    name = draw(st.text(TEXT, max_size=20) | st.sampled_from(
        ["plan", "price", "role", "tenant_id", "customer_id", "__proto__", "status", "is_admin"]))
    request.body[name] = draw(ANYTHING)
    _write(request)


def _mutate_replace(draw, request):
    request.body[_member(draw, request)] = draw(ANYTHING)
    _write(request)


def _mutate_type(draw, request):
    request.data = json.dumps(draw(ANYTHING)).encode()


def _mutate_bound(draw, request):
    name = _member(draw, request)
    limit = request.schema.get("properties", {}).get(name, {}).get("maxLength", 3)
    request.body[name] = draw(st.sampled_from(["", " ", "x" * (limit + 1), "é" * (limit + 1), [],
                                               ["license"] * 4, None, "\u0085", "a\u0000b", "\x7f"]))
    _write(request)


def _mutate_duplicate(draw, request):
    name = json.dumps(_member(draw, request)).encode()
    request.data = b"{" + name + b':"a",' + name + b':"b"}'


def _mutate_text(draw, request):
    data = bytearray(request.data)
    at = draw(st.integers(0, len(data)))
    way = draw(st.sampled_from(["cut", "insert", "replace"]))
    if way == "cut":
        del data[at:]
    elif way == "insert":
        data[at:at] = draw(st.binary(min_size=1, max_size=3))
    else:
        data[at:at + 1] = draw(st.binary(min_size=1, max_size=1))
    request.data = bytes(data)
