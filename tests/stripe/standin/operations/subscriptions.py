"""Operations on subscriptions and their items."""

import copy

from .. import model, proration
from . import billing, cards, changes, lists, meters
from ..errors import ApiError, card_error, invalid, missing_object
from ..parameters import merge_metadata

DAY = 86400
PENDING_EXPIRY = 23 * 3600
FLEXIBLE_SINCE = "2025-09-30"
ENDED = ("canceled", "incomplete_expired")
# The parameters that pending_if_incomplete allows beside it.
WITH_PENDING = {"items", "proration_behavior", "proration_date", "payment_behavior", "expand",
                "billing_cycle_anchor", "trial_end", "trial_from_plan", "off_session"}
OF_ENDED = {"metadata", "cancellation_details", "expand"}
OF_INCOMPLETE = {"metadata", "default_source", "default_payment_method", "expand"}


def customer_of(state, params):
    """The customer that a parameter names; a deleted one is as good as none."""
    if not params.get("customer"):
        raise invalid("Missing required param: customer.", "customer", "parameter_missing")
    customer = state.customers.need(params["customer"], "customer")
    if customer.deleted:
        raise missing_object("customer", customer.id, "customer")
    return customer


def create(call):
    """POST /v1/subscriptions."""
    state, params = call.state, call.params
    customer = customer_of(state, params)
    if not params.get("items"):
        raise invalid("Missing required param: items.", "items", "parameter_missing")
    items = [changes.new_item(state, wish, f"items[{index}]")
             for index, wish in enumerate(params["items"])]
    changes.check_together(items, "items")
    if params.get("default_payment_method"):
        cards.attach(state, customer, params["default_payment_method"],
                     "default_payment_method")
    params.setdefault("billing_mode", {"type": default_mode(call.version)})
    return begin(state, customer, items, params)


def default_mode(version):
    """The billing mode of a subscription that is made without one."""
    return "flexible" if version[:10] >= FLEXIBLE_SINCE else "classic"


def begin(state, customer, items, params, holder_present=False):
    """Starts a subscription: its trial or its first period, its first invoice and payment. With
    its holder present, on the checkout page, a failed payment leaves nothing behind."""
    now = state.now()
    price = items[0].price
    subscription = model.Subscription(
        state.new_id("sub_1"), now, customer=customer.id, currency=price.currency, items=items,
        metadata=merge_metadata({}, params.get("metadata", {})),
        description=params.get("description"), start_date=now,
        default_payment_method=params.get("default_payment_method") and customer.payment_method,
        collection_method=params.get("collection_method", "charge_automatically"),
        days_until_due=params.get("days_until_due"), billing_mode=params["billing_mode"]["type"],
        automatic_tax=(params.get("automatic_tax") or {}).get("enabled", False))
    set_options(subscription, params)
    first_period(subscription, params, now)
    lines = first_lines(state, subscription, price)
    due = sum(line.amount for line in lines) + customer.balance
    check_payment(state, subscription, customer, due, params, holder_present)
    behavior = params.get("payment_behavior", "allow_incomplete")
    subscription.status = "trialing" if subscription.trial_end else "incomplete"
    state.subscriptions.add(subscription)
    invoice = billing.issue(state, subscription, lines, "subscription_create", (now, now))
    paid = invoice.status == "paid" or subscription.collection_method == "send_invoice"
    if not paid and (holder_present or behavior != "default_incomplete"):
        paid = billing.collect(state, invoice, holder_present)
    if paid and not subscription.trial_end:
        subscription.status = "active"
    state.emit("customer.subscription.created", subscription)
    set_end(state, subscription, params)
    billing.reschedule(state, subscription)
    return subscription


def check_payment(state, subscription, customer, due, params, holder_present):
    """Refuses what could not begin."""
    if due <= 0 or holder_present or subscription.collection_method == "send_invoice":
        return
    behavior = params.get("payment_behavior", "allow_incomplete")
    if customer.card == "none" and behavior != "default_incomplete":
        raise invalid("This customer has no attached payment source or default payment method. "
                      "Please consider adding a default payment method.",
                      code="resource_missing")
    if behavior == "error_if_incomplete" and not billing.can_pay(state, customer, due):
        raise card_error(customer.card)


