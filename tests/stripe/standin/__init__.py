"""The inside of the Stripe stand-in. `../__main__.py` documents its command line and control
interface; `../handle.py` drives it from tests.

    model       what the stand-in knows: customers, prices, subscriptions, invoices ...
    state       all of it together, behind one lock, with a clock and an agenda
    parameters  decoding of form bodies and checking against parameters.json
    shapes      objects as the API shows them, in the shape of either generation of versions
    operations  what each request does: one module for each group of them
    proration   how the money of part of a period is computed
    wire, server, routes, idempotency, faults, journal    how a request becomes an answer
    courier     the delivery of signed webhooks
    pages, look, control, dump                            for a person, and for tests
"""
