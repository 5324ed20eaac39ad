"""Checkout sessions: the operations, and what completing or leaving one does."""

from .. import model
from ..shapes import checkout as shapes_checkout
from . import billing, lists, subscriptions
from ..errors import ApiError, card_error, invalid
from ..parameters import merge_metadata
from .changes import usable_price

MINUTE, HOUR, DAY = 60, 3600, 86400
SUPPORTED_MODES = ("subscription",)


def create(call):
    """POST /v1/checkout/sessions, in subscription mode on a page of ours."""
    state, params = call.state, call.params
    check_mode(params)
    if params.get("customer") and params.get("customer_email"):
        raise invalid("You may only specify one of these parameters: customer, customer_email.",
                      "customer_email")
    if params.get("customer"):
        subscriptions.customer_of(state, params)
    check_kept(state, params)
    now = state.now()
    data = params.get("subscription_data") or {}
    data.setdefault("billing_mode", {"type": subscriptions.default_mode(call.version)})
    session = model.Session(
        state.new_id("cs_test_a1" if not state.livemode else "cs_live_a1", 56), now,
        customer=params.get("customer"), customer_email=params.get("customer_email"),
        client_reference_id=params.get("client_reference_id"),
        metadata=merge_metadata({}, params.get("metadata", {})),
        success_url=params["success_url"], cancel_url=params.get("cancel_url"),
        lines=line_items(state, params), subscription_data=data,
        payment_method_collection=params.get("payment_method_collection", "always"),
        allow_promotion_codes=params.get("allow_promotion_codes"), locale=params.get("locale"),
        automatic_tax=(params.get("automatic_tax") or {}).get("enabled", False),
        tax_ids=(params.get("tax_id_collection") or {}).get("enabled", False),
        customer_update=params.get("customer_update") or {},
        expires_at=params.get("expires_at", now + DAY))
    check_times(session, now)
    session.url = f"{state.public_url}/pay/{session.id}"
    state.sessions.add(session)
    state.agenda.enter(session.expires_at, "session", session.id)
    return session


def check_mode(params):
    """Checks the parameters of a session in subscription mode."""
    if params.get("mode") not in SUPPORTED_MODES:
        if "mode" not in params:
            raise invalid("Missing required param: mode.", "mode", "parameter_missing")
        raise invalid("The stand-in has only sessions in subscription mode.", "mode")
    for name in ("line_items", "success_url"):
        if not params.get(name):
            raise invalid(f"Missing required param: {name}.", name, "parameter_missing")
    if params.get("ui_mode", "hosted") not in ("hosted", "hosted_page"):
        raise invalid("The stand-in has only hosted pages.", "ui_mode")
    for name in ("customer_creation", "invoice_creation", "payment_intent_data", "submit_type"):
        if name in params:
            raise invalid(f"`{name}` can not be used in `subscription` mode.", name)
    for name in ("success_url", "cancel_url"):
        url = params.get(name)
        if url and not url.startswith(("https://", "http://")):
            raise invalid("Not a valid URL", name, "url_invalid")


def check_kept(state, params):
    """Refuses tax and tax IDs for a customer that exists, unless what they need may be kept."""
    kept = params.get("customer_update") or {}
    if kept and not params.get("customer"):
        raise invalid("`customer_update` can only be used with `customer`.", "customer_update")
    if not params.get("customer"):
        return
    customer = state.customers[params["customer"]]
    if (params.get("automatic_tax") or {}).get("enabled") and not customer.address and \
            kept.get("address") != "auto":
        raise invalid("Automatic tax calculation in Checkout requires a valid address on the "
                      "Customer. Add a valid address to the Customer or set either "
                      "`customer_update[address]` to 'auto' or `customer_update[shipping]` to "
                      "'auto' to save the address entered in Checkout to the Customer.",
                      code="customer_tax_location_invalid")
    if (params.get("tax_id_collection") or {}).get("enabled") and kept.get("name") != "auto":
        raise invalid("Tax ID collection requires updating business name on the customer. To "
                      "enable tax ID collection for an existing customer, please set "
                      "`customer_update[name]` to `auto`.")


def line_items(state, params):
    """The wished prices and quantities."""
    lines = []
    if len(params["line_items"]) > 20:
        raise invalid("Up to 20 line items are allowed.", "line_items")
    for index, wish in enumerate(params["line_items"]):
        param = f"line_items[{index}]"
        if not wish.get("price"):
            raise invalid(f"Missing required param: {param}[price].", f"{param}[price]",
                          "parameter_missing")
        price = usable_price(state, wish["price"], f"{param}[price]")
        if price.metered == ("quantity" in wish):
            raise invalid("Quantity is required. Add `quantity`." if not price.metered else
                          "Quantity should not be specified for metered prices.",
                          f"{param}[quantity]")
        if wish.get("quantity", 1) < 1:
            raise invalid("This value must be greater than or equal to 1.",
                          f"{param}[quantity]", "parameter_invalid_integer")
        lines.append((price, wish.get("quantity", 1)))
    if len({(price.interval, price.interval_count, price.currency) for price, _ in lines}) > 1:
        raise invalid("All prices must have the same interval and currency.", "line_items")
    return lines


