"""Invoices and money: how an invoice comes to be, is paid or is not, and what that does to its
subscription."""

from .. import model, proration
from . import cards

DAY = 86400
MONEY = {"usd": "$", "eur": "€", "gbp": "£"}
WHOLE = ("jpy", "krw", "clp", "vnd")  # their smallest unit is the unit


def money(amount, currency):
    """An amount for people to read."""
    sign = "-" if amount < 0 else ""
    shown = f"{abs(amount):.0f}" if currency in WHOLE else f"{abs(amount) / 100:.2f}"
    return f"{sign}{MONEY.get(currency, currency.upper() + ' ')}{shown}"


def describe(state, price, quantity):
    """The text of a line for a whole period."""
    name = state.products[price.product].name
    every = price.interval if price.interval_count == 1 else (
        f"{price.interval_count} {price.interval}s")
    unit = money(float(price.unit_amount_decimal), price.currency)
    return f"{quantity} × {name} (at {unit} / {every})"


def period_line(state, item, start, end):
    """The line of an item for a period to come. Metered items have none: they are paid after."""
    if item.price.metered:
        return []
    return [model.Line(
        state.new_id("il_1"), proration.amount(item.price, item.quantity),
        describe(state, item.price, item.quantity), item.price, start, end, item.quantity,
        item.id)]


def trial_line(state, item, start, end):
    """The line of an item for a trial."""
    name = state.products[item.price.product].name
    return model.Line(state.new_id("il_1"), 0, f"Trial period for {name}", item.price, start, end,
                      item.quantity, item.id)


def new_invoice(state, subscription, lines, reason, period):
    """Makes a final invoice without storing it: also a preview."""
    customer = state.customers[subscription.customer]
    now = state.now()
    invoice = model.Invoice(
        state.new_id("in_1"), now, customer=customer.id, subscription=subscription.id,
        subscription_metadata=dict(subscription.metadata), billing_reason=reason,
        currency=subscription.currency, lines=lines, period_start=period[0],
        period_end=period[1], customer_email=customer.email, customer_name=customer.name,
        collection_method=subscription.collection_method, starting_balance=customer.balance)
    if subscription.automatic_tax:
        invoice.tax_percent = state.settings["tax_percent"]
    if subscription.collection_method == "send_invoice":
        invoice.due_date = now + (subscription.days_until_due or 30) * DAY
    # A balance below zero is credit: it is used up as far as the total goes, and a total below
    # zero adds to it. A balance above zero is owed and collected with the total.
    owed = invoice.total + invoice.starting_balance
    invoice.ending_balance = min(0, owed)
    return invoice


def issue(state, subscription, lines, reason, period):
    """Makes and stores a final invoice. One with nothing to pay is paid."""
    invoice = new_invoice(state, subscription, lines, reason, period)
    customer = state.customers[invoice.customer]
    customer.balance = invoice.ending_balance
    customer.currency = invoice.currency
    invoice.number = f"{customer.invoice_prefix}-{customer.next_invoice_sequence:04d}"
    customer.next_invoice_sequence += 1
    invoice.finalized_at = state.now()
    invoice.url = f"{state.public_url}/invoice/{invoice.id}"
    state.invoices.add(invoice)
    state.agenda.enter(invoice.due_date, "overdue", invoice.id)
    subscription.latest_invoice = invoice.id
    state.emit("invoice.created", invoice)
    state.emit("invoice.finalized", invoice)
    if invoice.amount_due == 0:
        mark_paid(state, invoice)
    return invoice


def mark_paid(state, invoice, charged=0, out_of_band=False):
    """Notes that an invoice is paid."""
    if charged:
        charge = model.Charge(state.new_id("ch_1"), state.now(), customer=invoice.customer,
                              invoice=invoice.id, amount=charged, currency=invoice.currency)
        state.charges.add(charge)
        invoice.charge = charge.id
        invoice.attempt_count += 1
    invoice.status = "paid"
    invoice.paid_at = state.now()
    invoice.amount_paid = invoice.amount_due
    invoice.paid_out_of_band = out_of_band
    invoice.next_payment_attempt = None
    state.emit("invoice.paid", invoice)
    state.emit("invoice.payment_succeeded", invoice)


def collect(state, invoice, holder_present=False):
    """Tries to take the money. Whether the invoice is paid. A card that asks its holder works
    only while he is there."""
    if invoice.status == "paid":
        return True
    customer = state.customers[invoice.customer]
    if customer.card == "good" or (customer.card == "authenticate" and holder_present):
        mark_paid(state, invoice, charged=invoice.amount_due)
        return True
    fail(state, invoice)
    if customer.card == "authenticate":
        state.emit("invoice.payment_action_required", invoice)
    return False


def fail(state, invoice):
    """Notes that an attempt to take the money has failed."""
    invoice.attempt_count += 1
    plan_retry(state, invoice)
    state.emit("invoice.payment_failed", invoice)


