"""Changes that come with time: trials end, periods renew, unpaid invoices are tried again and given up,
scheduled ends come."""

from .. import proration
from . import billing, checkout, meters

DAY = 86400


def handlers(state):
    """The agenda's handlers by kind of entry."""
    return {
        "subscription": lambda id: subscription_due(state, id),
        "invoice": lambda id: invoice_due(state, id),
        "debit": lambda id: debit_fails(state, id),
        "overdue": lambda id: invoice_overdue(state, id),
        "session": lambda id: checkout.session_due(state, id),
    }


def advance(state, second):
    """Does everything due up to a second."""
    if state.agenda.entries and state.agenda.entries[0][0] <= second:
        state.agenda.run(state.clock, second, handlers(state))


def enter_all(state):
    """Fills the agenda after a restart."""
    for subscription in state.subscriptions.values():
        billing.reschedule(state, subscription)
    for invoice in state.invoices.values():
        state.agenda.enter(invoice.next_payment_attempt, "invoice", invoice.id)
        state.agenda.enter(invoice.debit_fails_at, "debit", invoice.id)
        state.agenda.enter(invoice.due_date, "overdue", invoice.id)
    for session in state.sessions.values():
        if session.status == "open":
            state.agenda.enter(session.expires_at, "session", session.id)


def subscription_due(state, id):
    """Looks at a subscription: does what is due, and enters it again."""
    subscription = state.subscriptions[id]
    now = state.now()
    due = billing.next_due(subscription)
    if due is None or due > now:
        return
    pending = subscription.pending_update
    resumes_at = (subscription.pause_collection or {}).get("resumes_at")
    if resumes_at is not None and resumes_at <= now:
        with state.changing(subscription, "customer.subscription.updated"):
            subscription.pause_collection = None
    elif subscription.cancel_at and subscription.cancel_at <= now:
        end(state, subscription)
    elif pending and pending["expires_at"] <= now:
        expire_pending_update(state, subscription)
    elif subscription.status == "incomplete":
        expire_incomplete(state, subscription)
    elif subscription.status == "trialing":
        trial_due(state, subscription, now)
    elif subscription.period_end <= now:
        with state.changing(subscription, "customer.subscription.updated"):
            renew(state, subscription)
    billing.reschedule(state, subscription)


def end(state, subscription):
    """Comes to the scheduled end. What is still unbilled goes onto a last invoice."""
    lines = subscription.pending_lines + meters.usage_lines(state, subscription)
    subscription.pending_lines = []
    if lines:
        invoice = billing.issue(state, subscription, lines, "subscription_cycle",
                                (subscription.period_start, subscription.period_end))
        billing.collect(state, invoice)
    billing.cancel(state, subscription)


def expire_pending_update(state, subscription):
    """Gives up a change that was never paid for."""
    with state.changing(subscription, "customer.subscription.updated"):
        invoice = state.invoices[subscription.pending_update["invoice"]]
        subscription.pending_update = None
        billing.void(state, invoice)
        state.emit("customer.subscription.pending_update_expired", subscription)


def expire_incomplete(state, subscription):
    """Gives up a subscription whose first invoice was never paid."""
    with state.changing(subscription, "customer.subscription.updated"):
        subscription.status = "incomplete_expired"
        subscription.ended_at = state.now()
        billing.void(state, state.invoices[subscription.latest_invoice])


def trial_due(state, subscription, now):
    """Announces the end of a trial, or ends it."""
    if not subscription.trial_warned and subscription.trial_end - 3 * DAY <= now:
        subscription.trial_warned = True
        state.emit("customer.subscription.trial_will_end", subscription)
    if subscription.trial_end > now:
        return
    customer = state.customers[subscription.customer]
    behavior = subscription.trial_behavior if customer.card == "none" else "create_invoice"
    if behavior == "cancel":
        billing.cancel(state, subscription)
    elif behavior == "pause":
        with state.changing(subscription, "customer.subscription.updated"):
            subscription.status = "paused"
            subscription.paused = {"type": "trial_end_without_payment_method", "at": now}
        state.emit("customer.subscription.paused", subscription)
    else:
        with state.changing(subscription, "customer.subscription.updated"):
            renew(state, subscription)


def renew(state, subscription):
    """Begins the next period: bills it, with what was used and left unbilled in the last one."""
    ended = (subscription.period_start, subscription.period_end)
    lines = subscription.pending_lines
    if subscription.status != "trialing":
        lines = lines + meters.usage_lines(state, subscription)
    subscription.pending_lines = []
    price = subscription.items[0].price
    subscription.period_start = ended[1]
    subscription.period_end = proration.period_end(
        subscription.billing_cycle_anchor, ended[1], price.interval, price.interval_count)
    for item in subscription.items:
        lines = lines + billing.period_line(state, item, subscription.period_start,
                                            subscription.period_end)
    invoice = billing.issue(state, subscription, lines, "subscription_cycle", ended)
    paused = (subscription.pause_collection or {}).get("behavior")
    if paused and invoice.status == "open":
        keep_back(state, invoice, paused)
    if subscription.status == "unpaid" or paused:
        invoice.auto_advance = False
        if subscription.status == "trialing":
            subscription.status = "active"
    elif (subscription.collection_method == "send_invoice" or billing.debit(state, invoice)
          or billing.collect(state, invoice)):
        subscription.status = "active"
    else:
        subscription.status = "past_due"


def keep_back(state, invoice, behavior):
    """Treats an invoice as `behavior` says while the collection of payments is paused."""
    if behavior == "void":
        billing.void(state, invoice)
    elif behavior == "keep_as_draft":
        invoice.status = "draft"
    else:
        invoice.status = "uncollectible"
        state.emit("invoice.marked_uncollectible", invoice)


def debit_fails(state, id):
    """The bank gives a direct debit back."""
    invoice = state.invoices[id]
    failed, invoice.debit_fails_at = invoice.debit_fails_at, None
    if failed is not None and invoice.status == "open":
        billing.fail(state, invoice)
        become_past_due(state, invoice)


def invoice_overdue(state, id):
    """An invoice that was sent is not paid by its day."""
    invoice = state.invoices[id]
    if invoice.status == "open":
        become_past_due(state, invoice)


def become_past_due(state, invoice):
    """The subscription of an unpaid invoice is no longer in good standing."""
    subscription = state.subscriptions[invoice.subscription]
    if subscription.status == "active":
        with state.changing(subscription, "customer.subscription.updated"):
            subscription.status = "past_due"


def invoice_due(state, id):
    """Tries again to collect an invoice; after the last attempt the subscription ends, or
    whatever the account has set."""
    invoice = state.invoices[id]
    due = invoice.next_payment_attempt
    if invoice.status != "open" or due is None or due > state.now():
        return
    subscription = state.subscriptions[invoice.subscription]
    if billing.pay(state, invoice):
        return
    if subscription.status == "paused":
        with state.changing(subscription, "customer.subscription.updated"):
            subscription.status = "past_due"
            subscription.paused = None
    if invoice.next_payment_attempt is not None:
        return
    outcome = state.settings["after_retries"]
    if outcome == "cancel":
        billing.cancel(state, subscription, reason="payment_failed")
    elif outcome == "unpaid":
        with state.changing(subscription, "customer.subscription.updated"):
            subscription.status = "unpaid"
    billing.reschedule(state, subscription)
