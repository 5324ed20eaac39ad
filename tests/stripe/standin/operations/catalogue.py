"""Operations on products and prices, and the prices that the command line names."""

from .. import model
from . import lists
from ..errors import invalid, missing_object
from ..parameters import merge_metadata

OPTIONS = ("images", "statement_descriptor", "tax_code", "unit_label", "url")


def create_product(call):
    """POST /v1/products."""
    state, params = call.state, call.params
    id = params.get("id") or state.new_id("prod_", 14)
    if id in state.products:
        raise invalid("Product already exists.", "id", "resource_already_exists")
    product = model.Product(id, state.now(), name=params["name"], updated=state.now(),
                            description=params.get("description"),
                            active=params.get("active", True),
                            metadata=merge_metadata({}, params.get("metadata", {})),
                            options={name: params[name] for name in OPTIONS if name in params})
    state.products.add(product)
    state.emit("product.created", product)
    return product


def retrieve_product(call):
    """GET /v1/products/{id}."""
    return call.state.products.need(call.id)


def update_product(call):
    """POST /v1/products/{id}."""
    state, params = call.state, call.params
    product = state.products.need(call.id)
    with state.changing(product, "product.updated"):
        for name in ("name", "active", "description"):
            if name in params:
                setattr(product, name, params[name] or None if name == "description"
                        else params[name])
        if params.get("default_price"):
            product.default_price = state.prices.need(params["default_price"],
                                                      "default_price").id
        if "metadata" in params:
            product.metadata = merge_metadata(product.metadata, params["metadata"])
        product.updated = state.now()
    return product


def list_products(call):
    """GET /v1/products."""
    params = call.params
    found = [product for product in call.state.products.newest()
             if params.get("active") in (None, product.active)
             and product.id in params.get("ids", [product.id])]
    return lists.page(found, params)


def create_price(call):
    """POST /v1/prices. Prices are per unit."""
    state, params = call.state, call.params
    if params.get("billing_scheme") == "tiered":
        raise invalid("The stand-in has only prices per unit.", "billing_scheme")
    if ("unit_amount" in params) == ("unit_amount_decimal" in params):
        raise invalid("Give one of unit_amount and unit_amount_decimal.", "unit_amount")
    recurring = params.get("recurring") or {}
    meter = recurring.get("meter")
    if meter:
        state.meters.need(meter, "recurring[meter]")
    if (recurring.get("usage_type") == "metered") != bool(meter):
        raise invalid("A metered price needs a meter, and only it may have one.",
                      "recurring[meter]")
    price = model.Price(
        state.new_id("price_1"), state.now(), product=product_of(call),
        currency=params["currency"].lower(),
        unit_amount_decimal=params.get("unit_amount_decimal") or str(params.get("unit_amount")),
        interval=recurring.get("interval"), interval_count=recurring.get("interval_count", 1),
        usage_type=recurring.get("usage_type", "licensed"), meter=meter,
        trial_period_days=recurring.get("trial_period_days"),
        nickname=params.get("nickname"), active=params.get("active", True),
        tax_behavior=params.get("tax_behavior", "unspecified"),
        metadata=merge_metadata({}, params.get("metadata", {})))
    set_lookup_key(state, price, params)
    state.prices.add(price)
    state.emit("price.created", price)
    return price


def product_of(call):
    """The product of a new price: named, or made with it."""
    state, params = call.state, call.params
    if params.get("product"):
        return state.products.need(params["product"], "product").id
    data = params.get("product_data")
    if not isinstance(data, dict) or not data.get("name"):
        raise invalid("Missing required param: product.", "product", "parameter_missing")
    product = model.Product(state.new_id("prod_", 14), state.now(), name=data["name"],
                            updated=state.now())
    state.products.add(product)
    state.emit("product.created", product)
    return product.id


def set_lookup_key(state, price, params):
    """A lookup key belongs to one price, unless it is transferred."""
    key = params.get("lookup_key")
    if not key:
        return
    for other in state.prices.values():
        if other.lookup_key == key and other is not price:
            if not params.get("transfer_lookup_key"):
                raise invalid(f"A price (`{other.id}`) already uses that lookup key.",
                              "lookup_key")
            other.lookup_key = None
    price.lookup_key = key


def retrieve_price(call):
    """GET /v1/prices/{id}."""
    return call.state.prices.need(call.id)


def update_price(call):
    """POST /v1/prices/{id}."""
    state, params = call.state, call.params
    price = state.prices.need(call.id)
    with state.changing(price, "price.updated"):
        set_lookup_key(state, price, params)
        for name in ("active", "nickname", "tax_behavior"):
            if name in params:
                setattr(price, name, params[name])
        if "metadata" in params:
            price.metadata = merge_metadata(price.metadata, params["metadata"])
    return price


def list_prices(call):
    """GET /v1/prices."""
    params = call.params
    recurring = params.get("recurring") or {}

    def wanted(price):
        if "lookup_keys" in params and price.lookup_key not in params["lookup_keys"]:
            return False
        if params.get("type", "recurring" if price.recurring else "one_time") != (
                "recurring" if price.recurring else "one_time"):
            return False
        return all(given in (None, have) for given, have in (
            (params.get("active"), price.active), (params.get("product"), price.product),
            (params.get("currency"), price.currency),
            (recurring.get("interval"), price.interval), (recurring.get("meter"), price.meter),
            (recurring.get("usage_type"), price.usage_type)))
    if params.get("product") and params["product"] not in call.state.products:
        raise missing_object("product", params["product"], "product")
    return lists.page([one for one in call.state.prices.newest() if wanted(one)], params)


def add_named(state, text):
    """Makes the prices of the command line, "plan=price_id:amount:interval,...", with a product
    for each plan. Gives the plan of each price."""
    plans = {}
    for entry in filter(None, text.split(",")):
        plan, _, rest = entry.partition("=")
        id, amount, interval = rest.split(":")
        product = "prod_" + plan
        if product not in state.products:
            state.products.add(model.Product(product, state.now(), name=plan.capitalize(),
                                             updated=state.now()))
        if id not in state.prices:
            state.prices.add(model.Price(id, state.now(), product=product,
                                         unit_amount_decimal=str(int(amount)),
                                         interval=interval))
        plans[id] = plan
    return plans
