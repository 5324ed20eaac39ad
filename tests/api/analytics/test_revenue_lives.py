"""Random lives of customers: every movement and every month is that of the reference model, exactly."""

import datetime
import json
import os
import random
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction

import pytest

from support.chance import SEED
from support.revenue_model import DAY, HOUR, Life
from support.stack import ROOT

CUSTOMERS, STEPS = (1000, 40) if os.environ.get("FULL") else (60, 30)
BEGIN = 1735689600  # 2025-01-01
COLUMNS = {"starts": "starts_at", "ends": "ends_at", "hold": "hold_ends_access_at",
           "unpriced": "price_ends_access_at", "resumes": "pause_resumes_at", "since": "past_due_since"}


def moment(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def instant(value):
    return "NULL" if value is None else f"to_timestamp({value})"


def items(rand):
    """Some items that are billed, by any interval."""
    return [{"amount": rand.choice(("1", "999", "4900", "120000", "33.5", "0")),
             "quantity": rand.choice((1, 2, 7, 1000)),
             "interval": rand.choice(("month", "month", "year", "week", "day")),
             "count": rand.choice((1, 1, 3, 6)), "discounts": discounts(rand)}
            for _ in range(rand.choice((1, 1, 1, 2, 4)))]


def discounts(rand):
    return [rand.choice((("percent", "20"), ("percent", "33.33"), ("amount", "700"), ("percent", "100")))
            for _ in range(rand.choice((0, 0, 0, 1, 2)))]


def recurring(sub):
    """The text that the service stores for it."""
    def taken_off(pairs):
        return [{kind: size} for kind, size in pairs]
    return json.dumps({
        "currency": sub["currency"], "interval": sub["interval"], "interval_count": sub["count"],
        "items": [{"amount": i["amount"], "quantity": i["quantity"], "interval": i["interval"],
                   "interval_count": i["count"], "discounts": taken_off(i["discounts"])}
                  for i in sub["items"]],
        "discounts": taken_off(sub["discounts"])})


class Writer:
    """Lives a customer's life in the model, and writes the statements that make it in the database."""

    def __init__(self, rand, number):
        self.rand, self.life, self.lines = rand, Life(), []
        self.customer = f"cust_{number:032x}"
        self.ids = number * 1000
        self.life.now = BEGIN + rand.randrange(90 * DAY)
        self.at(self.life.now)
        self.lines.append("INSERT INTO customers (customer_id, email) VALUES "
                          f"('{self.customer}', '{number}@example.com');")

    def at(self, now):
        self.lines.append(f"SET billing.now = '{moment(now)}';")

    def new(self, contract=None):
        self.ids += 1
        rand, now = self.rand, self.life.now
        sub = {"id": self.ids, "contract": contract, "status": "active", "superseded": False,
               "currency": rand.choice(("usd", "usd", "usd", "eur", "jpy")), "since": now,
               "paused": False, "interval": "month", "count": 1, "items": items(rand),
               "discounts": discounts(rand)}
        if contract:
            sub.update(starts=now + rand.choice((0, -DAY, 10 * DAY)), discounts=[], items=[
                {"amount": str(rand.randrange(1, 10**7)), "quantity": 1, "count": rand.choice((1, 2)),
                 "interval": rand.choice(("month", "year")), "discounts": []}])
            sub["ends"] = now + rand.choice((20, 100, 400)) * DAY
        return sub

    def insert(self, sub):
        self.life.subs.append(sub)
        if not sub["contract"]:
            self.lines.append(
                "INSERT INTO subscriptions (subscription_id, customer_id, stripe_subscription_id, plan, "
                f"status, recurring) OVERRIDING SYSTEM VALUE VALUES ({sub['id']}, '{self.customer}', "
                f"'sub_{sub['id']}', 'pro', '{sub['status']}', '{recurring(sub)}');")
            return
        self.lines += [
            "BEGIN;", "INSERT INTO contracts (contract_id, customer_id, billing, created_at, updated_at) "
            f"VALUES ('{sub['contract']}', '{self.customer}', 'manual', now(), now());",
            self.terms(sub, 1),
            "INSERT INTO subscriptions (subscription_id, customer_id, contract_id, plan, status, "
            f"starts_at, ends_at) OVERRIDING SYSTEM VALUE VALUES ({sub['id']}, '{self.customer}', "
            f"'{sub['contract']}', 'deal', 'active', {instant(sub['starts'])}, "
            f"{instant(sub['ends'])});", "COMMIT;"]

    @staticmethod
    def terms(sub, version):
        item = sub["items"][0]
        return ("INSERT INTO contract_versions (contract_id, version, plan, starts_at, ends_at, "
                "amount_minor, currency, interval, interval_count, created_at, created_by) VALUES "
                f"('{sub['contract']}', {version}, 'deal', {instant(sub['starts'])}, "
                f"{instant(sub['ends'])}, {item['amount']}, '{sub['currency']}', "
                f"'{item['interval']}', {item['count']}, now(), 'test');")

    def change(self, sub, **values):
        sub.update(values)
        sets = [f"status = '{sub['status']}'", f"superseded = {sub['superseded']}",
                f"pause_behavior = {chr(39) + 'void' + chr(39) if sub['paused'] else 'NULL'}",
                f"hold_reason = {'NULL' if sub.get('hold') is None else chr(39) + 'refunded' + chr(39)}"]
        sets += [f"{column} = {instant(sub.get(name))}" for name, column in COLUMNS.items()]
        if not sub["contract"]:
            sets.append(f"recurring = '{recurring(sub)}'")
        self.lines.append(f"UPDATE subscriptions SET {', '.join(sets)} WHERE subscription_id = "
                          f"{sub['id']};")

    def amend(self, sub):
        sub["version"] = sub.get("version", 1) + 1
        sub["items"] = [{**sub["items"][0], "amount": str(self.rand.randrange(0, 10**7))}]
        self.lines += ["BEGIN;", f"UPDATE contracts SET version = {sub['version']} WHERE contract_id = "
                       f"'{sub['contract']}';", self.terms(sub, sub["version"]), "COMMIT;"]

    def step(self):
        rand, now = self.rand, self.life.now
        now += rand.choice((1, 60, HOUR - 1, HOUR, HOUR + 1, DAY, 3 * DAY, 8 * DAY, 40 * DAY))
        self.life.advance(now)
        self.at(now)
        live = [s for s in self.life.subs if s["status"] != "canceled" and not s["superseded"]
                and not (s.get("ends") is not None and s["ends"] <= now)]
        if rand.random() < 0.15:
            self.lines.append("SELECT revenue_run(7, 100000);")
        elif not live:
            self.insert(self.new(f"con_{self.ids:032x}" if rand.random() < 0.3 else None))
        else:
            self.change_one(rand.choice(live), now)
        self.life.book(now)

    def change_one(self, sub, now):
        rand = self.rand
        soon = rand.choice((now, now + DAY, now + 20 * DAY))
        deeds = [lambda: self.change(sub, status="canceled"), lambda: self.change(sub, hold=soon),
                 lambda: self.change(sub, hold=None, unpriced=None),
                 lambda: self.change(sub, unpriced=now)]
        if sub["contract"]:
            deeds += [lambda: self.amend(sub)] * 3
        else:
            deeds += [
                lambda: self.change(sub, status="canceled"),
                lambda: self.change(sub, status=rand.choice(("trialing_", "unpaid", "incomplete"))),
                lambda: self.change(sub, status="active"), lambda: self.change(sub, status="active"),
                lambda: self.change(sub, status="past_due", since=now - rand.choice((0, DAY))),
                lambda: self.change(sub, paused=True, resumes=rand.choice((None, soon))),
                lambda: self.change(sub, paused=False, resumes=None),
                lambda: self.change(sub, items=items(rand)), lambda: self.change(sub, items=items(rand)),
                lambda: self.change(sub, discounts=discounts(rand)),
                lambda: self.change(sub, currency=rand.choice(("usd", "eur"))),
                lambda: self.change(sub, superseded=True)]
        rand.choice(deeds)()


def months_of(lives):
    """The model's sums: (month, currency, kind) -> amount; each kind is decided here."""
    sums = defaultdict(Fraction)
    for life in lives:
        seen = set()
        for currency, at, before, after in life.rows:
            kind = ("churn" if not after else "new" if not before and currency not in seen
                    else "reactivation" if not before else
                    "expansion" if after > before else "contraction")
            seen.add(currency)
            sums[moment(at).strftime("%Y-%m"), currency, kind] += abs(after - before)
    return sums


@pytest.fixture(scope="module")
def sql(cluster, copied):
    """Runs statements in a database of this test."""
    name = copied("random_lives")
    return lambda query: cluster.sql(query, name)


@pytest.fixture(scope="module")
def crowd(cluster, copied):
    """Runs statements in a database of many sessions."""
    name = copied("crowd")
    return lambda query: cluster.sql(query, name)


def months(sql, *windows):
    """The months as the service computes them, for one time after the other."""
    text = (ROOT / "lib/analytics/revenue_months.sql").read_text(encoding="utf-8")
    out = sql(f"PREPARE months AS {text};\n" + "\n".join(
        f"EXECUTE months ('{first}-01', '{last}-01', NULL, now());" for first, last in windows))
    names = ("month", "currency", "start", "opening", "new", "expansion", "contraction", "churn",
             "reactivation", "end", "committed", "quick_ratio", "customers_start", "customers_end", "arpu",
             "final")
    return [dict(zip(names, line.split("|"))) for line in out.splitlines()]


def test_random_lives(sql):
    rand = random.Random(SEED)
    writers = [Writer(rand, number + 1) for number in range(CUSTOMERS)]
    for writer in writers:
        for _ in range(STEPS):
            writer.step()
    end = max(writer.life.now for writer in writers) + 500 * DAY
    lines = [line for writer in writers for line in writer.lines]
    lines += [f"SET billing.now = '{moment(end)}';"] + ["SELECT revenue_run(7, 100000);"] * 2
    sql("\n".join(lines))
    for writer in writers:
        writer.life.advance(end)
    told = defaultdict(list)
    for line in sql("SELECT customer_id, currency, extract(epoch FROM happened_at)::bigint, mrr_before, mrr "
                    "FROM revenue_movements ORDER BY movement_id").splitlines():
        customer, currency, at, before, after = line.split("|")
        told[customer].append([currency, int(at), Fraction(before), Fraction(after)])
    for writer in writers:
        for currency in ("usd", "eur", "jpy"):
            assert ([row for row in told[writer.customer] if row[0] == currency] ==
                    [row for row in writer.life.rows if row[0] == currency]), (
                        f"BILLING_SEED={SEED}", writer.customer, "\n".join(writer.lines))
    rows = months(sql, ("2025-01", "2034-12"))
    check_months(rows, months_of(writer.life for writer in writers))
    check_windows(sql, rows, rand)


@pytest.mark.parametrize("booked, final", [
    ("2025-07-01 00:59:59.999", False), ("2025-07-01 01:00", True)])
def test_a_month_is_final_when_an_hour_after_it_is_booked(crowd, booked, final):
    [row] = months(lambda query: crowd(
        "BEGIN; INSERT INTO revenue_sums (month, currency, kind, amount, customers) "
        "VALUES ('2025-06-01', 'xts', 'new', 5, 1); "
        f"UPDATE revenue_policy SET settled_at = '{booked}Z'; {query}"), ("2025-06", "2025-06"))
    assert (row["final"] == "t") == final


def crowd_script(rand, customer, sub):
    """Transactions of a request or a webhook, which lock the customer first, and of the job, which does
    not. Days of grace end meanwhile."""
    def terms(amount):
        return json.dumps({"currency": "usd", "interval": "month", "interval_count": 1, "items": [
            {"amount": amount, "quantity": 1, "interval": "month", "interval_count": 1}]})
    changes = [
        lambda: f"recurring = '{terms(rand.randrange(0, 9000))}'", lambda: "status = 'active'",
        lambda: "status = 'past_due', past_due_since = clock_timestamp() - interval '7 days' + interval "
                f"'{rand.randrange(0, 20)} ms'", lambda: "status = 'canceled'",
        lambda: "cancel_at_period_end = NOT cancel_at_period_end"]
    lines = []
    for _ in range(25):
        lines += ["BEGIN;", f"SELECT FROM customers WHERE customer_id = '{customer}' FOR NO KEY UPDATE;",
                  f"UPDATE subscriptions SET {rand.choice(changes)()} WHERE subscription_id = {sub};",
                  "COMMIT;"] if rand.random() < 0.8 else ["SELECT revenue_run(7, 50);"]
    return "\n".join(lines)


def test_changes_at_the_same_time(crowd):
    """Sessions that change the same subscriptions at once lose no movement and book none twice."""
    rand = random.Random(SEED)
    customers = [(f"cust_{number:032x}", number) for number in (1, 2)]
    for customer, sub in customers:
        crowd(f"INSERT INTO customers (customer_id, email) VALUES ('{customer}', '{sub}@example.com');"
              "INSERT INTO subscriptions (subscription_id, customer_id, stripe_subscription_id, plan, "
              f"status) OVERRIDING SYSTEM VALUE VALUES ({sub}, '{customer}', 'sub_{sub}', 'pro', "
              "'active');")
    scripts = [crowd_script(rand, *customers[number % 2]) for number in range(6)]
    with ThreadPoolExecutor(len(scripts)) as pool:
        list(pool.map(crowd, scripts))
    check = (ROOT / "lib/analytics/revenue_check.sql").read_text(encoding="utf-8")
    assert int(crowd("SELECT count(*) FROM revenue_movements")) > 5
    assert crowd(f"PREPARE faults AS {check};\nEXECUTE faults (now());") == "", SEED
    ends = defaultdict(Fraction)
    for row in months(crowd, ("2025-01", "2099-12")):
        check_month(row, ends)


def check_months(rows, sums):
    """The identity in each row, and the model's sums: wrong by 0."""
    assert len(rows) > 100 and len(sums) > 50
    ends = defaultdict(Fraction)
    for row in rows:
        value = check_month(row, ends)
        for kind in ("new", "expansion", "contraction", "churn", "reactivation"):
            assert value[kind] == sums.pop((row["month"], row["currency"], kind), 0), (SEED, row, kind)
    assert not sums


def check_windows(sql, rows, rand):
    """A month has the same numbers alone (FULL=1: each; else some) and in any longer time."""
    names = sorted({row["month"] for row in rows})
    alone = names if os.environ.get("FULL") else rand.sample(names, 5)
    windows = [(name, name) for name in alone] + [sorted(rand.sample(names, 2))]

    def told(some):
        # A currency has no rows in a time before its first movement, and empty ones in a longer time.
        return sorted(json.dumps(row) for row in some
                      if any(row[name] != "0" for name in ("start", "new", "expansion", "contraction", "churn",
                                                           "reactivation", "end")))
    expected = [row for first, last in windows for row in rows if first <= row["month"] <= last]
    assert told(months(sql, *windows)) == told(expected), f"BILLING_SEED={SEED}"


def check_month(row, ends):
    """The month's values, which add up, and start with what the month before ended with."""
    value = {name: Fraction(Decimal(row[name])) for name in
             ("start", "opening", "new", "expansion", "contraction", "churn", "reactivation", "end",
              "committed")}
    key = row["currency"]
    assert value["start"] == ends[key] + value["opening"], row
    assert (value["start"] + value["new"] + value["expansion"] - value["contraction"] -
            value["churn"] + value["reactivation"]) == value["end"], row
    assert 0 <= value["committed"] <= value["end"], row
    ends[key] = value["end"]
    return value
