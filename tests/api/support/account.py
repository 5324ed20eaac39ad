"""billingctl with a database and a stand-in for Stripe of its own, and no billingd beside it."""

import json
import subprocess

import pytest

from .scratch import Scratch
from .stack import StandIn

DIFFERENT = 3
PRICES = "starter=price_s:2900:month,professional=price_p:9900:month,professional=price_y:99000:year"


class Place:
    """A database without any billingd, and a stand-in for Stripe that sends no events, so
    that every change was made by the command."""

    def __init__(self, cluster):
        self.stripe = StandIn(prices=PRICES)
        self.scratch = Scratch(cluster)
        self.scratch.env.update(
            STRIPE_API_BASE=self.stripe.url, STRIPE_SECRET_KEY=self.stripe.secret_key,
            STRIPE_WEBHOOK_SECRET=self.stripe.webhook_secret,
            STRIPE_PRICES="starter:price_s,professional:price_p,professional:price_y")
        self.scratch.ready()
        self.ctl, self.sql = self.scratch, self.scratch.sql

    def close(self):
        self.scratch.close()
        self.stripe.stop()

    def empty(self):
        """Resets both to their first state."""
        self.stripe.restart()
        self.sql("TRUNCATE customers, stripe_events CASCADE; UPDATE stripe_sweeps "
                 "SET complete_to = NULL")

    def dump(self):
        """The whole content of the database."""
        done = subprocess.run(["pg_dump", "--inserts", "-d", self.scratch.env["DATABASE_URL"]],
                              capture_output=True, text=True, check=True)
        return [line for line in done.stdout.splitlines()
                if not line.startswith(("\\restrict", "\\unrestrict"))]

    def subscribe(self, email, price="price_s"):
        """A customer with a subscription at Stripe: both ids."""
        customer_id = self.ctl("customer", "create", email)["customer_id"]
        stripe_id = self.stripe.call("POST", "/v1/customers", {"email": email})["id"]
        self.sql(f"UPDATE customers SET stripe_customer_id = '{stripe_id}' "
                 f"WHERE customer_id = '{customer_id}'")
        self.stripe.card(stripe_id, "good")
        made = self.stripe.call("POST", "/v1/subscriptions", {
            "customer": stripe_id, "items[0][price]": price,
            "metadata[customer_id]": customer_id})
        return customer_id, made["id"]

    def mirror(self, customer_id, subscription_id, plan="starter", status="active"):
        """Stores it here as Stripe has it, except for the given members."""
        item, text = self.billed(subscription_id)
        self.sql("UPDATE subscriptions SET superseded = true; INSERT INTO subscriptions "
                 "(customer_id, stripe_subscription_id, plan, status, current_period_ends_at, "
                 f"recurring) VALUES ('{customer_id}', '{subscription_id}', '{plan}', '{status}', "
                 f"to_timestamp({item['current_period_end']}), '{text}')")

    def billed(self, subscription_id):
        """The subscription's item at Stripe, and the text that the service keeps of what it bills."""
        item = self.stripe.call("GET", f"/v1/subscriptions/{subscription_id}")["items"]["data"][0]
        price = item["price"]
        period = {name: price["recurring"][name] for name in ("interval", "interval_count")}
        return item, json.dumps({
            "currency": price["currency"], **period,
            "items": [{"amount": price["unit_amount_decimal"], "quantity": item["quantity"], **period}]},
            separators=(",", ":"))

    def reconcile(self, *words, status=DIFFERENT, **env):
        """The differences; the lines for people say the same."""
        done = self.ctl.run("stripe", "reconcile", "--json", *words, **env)
        assert (done.returncode, done.stderr) == (status, ""), done
        answer = json.loads(done.stdout)
        assert answer["count"] == len(answer["differences"])
        assert answer["dry_run"] is ("--dry-run" in words)
        return answer["differences"]

    def differences(self, *words, **more):
        """The differences in subscriptions: kind, id, customer, our value and Stripe's."""
        return [tuple(one.values()) for one in self.reconcile(*words, **more)
                if one["what"] != "event"]


@pytest.fixture(scope="module", name="kept_place")
def fixture_kept_place(cluster):
    place = Place(cluster)
    yield place
    place.close()


@pytest.fixture(name="place")
def fixture_place(kept_place):
    kept_place.empty()
    return kept_place
