"""Meters: usage that is reported, corrected, summed up and billed. Reports are accepted before
they are counted; what a meter cannot count is told by a thin event, as Stripe does."""

from decimal import Decimal

from .. import model, proration
from . import lists
from ..errors import ApiError, invalid, missing_object

DAY = 86400
WINDOWS = {"hour": 3600, "day": DAY}
MAX_AGE, MAX_AHEAD = 35 * DAY, 300


def create(call):
    """POST /v1/billing/meters. Active meters have different event names."""
    state, params = call.state, call.params
    if find(state, params["event_name"]):
        raise invalid("An active meter already exists for this event name.", "event_name",
                      "resource_already_exists")
    mapping = params.get("customer_mapping") or {}
    settings = params.get("value_settings") or {}
    meter = model.Meter(
        state.new_id("mtr_1"), state.now(), display_name=params["display_name"],
        event_name=params["event_name"], formula=params["default_aggregation"]["formula"],
        customer_key=mapping.get("event_payload_key", "stripe_customer_id"),
        value_key=settings.get("event_payload_key", "value"),
        window=params.get("event_time_window"), updated=state.now())
    state.meters.add(meter)
    state.emit("billing.meter.created", meter)
    return meter


def find(state, event_name):
    """The active meter for an event name, or None."""
    for meter in state.meters.values():
        if meter.event_name == event_name and meter.status == "active":
            return meter
    return None


def retrieve(call):
    """GET /v1/billing/meters/{id}."""
    return call.state.meters.need(call.id)


def update(call):
    """POST /v1/billing/meters/{id}."""
    meter = call.state.meters.need(call.id)
    with call.state.changing(meter, "billing.meter.updated"):
        meter.display_name = call.params.get("display_name", meter.display_name)
        meter.updated = call.state.now()
    return meter


def index(call):
    """GET /v1/billing/meters."""
    found = [meter for meter in call.state.meters.newest()
             if call.params.get("status") in (None, meter.status)]
    return lists.page(found, call.params)


def deactivate(call):
    """POST /v1/billing/meters/{id}/deactivate."""
    return set_status(call, "inactive", call.state.now(), "billing.meter.deactivated")


def reactivate(call):
    """POST /v1/billing/meters/{id}/reactivate."""
    return set_status(call, "active", None, "billing.meter.reactivated")


def set_status(call, status, deactivated_at, type):
    """Switches a meter on or off."""
    meter = call.state.meters.need(call.id)
    if meter.status == status:
        raise invalid(f"The meter is already {status}.")
    meter.status, meter.deactivated_at = status, deactivated_at
    meter.updated = call.state.now()
    call.state.emit(type, meter)
    return meter


def report(call):
    """POST /v1/billing/meter_events."""
    state, params = call.state, call.params
    now = state.now()
    identifier = params.get("identifier") or state.new_id("", 32)
    if len(identifier) > 100:
        raise invalid("Invalid identifier: must be at most 100 characters.", "identifier")
    earlier = state.meter_events.get(identifier)
    if earlier is not None and earlier.created > now - DAY:
        raise ApiError(400, f"An event already exists with identifier {identifier}.",
                       param="identifier", headers={"Stripe-Should-Retry": "false"})
    timestamp = params.get("timestamp", now)
    if not now - MAX_AGE <= timestamp <= now + MAX_AHEAD:
        raise invalid("The timestamp must be within the past 35 calendar days or up to 5 minutes "
                      "in the future.", "timestamp")
    event = model.MeterEvent(identifier, now, event_name=params["event_name"],
                             payload=params["payload"] or {}, timestamp=timestamp)
    count(call, event)
    state.meter_events.pop(identifier, None)
    state.meter_events.add(event)
    return event


