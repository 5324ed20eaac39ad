"""Operations on customers."""

from .. import model
from . import billing, cards, lists
from ..errors import missing_object
from ..parameters import merge_metadata

TEXTS = ("email", "name", "phone", "description")


def create(call):
    """POST /v1/customers."""
    state = call.state
    customer = model.Customer(state.new_id("cus_", 14), state.now(),
                              invoice_prefix=state.new_id("", 8).upper())
    assign(state, customer, call.params)
    state.customers.add(customer)
    state.emit("customer.created", customer)
    return customer


def assign(state, customer, params):
    """Takes over what was sent."""
    for name in TEXTS:
        if name in params:
            setattr(customer, name, params[name] or None)
    for name in ("address", "shipping"):
        if name in params:
            setattr(customer, name, params[name])
    if "metadata" in params:
        customer.metadata = merge_metadata(customer.metadata, params["metadata"])
    if "balance" in params:
        customer.balance = params["balance"]
    settings = params.get("invoice_settings") or {}
    for name, method in (("payment_method", params.get("payment_method")),
                         ("source", params.get("source")),
                         ("invoice_settings[default_payment_method]",
                          settings.get("default_payment_method"))):
        if method:
            cards.attach(state, customer, method, name)


def retrieve(call):
    """GET /v1/customers/{id}. A deleted one is still there, as such."""
    return call.state.customers.need(call.id)


def update(call):
    """POST /v1/customers/{id}."""
    customer = live(call)
    with call.state.changing(customer, "customer.updated"):
        assign(call.state, customer, call.params)
    return customer


def live(call):
    """The customer in the path, unless it was deleted."""
    customer = call.state.customers.need(call.id)
    if customer.deleted:
        raise missing_object("customer", call.id)
    return customer


def delete(call):
    """DELETE /v1/customers/{id}: its subscriptions end at once."""
    state = call.state
    customer = live(call)
    for subscription in state.subscriptions.newest(customer.id):
        if subscription.ended_at is None:
            billing.cancel(state, subscription)
    state.emit("customer.deleted", customer)
    customer.deleted = True
    return model.Deleted(customer.id, "customer")


def index(call):
    """GET /v1/customers."""
    email = call.params.get("email")
    found = [customer for customer in call.state.customers.newest()
             if not customer.deleted and email in (None, customer.email)]
    return lists.page(found, call.params)


def search(call):
    """GET /v1/customers/search."""
    found = [customer for customer in call.state.customers.newest() if not customer.deleted]
    return lists.search(found, call.params)
