"""Refusals in Stripe's form."""

DOC_URL = "https://stripe.com/docs/error-codes/"


class ApiError(Exception):
    """An answer other than success. `extra` goes into the error object, `headers` into the
    answer."""

    def __init__(self, status, message, *, type="invalid_request_error", code=None, param=None,
                 extra=None, headers=None):
        super().__init__(message)
        self.status = status
        self.error = {"message": message, "type": type}
        if code is not None:
            self.error["code"] = code
            self.error["doc_url"] = DOC_URL + code.replace("_", "-")
        if param is not None:
            self.error["param"] = param
        self.error.update(extra or {})
        self.headers = headers or {}

    def body(self):
        """The answer's JSON."""
        return {"error": self.error}


def missing_object(kind, id, param=None):
    """An id that names nothing: 404 when it is in the path, 400 when a parameter has it."""
    return ApiError(400 if param else 404, f"No such {kind}: '{id}'", code="resource_missing",
                    param=param or "id")


def invalid(message, param=None, code=None):
    """400 for a parameter whose value cannot be."""
    return ApiError(400, message, param=param, code=code)


def card_error(customer_card):
    """402 for a payment that a card refused."""
    if customer_card == "authenticate":
        return ApiError(402, "This payment requires additional user action before it can be "
                        "completed successfully.", type="card_error",
                        code="subscription_payment_intent_requires_action")
    return ApiError(402, "Your card was declined.", type="card_error", code="card_declined",
                    extra={"decline_code": "generic_decline"})
