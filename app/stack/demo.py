"""demo.py ENV CLOCK DAYS: the life of a made-up business, week by week, through the real API.

The file ENV has addresses and keys of the stack; CLOCK is the file from which all of its programs take how far behind their
clock is. Customers sign up, buy at the stand-in for Stripe, change plans, fail to pay, come back, and leave; their
installations report what they use. The same seed makes the same business."""

import datetime
import json
import random
import shlex
import ssl
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

WEEK = 7
CUSTOMERS_A_YEAR = 172
CLOCK_READ = 2.1  # seconds until all processes have the new time
PATIENCE = 90     # seconds for which a request is sent again while the answer is 503
SETTLE = 0.8      # seconds for the jobs of billingd after each step of the clock
FIRST = ("Alpen", "Amber", "Arctic", "Baltic", "Birch", "Blue", "Bright", "Cedar", "Clear", "Coast", "Copper", "Delta", "Ember",
         "Falcon", "Fjord", "Garden", "Granite", "Harbour", "Hazel", "Iron", "Juniper", "Lake", "Linden", "Maple", "Meadow",
         "North", "Oak", "Orchard", "Pine", "Prairie", "Quartz", "River", "Silver", "Spruce", "Stone", "Summit", "Tide", "Valley",
         "Willow", "Winter")
LAST = ("Controls", "Dairy", "Energy", "Farms", "Foods", "Freight", "Greenhouses", "Heating", "Hotels", "Labs", "Logistics",
        "Metering", "Mills", "Parks", "Pumps", "Robotics", "Sensors", "Stores", "Systems", "Utilities", "Water", "Works")
# Versions of the vendor's product that the installations run.
RELEASES = ("3.2.0", "3.2.0", "3.1.4", "3.2.0", "3.0.9")
ENDINGS = ("GmbH", "Ltd", "AB", "BV", "Inc", "SAS", "ApS", "Oy")


class Stack:
    """The API as its operator, the stand-in's control interface, and the clock of both."""

    def __init__(self, env, clock, days):
        words = shlex.split(Path(env).read_text(encoding="utf-8"), comments=True)
        self.env = dict(word.split("=", 1) for word in words)
        # The certificate is of the day on which the demonstration begins.
        self.trust = ssl.create_default_context(cafile=self.env["CA_CERT"])
        self.clock = Path(clock)
        self.behind = days

    def send(self, url, token, method, body, good):
        """One request; the answer's JSON, or None for a refusal that `good` names. A slow machine answers 503 at times:
        then the request is sent again. Its Idempotency-Key, or the report_id of each report, has it done once."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, method=method, headers={
            "Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        if method == "POST" and not url.endswith("/api/usage/reports"):
            request.add_header("Idempotency-Key", str(uuid.uuid4()))
        end = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60, context=self.trust if url.startswith("https") else None) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as fault:
                text = fault.read().decode(errors="replace")
                if fault.code == 503 and time.monotonic() < end:
                    time.sleep(min(int(fault.headers.get("Retry-After", 1)), 5))
                elif fault.code in good:
                    return None
                else:
                    raise SystemExit(f"billing: demo: {method} {url}: {fault.code} {text}") from fault

    def api(self, method, path, body=None, good=()):
        """A request to the API. What the business would run into anyway (409, 402) is no fault."""
        return self.send(self.env["BASE_URL"] + path, self.env["ADMIN_API_KEY"], method, body, good)

    def stripe(self, action, body=None):
        """A request to the stand-in's control interface."""
        url = f"{self.env['STRIPE_API_BASE']}/_control/{action}"
        return self.send(url, self.env["STRIPE_CONTROL_TOKEN"], "GET" if body is None else "POST", body, ())

    def now(self):
        """The time of the stack."""
        return datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=self.behind)

    def quiet(self):
        """Waits until Stripe has told all it had to tell."""
        end = time.monotonic() + 60
        while not self.stripe("idle")["idle"]:
            if time.monotonic() > end:
                raise SystemExit("billing: demo: the stand-in for Stripe does not come to rest")
            self.stripe("hurry", {})
            time.sleep(0.05)

    def move(self, days):
        """Moves the clock ahead, and lets renewals, reminders and ends happen."""
        self.behind -= days
        # Each process looks at the clock's file once a second. An event that Stripe signs meanwhile would be too old.
        self.stripe("hold", {"held": True})
        self.clock.write_text(f"-{self.behind}d\n" if self.behind else "+0\n", encoding="ascii")
        time.sleep(CLOCK_READ)
        self.stripe("hold", {"held": False})
        time.sleep(SETTLE)
        self.quiet()


