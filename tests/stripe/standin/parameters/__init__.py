"""Form parameters: decoding, and the check that Stripe makes before an operation runs.

parameters.json says which parameters each operation takes. It is reduced from the description
of the API that Stripe publishes (version 2025-03-31.basil, MIT licence) to the operations that
the stand-in serves. changes.json has what later versions change, each as a merge patch
(RFC 7396); what they add and the stand-in does not look at stands under the newest one. The types:

    "string", "string:40" (at most 40 characters), "decimal", "integer", "number", "boolean"
    ["a", "b"]         one of these words
    {"[]": T}          an array of T
    {"*": T}           a map of T
    {"?": T}           T, or empty to clear it
    {"|": [T, U]}      either
    {"a": T, "b!": U}  an object with these members; the mark says required
    "any"              not looked into
    "off"              false; true would mean something that the stand-in does not serve
    "unserved"         known to Stripe, not served here: refused, as ignoring it would lie
"""

import functools
import json
import pathlib
import re
import urllib.parse

from ..errors import ApiError, invalid

KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
FOLDER = pathlib.Path(__file__).parent
CHANGES = json.loads((FOLDER / "changes.json").read_text())
MAX_METADATA = (50, 40, 500)


def patch(value, change):
    """A value after a merge patch; null in the patch takes a member away."""
    if not isinstance(change, dict):
        return change
    patched = dict(value) if isinstance(value, dict) else {}
    for name, one in change.items():
        if one is None:
            patched.pop(name, None)
        else:
            patched[name] = patch(patched.get(name), one)
    return patched


@functools.lru_cache
def operations(version):
    """The parameters of each operation in a version."""
    found = json.loads((FOLDER / "parameters.json").read_text())
    for name in sorted(CHANGES):
        if name[:10] <= version[:10]:
            found = patch(found, CHANGES[name])
    return found


def decode(text):
    """Decodes a query or form body into nested dictionaries and texts. Arrays become
    dictionaries whose keys are the indices; check() makes lists of them."""
    tree = {}
    for pair in text.split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        try:
            name = urllib.parse.unquote_plus(name, errors="strict")
            value = urllib.parse.unquote_plus(value, errors="strict")
        except UnicodeDecodeError:
            raise invalid("Invalid UTF-8 in the parameters.") from None
        parts = KEY.fullmatch(name)
        if not parts:
            raise invalid(f"Invalid parameter name: {name}", name)
        path = [parts[1]] + re.findall(r"\[([^\[\]]*)\]", parts[2])
        place(tree, path, value, name)
    return tree


def place(tree, path, value, name):
    """Puts one value into the tree; an empty step takes the next index."""
    for step, following in zip(path, path[1:] + [None]):
        step = step if step != "" else str(len(tree))
        if following is None:
            if step in tree:
                raise invalid(f"Parameter given twice: {name}", name)
            tree[step] = value
            return
        tree = tree.setdefault(step, {})
        if not isinstance(tree, dict):
            raise invalid(f"Parameter is both a value and a hash: {name}", name)


def check(operation, tree, version):
    """Checks the parameters of an operation ("POST /v1/customers") and gives them with their
    types. What is left empty to be cleared becomes None."""
    members = operations(version).get(operation)
    if members is None:
        raise ApiError(404, f"Unrecognized request URL ({operation}) in version {version}.")
    return as_object(members, tree, "")


def convert(kind, value, param):
    """One value as its type wants it."""
    if isinstance(kind, list):
        if value not in kind:
            raise invalid(f"Invalid {param}: must be one of {', '.join(map(str, kind))}", param)
        return value
    if isinstance(kind, dict):
        return convert_nested(kind, value, param)
    if kind == "any":
        return value
    if kind == "unserved":
        raise invalid(f"The stand-in does not serve {param}.", param)
    if not isinstance(value, str):
        raise invalid(f"Invalid {kind.split(':')[0]}: a hash for {param}", param)
    name, _, limit = kind.partition(":")
    return SCALARS[name](value, param, int(limit or 5000))


def convert_nested(kind, value, param):
    """One value of an array, map, object, clearable or alternative type."""
    if "?" in kind:
        return None if value == "" else convert(kind["?"], value, param)
    if "|" in kind:
        for alternative in kind["|"]:
            try:
                return convert(alternative, value, param)
            except ApiError as error:
                refusal = error
        raise refusal
    if value == "" and "*" in kind:
        return None
    if not isinstance(value, dict):
        what = "array" if "[]" in kind else "object"
        raise invalid(f"Invalid {what}", param)
    if "[]" in kind:
        return as_array(kind["[]"], value, param)
    if "*" in kind:
        return as_map(kind["*"], value, param)
    return as_object(kind, value, param)


def as_array(kind, value, param):
    """An array. Its indices need not be dense."""
    if not all(key.isdigit() for key in value):
        raise invalid("Invalid array", param)
    order = sorted(value, key=int)
    return [convert(kind, value[key], f"{param}[{key}]") for key in order]


def as_map(kind, value, param):
    """A map; metadata has limits of its own."""
    if param.endswith("metadata") or param.endswith("metadata]"):
        keys, key_length, value_length = MAX_METADATA
        if len(value) > keys:
            raise invalid(f"Metadata can have up to {keys} keys.", param)
        for key, text in value.items():
            if len(key) > key_length:
                raise invalid(f"Metadata keys can have up to {key_length} characters.", param)
            if isinstance(text, str) and len(text) > value_length:
                raise invalid(f"Metadata values can have up to {value_length} characters.",
                              f"{param}[{key}]")
    return {key: convert(kind, text, f"{param}[{key}]") for key, text in value.items()}


def as_object(members, value, param):
    """An object with known members."""
    found = {}
    for key, given in value.items():
        kind = members.get(key, members.get(key + "!"))
        name = f"{param}[{key}]" if param else key
        if kind is None:
            raise invalid(f"Received unknown parameter: {name}", name, "parameter_unknown")
        found[key] = convert(kind, given, name)
    for key in members:
        if key.endswith("!") and found.get(key[:-1], "") == "":
            name = f"{param}[{key[:-1]}]" if param else key[:-1]
            raise invalid(f"Missing required param: {name}.", name, "parameter_missing")
    return found


def as_string(value, param, limit):
    """Text of limited length."""
    if len(value) > limit:
        raise invalid(f"Invalid string: must be at most {limit} characters", param)
    return value


def as_integer(value, param, _limit):
    """An integer."""
    if not re.fullmatch(r"-?\d{1,18}", value):
        raise invalid(f"Invalid integer: {value}", param, "parameter_invalid_integer")
    return int(value)


def as_number(value, param, _limit):
    """A number, as text of the same form."""
    if not re.fullmatch(r"-?\d{1,15}(\.\d{1,12})?", value):
        raise invalid(f"Invalid decimal: {value}", param)
    return value


def as_boolean(value, param, _limit):
    """A truth value; one of the official libraries writes it with a capital letter."""
    if value.lower() not in ("true", "false"):
        raise invalid(f"Invalid boolean: {value}", param)
    return value.lower() == "true"


def as_off(value, param, limit):
    """A truth value that must be false."""
    if as_boolean(value, param, limit):
        raise invalid(f"The stand-in serves {param} only as false.", param)
    return False


SCALARS = {"string": as_string, "integer": as_integer, "number": as_number,
           "decimal": as_number, "boolean": as_boolean, "off": as_off}


def merge_metadata(old, given):
    """Metadata after an update: empty values drop keys, an empty map drops all."""
    if given is None:
        return {}
    merged = {**old, **given}
    return {key: value for key, value in merged.items() if value != ""}
