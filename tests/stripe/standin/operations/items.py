"""Operations on subscription items: each is an update of its subscription."""

from .. import model
from ..shapes import billing as shapes_billing
from . import lists, subscriptions
from ..errors import missing_object

BESIDE = ("proration_behavior", "proration_date", "payment_behavior")


def find(call):
    """The subscription and item with the id in the path."""
    for subscription in call.state.subscriptions.values():
        for item in subscription.items:
            if item.id == call.id:
                return subscription, item
    raise missing_object("subscription_item", call.id)


def render(call, subscription, item):
    """An item as the answer."""
    shown = model.Rendered(shapes_billing.item(call.state, subscription, item, call.new))
    shown.id, shown.created = item.id, item.created
    return shown


def change(call, subscription, wish):
    """Updates the subscription with one wish about an item."""
    params = {name: call.params[name] for name in BESIDE if name in call.params}
    call.params = {**params, "items": [wish]}
    call.id = subscription.id
    subscriptions.update(call)


def wish_of(params):
    """The parameters that are about the item."""
    return {name: params[name] for name in ("price", "quantity", "metadata") if name in params}


def create(call):
    """POST /v1/subscription_items."""
    subscription = call.state.subscriptions.need(call.params["subscription"], "subscription")
    before = {item.id for item in subscription.items}
    change(call, subscription, wish_of(call.params))
    added = [item for item in subscription.items if item.id not in before]
    return render(call, subscription, added[0] if added else subscription.items[-1])


def index(call):
    """GET /v1/subscription_items."""
    subscription = call.state.subscriptions.need(call.params["subscription"], "subscription")
    found = [render(call, subscription, item) for item in subscription.items]
    return lists.page(found, call.params)


def retrieve(call):
    """GET /v1/subscription_items/{id}."""
    return render(call, *find(call))


def update(call):
    """POST /v1/subscription_items/{id}."""
    subscription, item = find(call)
    change(call, subscription, {"id": item.id, **wish_of(call.params)})
    return render(call, subscription, next(
        one for one in subscription.items if one.id == item.id))


def delete(call):
    """DELETE /v1/subscription_items/{id}."""
    subscription, item = find(call)
    change(call, subscription, {"id": item.id, "deleted": True})
    return model.Deleted(item.id, "subscription_item")
