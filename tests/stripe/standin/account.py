"""The account that the key belongs to. A key of another account finds none of its objects."""

from . import model
from .operations import renewal
from .clock import Agenda
from .errors import ApiError
from .state import fresh_tables


def retrieve(call):
    """GET /v1/account. A restricted key may not read it: the setting `account` is null."""
    id = call.state.settings["account"]
    if id is None:
        raise ApiError(403, "The provided key does not have the required permissions for this "
                       "endpoint.")
    return model.Rendered({"id": id, "object": "account", "country": "US",
                           "default_currency": "usd", "type": "standard"})


def switch(state, id):
    """Has the key be of another account, with objects of its own; each account keeps its objects."""
    before = state.settings["account"]
    state.accounts[before] = state.tables
    tables = state.accounts.pop(id, None)
    state.tables = tables if tables is not None else fresh_tables()
    state.settings["account"] = id
    state.agenda = Agenda()
    renewal.enter_all(state)
