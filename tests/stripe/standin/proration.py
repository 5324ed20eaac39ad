"""The arithmetic of periods and amounts. Amounts are whole minor units, rounded half away from
zero; time counts by the second; months are those of the calendar in UTC."""

import calendar
import datetime
from decimal import ROUND_HALF_UP, Decimal

MONTHS = {"month": 1, "year": 12}
SECONDS = {"day": 86400, "week": 7 * 86400}


def add(second, interval, count):
    """A second moved on by intervals. Months keep the day, or end on their last one."""
    if interval in SECONDS:
        return second + SECONDS[interval] * count
    then = datetime.datetime.fromtimestamp(second, datetime.timezone.utc)
    month = then.month - 1 + MONTHS[interval] * count
    year, month = then.year + month // 12, month % 12 + 1
    day = min(then.day, calendar.monthrange(year, month)[1])
    return int(then.replace(year=year, month=month, day=day).timestamp())


def period_end(anchor, second, interval, count):
    """The end of the period in which a second lies, counting periods from the anchor, so that a
    subscription of the 31st returns to the 31st after a short month."""
    if second < anchor:
        return anchor
    periods = 1
    while add(anchor, interval, count * periods) <= second:
        periods += 1
    return add(anchor, interval, count * periods)


def rounded(amount):
    """A decimal as whole minor units."""
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def amount(price, quantity):
    """The price of a quantity for a whole period."""
    return rounded(Decimal(price.unit_amount_decimal) * Decimal(quantity))


def share(price, quantity, part, whole):
    """The price of a quantity for a part of the period."""
    return rounded(Decimal(price.unit_amount_decimal) * quantity * part / whole)
