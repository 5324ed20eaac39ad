"""Stripe's published descriptions of its API, and requests compared with them."""

import functools
import json
import os
import re
from pathlib import Path

FOLDER = Path(os.environ.get("SHARED_DIR", Path(__file__).resolve().parents[4] / "shared"),
              "stripe/spec")
VERSIONS = ["2025-03-31.basil", "2026-10-28.endive"]
NUMBERS = {"integer": r"-?\d{1,18}", "number": r"-?\d{1,15}(\.\d{1,12})?", "boolean": "true|false"}


def available():
    """Whether the descriptions are there."""
    return all(path_of(version).exists() for version in VERSIONS)


def path_of(version):
    """The file of a version's description."""
    return FOLDER / f"spec3-{version}.json"


@functools.lru_cache
def operations(version):
    """(method, expression of the path, schema of the parameters); paths with words come first."""
    found = []
    paths = json.loads(path_of(version).read_text(encoding="utf-8"))["paths"]
    for path in sorted(paths, key=lambda path: "{" in path):
        for method, described in paths[path].items():
            form = described.get("requestBody", {}).get("content", {}).get(
                "application/x-www-form-urlencoded", {}).get("schema", {})
            query = [one for one in described.get("parameters", []) if one["in"] == "query"]
            found.append((method.upper(), re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path)), {
                "type": "object",
                "properties": {**form.get("properties", {}),
                               **{one["name"]: one["schema"] for one in query}},
                "required": form.get("required", []) + [one["name"] for one in query
                                                        if one["required"]]}))
    return found


def faults(version, method, path, params):
    """The parts of a request, with decoded parameters, that the version does not describe."""
    for wanted, expression, schema in operations(version):
        if wanted == method and expression.fullmatch(path):
            return list(value_faults(params, schema, ""))
    return [f"{method} {path}: not described"]


def value_faults(value, schema, where):
    """The faults of a value; where there are alternatives, those of the nearest one."""
    if "anyOf" in schema:
        yield from min((list(value_faults(value, one, where)) for one in schema["anyOf"]), key=len)
    elif schema.get("type") == "object":
        yield from object_faults(value, schema, where)
    elif schema.get("type") == "array":
        if not isinstance(value, dict) or not all(key.isdigit() for key in value):
            yield f"{where}: no array"
            return
        for key, one in value.items():
            yield from value_faults(one, schema["items"], f"{where}[{key}]")
    elif not isinstance(value, str):
        yield f"{where}: an object"
    elif value not in schema.get("enum", [value]):
        yield f"{where}: {value!r} is none of {schema['enum']}"
    elif not re.fullmatch(NUMBERS.get(schema.get("type"), "(?s:.*)"), value):
        yield f"{where}: {value!r} is no {schema['type']}"
    elif len(value) > schema.get("maxLength", len(value)):
        yield f"{where}: too long"


def object_faults(value, schema, where):
    """The faults of an object: unknown and missing members, and those of its members."""
    if not isinstance(value, dict):
        yield f"{where}: no object"
        return
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name in schema.get("required", []):
        if name not in value:
            yield f"{where}[{name}]: missing"
    for name, one in value.items():
        if name in known or isinstance(others, dict):
            yield from value_faults(one, known.get(name, others), f"{where}[{name}]")
        else:
            yield f"{where}[{name}]: unknown"
