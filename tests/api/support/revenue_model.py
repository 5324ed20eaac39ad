"""The reference for MRR and its movements: one customer's life, second by second, without a database.

A subscription is a dictionary of its row; money is a Fraction of minor units, rounded where the contract
says so. Nothing here is shared with the service."""

from fractions import Fraction
from math import floor

HOUR, DAY = 3600, 86400
FACTORS = {"year": Fraction(1, 12), "month": Fraction(1), "week": Fraction(52, 12),
           "day": Fraction(365, 12)}
TIMES = ("starts", "ends", "hold", "unpriced", "resumes")


def cents(value):
    """Rounded to six decimals, half up."""
    return Fraction(floor(value * 10**6 + Fraction(1, 2)), 10**6)


def monthly(amount, interval, count):
    return cents(Fraction(amount) * FACTORS[interval] / count)


def less(value, discounts, interval, count):
    for kind, size in discounts:
        value = (cents(value * (100 - Fraction(size)) / 100) if kind == "percent"
                 else value - monthly(size, interval, count))
    return max(value, Fraction(0))


def worth(sub):
    total = sum((less(monthly(Fraction(i["amount"]) * i["quantity"], i["interval"], i["count"]),
                      i["discounts"], i["interval"], i["count"]) for i in sub["items"]), Fraction(0))
    return less(total, sub["discounts"], sub["interval"], sub["count"])


def counts(sub, now, grace):
    over = any(sub.get(name) is not None and sub[name] <= now for name in ("ends", "hold", "unpriced"))
    early = sub.get("starts") is not None and sub["starts"] > now
    paused = sub["paused"] and not (sub.get("resumes") is not None and sub["resumes"] <= now)
    late = sub["status"] == "past_due" and now < sub["since"] + grace
    return not over and not early and not paused and (sub["status"] == "active" or late)


def order(sub, now):
    """The first of a customer's subscriptions by this order and the newest of them counts."""
    if sub["status"] == "canceled" or (sub.get("ends") is not None and sub["ends"] <= now):
        return 3
    if sub.get("starts") is not None and sub["starts"] > now:
        return 2
    return 0 if sub["contract"] else 1


class Life:
    """A customer's subscriptions, and the movements that they make: [currency, time, before, after]."""

    def __init__(self, grace=7 * DAY):
        self.subs, self.rows, self.last, self.now, self.grace = [], [], {}, 0, grace

    def value(self, now):
        ranked = sorted((s for s in self.subs if not s["superseded"]),
                        key=lambda s: (order(s, now), -s["id"]))
        sub = ranked[0] if ranked and counts(ranked[0], now, self.grace) else None
        return {sub["currency"]: worth(sub)} if sub and worth(sub) else {}

    def book(self, now):
        values = self.value(now)
        for currency in sorted(set(self.last) | set(values)):
            before, after = self.last.get(currency, Fraction(0)), values.get(currency, Fraction(0))
            mine = [row for row in self.rows if row[0] == currency]
            if after and not before and mine and now <= mine[-1][1] + HOUR:
                self.rows.remove(mine[-1])
                if mine[-1][2] != after:
                    self.rows.append([currency, mine[-1][1], mine[-1][2], after])
            elif after != before:
                self.rows.append([currency, now, before, after])
            self.last[currency] = after

    def advance(self, until):
        """Books what begins and ends by its date alone."""
        dates = {sub[name] for sub in self.subs for name in TIMES if sub.get(name) is not None}
        dates |= {s["since"] + self.grace for s in self.subs if s["status"] == "past_due"}
        for date in sorted(one for one in dates if self.now < one <= until):
            self.book(date)
        self.now = until
