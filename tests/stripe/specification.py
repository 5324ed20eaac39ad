"""Checks objects against an OpenAPI document of Stripe, as far as those documents go."""

import functools
import json

from conftest import SHARED
from standin.shapes import BASIL, NEWEST, OLD

FOLDER = SHARED / "spec"
DOCUMENTS = {OLD: "spec3-2023-08-16.json", BASIL: "spec3-2025-03-31.basil.json",
             NEWEST: "spec3-2026-10-28.endive.json"}
# Real objects have these although the older document leaves them out, or, as `billing_mode`, a
# later one has added them.
UNDOCUMENTED = {"subscription": {"plan", "quantity", "billing_mode"}, "subscription_item": {"plan"},
                "line_item": {"plan"}}
TYPES = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list,
         "number": (int, float)}


def available():
    """Whether the documents are there."""
    return all((FOLDER / name).exists() for name in DOCUMENTS.values())


@functools.lru_cache
def document(new):
    """One of the documents."""
    return json.loads((FOLDER / DOCUMENTS[new]).read_text())


def schemas(new):
    """The schemas of one of the documents."""
    return document(new)["components"]["schemas"]


def paths(new=NEWEST):
    """The operations of a document, by path and method."""
    return document(new)["paths"]


def check(value, new):
    """The faults of an object, by the schema for its `object`."""
    kind = value["object"]
    if value.get("deleted"):
        kind = "deleted_" + kind
    return list(faults(value, {"$ref": "/" + kind}, new, kind))


def faults(value, schema, new, where):
    """Each thing that does not fit."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = schemas(new)[name]
        if schema.get("description", "").startswith("Stub:"):
            return
    if value is None:
        if not schema.get("nullable"):
            yield f"{where}: null"
        return
    if "anyOf" in schema:
        options = [list(faults(value, option, new, where)) for option in schema["anyOf"]]
        if all(options):
            yield from min(options, key=len)
        return
    wanted = TYPES.get(schema.get("type"))
    if wanted and (not isinstance(value, wanted)
                   or isinstance(value, bool) and schema["type"] != "boolean"):
        yield f"{where}: {value!r} is no {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is none of {schema['enum']}"
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from faults(one, schema.get("items", {}), new, f"{where}[{index}]")
    if isinstance(value, dict):
        yield from members(value, schema, new, where)


def members(value, schema, new, where):
    """The members of an object that do not fit the schema."""
    known = schema.get("properties")
    extra = schema.get("additionalProperties")
    for name in schema.get("required", []):
        if name not in value:
            yield f"{where}.{name}: missing"
    for name, one in value.items():
        if known and name in known:
            yield from faults(one, known[name], new, f"{where}.{name}")
        elif isinstance(extra, dict):
            yield from faults(one, extra, new, f"{where}.{name}")
        elif known and name not in UNDOCUMENTED.get(value.get("object"), ()):
            yield f"{where}.{name}: unknown"
