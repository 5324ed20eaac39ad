"""Objects as the API shows them. There are three shapes: of versions before 2025-03-31.basil (OLD),
since then (BASIL), and since 2026-03-25.dahlia (NEWEST), which has the members that the versions
up to 2026-10-28.endive added. Each renderer is told which; `if new` means the latter two. Whatever
it gives is fresh and may be changed."""

from .. import model
from . import billing as shapes_billing, checkout as shapes_checkout, newest as shapes_newest

NEWEST_VERSION = "2026-10-28.endive"
SHAPES = OLD, BASIL, NEWEST = 0, 1, 2
FIRST_OF = {BASIL: "2025-03-31", NEWEST: "2026-03-25"}


def shape_of(version):
    """The shape of a version."""
    return max([OLD, *(shape for shape, first in FIRST_OF.items() if version[:10] >= first)])


def render(state, thing, new):
    """An object in one of the shapes."""
    shown = RENDERERS[type(thing)](state, thing, new)
    return shapes_newest.complete(shown) if new == NEWEST and type(thing) is not model.Event \
        else shown


def difference(before, after):
    """`previous_attributes`: what the changed members were before."""
    previous = {}
    for name, value in before.items():
        if value == after.get(name):
            continue
        if name == "metadata":
            previous[name] = {key: value.get(key) for key in {**value, **after[name]}
                              if value.get(key) != after[name].get(key)}
        elif name == "items":
            previous[name] = {"data": value["data"]}
        else:
            previous[name] = value
    return previous


def customer(state, customer, new):
    """A customer, or what remains of a deleted one."""
    if customer.deleted:
        return deleted(state, model.Deleted(customer.id, "customer"), new)
    method = customer.payment_method
    return {
        "id": customer.id, "object": "customer", "address": customer.address,
        "balance": customer.balance, "created": customer.created,
        "currency": customer.currency, "default_source": None,
        "delinquent": any(invoice.status == "open" and invoice.attempt_count
                          for invoice in state.invoices.newest(customer.id)),
        "description": customer.description, "discount": None, "email": customer.email,
        "invoice_prefix": customer.invoice_prefix,
        "invoice_settings": {"custom_fields": None, "default_payment_method": method,
                             "footer": None, "rendering_options": None},
        "livemode": state.livemode, "metadata": dict(customer.metadata), "name": customer.name,
        "next_invoice_sequence": customer.next_invoice_sequence, "phone": customer.phone,
        "preferred_locales": [], "shipping": customer.shipping, "tax_exempt": "none",
        "test_clock": None,
    }


def product(state, product, new):
    """A product."""
    options = product.options
    shown = {
        "id": product.id, "object": "product", "active": product.active,
        "created": product.created, "default_price": product.default_price,
        "description": product.description, "images": options.get("images", []),
        "livemode": state.livemode, "metadata": dict(product.metadata), "name": product.name,
        "package_dimensions": None, "shippable": None,
        "statement_descriptor": options.get("statement_descriptor"),
        "tax_code": options.get("tax_code"),
        "unit_label": options.get("unit_label"), "updated": product.updated,
        "url": options.get("url"),
    }
    if new:
        shown.update(marketing_features=[], type="service")
    else:
        shown["features"] = []
    return shown


def deleted(_state, gone, _new):
    """The shape of a deleted object."""
    return {"id": gone.id, "object": gone.kind, "deleted": True}


def rendered(_state, thing, _new):
    """An answer in its final form."""
    return thing.value


def endpoint(state, endpoint, _new):
    """A webhook endpoint."""
    shown = {
        "id": endpoint.id, "object": "webhook_endpoint", "api_version": endpoint.api_version,
        "application": None, "created": endpoint.created, "description": endpoint.description,
        "enabled_events": list(endpoint.enabled_events), "livemode": state.livemode,
        "metadata": dict(endpoint.metadata), "status": endpoint.status, "url": endpoint.url,
    }
    if endpoint.shown:
        shown["secret"] = endpoint.secrets[0]
    return shown


def meter(state, meter, _new):
    """A billing meter."""
    return {
        "id": meter.id, "object": "billing.meter", "created": meter.created,
        "customer_mapping": {"event_payload_key": meter.customer_key, "type": "by_id"},
        "default_aggregation": {"formula": meter.formula},
        "display_name": meter.display_name, "event_name": meter.event_name,
        "event_time_window": meter.window, "livemode": state.livemode, "status": meter.status,
        "status_transitions": {"deactivated_at": meter.deactivated_at},
        "updated": meter.updated, "value_settings": {"event_payload_key": meter.value_key},
    }


def meter_event(state, event, _new):
    """Usage that was reported."""
    return {
        "object": "billing.meter_event", "created": event.created,
        "event_name": event.event_name, "identifier": event.id, "livemode": state.livemode,
        "payload": dict(event.payload), "timestamp": event.timestamp,
    }


def event(state, event, _new):
    """An event, in the shape it was made in, whatever the version of the request."""
    return event_in_shape(state, event, shape_of(event.api_version), event.api_version)


def event_in_shape(state, event, new, api_version):
    """An event in a shape, as an endpoint of that version gets it."""
    data = {"object": event.objects[new]}
    if event.previous is not None:
        data["previous_attributes"] = event.previous[new]
    return {
        "id": event.id, "object": "event", "api_version": api_version,
        "created": event.created, "data": data, "livemode": state.livemode,
        "pending_webhooks": sum(1 for delivery in event.deliveries.values()
                                if delivery == "pending"),
        "request": {"id": event.request, "idempotency_key": event.idempotency_key},
        "type": event.type,
    }


RENDERERS = {
    model.Customer: customer,
    model.Product: product,
    model.Price: shapes_billing.price,
    model.Subscription: shapes_billing.subscription,
    model.Invoice: shapes_billing.invoice,
    model.Charge: shapes_billing.charge,
    model.Refund: shapes_billing.refund,
    model.Dispute: shapes_billing.dispute,
    model.Session: shapes_checkout.session,
    model.PortalConfiguration: shapes_checkout.portal_configuration,
    model.PortalSession: shapes_checkout.portal_session,
    model.Endpoint: endpoint,
    model.Meter: meter,
    model.MeterEvent: meter_event,
    model.Event: event,
    model.Deleted: deleted,
    model.Rendered: rendered,
}
