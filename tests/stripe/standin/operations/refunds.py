"""Money that goes back: refunds by request, and disputes, which the control interface opens and
closes as a bank would."""

from .. import model
from ..shapes import billing as shapes_billing
from . import lists
from ..errors import invalid, missing_object

DISPUTE_STATUSES = ("needs_response", "warning_needs_response")
CLOSED = ("won", "lost", "warning_closed")


def retrieve_charge(call):
    """GET /v1/charges/{id}."""
    return call.state.charges.need(call.id)


def retrieve_dispute(call):
    """GET /v1/disputes/{id}."""
    return call.state.disputes.need(call.id)


def charge_of(state, params):
    """The charge that the parameters name."""
    if params.get("charge"):
        return state.charges.need(params["charge"], "charge")
    intent = params.get("payment_intent") or ""
    for charge in state.charges.values():
        if charge.payment_intent == intent:
            return charge
    raise missing_object("payment_intent", intent, "payment_intent")


def create(call):
    """POST /v1/refunds: all that is left of a charge, or a part of it."""
    state, params = call.state, call.params
    charge = charge_of(state, params)
    left = charge.amount - charge.amount_refunded
    amount = params.get("amount", left)
    if left == 0:
        raise invalid(f"Charge {charge.id} has already been refunded.",
                      code="charge_already_refunded")
    if not 0 < amount <= left:
        raise invalid("Refund amount is greater than unrefunded amount on charge.", "amount")
    refund = model.Refund(state.new_id("re_3"), state.now(), charge=charge.id, amount=amount,
                          reason=params.get("reason"), metadata=params.get("metadata") or {})
    state.refunds.add(refund)
    with state.changing(charge, "charge.refunded"):
        charge.amount_refunded += amount
    state.emit("refund.created", refund)
    return refund


def list_payments(call):
    """GET /v1/invoice_payments: those of an invoice or of a payment intent."""
    state, params = call.state, call.params
    payment = params.get("payment") or {}
    wanted = params.get("invoice")
    if payment.get("payment_intent"):
        wanted = "in_" + payment["payment_intent"][3:]
    if wanted is None:
        raise invalid("The stand-in lists the payments of an invoice or a payment intent.",
                      "payment")
    invoice = state.invoices.get(wanted)
    shown = shapes_billing.payments(state, invoice)["data"] if invoice else []
    return lists.Page([model.Rendered(one) for one in shown
                       if params.get("status") in (None, one["status"])], False)


def dispute(state, charge, status):
    """A bank disputes a charge, or only inquires about it. The dispute."""
    if status not in DISPUTE_STATUSES:
        raise ValueError(f"status is one of {', '.join(DISPUTE_STATUSES)}")
    opened = model.Dispute(state.new_id("du_1"), state.now(), charge=charge.id,
                           amount=charge.amount, status=status)
    state.disputes.add(opened)
    state.emit("charge.dispute.created", opened)
    if status == "needs_response":
        state.emit("charge.dispute.funds_withdrawn", opened)
    return opened


def close_dispute(state, opened, status):
    """The bank decides."""
    if status not in CLOSED:
        raise ValueError(f"status is one of {', '.join(CLOSED)}")
    opened.status = status
    state.emit("charge.dispute.closed", opened)
    if status == "won":
        state.emit("charge.dispute.funds_reinstated", opened)
