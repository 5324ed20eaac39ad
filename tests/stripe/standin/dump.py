"""The stand-in's state in one canonical form, to compare a database with."""

import collections


def state(server, _wish):
    """Customers, subscriptions, invoices and charges, by id."""
    known = server.state
    return {
        "now": known.now(),
        "customers": {one.id: {
            "email": one.email, "name": one.name, "metadata": one.metadata, "card": one.card,
            "balance": one.balance, "deleted": one.deleted}
            for one in known.customers.values()},
        "subscriptions": {one.id: subscription(server, one)
                          for one in known.subscriptions.values()},
        "invoices": {one.id: {
            "customer": one.customer, "subscription": one.subscription, "number": one.number,
            "status": one.status, "reason": one.billing_reason, "total": one.total,
            "amount_due": one.amount_due, "amount_paid": one.amount_paid,
            "currency": one.currency, "created": one.created,
            "lines": [[line.description, line.amount] for line in one.lines]}
            for one in known.invoices.values()},
        "sessions": {one.id: {
            "status": one.status, "customer": one.customer, "url": one.url,
            "subscription": one.subscription, "created": one.created}
            for one in known.sessions.values()},
        "charges": [{"id": one.id, "customer": one.customer, "invoice": one.invoice, "amount": one.amount,
                     "created": one.created} for one in known.charges.values()],
        "charged": totals(known),
    }


def totals(known):
    """The sum of charges of each customer."""
    sums = collections.Counter()
    for charge in known.charges.values():
        sums[charge.customer] += charge.amount
    return sums


def subscription(server, one):
    """A subscription as a licence server sees it. The item is the one with a plan's price."""
    main = next((item for item in one.items if item.price.id in server.plans), one.items[0])
    return {
        "customer": one.customer, "status": one.status, "metadata": one.metadata,
        "plan": server.plans.get(main.price.id), "price": main.price.id, "item": main.id,
        "quantity": main.quantity, "items": len(one.items),
        "current_period_start": one.period_start, "current_period_end": one.period_end,
        "trial_end": one.trial_end, "cancel_at_period_end": one.cancel_at_period_end,
        "cancel_at": one.cancel_at, "canceled_at": one.canceled_at, "ended_at": one.ended_at,
        "latest_invoice": one.latest_invoice, "pending_lines": len(one.pending_lines),
        "pending_update": one.pending_update is not None, "created": one.created,
    }


def counters(server, _wish):
    """How many of everything, in all and for each customer."""
    known = server.state
    return {
        "connections": len(server.connections),
        "requests": server.journal.count,
        "under_way": server.journal.under_way(),
        "keys_in_use": sum(entry.running for entry in known.idempotency.values()),
        "charges": collections.Counter(one.customer for one in known.charges.values()),
        "charged": totals(known),
        "subscriptions": collections.Counter(
            one.customer for one in known.subscriptions.values()),
        "live_subscriptions": collections.Counter(
            one.customer for one in known.subscriptions.values()
            if one.status not in ("canceled", "incomplete_expired")),
        "sessions": collections.Counter(one.customer for one in known.sessions.values()),
        "customers": len(known.customers),
        "events": len(known.events),
        "events_pending": sum(1 for event in known.events.values()
                              if "pending" in event.deliveries.values()),
    }
