"""Prices, subscriptions, invoices and charges as the API shows them."""


def listing(url, data):
    """A list inside an object; all of it is shown."""
    return {"object": "list", "data": data, "has_more": False, "url": url}


def minor_units(price):
    """The unit amount as a whole number, or null when it has a fraction."""
    amount = price.unit_amount_decimal
    return None if "." in amount else int(amount)


def price(state, price, new):
    """A price."""
    recurring = None
    if price.recurring:
        recurring = {"interval": price.interval, "interval_count": price.interval_count,
                     "usage_type": price.usage_type}
        if new:
            recurring.update(meter=price.meter, trial_period_days=price.trial_period_days)
        else:
            recurring["aggregate_usage"] = None
    return {
        "id": price.id, "object": "price", "active": price.active,
        "billing_scheme": "per_unit", "created": price.created, "currency": price.currency,
        "custom_unit_amount": None, "livemode": state.livemode,
        "lookup_key": price.lookup_key, "metadata": dict(price.metadata),
        "nickname": price.nickname, "product": price.product, "recurring": recurring,
        "tax_behavior": price.tax_behavior, "tiers_mode": None, "transform_quantity": None,
        "type": "recurring" if price.recurring else "one_time",
        "unit_amount": minor_units(price), "unit_amount_decimal": price.unit_amount_decimal,
    }


def plan(state, price, new):
    """A recurring price in the form that came before prices."""
    shown = {
        "id": price.id, "object": "plan", "active": price.active, "amount": minor_units(price),
        "amount_decimal": price.unit_amount_decimal, "billing_scheme": "per_unit",
        "created": price.created, "currency": price.currency, "interval": price.interval,
        "interval_count": price.interval_count, "livemode": state.livemode,
        "metadata": dict(price.metadata), "nickname": price.nickname, "product": price.product,
        "tiers_mode": None, "transform_usage": None,
        "trial_period_days": price.trial_period_days, "usage_type": price.usage_type,
    }
    if new:
        shown["meter"] = price.meter
    else:
        shown["aggregate_usage"] = None
    return shown


def item(state, subscription, item, new):
    """An item of a subscription."""
    shown = {
        "id": item.id, "object": "subscription_item", "created": item.created,
        "metadata": dict(item.metadata), "plan": plan(state, item.price, new),
        "price": price(state, item.price, new), "subscription": subscription.id,
        "tax_rates": [],
    }
    if not item.price.metered:
        shown["quantity"] = item.quantity
    if new:
        shown.update(current_period_start=subscription.period_start,
                     current_period_end=subscription.period_end, discounts=[])
    else:
        shown["billing_thresholds"] = None
    return shown


def pending_update(state, subscription, new):
    """A change that waits for its payment."""
    pending = subscription.pending_update
    if pending is None:
        return None
    return {
        "billing_cycle_anchor": pending["change"].anchor_if_moved,
        "expires_at": pending["expires_at"],
        "subscription_items": [item(state, subscription, one, new)
                               for one in pending["change"].items],
        "trial_end": None, "trial_from_plan": None,
    }


def billing_mode(subscription):
    """The billing mode, which 2025-06-30.basil added and older new versions show too."""
    mode = {"flexible": None, "type": subscription.billing_mode}
    if subscription.billing_mode == "flexible":
        mode["flexible"] = {"proration_discounts": "included"}
        mode["updated_at"] = subscription.migrated_at or subscription.created
    return mode


def status_details(subscription):
    """Why a subscription is paused."""
    return {"paused": {"subscription": {"type": subscription.paused["type"]},
                       "transitioned_at": subscription.paused["at"], "type": "subscription"}}


