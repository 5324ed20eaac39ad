"""The objects of the stand-in. One class for each kind of Stripe object, holding only what can
differ between two of a kind; shapes.py adds what is always the same."""

import dataclasses
from typing import Any, Optional

field = dataclasses.field


@dataclasses.dataclass
class Object:
    """The members that all objects have: an identity and a second of creation."""

    id: str
    created: int


@dataclasses.dataclass
class Customer(Object):
    """`card` says how the customer's card behaves: none, good, declined, authenticate (asks
    the holder, so that a charge without him fails) or bounces (a direct debit of a renewal
    that fails days later)."""

    email: Optional[str] = None
    name: Optional[str] = None
    phone: Optional[str] = None
    description: Optional[str] = None
    address: Optional[dict] = None
    shipping: Optional[dict] = None
    metadata: dict = field(default_factory=dict)
    balance: int = 0
    currency: Optional[str] = None
    invoice_prefix: str = ""
    next_invoice_sequence: int = 1
    payment_method: Optional[str] = None
    card: str = "none"
    deleted: bool = False


@dataclasses.dataclass
class Product(Object):
    """A product."""

    name: str = ""
    description: Optional[str] = None
    active: bool = True
    metadata: dict = field(default_factory=dict)
    updated: int = 0
    default_price: Optional[str] = None
    options: dict = field(default_factory=dict)


@dataclasses.dataclass
class Price(Object):
    """A price. `unit_amount_decimal` is text, as Stripe writes it; `meter` makes it metered."""

    product: str = ""
    currency: str = "usd"
    unit_amount_decimal: str = "0"
    interval: Optional[str] = None
    interval_count: int = 1
    usage_type: str = "licensed"
    meter: Optional[str] = None
    trial_period_days: Optional[int] = None
    lookup_key: Optional[str] = None
    nickname: Optional[str] = None
    active: bool = True
    tax_behavior: str = "unspecified"
    metadata: dict = field(default_factory=dict)

    @property
    def recurring(self):
        """Whether a subscription can have it."""
        return self.interval is not None

    @property
    def metered(self):
        """Whether it bills what was used instead of a quantity."""
        return self.usage_type == "metered"


@dataclasses.dataclass
class Item(Object):
    """One line of a subscription. The price is a copy, as prices only change their labels."""

    price: Price = None
    quantity: int = 1
    metadata: dict = field(default_factory=dict)


@dataclasses.dataclass
class Line:
    """One line of an invoice."""

    id: str
    amount: int
    description: str
    price: Price
    start: int
    end: int
    quantity: Optional[int] = 1
    item: Optional[str] = None
    proration: bool = False


@dataclasses.dataclass
class Subscription(Object):
    """A subscription; all its items share one period, as they do in classic billing mode. In
    flexible mode the portal ends it by `cancel_at` alone, it can be paused, and its anchor stays
    when what was free costs money. `paused` says why and since when it is."""

    customer: str = ""
    status: str = "incomplete"
    currency: str = "usd"
    items: list = field(default_factory=list)
    metadata: dict = field(default_factory=dict)
    description: Optional[str] = None
    start_date: int = 0
    billing_cycle_anchor: int = 0
    period_start: int = 0
    period_end: int = 0
    cancel_at: Optional[int] = None
    cancel_at_period_end: bool = False
    canceled_at: Optional[int] = None
    ended_at: Optional[int] = None
    cancellation: dict = field(default_factory=lambda: {
        "comment": None, "feedback": None, "reason": None})
    trial_start: Optional[int] = None
    trial_end: Optional[int] = None
    trial_behavior: str = "create_invoice"
    trial_warned: bool = False
    collection_method: str = "charge_automatically"
    days_until_due: Optional[int] = None
    default_payment_method: Optional[str] = None
    save_default_payment_method: str = "off"
    latest_invoice: Optional[str] = None
    pause_collection: Optional[dict] = None
    pending_lines: list = field(default_factory=list)
    pending_update: Optional[dict] = None
    billing_mode: str = "classic"
    migrated_at: Optional[int] = None
    automatic_tax: bool = False
    paused: Optional[dict] = None


@dataclasses.dataclass
class Invoice(Object):
    """An invoice. `subscription_metadata` is the subscription's when the invoice was made."""

    customer: str = ""
    subscription: Optional[str] = None
    subscription_metadata: dict = field(default_factory=dict)
    number: Optional[str] = None
    status: str = "open"
    billing_reason: str = "manual"
    currency: str = "usd"
    lines: list = field(default_factory=list)
    period_start: int = 0
    period_end: int = 0
    starting_balance: int = 0
    ending_balance: int = 0
    amount_paid: int = 0
    attempt_count: int = 0
    next_payment_attempt: Optional[int] = None
    auto_advance: bool = True
    finalized_at: Optional[int] = None
    paid_at: Optional[int] = None
    voided_at: Optional[int] = None
    charge: Optional[str] = None
    collection_method: str = "charge_automatically"
    due_date: Optional[int] = None
    debit_fails_at: Optional[int] = None
    paid_out_of_band: bool = False
    customer_email: Optional[str] = None
    customer_name: Optional[str] = None
    metadata: dict = field(default_factory=dict)
    url: str = ""
    tax_percent: Optional[int] = None

    @property
    def subtotal(self):
        """The sum of the lines; negative for a credit."""
        return sum(line.amount for line in self.lines)

    @property
    def tax(self):
        """The automatic tax."""
        return round(self.subtotal * (self.tax_percent or 0) / 100)

    @property
    def total(self):
        """The sum with tax; negative for a credit."""
        return self.subtotal + self.tax

    @property
    def amount_due(self):
        """The amount to pay after the customer's balance was applied."""
        return max(0, self.total + self.starting_balance)

    @property
    def payment_intent(self):
        """The id of its payment; free invoices have none."""
        return "pi_" + self.id[3:] if self.amount_due else None


