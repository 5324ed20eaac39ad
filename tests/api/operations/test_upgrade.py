"""An installation of an earlier version, with rows in every table, is upgraded with `billingctl migrate
up` and goes on: its API, licences, sums of usage, and what it knows of Stripe."""

import hashlib
import json
import re
import subprocess

import jwt
import pytest

from support.client import expect
from support.payments import ask, buy, deliver, event, seconds, settled, stripe_id, subscription_of
from support.revocations import read_list
from support.stack import ROOT, wait_for

# The last migration of each version that an installation may come from, and a file of its rows.
STATES = {"before 1.0": 5}
TABLES = """SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
            AND relnamespace = 'public'::regnamespace AND relname <> 'schema_migrations'
            ORDER BY relname"""

# As every version has made it.
MIGRATED = """CREATE TABLE schema_migrations (version bigint PRIMARY KEY, name text NOT NULL,
    checksum text NOT NULL, applied_at timestamptz(3) NOT NULL DEFAULT clock_timestamp())"""


def test_every_version_is_upgraded_from():
    """Each released version of the changes has a state to upgrade from."""
    changes = (ROOT / ".github/CHANGELOG.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## (\d\S*)$", changes, re.M)) <= set(STATES)


class Installation:
    """A stack whose database is made anew with the first migrations and the rows of a file."""

    def __init__(self, stack, last):
        self.stack = stack
        self.trial, self.paid = stack.api.sign_up(), stack.api.sign_up()
        self.bought = buy(stack, self.paid)
        self.variables = self.read()
        stack.script("stop", "billingd")
        self.make(last)
        self.tables = stack.sql(TABLES).split()
        self.rows = self.count()

    def read(self):
        """Values of the rows that follow from customers that exist, and from their licences."""
        values = {"domain": self.stack.mail_domain, "admin_key": self.stack.admin_key,
                  "viewer_key": self.stack.viewer_key,
                  "stripe_customer": stripe_id(self.stack, self.paid),
                  "stripe_subscription": self.bought["stripe_subscription_id"],
                  "period_end": seconds(self.bought["current_period_ends_at"])}
        for name, customer in (("trial", self.trial), ("paid", self.paid)):
            token = expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)["license"]
            customer.license = token
            values.update({name: customer.id, f"{name}_email": customer.email,
                           f"{name}_key": customer.api_key, f"{name}_license": token,
                           f"{name}_jti": self.claims(token)["jti"],
                           "kid": jwt.get_unverified_header(token)["kid"]})
        return values

    @staticmethod
    def claims(token):
        return jwt.decode(token, options={"verify_signature": False})

    def make(self, last):
        """The earlier schema, as its only role made it, and its rows."""
        stack = self.stack
        (stack.run_dir / "keys/revocations.jwt").unlink(missing_ok=True)
        stack.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION billing;"
                  "GRANT USAGE ON SCHEMA public TO PUBLIC")
        stack.sql("SET ROLE billing; " + MIGRATED)
        for number, path in enumerate(sorted((ROOT / "migrations").glob("*.sql"))[:last], 1):
            checksum = hashlib.sha256(path.read_bytes()).hexdigest()
            stack.sql(f"SET ROLE billing; BEGIN; {path.read_text(encoding='utf-8')};"
                      "INSERT INTO schema_migrations (version, name, checksum) "
                      f"VALUES ({number}, '{path.name}', '{checksum}'); COMMIT")
        arguments = [word for name, value in self.variables.items()
                     for word in ("-v", f"{name}={value}")]
        file = ROOT / f"tests/api/operations/installation_{last:03}.sql"
        subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", stack.database_url, "-1", "-f",
                        file, *arguments], env=stack.env, check=True, capture_output=True, text=True,
                       timeout=60)

    def count(self):
        """The number of rows of each table of the earlier schema."""
        return {table: int(self.stack.sql(f"SELECT count(*) FROM {table}")) for table in self.tables}

    def upgrade(self):
        done = self.stack.billingctl("migrate", "up")
        after = self.count()
        self.stack.script("start", "billingd")
        wait_for(lambda: self.stack.api.owner.get("/api/customers", faults=True).status_code == 200)
        return done, after


@pytest.fixture(name="old", scope="module", params=STATES.values(), ids=STATES)
def fixture_old(new_stack, request):
    stack = new_stack(stripe=True, WORKERS=2)
    made = Installation(stack, request.param)
    assert all(made.rows.values()), made.rows
    _, made.after = made.upgrade()
    yield made
    stack.close()


def test_no_row_is_lost(old):
    assert {**old.after, "stripe_sweeps": 0} == {**old.rows, "stripe_sweeps": 0}
    status = json.loads(old.stack.billingctl("--json", "migrate", "status").stdout)
    assert status["pending"] == 0


