"""The stand-in's descriptions of Stripe's parameters against those that Stripe publishes."""

import re

import pytest
import specification
from standin.parameters import operations
from standin.shapes import BASIL, NEWEST

pytestmark = pytest.mark.skipif(not specification.available(),
                                reason=f"not here: {specification.FOLDER}")


VERSIONS = {BASIL: "2025-03-31.basil", NEWEST: "2026-10-28.endive"}
# The documents as they are kept beside the project leave these operations out.
LEFT_OUT = {(NEWEST, "GET /v1/account"), *((BASIL, name) for name in (
    "POST /v1/products/{id}", "GET /v1/account", "GET /v1/charges/{id}", "GET /v1/disputes/{id}",
    "GET /v1/invoice_payments", "POST /v1/refunds"))}


def published(operation, shape):
    """The schema of an operation's parameters: {"properties", "required"}."""
    method, path = operation.split()
    found = [methods[method.lower()] for template, methods in specification.paths(shape).items()
             if re.sub(r"\{[^}]*\}", "{id}", template) == path and method.lower() in methods]
    assert len(found) == 1, operation
    body = found[0].get("requestBody", {}).get("content", {})
    form = body.get("application/x-www-form-urlencoded", {}).get("schema", {})
    query = [one for one in found[0].get("parameters", []) if one["in"] == "query"]
    return {"properties": {**form.get("properties", {}),
                           **{one["name"]: one["schema"] for one in query}},
            "required": form.get("required", []) + [one["name"] for one in query
                                                    if one["required"]]}


def options_of(schema):
    """The alternatives of a schema."""
    return [one for option in schema["anyOf"] for one in options_of(option)] \
        if "anyOf" in schema else [schema]


def faults(ours, theirs, where):
    """Where our description (see standin/parameters.py) claims what Stripe's does not say."""
    options = options_of(theirs)
    if isinstance(ours, list):
        words = {word for option in options for word in option.get("enum", [])}
        yield from (f"{where}: {word!r} is no word of Stripe's" for word in ours
                    if word not in words)
    elif isinstance(ours, dict):
        yield from nested_faults(ours, options, where)


def nested_faults(ours, options, where):
    """As faults(), for an array, a map, alternatives or an object."""
    mark = next(iter(ours), "")
    if mark == "?":
        yield from faults(ours["?"], {"anyOf": options}, where)
    elif mark == "|":
        for one in ours["|"]:
            yield from faults(one, {"anyOf": options}, where)
    elif mark == "[]":
        items = [option["items"] for option in options if "items" in option]
        if not items:
            yield f"{where}: no array at Stripe"
        else:
            yield from faults(ours["[]"], {"anyOf": items}, where + "[]")
    elif mark != "*":
        objects = [option for option in options if "properties" in option]
        if objects:
            yield from min((list(object_faults(ours, one, where)) for one in objects), key=len)
        elif ours:
            yield f"{where}: no object at Stripe"


def object_faults(ours, theirs, where):
    """Unknown members, and members that are required on one side only."""
    required = set(theirs.get("required", []))
    names = {name.rstrip("!") for name in ours}
    yield from (f"{where}.{name}: required by Stripe, missing here" for name in required - names)
    for name, kind in ours.items():
        plain = name.rstrip("!")
        if plain not in theirs["properties"]:
            yield f"{where}.{plain}: unknown to Stripe"
            continue
        if name.endswith("!") != (plain in required):
            yield f"{where}.{plain}: required on one side only"
        yield from faults(kind, theirs["properties"][plain], f"{where}.{plain}")


@pytest.mark.parametrize("shape, operation", sorted(
    {(shape, name) for shape, version in VERSIONS.items() for name in operations(version)}
    - LEFT_OUT))
def test_parameters_are_those_that_stripe_publishes(shape, operation):
    """Names, required ones and words of enumerations agree with Stripe's own description."""
    theirs = published(operation, shape)
    ours = operations(VERSIONS[shape])[operation]
    names = {name.rstrip("!") for name in ours}
    assert not list(object_faults(ours, theirs, operation))
    assert names == set(theirs["properties"]), operation
