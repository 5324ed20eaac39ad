"""Which operation serves which method and path. The names are those of parameters.json."""

import re

from . import account
from .operations import catalogue, checkout, customers, events, invoices, items
from .operations import meters, portal, refunds, subscriptions

OPERATIONS = {
    "GET /v1/account": account.retrieve,
    "POST /v1/customers": customers.create,
    "GET /v1/customers": customers.index,
    "GET /v1/customers/search": customers.search,
    "GET /v1/customers/{id}": customers.retrieve,
    "POST /v1/customers/{id}": customers.update,
    "DELETE /v1/customers/{id}": customers.delete,
    "POST /v1/products": catalogue.create_product,
    "GET /v1/products": catalogue.list_products,
    "GET /v1/products/{id}": catalogue.retrieve_product,
    "POST /v1/products/{id}": catalogue.update_product,
    "POST /v1/prices": catalogue.create_price,
    "GET /v1/prices": catalogue.list_prices,
    "GET /v1/prices/{id}": catalogue.retrieve_price,
    "POST /v1/prices/{id}": catalogue.update_price,
    "POST /v1/checkout/sessions": checkout.create,
    "GET /v1/checkout/sessions": checkout.index,
    "GET /v1/checkout/sessions/{id}": checkout.retrieve,
    "GET /v1/checkout/sessions/{id}/line_items": checkout.list_line_items,
    "POST /v1/checkout/sessions/{id}/expire": checkout.expire,
    "POST /v1/subscriptions": subscriptions.create,
    "GET /v1/subscriptions": subscriptions.index,
    "GET /v1/subscriptions/search": subscriptions.search,
    "GET /v1/subscriptions/{id}": subscriptions.retrieve,
    "POST /v1/subscriptions/{id}": subscriptions.update,
    "DELETE /v1/subscriptions/{id}": subscriptions.cancel,
    "POST /v1/subscriptions/{id}/migrate": subscriptions.migrate,
    "POST /v1/subscriptions/{id}/pause": subscriptions.pause,
    "POST /v1/subscriptions/{id}/resume": subscriptions.resume,
    "POST /v1/subscription_items": items.create,
    "GET /v1/subscription_items": items.index,
    "GET /v1/subscription_items/{id}": items.retrieve,
    "POST /v1/subscription_items/{id}": items.update,
    "DELETE /v1/subscription_items/{id}": items.delete,
    "GET /v1/invoices": invoices.index,
    "POST /v1/invoices/create_preview": invoices.create_preview,
    "GET /v1/invoices/{id}": invoices.retrieve,
    "GET /v1/invoices/{id}/lines": invoices.lines,
    "POST /v1/invoices/{id}/pay": invoices.pay,
    "GET /v1/invoice_payments": refunds.list_payments,
    "GET /v1/charges/{id}": refunds.retrieve_charge,
    "GET /v1/disputes/{id}": refunds.retrieve_dispute,
    "POST /v1/refunds": refunds.create,
    "POST /v1/billing_portal/configurations": portal.create_configuration,
    "GET /v1/billing_portal/configurations": portal.list_configurations,
    "GET /v1/billing_portal/configurations/{id}": portal.retrieve_configuration,
    "POST /v1/billing_portal/configurations/{id}": portal.update_configuration,
    "POST /v1/billing_portal/sessions": portal.create_session,
    "GET /v1/events": events.index,
    "GET /v1/events/{id}": events.retrieve,
    "POST /v1/webhook_endpoints": events.create_endpoint,
    "GET /v1/webhook_endpoints": events.list_endpoints,
    "GET /v1/webhook_endpoints/{id}": events.retrieve_endpoint,
    "POST /v1/webhook_endpoints/{id}": events.update_endpoint,
    "DELETE /v1/webhook_endpoints/{id}": events.delete_endpoint,
    "POST /v1/billing/meters": meters.create,
    "GET /v1/billing/meters": meters.index,
    "GET /v1/billing/meters/{id}": meters.retrieve,
    "POST /v1/billing/meters/{id}": meters.update,
    "POST /v1/billing/meters/{id}/deactivate": meters.deactivate,
    "POST /v1/billing/meters/{id}/reactivate": meters.reactivate,
    "GET /v1/billing/meters/{id}/event_summaries": meters.summaries,
    "POST /v1/billing/meter_events": meters.report,
    "POST /v1/billing/meter_event_adjustments": meters.adjust,
}


def pattern(name):
    """The expression for a path, with its id as a group."""
    return re.compile(re.escape(name.split()[1]).replace(r"\{id\}", "([^/]+)"))


# Fixed words before ids, so that customers/search is no customer.
TABLE = [(name.split()[0], pattern(name), name, OPERATIONS[name])
         for name in sorted(OPERATIONS, key=lambda name: "{id}" in name)]


def find(method, path):
    """The operation for a request: its name, function and the id in the path, or None."""
    for wanted, expression, name, operation in TABLE:
        if wanted == method:
            match = expression.fullmatch(path)
            if match:
                return name, operation, match[1] if match.groups() else None
    return None