class Customer:
    """One customer, and what it is going to do."""

    def __init__(self, chance, number):
        self.chance = chance
        name = f"{chance.choice(FIRST)} {chance.choice(LAST)}"
        self.company = f"{name} {chance.choice(ENDINGS)}"
        self.email = f"{name.split()[0].lower()}.{number}@{name.split()[1].lower()}.example"
        self.id = self.stripe_id = None
        self.number = number
        self.state = "trial"  # trial, paid, contract, unpaid, leaving, gone
        self.plan = None
        self.weeks = 0
        self.devices = chance.randint(1, 9)
        self.growth = chance.choice((0, 0, 0.03, 0.06))
        self.sites = chance.choices((1, 2, 3), (6, 3, 1))[0]
        self.buys_after = chance.choice((0, 1, 1, 2)) if chance.random() < 0.62 else None
        self.interval = chance.choices(("month", "year"), (4, 1))[0]
        self.fails_until = 0  # the week in which it gives up, while its card is declined

    def sign_up(self, stack):
        """Begins the trial."""
        made = stack.api("POST", "/api/customers", {"email": self.email, "company_name": self.company})
        self.id = made["customer"]["customer_id"]

    def buy(self, stack, plan):
        """Pays for a plan at the stand-in's checkout."""
        made = stack.api("POST", "/api/subscriptions/checkout", {
            "customer_id": self.id, "plan": plan, "price_id": f"price_{plan}_{self.interval}"}, good=(409,))
        if made is None:
            return
        done = stack.stripe("complete", {"session": made["session_id"], "card": "good", "email": self.email})
        self.stripe_id, self.plan, self.state = done["customer"], plan, "paid"

    def change(self, stack, plan):
        """Another plan; a declined card leaves the present one."""
        body = {"customer_id": self.id, "new_plan": plan}
        if stack.api("POST", "/api/subscriptions/upgrade", body, good=(402, 409)) is not None:
            self.plan = plan

    def card(self, stack, behaviour):
        """The card works, or is declined from now on."""
        stack.stripe("card", {"customer": self.stripe_id, "behaviour": behaviour})

    def reports(self, now, days):
        """The use of the last days, one report of each installation a day."""
        made = []
        if self.state == "gone":
            return made
        for site in range(self.sites):
            for ago in range(days if self.weeks > 1 else 1):
                devices = max(1, round(self.devices / self.sites * self.chance.uniform(0.85, 1.0)))
                # No day has two, whatever the hour is.
                early = min(180, 60 * now.hour + now.minute) if self.weeks > 1 else 0
                at = now - datetime.timedelta(days=ago, minutes=min(self.chance.randint(0, 180), early))
                made.append({
                    "customer_id": self.id, "instance_id": f"site-{site + 1}",
                    "report_id": f"site-{site + 1}.{at.date()}", "active_devices": devices,
                    "total_devices": devices + self.chance.randint(0, 2), "reported_at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "version": RELEASES[(self.number + site) % len(RELEASES)],
                    "metrics": {"mqtt_messages": devices * self.chance.randint(800, 1600),
                                "api_calls": devices * self.chance.randint(40, 160), "storage_mb": 20 * devices + 4 * self.weeks}})
        return made


