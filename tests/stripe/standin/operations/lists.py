"""Lists and expansion: pages of objects, and references replaced by the objects they name."""

import re

from .. import shapes
from ..shapes import billing as shapes_billing
from ..errors import invalid, missing_object

MAX_LEVELS = 4
RANGES = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
}
CLAUSE = re.compile(r"""(email|name|status|metadata\[['"]([^'"]+)['"]\])\s*:\s*['"]([^'"]*)['"]""")


class Page:
    """A page of a list, to be rendered."""

    def __init__(self, things, has_more, search=False):
        self.things = things
        self.has_more = has_more
        self.search = search


def in_range(value, wanted):
    """Whether a time is the wanted one or lies in the wanted range; None wants nothing."""
    if wanted is None:
        return True
    if isinstance(wanted, int):
        return value == wanted
    return value is not None and all(RANGES[name](value, bound) for name, bound in wanted.items())


def page(things, params):
    """The page of a list (newest first) that the parameters ask for."""
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise invalid("This value must be between 1 and 100.", "limit",
                      "parameter_invalid_integer")
    things = [thing for thing in things if in_range(thing.created, params.get("created"))]
    ids = [thing.id for thing in things]
    if params.get("starting_after") and params.get("ending_before"):
        raise invalid("Received both starting_after and ending_before parameters.",
                      "ending_before")
    if params.get("starting_after"):
        first = position(ids, params["starting_after"], "starting_after") + 1
        return Page(things[first:first + limit], len(things) > first + limit)
    if params.get("ending_before"):
        last = position(ids, params["ending_before"], "ending_before")
        first = max(0, last - limit)
        return Page(things[first:last], first > 0)
    return Page(things[:limit], len(things) > limit)


def position(ids, id, param):
    """Where an id is in a list."""
    if id not in ids:
        raise missing_object("object", id, param)
    return ids.index(id)


def search(things, params):
    """The objects that a search finds: clauses of equality, joined by AND."""
    clauses = []
    for text in re.split(r"\s+AND\s+", params["query"], flags=re.IGNORECASE):
        clause = CLAUSE.fullmatch(text.strip())
        if not clause:
            raise invalid("We were unable to parse your search query.", "query")
        clauses.append(clause)
    found = [thing for thing in things if all(matches(thing, clause) for clause in clauses)]
    limit = params.get("limit", 10)
    return Page(found[:limit], len(found) > limit, search=True)


def matches(thing, clause):
    """Whether an object has what a clause of a search says."""
    name, key, value = clause.groups()
    have = thing.metadata.get(key) if key else getattr(thing, name, None)
    return have == value


def render(state, result, new, params, path):
    """An operation's result as JSON: rendered in the wanted shape and expanded."""
    expand = params.get("expand") or []
    if not isinstance(result, Page):
        value = shapes.render(state, result, new)
    else:
        value = {"object": "search_result" if result.search else "list",
                 "data": [shapes.render(state, thing, new) for thing in result.things],
                 "has_more": result.has_more, "url": path}
        if result.search:
            value["next_page"] = None
    for wanted in expand:
        steps = wanted.split(".")
        if len(steps) > MAX_LEVELS + steps.count("data"):
            raise invalid("You cannot expand more than 4 levels of a property.", "expand")
        expand_at(state, value, steps, new, wanted)
    return value


def expand_at(state, value, steps, new, wanted):
    """Expands the property at the end of the steps, and each on the way."""
    if isinstance(value, list):
        for one in value:
            expand_at(state, one, steps, new, wanted)
        return
    name = steps[0]
    if name not in value:
        include(state, value, name, new, wanted)
    if isinstance(value[name], str):
        value[name] = follow(state, value[name], name, new, wanted)
    if len(steps) > 1 and value[name] is not None:
        if not isinstance(value[name], (dict, list)):
            raise not_expandable(wanted)
        expand_at(state, value[name], steps[1:], new, wanted)


def include(state, value, name, new, wanted):
    """Adds a property that is only there when asked for."""
    if name == "payments" and value.get("object") == "invoice" and new:
        value[name] = shapes_billing.payments(state, state.invoices[value["id"]])
    elif name == "line_items" and value.get("object") == "checkout.session":
        session = state.sessions[value["id"]]
        value[name] = shapes.shapes_checkout.line_items(state, session, new)
    elif name in ("tax", "sources", "subscriptions") and value.get("object") == "customer":
        value[name] = None
    else:
        raise not_expandable(wanted)


def follow(state, id, name, new, wanted):
    """The object that a reference names."""
    if name == "payment_intent":
        return shapes_billing.payment_intent(state, state.invoices["in_" + id[3:]])
    for table in state.tables.values():
        if id in table:
            return shapes.render(state, table[id], new)
    if name in ("default_payment_method", "setup_intent"):
        return {"id": id, "object": "payment_method", "type": "card"}
    raise not_expandable(wanted)


def not_expandable(wanted):
    """The refusal of an expansion that cannot be."""
    return invalid(f"This property cannot be expanded ({wanted}).", "expand")