def test_customers_keys_and_licences(old):
    """Keys open the API, licences are valid, what was revoked is on the list."""
    api = old.stack.api
    for customer, plan, status in ((old.trial, "starter", "trialing"),
                                   (old.paid, "professional", "active")):
        shown = expect(customer.client.get(f"/api/customers/{customer.id}"), 200)
        assert shown["customer"]["email"] == customer.email
        assert (shown["subscription"]["plan"], shown["subscription"]["status"]) == (plan, status)
        assert expect(api.nobody.post("/api/licenses/verify", {"license": customer.license}), 200)
        new = expect(customer.client.get(f"/api/licenses/{customer.id}"), 200)
        assert (new["plan"], new["status"]) == (plan, status)
    history = expect(old.paid.client.get(f"/api/licenses/{old.paid.id}/history"), 200)["licenses"]
    assert {"lic_00000000000000000000000000000001", old.variables["paid_jti"]} <= {
        row["jti"] for row in history}
    wait_for(lambda: "lic_00000000000000000000000000000001" in read_list(api)["revoked"])
    assert len(expect(api.viewer.get("/api/customers"), 200)["customers"]) >= 2


def test_addresses_and_trials(old):
    """An address that is taken stays taken; one whose customer is gone gets no second trial."""
    owner = old.stack.api.owner
    for customer in (old.trial, old.paid):
        answer = owner.post("/api/customers", {"email": customer.email.upper()})
        expect(answer, 409, "customer_exists")
    made = expect(owner.post("/api/customers", {"email": f"gone+1@{old.stack.mail_domain}"}), 201)
    assert made["subscription"] is None and made["license"] is None
    found = expect(owner.get("/api/customers?q=stra%C3%9Fe"), 200)["customers"]
    assert [one["customer_id"] for one in found] == [old.trial.id]


def calls_of(customer):
    """The sum of api_calls of all days."""
    days = expect(customer.client.get(f"/api/usage/{customer.id}/daily"), 200)["days"]
    return sum(day["metrics"]["api_calls"] for day in days)


def test_usage_goes_on(old):
    """Sums are as before and grow; an earlier report counts once."""
    paid, path = old.paid, f"/api/usage/{old.paid.id}"
    reports = expect(paid.client.get(path), 200)["reports"]
    assert [one["id"] for one in reports] == [3, 2, 1]
    assert calls_of(paid) == 600
    again = {"customer_id": paid.id, "instance_id": "main", "active_devices": 6, "total_devices": 10,
             "report_id": "report-3", "metrics": {"api_calls": 300}}
    answer = expect(paid.client.post("/api/usage/report", again), 200)
    assert answer["report"]["id"] == 3, answer
    expect(paid.client.post("/api/usage/report", {**again, "report_id": "report-4"}), 201)
    assert calls_of(paid) == 900
    assert expect(paid.client.get(f"{path}/latest"), 200)
    instances = expect(paid.client.get(f"/api/customers/{paid.id}/instances"), 200)["instances"]
    assert [one["instance_id"] for one in instances] == ["main"]


def test_stripe_goes_on(old):
    """Invoices, events and parked work are there; a plan can be changed, an event comes once."""
    stack, paid = old.stack, old.paid
    settled(stack, paid.id)
    assert stack.sql("SELECT state FROM stripe_events WHERE event_id = 'evt_pending'") == "done"
    shown = subscription_of(paid.client, paid.id)
    assert shown["current_period_ends_at"] == old.bought["current_period_ends_at"]
    invoices = expect(paid.client.get(f"/api/subscriptions/{paid.id}/invoices"), 200)["invoices"]
    assert "ACME-0001" in {invoice["number"] for invoice in invoices}
    for kind, name in (("events", "evt_parked"), ("calls", "call:3"),
                       ("meters", "mev_00000000000000000000000000000002")):
        assert name in stack.billingctl(
            "stripe", kind, *(["--state", "parked"] if kind == "events" else [])).stdout
    assert expect(deliver(stack, {**event(), "id": "evt_done"}), 200) == {"received": True}
    assert stack.sql("SELECT state FROM stripe_events WHERE event_id = 'evt_done'") == "done"
    stack.billingctl("stripe", "dismiss", "evt_parked", "--why", "of another shop")
    expect(ask(paid.client, "upgrade", paid.id, new_plan="enterprise"), 200)
    settled(stack, paid.id)
    assert subscription_of(paid.client, paid.id)["plan"] == "enterprise"


def test_the_installation_is_sound(old):
    sockets = {"BILLING_SOCKET": str(old.stack.socket),
               "BILLING_STRIPE_SOCKET": str(old.stack.stripe_socket)}
    # The first round of the jobs fills what the update has added.
    nobody = old.stack.api.nobody
    wait_for(lambda: nobody.get("/health/ready", faults=True).status_code == 200)

    def wrong():
        said = old.stack.billingctl("doctor", env=sockets, check=False).stdout.splitlines()
        return [line for line in said if line.startswith("WRONG") and "stripe_parked" not in line]
    wait_for(lambda: not wrong())
    assert old.stack.api.nobody.get("/health/ready").status_code == 200
