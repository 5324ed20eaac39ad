"""The members that versions after 2025-03-31.basil up to 2026-10-28.endive have added to objects.
They are always there, with the value that they have while nothing uses them."""

ADDED = {
    "billing_portal.configuration": {
        "name": None,
        "features": {
            "payment_method_update": {"payment_method_configuration": None},
            "subscription_cancel": {"cancellation_reason": {"feedback_options": None}},
            "subscription_pause": {"duration": {"interval_options": [],
                                                "type": "indefinite"}, "enabled": False},
            "subscription_update": {"billing_cycle_anchor": None,
                                    "trial_update_behavior": "end_trial"}}},
    "billing_portal.session": {"customer_account": None},
    "checkout.session": {
        "allowed_payment_method_types": None, "customer_account": None,
        "integration_identifier": None, "managed_payments": None, "origin_context": None,
        "wallet_options": None, "automatic_tax": {"provider": None},
        "customer_details": {"business_name": None, "individual_name": None}},
    "customer": {"customer_account": None},
    "invoice": {"customer_account": None, "amount_paid_off_stripe": 0,
                "automatic_tax": {"provider": None}},
    "product": {"tax_details": None},
    "subscription": {
        "billing_schedules": [], "billing_thresholds": None, "customer_account": None,
        "managed_payments": None, "cancellation_details": {"feedback_option": None},
        "invoice_settings": {"custom_fields": None, "description": None, "footer": None},
        "pending_update": {"cancel_at_period_end": None, "discount": None, "discounts": None,
                           "metadata": None},
        "trial_settings": {"end_behavior": {"billing_cycle_anchor": None}}},
    "subscription_item": {"billing_thresholds": None, "current_trial": None},
}


def complete(value):
    """Adds the members to an object in the shape of basil, and to the objects inside of it."""
    if isinstance(value, list):
        for one in value:
            complete(one)
    elif isinstance(value, dict):
        if not value.get("deleted"):
            fill(value, ADDED.get(value.get("object"), {}))
        if value.get("object") == "line_item":
            quantity = value["quantity"]
            fill(value, {"subtotal": value["amount"],
                         "quantity_decimal": None if quantity is None else str(quantity)})
        for one in list(value.values()):
            complete(one)
    return value


def fill(value, members):
    """Adds members where they are missing; objects that are null stay so."""
    for name, one in members.items():
        if not isinstance(one, dict):
            value.setdefault(name, one)
        elif isinstance(value.setdefault(name, {}), dict):
            fill(value[name], one)