def check_times(session, now):
    """Bounds of the session's and the trial's end."""
    data = session.subscription_data
    if not now + 30 * MINUTE <= session.expires_at <= now + DAY:
        raise invalid("`expires_at` must be between 30 minutes and 24 hours from now.",
                      "expires_at")
    if "trial_period_days" in data and data["trial_period_days"] < 1:
        raise invalid("The minimum number of trial period days is 1.",
                      "subscription_data[trial_period_days]")
    if "trial_end" in data:
        if "trial_period_days" in data:
            raise invalid("You may only specify one of trial_end and trial_period_days.",
                          "subscription_data[trial_end]")
        if data["trial_end"] < now + 48 * HOUR:
            raise invalid("The `trial_end` date has to be at least 2 days in the future.",
                          "subscription_data[trial_end]")


def retrieve(call):
    """GET /v1/checkout/sessions/{id}."""
    return call.state.sessions.need(call.id)


def index(call):
    """GET /v1/checkout/sessions."""
    params = call.params
    found = [session for session in call.state.sessions.newest(params.get("customer"))
             if params.get("status") in (None, session.status)
             and params.get("subscription") in (None, session.subscription)]
    return lists.page(found, params)


def list_line_items(call):
    """GET /v1/checkout/sessions/{id}/line_items."""
    session = call.state.sessions.need(call.id)
    return model.Rendered(shapes_checkout.line_items(call.state, session, call.new))


def expire(call):
    """POST /v1/checkout/sessions/{id}/expire."""
    session = call.state.sessions.need(call.id)
    if session.status != "open":
        raise ApiError(400, "Only Checkout Sessions with a status in [\"open\"] can be expired. "
                       f"This Checkout Session has a status of `{session.status}`.")
    end(call.state, session)
    return session


def end(state, session):
    """Lets a session expire."""
    session.status = "expired"
    state.emit("checkout.session.expired", session)


def session_due(state, id):
    """The time of a session has come."""
    session = state.sessions[id]
    if session.status == "open" and session.expires_at <= state.now():
        end(state, session)


def complete(state, session, card="good", email=None, typed=None):
    """Pays the page with a card. A card that is refused leaves the session
    open and makes nothing. `typed` is the name and address typed into the page."""
    if session.status != "open":
        raise ApiError(400, f"This Checkout Session is {session.status}.")
    amount = shapes_checkout.session_amount(state, session)
    if card in ("refused", "none") and (amount or session.payment_method_collection == "always"):
        raise card_error(card)
    # A declined card can be filed for a trial: it fails only when it is charged.
    if card == "declined" and amount:
        raise card_error(card)
    customer = customer_for(state, session, email)
    if card not in ("none", "refused"):
        billing.card_from_page(state, customer, card)
    keep_typed(state, customer, session, typed or {})
    data = {**session.subscription_data, "automatic_tax": {"enabled": session.automatic_tax}}
    if customer.payment_method:
        data["default_payment_method"] = customer.payment_method
    items = [model.Item(state.new_id("si_", 14), state.now(), price, quantity)
             for price, quantity in session.lines]
    subscription = subscriptions.begin(state, customer, items, data, holder_present=True)
    session.status = "complete"
    session.subscription = subscription.id
    session.invoice = subscription.latest_invoice
    session.payment_status = "paid" if amount else "no_payment_required"
    session.details = {"email": customer.email, "name": customer.name}
    state.emit("checkout.session.completed", session)
    return subscription


def keep_typed(state, customer, session, typed):
    """Keeps what was typed at the customer, as far as the session says so."""
    kept = {name: typed[name] for name, choice in session.customer_update.items()
            if choice == "auto" and name in typed}
    with state.changing(customer, "customer.updated"):
        for name, value in kept.items():
            setattr(customer, name, value)


def customer_for(state, session, email):
    """The session's customer; without one a new one is made, whoever else has the address."""
    if session.customer:
        customer = state.customers[session.customer]
        if customer.deleted:
            raise ApiError(400, "The customer of this session was deleted.")
        return customer
    customer = model.Customer(state.new_id("cus_", 14), state.now(),
                              email=session.customer_email or email,
                              invoice_prefix=state.new_id("", 8).upper())
    state.customers.add(customer)
    state.emit("customer.created", customer)
    session.customer = customer.id
    state.sessions.adopt(session)
    return customer


def return_url(session):
    """Where the browser goes after success."""
    return session.success_url.replace("{CHECKOUT_SESSION_ID}", session.id)