class Business:
    """All customers of the vendor."""

    def __init__(self, stack):
        self.stack = stack
        self.most = CUSTOMERS_A_YEAR * stack.behind // 365
        self.chance = random.Random(14)
        self.customers = []
        self.contracts = 0

    def newcomers(self, share):
        """Signs customers up to the number for the part of the time that has passed; more and more each week."""
        wanted = round(self.most * (0.35 * share + 0.65 * share * share))
        while len(self.customers) < wanted:
            customer = Customer(self.chance, len(self.customers) + 1)
            customer.sign_up(self.stack)
            self.customers.append(customer)

    def live(self, customer):
        """One week of a customer."""
        chance, stack = self.chance.random(), self.stack
        customer.weeks += 1
        customer.devices *= 1 + customer.growth * self.chance.random()
        if customer.state == "trial" and customer.weeks - 1 == customer.buys_after:
            self.first(customer)
        elif customer.state == "trial" and customer.weeks > 3:
            customer.state = "gone"
        elif customer.state == "paid":
            self.paid(customer, chance)
        elif customer.state == "unpaid":
            if chance < 0.3:
                customer.card(stack, "good")
                customer.state = "paid"
            elif customer.weeks >= customer.fails_until:
                customer.state = "gone"
        elif customer.state == "gone" and customer.plan and chance < 0.01:
            customer.buy(stack, customer.plan)

    def first(self, customer):
        """The end of the trial: a plan, or a contract for a few large ones."""
        if customer.devices > 8 and self.contracts < 4:
            self.contracts += 1
            customer.devices *= 20
            start = self.stack.now()
            # One of them ends soon.
            end = start + datetime.timedelta(days=365 if self.contracts != 2 else self.stack.behind + 24)
            self.stack.api("POST", f"/api/customers/{customer.id}/contracts", {
                "plan": "enterprise", "ends_at": end.strftime("%Y-%m-%dT%H:%M:%SZ"), "billing": "manual",
                "price": {"amount_minor": 60000 * self.chance.randint(8, 20), "currency": "usd", "interval": "year"},
                "reference": f"Order {1000 + self.contracts}", "note": "Signed on paper."})
            customer.state, customer.plan = "contract", "enterprise"
            return
        customer.buy(self.stack, self.chance.choices(("starter", "professional"), (2, 1))[0])

    def paid(self, customer, chance):
        """Mostly nothing; sometimes a change of plan, a card that fails, or the end."""
        outgrows = customer.devices > {"starter": 9, "professional": 46}.get(customer.plan, 1e9)
        if outgrows and customer.plan == "starter" and chance < 0.2:
            customer.change(self.stack, "professional")
        elif customer.plan == "professional" and customer.devices < 6 and chance < 0.02:
            customer.change(self.stack, "starter")
        elif 0.5 < chance < 0.53 and customer.interval == "month":
            customer.card(self.stack, "declined")
            customer.state, customer.fails_until = "unpaid", customer.weeks + 8
        elif 0.6 < chance < 0.611:
            self.stack.api("POST", "/api/subscriptions/cancel",
                           {"customer_id": customer.id, "at_period_end": True}, good=(409,))
            customer.state = "gone"

    def report(self, days):
        """All reports of the last days, five hundred at a time."""
        now = self.stack.now()
        reports = [one for customer in self.customers for one in customer.reports(now, days)]
        for start in range(0, len(reports), 500):
            self.stack.api("POST", "/api/usage/reports", {"reports": reports[start:start + 500]})

    def lose_cards(self):
        """Near the end some cards expire, so that payments have failed at the end."""
        paid = [one for one in self.customers if one.state == "paid" and one.interval == "month"]
        for customer in self.chance.sample(paid, min(6, len(paid))):
            customer.card(self.stack, "declined")
            customer.state, customer.fails_until = "unpaid", customer.weeks + 8

    def touches(self):
        """Changes that an operator makes by hand."""
        paid = [one for one in self.customers if one.state == "paid"]
        for customer in self.chance.sample(paid, min(3, len(paid))):
            self.stack.api("PUT", f"/api/customers/{customer.id}/overrides", {
                "features": {"maxDevices": 80}, "reason": "Promised while a larger plan is discussed."})


def main():
    """All weeks."""
    stack = Stack(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    business = Business(stack)
    total, step = stack.behind, 1
    while True:
        passed = (total - stack.behind) / total
        business.newcomers(passed)
        for customer in business.customers:
            business.live(customer)
        if 5 < stack.behind <= 5 + WEEK:
            business.lose_cards()
        stack.quiet()
        business.report(step)
        print(f"\r{stack.now():%B %Y}: {len(business.customers)} customers ", end="", flush=True)
        if stack.behind == 0:
            break
        # Days are added up when they have passed. The last step is one day, so that yesterday has its reports then.
        step = min(WEEK, stack.behind - 1) or 1
        stack.move(step)
    business.touches()
    time.sleep(2 * SETTLE)
    stack.quiet()
    print()


if __name__ == "__main__":
    main()