def debit(state, invoice):
    """Begins a direct debit that will fail, where the customer pays so. Until then the
    subscription is in good standing."""
    if invoice.status == "paid" or state.customers[invoice.customer].card != "bounces":
        return False
    invoice.debit_fails_at = state.now() + cards.DEBIT_DAYS * DAY
    state.agenda.enter(invoice.debit_fails_at, "debit", invoice.id)
    return True


def plan_retry(state, invoice):
    """Sets the time of the next attempt. Only renewals are tried again by themselves."""
    days = state.settings["retry_days"]
    invoice.next_payment_attempt = None
    if invoice.billing_reason == "subscription_cycle" and invoice.attempt_count <= len(days):
        wait = days[invoice.attempt_count - 1] * DAY
        invoice.next_payment_attempt = state.now() + int(wait)
        state.agenda.enter(invoice.next_payment_attempt, "invoice", invoice.id)


def void(state, invoice):
    """Takes an invoice back; credit that it used up is there again."""
    state.customers[invoice.customer].balance += (
        invoice.starting_balance - invoice.ending_balance)
    invoice.status = "void"
    invoice.voided_at = state.now()
    invoice.next_payment_attempt = None
    state.emit("invoice.voided", invoice)


def can_pay(state, customer, amount):
    """Whether collecting an amount would succeed without its holder."""
    return amount <= 0 or customer.card == "good"


def settle(state, subscription, invoice):
    """After an invoice of a subscription was paid: the subscription is in good standing again,
    and a change that waited for this payment is made."""
    pending = subscription.pending_update
    if pending and pending["invoice"] == invoice.id:
        subscription.pending_update = None
        pending["change"].apply(state, subscription)
        state.emit("customer.subscription.pending_update_applied", subscription)
    if invoice.id == subscription.latest_invoice:
        if subscription.status in ("incomplete", "past_due", "unpaid"):
            subscription.status = "active"
        elif subscription.status == "paused":
            activate(state, subscription)


def activate(state, subscription):
    """Ends a pause."""
    subscription.status = "active"
    subscription.paused = None
    state.emit("customer.subscription.resumed", subscription)


def pay(state, invoice, *, holder_present=False, out_of_band=False):
    """Pays an open invoice by request. Whether it is paid now."""
    if out_of_band:
        mark_paid(state, invoice, out_of_band=True)
    elif not collect(state, invoice, holder_present):
        return False
    subscription = state.subscriptions.get(invoice.subscription)
    if subscription is not None:
        with state.changing(subscription, "customer.subscription.updated"):
            settle(state, subscription, invoice)
        reschedule(state, subscription)
    return True


def cancel(state, subscription, *, reason=None):
    """Ends a subscription now. Open invoices are no longer collected."""
    now = state.now()
    subscription.status = "canceled"
    subscription.ended_at = now
    if subscription.canceled_at is None:
        subscription.canceled_at = now
    if reason:
        subscription.cancellation["reason"] = reason
    if subscription.pending_update:
        void(state, state.invoices[subscription.pending_update["invoice"]])
        subscription.pending_update = None
    for invoice in state.invoices.newest(subscription.customer):
        if invoice.subscription == subscription.id and invoice.status == "open":
            invoice.auto_advance = False
            invoice.next_payment_attempt = None
    state.emit("customer.subscription.deleted", subscription)


def next_due(subscription):
    """The second at which time will change a subscription next, or None."""
    times = []
    if subscription.status == "incomplete":
        times.append(subscription.created + 23 * 3600)
    if subscription.status == "trialing" and not subscription.trial_warned:
        times.append(subscription.trial_end - 3 * DAY)
    if subscription.status in ("trialing", "active", "past_due", "unpaid"):
        times.append(subscription.period_end)
    if subscription.cancel_at and subscription.ended_at is None:
        times.append(subscription.cancel_at)
    if subscription.ended_at is None:
        times.append((subscription.pause_collection or {}).get("resumes_at"))
    if subscription.pending_update:
        times.append(subscription.pending_update["expires_at"])
    return min((time for time in times if time is not None), default=None)


def reschedule(state, subscription):
    """Has a subscription looked at when time will change it next."""
    due = next_due(subscription)
    if due is not None:
        state.agenda.enter(max(due, state.now()), "subscription", subscription.id)


def card_from_page(state, customer, behaviour):
    """Takes the card that was typed into a page."""
    cards.set_behaviour(state, customer, behaviour)
    state.emit("payment_method.attached", model.Rendered({
        "id": customer.payment_method, "object": "payment_method", "created": state.now(),
        "customer": customer.id, "livemode": state.livemode, "metadata": {}, "type": "card",
        "billing_details": {"address": None, "email": customer.email, "name": customer.name,
                            "phone": None},
        "card": {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2040}}))
