"""billingctl import stripe: customers and live subscriptions of an account at Stripe are adopted once."""

import json

from support.account import fixture_kept_place, fixture_place  # noqa: F401 (fixtures)
from support.scratch import cluster  # noqa: F401 (a fixture)

LISTED = 55  # more than a page


def at_stripe(place, email, price="price_s", **more):
    """A customer at Stripe with a subscription: both ids. Members of the customer are given by name."""
    customer = place.stripe.call("POST", "/v1/customers",
                                 {**({"email": email} if email else {}), **more})["id"]
    place.stripe.card(customer, "good")
    return customer, subscribe(place, customer, price)


def subscribe(place, customer, price="price_s"):
    return place.stripe.call("POST", "/v1/subscriptions", {"customer": customer, "items[0][price]": price})["id"]


def run(place, *words, status=3, link=("--link-by-email",)):
    done = place.ctl.run("import", "stripe", "--json", *link, *words)
    assert (done.returncode, done.stderr) == (status, ""), done
    return json.loads(done.stdout)


def rows(place):
    """All rows; places of sequences, which a dry run may move, are left out."""
    return [line for line in place.dump() if "pg_catalog.setval" not in line]


def other_price(place):
    product = place.stripe.call("POST", "/v1/products", {"name": "Something else"})["id"]
    return place.stripe.call("POST", "/v1/prices", {
        "product": product, "currency": "usd", "unit_amount": "500",
        "recurring[interval]": "month"})["id"]


def test_adopts_once(place):
    known = place.ctl("customer", "create", "known@stripe.example")["customer_id"]
    named = "cust_" + "5" * 32
    plain = [at_stripe(place, f"p{n}@stripe.example", name=f"Company {n}") for n in range(LISTED)]
    by_email = at_stripe(place, "KNOWN@Stripe.example", "price_p")
    by_metadata = at_stripe(place, "named@stripe.example", **{"metadata[customer_id]": named})
    foreign = at_stripe(place, "foreign@stripe.example", other_price(place))[1]
    nameless = at_stripe(place, None)[1]
    twins = [at_stripe(place, "twin@stripe.example")[1] for _ in range(2)]
    two_customer, first = at_stripe(place, "two@stripe.example")
    second = subscribe(place, two_customer)
    ended = at_stripe(place, "ended@stripe.example")[1]
    place.stripe.call("DELETE", f"/v1/subscriptions/{ended}")

    before, calls = rows(place), place.stripe.call("GET", "/v1/events", {"limit": 1})["data"][0]["id"]
    dry = run(place, "--dry-run")
    assert rows(place) == before
    answer = run(place)
    # It changes nothing at Stripe.
    assert place.stripe.call("GET", "/v1/events", {"limit": 1})["data"][0]["id"] == calls
    for one in (dry, answer):
        assert (one["subscriptions_made"], one["subscriptions_skipped"]) == (LISTED + 4, 4)
        assert one["customers_made"] == LISTED + 3
        why = {remark["id"]: remark["why"] for remark in one["remarks"]}
        assert len(why) == 4 and ended not in why
        assert "none of its prices" in why[foreign] and "no e-mail address" in why[nameless]
        assert sum(twin in why for twin in twins) == sum(two in why for two in (first, second)) == 1
        assert "has its customer's e-mail" in next(why[twin] for twin in twins if twin in why)
        assert "another live subscription" in next(why[two] for two in (first, second) if two in why)

    stored = dict(line.split("|", 1) for line in place.sql(
        "SELECT s.stripe_subscription_id, concat_ws('|', c.stripe_customer_id, c.customer_id, s.plan, "
        "s.status, c.company_name) FROM subscriptions s JOIN customers c USING (customer_id) "
        "WHERE s.stripe_subscription_id IS NOT NULL").splitlines())
    assert stored[by_email[1]] == f"{by_email[0]}|{known}|professional|active"
    assert stored[by_metadata[1]] == f"{by_metadata[0]}|{named}|starter|active"
    for n, (customer, subscription) in enumerate(plain):
        assert stored[subscription].startswith(customer) and stored[subscription].endswith(f"active|Company {n}")
    # The trial of the known customer is over.
    assert place.ctl("customer", "show", known)["plan"] == "professional"
    assert [d for d in place.differences("--dry-run") if d[0] != "subscription"] == []

    imported = rows(place)
    again = run(place)
    assert rows(place) == imported
    assert (again["subscriptions_made"], again["subscriptions_here"]) == (0, LISTED + 4)


def test_a_customer_that_was_deleted_stays_so(place):
    customer = place.ctl("customer", "create", "gone@stripe.example")["customer_id"]
    stripe_customer, subscription = at_stripe(place, "gone@stripe.example")
    place.sql(f"UPDATE customers SET stripe_customer_id = '{stripe_customer}', email = NULL, "
              f"deleted_at = now() WHERE customer_id = '{customer}'")
    answer = run(place)
    assert [(r["id"], r["why"]) for r in answer["remarks"]] == [
        (subscription, "its customer was deleted here")]


def test_an_address_alone_links_nobody(place):
    taken = place.ctl("customer", "create", "taken@stripe.example")["customer_id"]
    at_stripe(place, None)  # is skipped in each run
    payer, subscription = at_stripe(place, "Taken@stripe.example", "price_p")
    before = rows(place)
    for words in (("--dry-run",), ()):
        why = {r["id"]: r["why"] for r in run(place, *words, link=())["remarks"]}[subscription]
        assert taken in why and "--link-by-email" in why
    assert rows(place) == before
    run(place)
    assert place.sql(f"SELECT stripe_customer_id FROM customers WHERE customer_id = '{taken}'").strip() == payer