def subscription(state, subscription, new):
    """A subscription. The newer shape has its period on the items."""
    items = [item(state, subscription, one, new) for one in subscription.items]
    shown = {
        "id": subscription.id, "object": "subscription", "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"enabled": subscription.automatic_tax},
        "billing_cycle_anchor": subscription.billing_cycle_anchor,
        "cancel_at": subscription.cancel_at,
        "cancel_at_period_end": subscription.cancel_at_period_end,
        "canceled_at": subscription.canceled_at,
        "cancellation_details": dict(subscription.cancellation),
        "collection_method": subscription.collection_method, "created": subscription.created,
        "currency": subscription.currency, "customer": subscription.customer,
        "days_until_due": subscription.days_until_due,
        "default_payment_method": subscription.default_payment_method, "default_source": None,
        "default_tax_rates": [], "description": subscription.description,
        "ended_at": subscription.ended_at,
        "items": listing(f"/v1/subscription_items?subscription={subscription.id}", items),
        "latest_invoice": subscription.latest_invoice, "livemode": state.livemode,
        "metadata": dict(subscription.metadata), "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None, "pause_collection": subscription.pause_collection,
        "payment_settings": {
            "payment_method_options": None, "payment_method_types": None,
            "save_default_payment_method": subscription.save_default_payment_method},
        "pending_invoice_item_interval": None, "pending_setup_intent": None,
        "pending_update": pending_update(state, subscription, new), "schedule": None,
        "start_date": subscription.start_date, "status": subscription.status,
        "test_clock": None, "transfer_data": None, "trial_end": subscription.trial_end,
        "trial_settings": {"end_behavior": {
            "missing_payment_method": subscription.trial_behavior}},
        "trial_start": subscription.trial_start,
    }
    if new:
        shown["automatic_tax"].update(disabled_reason=None, liability=None)
        shown["billing_mode"] = billing_mode(subscription)
        if new > 1 and subscription.paused:
            shown["status_details"] = status_details(subscription)
        shown.update(billing_cycle_anchor_config=None, discounts=[], invoice_settings={
            "account_tax_ids": None, "issuer": {"type": "self"}})
    else:
        single = subscription.items[0] if len(subscription.items) == 1 else None
        shown.update(billing_thresholds=None, discount=None,
                     current_period_start=subscription.period_start,
                     current_period_end=subscription.period_end,
                     plan=plan(state, single.price, new) if single else None,
                     quantity=single.quantity if single else None)
    return shown


def line(state, invoice, line, new):
    """A line of an invoice."""
    one_off = line.item is None
    shown = {
        "id": line.id, "object": "line_item", "amount": line.amount,
        "currency": invoice.currency, "description": line.description, "discount_amounts": [],
        "discountable": not line.proration, "discounts": [], "livemode": state.livemode,
        "metadata": dict(invoice.subscription_metadata),
        "period": {"start": line.start, "end": line.end}, "quantity": line.quantity,
    }
    if not new:
        shown.update(
            amount_excluding_tax=line.amount, plan=plan(state, line.price, new),
            price=price(state, line.price, new), proration=line.proration,
            proration_details={"credited_items": None}, subscription=invoice.subscription,
            tax_amounts=[], tax_rates=[], type="invoiceitem" if one_off else "subscription",
            unit_amount_excluding_tax=line.price.unit_amount_decimal)
        if not one_off:
            shown["subscription_item"] = line.item
        return shown
    shown.update(
        invoice=invoice.id, pretax_credit_amounts=[], subscription=invoice.subscription,
        taxes=[], parent={
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None, "proration": line.proration,
                "proration_details": {"credited_items": None},
                "subscription": invoice.subscription, "subscription_item": line.item},
            "type": "subscription_item_details"},
        pricing={
            "price_details": {"price": line.price.id, "product": line.price.product},
            "type": "price_details", "unit_amount_decimal": line.price.unit_amount_decimal})
    return shown