def first_period(subscription, params, now):
    """Sets the trial, or the first period and its anchor."""
    price = subscription.items[0].price
    days = params.get("trial_period_days")
    if days is None and params.get("trial_from_plan"):
        days = price.trial_period_days
    end = params.get("trial_end")
    if end == "now" or days == 0:
        end = days = None
    if days is not None:
        end = now + days * DAY
    subscription.period_start = now
    if end is not None:
        if end <= now:
            raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.",
                          "trial_end")
        subscription.trial_start = now
        subscription.trial_end = subscription.period_end = end
        subscription.billing_cycle_anchor = end
        return
    anchor = params.get("billing_cycle_anchor")
    if anchor is not None and anchor <= now:
        raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.",
                      "billing_cycle_anchor")
    subscription.billing_cycle_anchor = anchor or now
    subscription.period_end = anchor or proration.add(now, price.interval, price.interval_count)


def first_lines(state, subscription, price):
    """The lines of the first invoice; a period up to a given anchor costs its share."""
    start, end = subscription.period_start, subscription.period_end
    if subscription.trial_end:
        return [billing.trial_line(state, item, start, end) for item in subscription.items]
    lines = [line for item in subscription.items
             for line in billing.period_line(state, item, start, end)]
    whole = proration.add(end, price.interval, -price.interval_count)
    if subscription.billing_cycle_anchor == end and whole != start:
        for line in lines:
            line.amount = proration.share(line.price, line.quantity, end - start, end - whole)
            line.proration = True
    return lines


def set_options(subscription, params):
    """Takes over what changes nothing but what is shown, and how a trial ends."""
    if params.get("trial_settings"):
        subscription.trial_behavior = (
            params["trial_settings"]["end_behavior"]["missing_payment_method"])
    if "pause_collection" in params:
        pause = params["pause_collection"]
        subscription.pause_collection = pause and {"resumes_at": None, **pause}
    for name in ("description", "collection_method", "days_until_due"):
        if name in params:
            setattr(subscription, name, params[name])
    settings = params.get("payment_settings") or {}
    if settings.get("save_default_payment_method"):
        subscription.save_default_payment_method = settings["save_default_payment_method"]
    for name, value in (params.get("cancellation_details") or {}).items():
        subscription.cancellation[name] = value or None


def set_end(state, subscription, params):
    """Schedules the end of a subscription, or takes that back."""
    if params.get("cancel_at_period_end") and params.get("cancel_at"):
        raise invalid("You cannot set both cancel_at and cancel_at_period_end.", "cancel_at")
    now = state.now()
    when = None
    if "cancel_at" not in params and "cancel_at_period_end" not in params:
        return
    if params.get("cancel_at_period_end"):
        when = subscription.period_end
    elif params.get("cancel_at"):
        when = params["cancel_at"]
        if not isinstance(when, int):
            when = subscription.period_end  # all items have the same
        if when <= now:
            raise invalid("Invalid timestamp: must be in the future.", "cancel_at")
    elif "cancel_at" not in params and not subscription.cancel_at_period_end:
        return  # cancel_at_period_end=false takes back only what =true has set
    subscription.cancel_at_period_end = bool(params.get("cancel_at_period_end"))
    subscription.cancel_at = when
    subscription.canceled_at = now if when else None
    subscription.cancellation["reason"] = "cancellation_requested" if when else None
    if not when and not params.get("cancellation_details"):
        subscription.cancellation.update(comment=None, feedback=None)


def retrieve(call):
    """GET /v1/subscriptions/{id}."""
    return call.state.subscriptions.need(call.id)


