"""Checkout sessions and the customer portal as the API shows them."""

import copy

from .. import proration
from . import billing as shapes_billing


def session(state, session, new):
    """A checkout session."""
    amount = session_amount(state, session)
    tax = amount - session_amount(state, session, taxed=False)
    details = session.details
    if details is None and (session.customer or session.customer_email):
        customer = state.customers.get(session.customer)
        details = {"email": customer.email if customer else session.customer_email, "name": None}
    if details is not None:
        details = {"address": None, "email": details["email"], "name": details["name"],
                   "phone": None, "tax_exempt": "none", "tax_ids": []}
    shown = {
        "id": session.id, "object": "checkout.session", "after_expiration": None,
        "allow_promotion_codes": session.allow_promotion_codes, "amount_subtotal": amount - tax,
        "amount_total": amount, "automatic_tax": automatic_tax(session.automatic_tax),
        "billing_address_collection": None, "cancel_url": session.cancel_url,
        "client_reference_id": session.client_reference_id, "consent": None,
        "consent_collection": None, "created": session.created,
        "currency": session.lines[0][0].currency, "currency_conversion": None,
        "custom_fields": [],
        "custom_text": {"shipping_address": None, "submit": None},
        "customer": session.customer, "customer_creation": None, "customer_details": details,
        "customer_email": session.customer_email, "expires_at": session.expires_at,
        "invoice": session.invoice, "invoice_creation": None, "livemode": state.livemode,
        "locale": session.locale, "metadata": dict(session.metadata), "mode": "subscription",
        "payment_intent": None, "payment_link": None,
        "payment_method_collection": session.payment_method_collection,
        "payment_method_options": {}, "payment_method_types": ["card"],
        "payment_status": session.payment_status, "phone_number_collection": {"enabled": False},
        "recovered_from": None, "setup_intent": None, "shipping_address_collection": None,
        "shipping_cost": None, "shipping_options": [], "status": session.status,
        "submit_type": None, "subscription": session.subscription,
        "success_url": session.success_url,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": tax},
        "url": session.url if session.status == "open" else None,
    }
    if not new:
        shown["shipping_details"] = None
        return shown
    shown["automatic_tax"]["liability"] = {"type": "self"} if session.automatic_tax else None
    shown["custom_text"].update(after_submit=None, terms_of_service_acceptance=None)
    shown["payment_method_options"] = {"card": {"request_three_d_secure": "automatic"}}
    shown.update(
        adaptive_pricing={"enabled": False}, client_secret=None, collected_information=None,
        discounts=None, payment_method_configuration_details=None, permissions=None,
        saved_payment_method_options={"allow_redisplay_filters": ["always"],
                                      "payment_method_remove": "disabled",
                                      "payment_method_save": None},
        ui_mode="hosted" if new == 1 else "hosted_page")
    if session.tax_ids:
        shown["tax_id_collection"] = {"enabled": True, "required": "never"}
    return shown


def automatic_tax(enabled):
    """The member that says whether tax is computed."""
    return {"enabled": enabled, "status": "complete" if enabled else None}


def session_amount(state, session, taxed=True):
    """The amount to pay at the end of checkout: nothing when a trial begins."""
    data = session.subscription_data
    if data.get("trial_end") or data.get("trial_period_days"):
        return 0
    amount = sum(proration.amount(price, quantity) for price, quantity in session.lines
                 if not price.metered)
    if taxed and session.automatic_tax:
        amount += round(amount * state.settings["tax_percent"] / 100)
    return amount


def line_items(state, session, new):
    """The line items of a session."""
    data = []
    for index, (price, quantity) in enumerate(session.lines):
        amount = 0 if price.metered else proration.amount(price, quantity)
        item = {
            "id": f"li_{session.id[-20:]}{index}", "object": "item", "amount_discount": 0,
            "amount_subtotal": amount, "amount_tax": 0, "amount_total": amount,
            "currency": price.currency, "description": state.products[price.product].name,
            "price": shapes_billing.price(state, price, new),
            "quantity": None if price.metered else quantity}
        data.append(item)
    return shapes_billing.listing(f"/v1/checkout/sessions/{session.id}/line_items", data)


FEATURES = {
    "customer_update": {"allowed_updates": [], "enabled": False},
    "invoice_history": {"enabled": True},
    "payment_method_update": {"enabled": True},
    "subscription_cancel": {
        "cancellation_reason": {"enabled": False, "options": []}, "enabled": True,
        "mode": "at_period_end", "proration_behavior": "none"},
    "subscription_update": {
        "default_allowed_updates": ["price"], "enabled": True, "products": [],
        "proration_behavior": "create_prorations"},
}


def portal_configuration(state, configuration, new):
    """Settings of the portal: what was sent, over what is always there."""
    features = {name: {**copy.deepcopy(standard),
                       **copy.deepcopy(configuration.features.get(name, {}))}
                for name, standard in FEATURES.items()}
    if new:
        features["subscription_update"].setdefault("schedule_at_period_end", {"conditions": []})
    else:
        features["subscription_pause"] = {"enabled": False}
    profile = configuration.business_profile
    return {
        "id": configuration.id, "object": "billing_portal.configuration",
        "active": configuration.active, "application": None,
        "business_profile": {name: profile.get(name) for name in (
            "headline", "privacy_policy_url", "terms_of_service_url")},
        "created": configuration.created,
        "default_return_url": configuration.default_return_url, "features": features,
        "is_default": configuration.is_default, "livemode": state.livemode,
        "login_page": {"enabled": configuration.login_page, "url": None},
        "metadata": dict(configuration.metadata), "updated": configuration.updated,
    }


def portal_session(state, session, _new):
    """A visit to the portal."""
    flow = None
    if session.flow:
        kind = session.flow["type"]
        flow = {"after_completion": {"hosted_confirmation": None, "redirect": None,
                                     "type": "portal_homepage"},
                "subscription_cancel": None, "subscription_update": None,
                "subscription_update_confirm": None, "type": kind}
        if kind == "subscription_cancel":
            flow[kind] = {"retention": None, "subscription": session.flow[kind]["subscription"]}
        elif kind == "subscription_update":
            flow[kind] = {"subscription": session.flow[kind]["subscription"]}
    return {
        "id": session.id, "object": "billing_portal.session",
        "configuration": session.configuration, "created": session.created,
        "customer": session.customer, "flow": flow, "livemode": state.livemode,
        "locale": session.locale, "on_behalf_of": None, "return_url": session.return_url,
        "url": session.url,
    }
