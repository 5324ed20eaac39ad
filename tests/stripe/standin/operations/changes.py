"""The effect of an update on a subscription: its items, its period and the lines that are billed
for it. The same plan serves the update itself, the preview and changes that wait for payment."""

import copy
import dataclasses
from typing import Optional

from .. import model, proration
from . import billing
from ..errors import invalid, missing_object

MAX_ITEMS = 20


@dataclasses.dataclass
class Change:
    """A planned change. `lines` are what it bills, now or with the next invoice."""

    items: list
    period_start: int
    period_end: int
    lines: list = dataclasses.field(default_factory=list)
    invoice_now: bool = False
    anchor_if_moved: Optional[int] = None
    trial_end: Optional[int] = None
    status: str = "active"

    def apply(self, state, subscription):
        """Makes the change."""
        if self.status == "trialing" and self.trial_end != subscription.trial_end:
            subscription.trial_start = subscription.trial_start or state.now()
            subscription.trial_warned = False
        subscription.items = self.items
        subscription.period_start = self.period_start
        subscription.period_end = self.period_end
        subscription.trial_end = self.trial_end
        subscription.status = self.status
        if self.anchor_if_moved is not None:
            subscription.billing_cycle_anchor = self.anchor_if_moved
        if subscription.cancel_at_period_end:
            subscription.cancel_at = self.period_end


def usable_price(state, id, param):
    """A price that a subscription can have."""
    price = state.prices.need(id, param)
    if not price.active:
        raise invalid("The price specified is inactive. This field only accepts active prices.",
                      param)
    if not price.recurring:
        raise invalid("The price specified is set to `type=one_time` but this field only accepts "
                      "prices with `type=recurring`.", param)
    return price


def new_item(state, wish, param):
    """An item as it is wished for in a parameter."""
    if not wish.get("price"):
        raise invalid(f"Missing required param: {param}[price].", f"{param}[price]",
                      "parameter_missing")
    price = usable_price(state, wish["price"], f"{param}[price]")
    check_quantity(price, wish, param)
    return model.Item(state.new_id("si_", 14), state.now(), price, wish.get("quantity", 1),
                      dict(wish.get("metadata") or {}))


def check_quantity(price, wish, param):
    """A licensed price has a quantity, a metered one has not."""
    if price.metered and "quantity" in wish:
        raise invalid("Quantity should not be specified where usage_type is `metered`. ",
                      f"{param}[quantity]")
    if wish.get("quantity", 1) < 0:
        raise invalid("This value must be greater than or equal to 0.", f"{param}[quantity]",
                      "parameter_invalid_integer")


def changed_items(state, subscription, wishes, prefix):
    """The items after an update: with an id they are changed or deleted, without one added.
    A new price sets the quantity back to 1 unless one is given."""
    items = {item.id: copy.copy(item) for item in subscription.items}
    for index, wish in enumerate(wishes or []):
        param = f"{prefix}[{index}]"
        if "id" not in wish:
            item = new_item(state, wish, param)
            items[item.id] = item
            continue
        item = items.get(wish["id"])
        if item is None:
            raise missing_object("subscription item", wish["id"], f"{param}[id]")
        if wish.get("deleted"):
            del items[item.id]
            continue
        if wish.get("price") and wish["price"] != item.price.id:
            item.price = usable_price(state, wish["price"], f"{param}[price]")
            item.quantity = 1
        check_quantity(item.price, wish, param)
        item.quantity = wish.get("quantity", item.quantity)
        if "metadata" in wish:
            item.metadata = dict(wish["metadata"] or {})
    check_together(list(items.values()), prefix)
    if any(item.price.currency != subscription.currency for item in items.values()):
        raise invalid("The price specified is in another currency than the subscription, which "
                      f"has {subscription.currency}.", prefix)
    return list(items.values())


def check_together(items, param):
    """Checks that the items of one subscription fit together."""
    if not items:
        raise invalid("A subscription must have at least one active plan. To cancel the "
                      "subscription, please use the cancel API endpoint on subscriptions.", param)
    if len(items) > MAX_ITEMS:
        raise invalid(f"Subscriptions can have up to {MAX_ITEMS} items.", param)
    if len({item.price.id for item in items}) < len(items):
        raise invalid("Cannot add multiple subscription items with the same plan.", param)
    if len({(item.price.interval, item.price.interval_count) for item in items}) > 1:
        raise invalid("All prices on a subscription must have the same `recurring.interval` and "
                      "`recurring.interval_count`.", param)
    if len({item.price.currency for item in items}) > 1:
        raise invalid("All prices on a subscription must have the same currency.", param)


