"""The life of a customer, here and at Stripe, step by step."""

import functools
import time
import uuid

PATIENCE_SECONDS = 60
IN_PROGRESS = ("operation_in_progress", "idempotency_in_progress")
ENDED = ("canceled", "incomplete_expired")
# The versions whose events must be read alike: before the shapes changed, then, and now.
VERSIONS = ["2023-10-16", "2025-03-31.basil", "2026-10-28.endive"]
PRICES = {"starter": "price_starter_month", "professional": "price_professional_month",
          "enterprise": "price_enterprise_month"}


def insist(client, method, path, body=None):
    """Sends a request with the same key until it is answered without a fault; the answer."""
    headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = client.request(method, path, body=body, headers=headers, faults=True)
        trouble = answer.status_code >= 500 or \
            answer.status_code == 409 and answer.json().get("code") in IN_PROGRESS
        if not trouble or time.monotonic() > deadline:
            return answer
        time.sleep(0.1)


class Life:
    """One customer. It sends its changes to the service. When the service refuses one because
    it does not know of the subscription yet, the customer uses Stripe's portal. Steps may leave
    events at Stripe undelivered. A `flexible` life moves what it buys to flexible billing mode."""

    def __init__(self, stack, flexible=False):
        self.flexible = flexible
        self.stack = stack
        self.stripe = stack.stripe
        self.customer = stack.api.sign_up(company_name="Before", send=functools.partial(
            insist, stack.api.owner, "POST"))
        self.id = self.customer.id
        self.steps = []

    def ask(self, what, status=(200,), **body):
        """Sends a request to one of our routes, with retries."""
        answer = insist(self.customer.client, "POST", f"/api/subscriptions/{what}",
                        {"customer_id": self.id, **body})
        assert answer.status_code in status, f"{what} after {self.steps}: {answer.text}"
        return answer

    def at_stripe(self):
        """The id of its undeleted customer at Stripe, and its newest subscription there."""
        state = self.stripe.state()
        customers = [id for id, one in state["customers"].items()
                     if one["metadata"].get("customer_id") == self.id and not one["deleted"]]
        mine = [{"id": id, **one} for id, one in state["subscriptions"].items()
                if one["metadata"].get("customer_id") == self.id]
        return customers[0] if customers else None, mine[-1] if mine else None

    def is_live(self):
        """Whether Stripe has a subscription of it that has not ended."""
        _, mine = self.at_stripe()
        return mine is not None and mine["status"] not in ENDED

    def update(self, **params):
        """Changes the subscription as the portal, or the vendor in Stripe's dashboard,
        would."""
        _, mine = self.at_stripe()
        return self.stripe.call("POST", f"/v1/subscriptions/{mine['id']}", params)

    def wait_until(self, moment):
        """Advances Stripe's clock, which goes on by itself, to this moment or a little beyond."""
        self.stripe.advance(max(0, moment - self.stripe.now()))

    # Steps.

    def buy(self, plan="starter", card="good"):
        """Checks out and pays. None when the service knows of a subscription already."""
        answer = self.ask("checkout", (200, 409), plan=plan)
        if answer.status_code == 409:
            return None
        bought = self.stripe.complete(answer.json()["session_id"], card)["subscription"]
        if self.flexible:
            self.stripe.migrate(bought)
        return bought

    def migrate(self):
        """Moves the subscription to flexible billing mode, as the vendor would."""
        self.stripe.migrate(self.at_stripe()[1]["id"])

    def portal_end(self):
        """Cancels in the portal. In flexible billing mode that sets `cancel_at` alone."""
        theirs, mine = self.at_stripe()
        visit = self.stripe.call("POST", "/v1/billing_portal/sessions", {
            "customer": theirs, "return_url": self.stack.base_url})
        self.stripe.exchange("POST", f"/portal/{visit['id']}",
                             f"action=cancel&subscription={mine['id']}")

    def pause(self):
        """Pauses the subscription, which is in flexible billing mode."""
        self.stripe.call("POST", f"/v1/subscriptions/{self.at_stripe()[1]['id']}/pause",
                         version=VERSIONS[-1])

    def resume(self):
        """Resumes it: it goes on when its new period is paid, an hour later."""
        self.ask("resume")
        self.wait_until(self.stripe.now() + 3601)

    def change(self, plan):
        """Changes the plan; 402 when the card fails."""
        if self.ask("upgrade", (200, 402, 409), new_plan=plan).status_code == 409:
            self.portal_change(plan)

    def portal_change(self, plan):
        """Changes the plan in the portal."""
        _, mine = self.at_stripe()
        self.update(**{"items[0][id]": mine["item"], "items[0][price]": PRICES[plan]})

    def end_later(self):
        """Cancels at the end of the period."""
        if self.ask("cancel", (200, 409), at_period_end=True).status_code != 200:
            self.update(cancel_at_period_end="true")

    def go_on(self):
        """Takes the cancellation back."""
        if self.ask("resume", (200, 409)).status_code != 200:
            self.update(cancel_at_period_end="false")

    def end_now(self):
        """Cancels at once."""
        if self.ask("cancel", (200, 409)).status_code != 200:
            self.stripe.call("DELETE", f"/v1/subscriptions/{self.at_stripe()[1]['id']}")

    def card(self, behaviour):
        """Replaces the card."""
        self.stripe.card(self.at_stripe()[0], behaviour)

    def renew(self):
        """Lets the next period begin."""
        self.wait_until(max(self.at_stripe()[1]["current_period_end"], self.stripe.now()) + 1)

    def fail(self):
        """Lets the next period begin with a payment that fails."""
        self.card("declined")
        self.renew()

    def recover(self):
        """Pays the open invoices with a good card."""
        customer, mine = self.at_stripe()
        self.card("good")
        for id, one in self.stripe.state()["invoices"].items():
            if one["customer"] == customer and one["status"] == "open" and \
                    one["subscription"] == mine["id"]:
                self.stripe.pay(id)

    def give_up(self):
        """Lets all tries to collect fail."""
        self.wait_until(self.stripe.now() + 16 * 86400)

    def rename(self, name="After"):
        """Changes the customer's name in the portal."""
        self.stripe.call("POST", f"/v1/customers/{self.at_stripe()[0]}", {"name": name})

    def vanish(self):
        """Deletes the customer in Stripe's dashboard."""
        self.stripe.call("DELETE", f"/v1/customers/{self.at_stripe()[0]}")

    # Random lives.

    def moves(self):
        """The names of the possible next steps."""
        customer, mine = self.at_stripe()
        if mine is None or mine["status"] in ENDED:
            return ["buy"]
        always = ["rename", "end_now"]
        if mine["status"] in ("past_due", "unpaid"):
            return [*always, "recover", "recover", "give_up"]
        plans = [f"change {plan}" for plan in PRICES if plan != mine["plan"]]
        return [*always, *plans, "portal_change " + plans[0].split()[1], "renew", "fail",
                *(["go_on"] if mine["cancel_at"] else ["end_later", "portal_end"]), *(["vanish"] if customer else [])]

    def move(self, rng, without=()):
        """Does a random step that is not in `without`; its name, or None without one."""
        names = [name for name in self.moves() if name not in without]
        if not names:
            return None
        name = rng.choice(names)
        self.steps.append(name)
        words = name.split()
        getattr(self, words[0])(*words[1:])
        return name