def count(call, event):
    """Finds meter, customer and value of a report; a thin event tells when one is wrong."""
    state = call.state
    meter = find(state, event.event_name)
    if meter is None:
        call.server.thin_event("v1.billing.meter.no_meter_found", None)
        return
    customer = event.payload.get(meter.customer_key)
    value = event.payload.get(meter.value_key, "1" if meter.formula == "count" else None)
    try:
        event.value = Decimal(value)
    except (ArithmeticError, TypeError):
        value = None
    if customer not in state.customers or value is None or not event.value.is_finite():
        call.server.thin_event("v1.billing.meter.error_report_triggered", {
            "id": meter.id, "type": "billing.meter", "url": f"/v1/billing/meters/{meter.id}"})
        return
    event.customer = customer
    event.counts = True


def adjust(call):
    """POST /v1/billing/meter_event_adjustments: cancels a report of the last 24 hours."""
    state, params = call.state, call.params
    identifier = (params.get("cancel") or {}).get("identifier")
    if not identifier:
        raise invalid("Missing required param: cancel[identifier].", "cancel[identifier]",
                      "parameter_missing")
    event = state.meter_events.get(identifier)
    if event is None or event.event_name != params["event_name"]:
        raise missing_object("meter event", identifier, "cancel[identifier]")
    if event.created <= state.now() - DAY:
        raise invalid("Only events of the last 24 hours can be cancelled.", "cancel[identifier]")
    event.counts = False
    return model.Rendered({
        "object": "billing.meter_event_adjustment", "cancel": {"identifier": identifier},
        "event_name": event.event_name, "livemode": state.livemode, "status": "complete",
        "type": "cancel"})


def total(state, meter, customer, start, end):
    """The sum that a meter counts for a customer in [start, end)."""
    seen_until = state.now() - state.settings["meter_delay"]
    values = [event.value for event in sorted(state.meter_events.newest(customer),
                                              key=lambda event: event.timestamp)
              if event.event_name == meter.event_name and event.counts
              and start <= event.timestamp < end and event.created <= seen_until]
    if meter.formula == "count":
        return Decimal(len(values))
    if meter.formula == "last":
        return values[-1] if values else Decimal(0)
    return sum(values, Decimal(0))


def summaries(call):
    """GET /v1/billing/meters/{id}/event_summaries, newest window first."""
    state, params = call.state, call.params
    meter = state.meters.need(call.id)
    state.customers.need(params["customer"], "customer")
    window = params.get("value_grouping_window")
    start, end = params["start_time"], params["end_time"]
    step = WINDOWS.get(window, 60)
    for name, value in (("start_time", start), ("end_time", end)):
        if value % step:
            raise invalid(f"{name} must be aligned with {window or 'minute'} boundaries.", name)
    if end <= start:
        raise invalid("end_time must be after start_time.", "end_time")
    spans = [(start, end)] if window is None else [
        (first, first + step) for first in range(start, end, step)]
    found = [model.Rendered({
        "id": f"mtrusg_{meter.id[4:]}_{first}", "object": "billing.meter_event_summary",
        "aggregated_value": float(total(state, meter, params["customer"], first, last)),
        "end_time": last, "livemode": state.livemode, "meter": meter.id, "start_time": first})
        for first, last in reversed(spans)]
    for summary in found:
        summary.id, summary.created = summary.value["id"], summary.value["start_time"]
    return lists.page(found, params)


def usage_lines(state, subscription):
    """The lines for what the metered items used in the period that ends."""
    return [usage_line(state, subscription, item) for item in subscription.items
            if item.price.metered]


def usage_line(state, subscription, item):
    """The line for what an item used in the period that ends."""
    meter = state.meters[item.price.meter]
    start, end = subscription.period_start, subscription.period_end
    used = total(state, meter, subscription.customer, start, end)
    amount = proration.rounded(Decimal(item.price.unit_amount_decimal) * used)
    name = state.products[item.price.product].name
    return model.Line(state.new_id("il_1"), amount, f"{used} × {name}", item.price, start, end,
                      int(used), item.id)