def differing(before, after):
    """The items that go and those that come; one whose price or quantity changes does both."""
    now = {item.id: (item.price.id, item.quantity) for item in after}
    then = {item.id: (item.price.id, item.quantity) for item in before}
    gone = [item for item in before if now.get(item.id) != then[item.id]]
    come = [item for item in after if then.get(item.id) != now[item.id]]
    return gone, come


def proration_line(state, item, sign, date, subscription):
    """The credit (-1) or debit (1) of an item for the rest of the period."""
    if item.price.metered:
        return []
    start, end = subscription.period_start, subscription.period_end
    name = state.products[item.price.product].name
    what = "Unused time on" if sign < 0 else "Remaining time on"
    amount = sign * proration.share(item.price, item.quantity, end - date, end - start)
    return [model.Line(state.new_id("il_1"), amount, f"{what} {name}", item.price, date, end,
                       item.quantity, item.id, True)]


def prorations(state, subscription, gone, come, date):
    """The lines for items that go and come at a second within the period."""
    lines = []
    for sign, items in ((-1, gone), (1, come)):
        for item in items:
            lines += proration_line(state, item, sign, date, subscription)
    return lines


def plan(state, subscription, wish, prefix=""):
    """Plans an update. `wish` has the parameters items, proration_behavior, proration_date,
    billing_cycle_anchor and trial_end as they were sent; `prefix` is where they were."""
    now = state.now()
    param = prefix + "[items]" if prefix else "items"
    items = changed_items(state, subscription, wish.get("items"), param)
    behavior = wish.get("proration_behavior", "create_prorations")
    date = wish.get("proration_date", now)
    if not subscription.period_start <= date <= subscription.period_end:
        raise invalid("Invalid value for proration_date: must be within the current period.",
                      "proration_date")
    change = Change(items, subscription.period_start, subscription.period_end,
                    trial_end=subscription.trial_end, status=subscription.status)
    trialing = subscription.status == "trialing"
    if isinstance(wish.get("trial_end"), int):
        extend_trial(change, wish["trial_end"], now)
        if not trialing and behavior != "none":
            change.lines = prorations(state, subscription, subscription.items, [], date)
            change.invoice_now = behavior == "always_invoice"
    elif wish.get("trial_end") == "now" and trialing or restarts(subscription, wish, items):
        restart(state, subscription, change, date, credit=behavior != "none" and not trialing)
    elif not trialing and subscription.status != "paused" and behavior != "none":
        gone, come = differing(subscription.items, items)
        change.lines = prorations(state, subscription, gone, come, date)
        change.invoice_now = behavior == "always_invoice" and bool(change.lines)
    return change


def extend_trial(change, trial_end, now):
    """Lets the trial last until another second."""
    if trial_end <= now:
        raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.",
                      "trial_end")
    change.trial_end = change.period_end = change.anchor_if_moved = trial_end
    change.status = "trialing"


def restarts(subscription, wish, items):
    """Whether an update begins a new period: by request, with another interval, or when what
    was free costs money."""
    if subscription.status == "trialing":
        return False
    anchor = wish.get("billing_cycle_anchor")
    if "now" in (anchor, anchor["type"] if isinstance(anchor, dict) else None):
        return True
    before, after = subscription.items[0].price, items[0].price
    if (before.interval, before.interval_count) != (after.interval, after.interval_count):
        if subscription.billing_mode == "flexible":
            raise invalid("The stand-in changes an interval in flexible billing mode only with "
                          "billing_cycle_anchor now.", "billing_cycle_anchor")
        return True

    def free(some):
        return all(proration.amount(item.price, item.quantity) == 0 and not item.price.metered
                   for item in some)
    return subscription.billing_mode == "classic" and free(subscription.items) \
        and not free(items)


def restart(state, subscription, change, date, credit):
    """Begins a new period now: credit for the rest of the old one, and the whole new one."""
    now = state.now()
    price = change.items[0].price
    if credit:
        change.lines = prorations(state, subscription, subscription.items, [], date)
    change.period_start = change.anchor_if_moved = now
    change.period_end = proration.add(now, price.interval, price.interval_count)
    if subscription.status == "trialing":
        change.trial_end = now
    for item in change.items:
        change.lines += billing.period_line(state, item, now, change.period_end)
    change.status = "active" if subscription.status == "trialing" else subscription.status
    change.invoice_now = True
