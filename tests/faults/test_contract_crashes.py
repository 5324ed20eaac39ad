"""The process that makes a contract's subscription at Stripe is killed, before and after Stripe has
done it: in the end there is one subscription, and it counts."""

import pytest
from chaos.life import Life
from chaos.processes import children, kill, role_of
from support.client import expect
from support.stack import wait_for

JOBS = "billingd jobs s"
TERMS = {"plan": "enterprise", "billing": "stripe_invoice", "ends_at": "2040-01-01T00:00:00Z",
         "price": {"amount_minor": 120000, "currency": "usd", "interval": "year"}}


def kill_jobs(stack):
    """Kills the Stripe jobs process, and returns how many there were."""
    return sum(kill(pid) for pid in children(stack) if role_of(pid) == JOBS)


@pytest.mark.parametrize("fault", ["slow", "slow_after"])
@pytest.mark.parametrize("path", ["/v1/customers$", "/v1/prices$", "/v1/subscriptions$"])
def test_killed_while_a_contract_is_made(shop, books, fault, path):
    life = Life(shop)
    contracts = f"/api/customers/{life.id}/contracts"
    wait_for(lambda: books.count(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'billingd jobs stripe' "
        "AND state = 'idle' AND state_change < now() - interval '0.3 s'"), 60, 0.05)
    shop.stripe.fault(fault, method="POST", path=path, seconds=60)
    expect(shop.api.owner.post(contracts, TERMS), 201)
    wait_for(lambda: sum(rule["used"] for rule in shop.stripe.control("faults")) == 1, every=0.01)
    assert kill_jobs(shop) == 1
    shop.stripe.let_go()
    books.hurry()
    state = shop.stripe.state()
    mine = [one for one in state["subscriptions"].values()
            if one["metadata"].get("customer_id") == life.id]
    assert [one["status"] for one in mine] == ["active"]
    assert len([one for one in state["customers"].values()
                if one["metadata"].get("customer_id") == life.id]) == 1
    contract, = expect(shop.api.owner.get(contracts), 200)["contracts"]
    assert contract["status"] == "active"
    # The comparison with Stripe finds nothing to repair, and the customer leaves nothing behind.
    assert books.count("SELECT count(*) FROM subscriptions WHERE superseded = false AND status "
                       f"NOT IN ('canceled') AND customer_id = '{life.id}'") == 1
    expect(shop.api.owner.delete(f"/api/customers/{life.id}"), 200)
    books.rest()
    books.check()