def invoice(state, invoice, new):
    """An invoice. One that is not stored, a preview, has no address of its own."""
    due = invoice.amount_due
    shown = {
        "id": invoice.id, "object": "invoice", "account_country": "US",
        "account_name": "Stand-in", "account_tax_ids": None, "amount_due": due,
        "amount_paid": invoice.amount_paid, "amount_remaining": due - invoice.amount_paid,
        "amount_shipping": 0, "application": None, "attempt_count": invoice.attempt_count,
        "attempted": invoice.attempt_count > 0 or invoice.status == "paid",
        "auto_advance": invoice.auto_advance and invoice.status == "open",
        "automatic_tax": {"enabled": invoice.tax_percent is not None,
                          "status": None if invoice.tax_percent is None else "complete"},
        "billing_reason": invoice.billing_reason,
        "collection_method": invoice.collection_method, "created": invoice.created,
        "currency": invoice.currency, "custom_fields": None, "customer": invoice.customer,
        "customer_address": None, "customer_email": invoice.customer_email,
        "customer_name": invoice.customer_name, "customer_phone": None,
        "customer_shipping": None, "customer_tax_exempt": "none", "customer_tax_ids": [],
        "default_payment_method": None, "default_source": None, "default_tax_rates": [],
        "description": None, "discounts": [], "due_date": invoice.due_date,
        "effective_at": invoice.finalized_at, "ending_balance": invoice.ending_balance,
        "footer": None, "from_invoice": None, "hosted_invoice_url": invoice.url or None,
        "invoice_pdf": invoice.url + "/pdf" if invoice.url else None,
        "last_finalization_error": None, "latest_revision": None,
        "lines": listing(f"/v1/invoices/{invoice.id}/lines",
                         [line(state, invoice, one, new) for one in invoice.lines]),
        "livemode": state.livemode, "metadata": dict(invoice.metadata),
        "next_payment_attempt": invoice.next_payment_attempt, "number": invoice.number,
        "on_behalf_of": None,
        "payment_settings": {"default_mandate": None, "payment_method_options": None,
                             "payment_method_types": None},
        "period_end": invoice.period_end, "period_start": invoice.period_start,
        "post_payment_credit_notes_amount": 0, "pre_payment_credit_notes_amount": 0,
        "receipt_number": None, "shipping_cost": None, "shipping_details": None,
        "starting_balance": invoice.starting_balance, "statement_descriptor": None,
        "status": invoice.status,
        "status_transitions": {
            "finalized_at": invoice.finalized_at, "marked_uncollectible_at": None,
            "paid_at": invoice.paid_at, "voided_at": invoice.voided_at},
        "subtotal": invoice.subtotal, "subtotal_excluding_tax": invoice.subtotal,
        "test_clock": None, "total": invoice.total, "total_discount_amounts": [],
        "total_excluding_tax": invoice.subtotal, "webhooks_delivered_at": invoice.finalized_at,
    }
    shown.update(new_invoice(invoice) if new else old_invoice(invoice))
    if new:
        shown["automatic_tax"].update(disabled_reason=None, liability=None)
    return shown


def new_invoice(invoice):
    """The members that only the newer shape of an invoice has."""
    parent = None
    if invoice.subscription:
        parent = {"quote_details": None, "type": "subscription_details",
                  "subscription_details": {"metadata": dict(invoice.subscription_metadata),
                                           "subscription": invoice.subscription}}
    return {"amount_overpaid": 0, "automatically_finalizes_at": None, "parent": parent,
            "issuer": {"type": "self"}, "rendering": None, "total_pretax_credit_amounts": [],
            "total_taxes": [] if invoice.tax_percent is None else [
                {"amount": invoice.tax, "tax_behavior": "exclusive",
                 "tax_rate_details": {"tax_rate": "txr_stand_in"},
                 "taxability_reason": "standard_rated", "taxable_amount": invoice.subtotal,
                 "type": "tax_rate_details"}]}