def index(call):
    """GET /v1/subscriptions. Without a status the canceled ones are left out."""
    params = call.params
    status = params.get("status")

    def wanted(subscription):
        if status == "ended":
            if subscription.status not in ENDED:
                return False
        elif status is None:
            if subscription.status in ENDED:
                return False
        elif status not in ("all", subscription.status):
            return False
        prices = [item.price.id for item in subscription.items]
        return ("price" not in params or params["price"] in prices) and \
            lists.in_range(subscription.period_end, params.get("current_period_end")) and \
            lists.in_range(subscription.period_start, params.get("current_period_start"))
    if params.get("customer"):
        call.state.customers.need(params["customer"], "customer")
    found = call.state.subscriptions.newest(params.get("customer"))
    return lists.page([one for one in found if wanted(one)], params)


def search(call):
    """GET /v1/subscriptions/search."""
    return lists.search(call.state.subscriptions.newest(), call.params)


def update(call):
    """POST /v1/subscriptions/{id}."""
    state, params = call.state, call.params
    subscription = state.subscriptions.need(call.id)
    check_updatable(subscription, params)
    customer = state.customers[subscription.customer]
    change = changes.plan(state, subscription, params)
    if params.get("default_payment_method"):
        cards.attach(state, customer, params["default_payment_method"],
                     "default_payment_method")
    # On a copy first, so that a refused end leaves nothing changed.
    set_end(state, copy.deepcopy(subscription), params)
    make(state, subscription, change, params, lambda: set_rest(state, subscription, params))
    billing.reschedule(state, subscription)
    return subscription


def anchor_of(params):
    """The wished billing_cycle_anchor: an object since 2026-09-30.endive, a word before."""
    anchor = params.get("billing_cycle_anchor")
    return anchor["type"] if isinstance(anchor, dict) else anchor


def set_rest(state, subscription, params):
    """Sets the members that an update changes beside items and period."""
    set_options(subscription, params)
    set_end(state, subscription, params)
    if params.get("default_payment_method"):
        subscription.default_payment_method = (
            state.customers[subscription.customer].payment_method)
    if params.get("automatic_tax"):
        subscription.automatic_tax = params["automatic_tax"]["enabled"]
    if "metadata" in params:
        subscription.metadata = merge_metadata(subscription.metadata, params["metadata"])


def check_updatable(subscription, params):
    """Refuses what the state of the subscription does not allow."""
    given = set(params)
    if subscription.status in ENDED and given - OF_ENDED:
        raise invalid("A canceled subscription can only update its cancellation_details and "
                      "metadata.")
    if subscription.status == "incomplete" and given - OF_INCOMPLETE:
        raise invalid("When a subscription's status is `incomplete`, you can only update its "
                      "metadata and default_source.")
    if params.get("payment_behavior") == "pending_if_incomplete":
        for name in sorted(given - WITH_PENDING):
            raise invalid("When using `payment_behavior=pending_if_incomplete`, you can only pass "
                          f"supported params. `{name}` is not supported.", name)


def make(state, subscription, change, params, rest):
    """Makes a change: bills it as it says, and as the payment behaviour wants."""
    customer = state.customers[subscription.customer]
    behavior = params.get("payment_behavior", "allow_incomplete")
    due = sum(line.amount for line in change.lines) + customer.balance
    unpaid = change.invoice_now and not billing.can_pay(state, customer, due)
    if unpaid and behavior == "error_if_incomplete":
        raise card_error(customer.card)
    with state.changing(subscription, "customer.subscription.updated"):
        if not change.invoice_now:
            change.apply(state, subscription)
            subscription.pending_lines = subscription.pending_lines + change.lines
            rest()
            return
        waits = unpaid and behavior == "pending_if_incomplete"
        if subscription.pending_update:
            billing.void(state, state.invoices[subscription.pending_update["invoice"]])
            subscription.pending_update = None
        if not waits:
            change.apply(state, subscription)
        rest()
        period = (subscription.period_start, state.now())
        invoice = billing.issue(state, subscription, change.lines, "subscription_update", period)
        if waits:
            subscription.pending_update = {
                "change": change, "invoice": invoice.id,
                "expires_at": min(state.now() + PENDING_EXPIRY, subscription.period_end)}
        paid = invoice.status == "paid"
        if not paid and behavior != "default_incomplete":
            paid = billing.collect(state, invoice)
        if paid:
            billing.settle(state, subscription, invoice)
        elif not waits and subscription.status == "active":
            subscription.status = "past_due"


