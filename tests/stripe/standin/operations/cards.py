"""Test cards: how a customer comes to a payment method and how charging it ends."""

from ..errors import missing_object

# Number on the pages, or name of a ready-made payment method or token, to behaviour.
NUMBERS = {
    "4242424242424242": "good",
    "5555555555554444": "good",
    "4000000000000341": "declined",
    "4000000000000002": "refused",
    "4000002500003155": "authenticate",
    "4000002760003184": "authenticate",
}
METHODS = {
    "pm_card_visa": "good",
    "pm_card_mastercard": "good",
    "tok_visa": "good",
    "tok_mastercard": "good",
    "pm_card_chargeCustomerFail": "declined",
    "tok_chargeCustomerFail": "declined",
    "pm_card_visa_chargeDeclined": "declined",
    "tok_visa_chargeDeclined": "declined",
    "pm_card_authenticationRequired": "authenticate",
    "tok_authenticationRequired": "authenticate",
}
BEHAVIOURS = ("none", "good", "declined", "authenticate", "bounces")
DEBIT_DAYS = 10  # until the bank gives a direct debit back


def set_behaviour(state, customer, behaviour):
    """Gives a customer a card that behaves in a way, or takes it away."""
    customer.card = behaviour
    customer.payment_method = None if behaviour == "none" else state.new_id("pm_1")


def attach(state, customer, method, param):
    """Gives a customer a ready-made payment method, or makes sure that he has the named one."""
    if method in METHODS:
        set_behaviour(state, customer, METHODS[method])
    elif method != customer.payment_method:
        raise missing_object("PaymentMethod", method, param)
    return customer.payment_method