def old_invoice(invoice):
    """The members that only the older shape of an invoice has."""
    return {
        "application_fee_amount": None, "charge": invoice.charge, "discount": None,
        "paid": invoice.status == "paid", "paid_out_of_band": invoice.paid_out_of_band,
        "payment_intent": invoice.payment_intent, "quote": None, "rendering_options": None,
        "subscription": invoice.subscription,
        "subscription_details": {"metadata": dict(invoice.subscription_metadata)}
        if invoice.subscription else {"metadata": None},
        "tax": None if invoice.tax_percent is None else invoice.tax, "total_tax_amounts": [], "transfer_data": None,
    }


def payments(state, invoice):
    """The payments of an invoice, which the newer shape shows when asked to expand them."""
    data = []
    if invoice.payment_intent:
        paid = invoice.status == "paid"
        data.append({
            "id": "inpay_" + invoice.id[3:], "object": "invoice_payment",
            "amount_paid": invoice.amount_paid if paid else None,
            "amount_requested": invoice.amount_due, "created": invoice.created,
            "currency": invoice.currency, "invoice": invoice.id, "is_default": True,
            "livemode": state.livemode,
            "payment": {"type": "payment_intent", "payment_intent": invoice.payment_intent},
            "status": "paid" if paid else "open",
            "status_transitions": {"canceled_at": None, "paid_at": invoice.paid_at}})
    return listing(f"/v1/invoice_payments?invoice={invoice.id}", data)


def payment_intent(state, invoice):
    """The payment of an invoice, as far as a subscription business looks at it."""
    status = "succeeded" if invoice.status == "paid" else (
        "canceled" if invoice.status == "void" else "requires_payment_method")
    return {
        "id": invoice.payment_intent, "object": "payment_intent", "amount": invoice.amount_due,
        "amount_received": invoice.amount_paid, "client_secret":
        f"{invoice.payment_intent}_secret_{invoice.id[-12:]}", "created": invoice.created,
        "currency": invoice.currency, "customer": invoice.customer,
        "latest_charge": invoice.charge, "livemode": state.livemode, "metadata": {},
        "status": status,
    }


def charge(state, charge, new):
    """Money that was taken. Only the older shape names its invoice."""
    shown = {
        "id": charge.id, "object": "charge", "amount": charge.amount,
        "amount_captured": charge.amount, "amount_refunded": charge.amount_refunded,
        "captured": True, "created": charge.created, "currency": charge.currency,
        "customer": charge.customer,
        "disputed": any(one.charge == charge.id for one in state.disputes.values()),
        "livemode": state.livemode, "metadata": {}, "paid": True,
        "payment_intent": charge.payment_intent,
        "refunded": charge.amount_refunded == charge.amount, "status": "succeeded",
    }
    if not new:
        shown["invoice"] = charge.invoice
    return shown


def refund(state, refund, _new):
    """Money that was given back."""
    charge = state.charges[refund.charge]
    return {
        "id": refund.id, "object": "refund", "amount": refund.amount,
        "balance_transaction": None, "charge": charge.id, "created": refund.created,
        "currency": charge.currency, "metadata": dict(refund.metadata),
        "payment_intent": charge.payment_intent, "reason": refund.reason,
        "receipt_number": None, "source_transfer_reversal": None, "status": "succeeded",
        "transfer_reversal": None,
    }


def dispute(state, dispute, _new):
    """A charge that its holder disputes at his bank."""
    charge = state.charges[dispute.charge]
    return {
        "id": dispute.id, "object": "dispute", "amount": dispute.amount,
        "balance_transactions": [], "charge": charge.id, "created": dispute.created,
        "currency": charge.currency, "evidence": {}, "evidence_details": {
            "due_by": dispute.created + 9 * 86400, "has_evidence": False, "past_due": False,
            "submission_count": 0},
        "is_charge_refundable": False, "livemode": state.livemode, "metadata": {},
        "payment_intent": charge.payment_intent, "reason": "product_not_received",
        "status": dispute.status,
    }