def cancel(call):
    """DELETE /v1/subscriptions/{id}: ends it now. Again: there is none any more."""
    state, params = call.state, call.params
    subscription = state.subscriptions.need(call.id)
    if subscription.status in ENDED:
        raise missing_object("subscription", call.id)
    if params.get("prorate") and subscription.status in ("active", "past_due"):
        subscription.pending_lines = subscription.pending_lines + changes.prorations(
            state, subscription, subscription.items, [], state.now())
    lines = []
    if params.get("invoice_now") and subscription.status in ("active", "past_due"):
        lines = subscription.pending_lines + meters.usage_lines(state, subscription)
    if lines:
        subscription.pending_lines = []
        invoice = billing.issue(state, subscription, lines, "subscription_update",
                                (subscription.period_start, state.now()))
        billing.collect(state, invoice)
    set_options(subscription, {"cancellation_details": params.get("cancellation_details")})
    if subscription.status == "incomplete":
        billing.void(state, state.invoices[subscription.latest_invoice])
    billing.cancel(state, subscription, reason="cancellation_requested")
    return subscription


def migrate(call):
    """POST /v1/subscriptions/{id}/migrate: to flexible billing mode, from which none comes back."""
    subscription = call.state.subscriptions.need(call.id)
    if subscription.status in ENDED or subscription.billing_mode == "flexible":
        raise invalid("The subscription cannot be migrated.", "billing_mode[type]")
    with call.state.changing(subscription, "customer.subscription.updated"):
        subscription.billing_mode = "flexible"
        subscription.migrated_at = call.state.now()
    return subscription


def pause(call):
    """POST /v1/subscriptions/{id}/pause, in flexible billing mode only. The period ends now."""
    state = call.state
    subscription = state.subscriptions.need(call.id)
    if subscription.billing_mode != "flexible" or subscription.status != "active" or \
            subscription.collection_method != "charge_automatically":
        raise invalid("This subscription cannot be paused.")
    with state.changing(subscription, "customer.subscription.updated"):
        subscription.status = "paused"
        subscription.paused = {"type": "pause_requested", "at": state.now()}
        subscription.period_end = state.now()
        state.emit("customer.subscription.paused", subscription)
    return subscription


def resume(call):
    """POST /v1/subscriptions/{id}/resume: a paused one begins a period and pays for it. One that
    was paused by request stays paused until that is paid, an hour later."""
    state, params = call.state, call.params
    subscription = state.subscriptions.need(call.id)
    if subscription.status != "paused":
        raise ApiError(400, "The subscription is not paused, so it cannot be resumed.")
    now = state.now()
    price = subscription.items[0].price
    with state.changing(subscription, "customer.subscription.updated"):
        ended = (subscription.period_start, subscription.period_end)
        if anchor_of(params) in (None, "now"):
            subscription.billing_cycle_anchor = now
        subscription.period_start = now
        subscription.period_end = proration.period_end(
            subscription.billing_cycle_anchor, now, price.interval, price.interval_count)
        lines = [line for item in subscription.items
                 for line in billing.period_line(state, item, now, subscription.period_end)]
        invoice = billing.issue(state, subscription, lines, "subscription_cycle", ended)
        if subscription.paused and subscription.paused["type"] == "pause_requested":
            invoice.next_payment_attempt = now + 3600
            state.agenda.enter(invoice.next_payment_attempt, "invoice", invoice.id)
        elif billing.collect(state, invoice):
            billing.activate(state, subscription)
    billing.reschedule(state, subscription)
    return subscription