@dataclasses.dataclass
class Charge(Object):
    """Money that was taken."""

    customer: str = ""
    invoice: str = ""
    amount: int = 0
    currency: str = "usd"
    amount_refunded: int = 0

    @property
    def payment_intent(self):
        """The id of its payment."""
        return "pi_" + self.invoice[3:]


@dataclasses.dataclass
class Refund(Object):
    """Money that was given back."""

    charge: str = ""
    amount: int = 0
    reason: Optional[str] = None
    metadata: dict = field(default_factory=dict)


@dataclasses.dataclass
class Dispute(Object):
    """A charge that its holder disputes at his bank."""

    charge: str = ""
    amount: int = 0
    status: str = "needs_response"


@dataclasses.dataclass
class Session(Object):
    """A checkout session. `lines` are pairs of price and quantity."""

    customer: Optional[str] = None
    customer_email: Optional[str] = None
    client_reference_id: Optional[str] = None
    metadata: dict = field(default_factory=dict)
    success_url: Optional[str] = None
    cancel_url: Optional[str] = None
    lines: list = field(default_factory=list)
    subscription_data: dict = field(default_factory=dict)
    payment_method_collection: str = "always"
    allow_promotion_codes: Optional[bool] = None
    automatic_tax: bool = False
    tax_ids: bool = False
    customer_update: dict = field(default_factory=dict)
    locale: Optional[str] = None
    expires_at: int = 0
    status: str = "open"
    payment_status: str = "unpaid"
    subscription: Optional[str] = None
    invoice: Optional[str] = None
    url: Optional[str] = None
    details: Optional[dict] = None


@dataclasses.dataclass
class Endpoint(Object):
    """A webhook endpoint. `secrets` are several while one is being rolled. `shown` is whether
    the secret is to be in the next answer: only the one to its creation."""

    url: str = ""
    enabled_events: list = field(default_factory=lambda: ["*"])
    secrets: list = field(default_factory=list)
    api_version: Optional[str] = None
    description: Optional[str] = None
    status: str = "enabled"
    metadata: dict = field(default_factory=dict)
    shown: bool = False


@dataclasses.dataclass
class Meter(Object):
    """A billing meter."""

    display_name: str = ""
    event_name: str = ""
    formula: str = "sum"
    customer_key: str = "stripe_customer_id"
    value_key: str = "value"
    window: Optional[str] = None
    status: str = "active"
    updated: int = 0
    deactivated_at: Optional[int] = None


@dataclasses.dataclass
class MeterEvent(Object):
    """Usage that was reported; `id` is its identifier. `counts` is false for what a meter could
    not take and for what was cancelled."""

    event_name: str = ""
    payload: dict = field(default_factory=dict)
    timestamp: int = 0
    counts: bool = False
    customer: Optional[str] = None
    value: Any = 0


@dataclasses.dataclass
class PortalConfiguration(Object):
    """Settings of the customer portal, as they were sent."""

    features: dict = field(default_factory=dict)
    business_profile: dict = field(default_factory=dict)
    default_return_url: Optional[str] = None
    login_page: bool = False
    active: bool = True
    is_default: bool = False
    metadata: dict = field(default_factory=dict)
    updated: int = 0


@dataclasses.dataclass
class PortalSession(Object):
    """A visit to the portal."""

    customer: str = ""
    configuration: str = ""
    return_url: Optional[str] = None
    locale: Optional[str] = None
    flow: Optional[dict] = None
    url: str = ""


@dataclasses.dataclass
class Event(Object):
    """An event. `objects` and `previous` hold all shapes.
    `deliveries` says for each endpoint: pending, delivered, failed or dropped."""

    type: str = ""
    objects: dict = field(default_factory=dict)
    previous: Optional[dict] = None
    api_version: str = ""
    request: Optional[str] = None
    idempotency_key: Optional[str] = None
    deliveries: dict = field(default_factory=dict)


@dataclasses.dataclass
class Deleted:
    """The answer to a deletion, and what remains of a customer."""

    id: str
    kind: str


@dataclasses.dataclass
class Rendered:
    """An answer that is already in its final form."""

    value: dict
