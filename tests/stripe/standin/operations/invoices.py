"""Operations on invoices: reading, paying, and previews of what an update would bill."""

import copy

from .. import model, proration
from ..shapes import billing as shapes_billing
from . import billing, cards, changes, lists
from ..errors import ApiError, card_error, invalid
from .subscriptions import ENDED, customer_of, first_lines, first_period


def retrieve(call):
    """GET /v1/invoices/{id}."""
    return call.state.invoices.need(call.id)


def index(call):
    """GET /v1/invoices."""
    params = call.params
    for name, table in (("customer", call.state.customers),
                        ("subscription", call.state.subscriptions)):
        if params.get(name):
            table.need(params[name], name)
    found = [invoice for invoice in call.state.invoices.newest(params.get("customer"))
             if params.get("subscription") in (None, invoice.subscription)
             and params.get("status") in (None, invoice.status)
             and params.get("collection_method") in (None, invoice.collection_method)
             and lists.in_range(invoice.due_date, params.get("due_date"))]
    return lists.page(found, params)


def lines(call):
    """GET /v1/invoices/{id}/lines: all of them, as invoices here are short."""
    invoice = call.state.invoices.need(call.id)
    shown = shapes_billing.invoice(call.state, invoice, call.new)["lines"]
    return model.Rendered({**shown, "url": call.path})


def pay(call):
    """POST /v1/invoices/{id}/pay."""
    state, params = call.state, call.params
    invoice = state.invoices.need(call.id)
    if invoice.status == "paid":
        raise invalid("Invoice is already paid", code="invoice_already_paid")
    if invoice.status != "open":
        raise invalid(f"This invoice can no longer be paid: it is {invoice.status}.",
                      code="invoice_not_editable")
    customer = state.customers[invoice.customer]
    for name in ("payment_method", "source"):
        if params.get(name):
            cards.attach(state, customer, params[name], name)
    if not billing.pay(state, invoice, out_of_band=params.get("paid_out_of_band", False)):
        if customer.card == "none":
            raise invalid("This customer has no attached payment source or default payment "
                          "method.", code="resource_missing")
        raise card_error(customer.card)
    return invoice


def create_preview(call):
    """POST /v1/invoices/create_preview: what an update, or the next period, would bill."""
    state, params = call.state, call.params
    details = params.get("subscription_details") or {}
    if params.get("subscription"):
        subscription = state.subscriptions.need(params["subscription"], "subscription")
        if params.get("customer") not in (None, subscription.customer):
            raise invalid("The subscription does not belong to the customer.", "subscription")
        subscription = copy.copy(subscription)
        subscription.automatic_tax = (params.get("automatic_tax") or {}).get("enabled", False)
        invoice = preview_change(state, subscription, details)
    elif params.get("customer"):
        invoice = preview_new(state, customer_of(state, params), details)
    else:
        raise invalid("You must provide a customer or a subscription.", "customer",
                      "parameter_missing")
    invoice.id = "upcoming_" + invoice.id
    invoice.status = "draft"
    return invoice


def none_upcoming():
    """The refusal when nothing will be billed."""
    return ApiError(404, "No upcoming invoices for customer", code="invoice_upcoming_none")


def preview_change(state, subscription, details):
    """The next invoice of a subscription after an update."""
    if subscription.status in ENDED:
        raise none_upcoming()
    change = changes.plan(state, subscription, details, "subscription_details")
    if change.invoice_now:
        return billing.new_invoice(state, subscription, change.lines, "subscription_update",
                                   (subscription.period_start, state.now()))
    ends = details.get("cancel_at_period_end", subscription.cancel_at_period_end)
    pending = subscription.pending_lines + change.lines
    if ends and not pending:
        raise none_upcoming()
    new = list(pending)
    if not ends:
        new += next_period(state, subscription, change)
    return billing.new_invoice(state, subscription, new, "upcoming",
                               (change.period_start, change.period_end))


def next_period(state, subscription, change):
    """The lines of the period that follows the present one."""
    price = change.items[0].price
    anchor = change.anchor_if_moved or subscription.billing_cycle_anchor
    end = proration.period_end(anchor, change.period_end, price.interval, price.interval_count)
    return [line for item in change.items
            for line in billing.period_line(state, item, change.period_end, end)]


def preview_new(state, customer, details):
    """The first invoice that a new subscription would get."""
    if not details.get("items"):
        raise none_upcoming()
    items = [changes.new_item(state, wish, f"subscription_details[items][{index}]")
             for index, wish in enumerate(details["items"])]
    changes.check_together(items, "subscription_details[items]")
    now = state.now()
    subscription = model.Subscription(state.new_id("sub_1"), now, customer=customer.id,
                                      items=items, currency=items[0].price.currency)
    first_period(subscription, details, now)
    new = first_lines(state, subscription, items[0].price)
    return billing.new_invoice(state, subscription, new, "upcoming", (now, now))
