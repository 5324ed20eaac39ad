"""Whether a table of plans sells what the stand-in for Stripe has from the start (stripe.sh).

    shipped_prices.py PLANS_FILE PLAN=AMOUNT ...

Ends with 0 if the file has these plans and nothing else to sell, each at that amount of US cents a month or by
agreement, and also if it cannot be read, which billingd refuses with the reason.
"""

import json
import sys


def sells(table, amounts):
    """Whether each plan, and nothing beside the plans, has the price of that name."""
    found = {}
    for plan in table["plans"]:
        price = plan.get("price")
        if "prices" in plan or "quantity" in plan or "meters" in plan.get("usage", {}):
            return False
        found[plan["plan"]] = amounts.get(plan["plan"]) if price is None else price["amount_minor"]
        if price is not None and {**price, "amount_minor": 0} != {
                "amount_minor": 0, "currency": "usd", "interval": "month"}:
            return False
    return found == amounts and not table.get("addons") and not table.get("meters")


def main():
    """The exit status."""
    amounts = {name: int(amount) for name, _, amount in (word.partition("=") for word in sys.argv[2:])}
    try:
        with open(sys.argv[1], encoding="utf-8-sig") as file:
            return 0 if sells(json.load(file), amounts) else 1
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return 0


if __name__ == "__main__":
    sys.exit(main())
