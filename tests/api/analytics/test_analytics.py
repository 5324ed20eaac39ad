"""Figures for operators: what subscriptions at Stripe, contracts, trials and use add up to."""

import csv
import datetime
import io
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from support.client import expect
from support.payments import ask, buy, settled
from support.stack import ROOT, wait_for

CSV = {"Accept": "text/csv"}
TODAY = datetime.datetime.now(datetime.timezone.utc)


def figures(api, path, status=200, code=None):
    return expect(api.owner.get(f"/api/analytics/{path}"), status, code)


def pages(api, name, query):
    """The rows of all pages."""
    rows, cursor = [], ""
    while cursor is not None:
        page = figures(api, f"{name}?{query}{cursor}")
        rows += page[name]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    return rows


def movements(api, customer):
    """The customer's movements, the oldest first: kind, amount, after. The tests may begin in one month and
    end in the next one."""
    rows = []
    for month in {TODAY.strftime("%Y-%m"), datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m")}:
        rows += [row for row in pages(api, "movements", f"limit=100&month={month}")
                 if row["customer_id"] == customer.id]
    rows.sort(key=lambda row: int(row["id"]))
    return [(row["kind"], row["currency"], row["amount"], row["after"]) for row in rows]


def check_identity(api):
    """Each month adds up, and starts with the end of the one before."""
    months = figures(api, "revenue")["months"]
    assert months
    ends = {}
    for row in months:
        start, new, expansion, contraction, churn, reactivation, end, opening = (
            Decimal(row[name]) for name in ("start", "new", "expansion", "contraction", "churn",
                                            "reactivation", "end", "opening"))
        assert start + new + expansion - contraction - churn + reactivation == end, row
        assert start == ends.get(row["currency"], 0) + opening, row
        ends[row["currency"]] = end


def test_a_life_at_stripe(api, stack, stripe):
    customer = api.sign_up(company_name='=HYPERLINK("http://evil.example")')
    assert movements(api, customer) == []
    bought = buy(stack, customer, "starter")
    path = f"/api/customers/{customer.id}/export"
    [row] = expect(customer.client.get(path), 200)["revenue_movements"]
    [(kind, currency, first, after)] = movements(api, customer)
    assert (kind, currency, first) == ("new", "usd", after) and Decimal(first) > 0
    assert (row["kind"], row["currency"], row["amount"], row["plan"]) == (kind, currency, first, "starter")
    expect(ask(customer.client, "upgrade", customer.id, new_plan="professional"), 200)
    [_, (kind, _, amount, after)] = movements(api, customer)
    assert kind == "expansion" and Decimal(first) + Decimal(amount) == Decimal(after)
    item = stack.stripe.state()["subscriptions"][bought["stripe_subscription_id"]]["item"]
    stripe.call("POST", f"/v1/subscriptions/{bought['stripe_subscription_id']}",
                {"items[0][id]": item, "items[0][quantity]": 3})
    settled(stack, customer.id)
    assert Decimal(movements(api, customer)[-1][3]) == 3 * Decimal(after)
    expect(ask(customer.client, "cancel", customer.id), 200)
    settled(stack, customer.id)
    assert movements(api, customer)[-1][::3] == ("churn", "0")
    check_identity(api)
    until = f"revenue?to={TODAY:%Y-%m}"
    month = figures(api, until)["months"]
    expect(api.owner.delete(f"/api/customers/{customer.id}"), 200)
    assert figures(api, until)["months"] == month
    assert movements(api, customer)[-1][::3] == ("churn", "0")


def test_changes_at_the_same_time(api, stack, stripe):
    """Requests, changes at Stripe and the job meet at one subscription: each month adds up."""
    customer = api.sign_up()
    bought = buy(stack, customer, "starter")["stripe_subscription_id"]
    item = stack.stripe.state()["subscriptions"][bought]["item"]
    deeds = [lambda: ask(customer.client, "upgrade", customer.id, new_plan="professional"),
             lambda: stripe.call("POST", f"/v1/subscriptions/{bought}",
                                 {"items[0][id]": item, "items[0][quantity]": 2}),
             lambda: ask(customer.client, "cancel", customer.id, at_period_end=True),
             lambda: stack.sql("SELECT revenue_run(7, 50)")]
    with ThreadPoolExecutor(len(deeds)) as pool:
        list(pool.map(lambda deed: deed(), deeds))
    settled(stack, customer.id)
    rows = movements(api, customer)
    assert sum(Decimal(amount) for _, _, amount, _ in rows) == Decimal(rows[-1][3]) > 0
    check_identity(api)


def test_a_scheduled_end_is_not_committed(api, stack):
    customer = api.sign_up()
    buy(stack, customer, "starter")

    def usd():
        [row] = [row for row in figures(api, "summary")["currencies"] if row["currency"] == "usd"]
        return Decimal(row["end"]), Decimal(row["committed"])
    end, committed = usd()
    expect(ask(customer.client, "cancel", customer.id, at_period_end=True), 200)
    settled(stack, customer.id)
    assert usd() == (end, committed - Decimal(movements(api, customer)[0][2]))


def test_a_contract_that_stripe_bills_is_committed(api, stack):
    """Its end at Stripe is the contract's own; an end that is set before takes it out, as with one that is paid elsewhere."""
    def counts():
        answer = figures(api, "summary")
        [row] = [row for row in answer["currencies"] if row["currency"] == "eur"] or [{"end": 0, "committed": 0}]
        return Decimal(row["end"]), Decimal(row["committed"]), answer["counts"]["ending"]

    def gained():
        return tuple(now - then for now, then in zip(counts(), before))
    before = counts()
    price = {"amount_minor": 1000000, "currency": "eur", "interval": "year"}
    paths = []
    for billing in ("manual", "stripe_invoice"):
        customer = api.sign_up()
        path = f"/api/customers/{customer.id}/contracts"
        made = expect(api.owner.post(path, {"plan": "enterprise", "billing": billing, "price": price, "ends_at": (
            TODAY + datetime.timedelta(days=60)).strftime("%Y-%m-%dT%H:%M:%S.500Z")}), 201)["contract"]
        paths.append((customer, f"{path}/{made['contract_id']}"))
        settled(stack, customer.id)
    assert gained() == (Decimal("166666.666666"), Decimal("166666.666666"), 0)
    # Stripe's dashboard cancels the one that it bills.
    sold = stack.sql(f"SELECT stripe_subscription_id FROM subscriptions WHERE customer_id = '{customer.id}' AND "
                     "contract_id IS NOT NULL")
    stack.stripe.call("POST", f"/v1/subscriptions/{sold}", {"cancel_at_period_end": True})
    settled(stack, customer.id)
    assert gained() == (Decimal("166666.666666"), Decimal("83333.333333"), 1)
    for customer, path in paths:
        soon = (TODAY + datetime.timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
        expect(api.owner.post(path + "/end", {"at": soon}), 200)
        settled(stack, customer.id)
    assert gained()[:2] == (Decimal("166666.666666"), 0)


def test_committed_contracts_of_before(cluster, copied):
    """The migration has contracts booked anew that were taken for cancelled ones."""
    database = copied("committed")
    cluster.sql("""
        INSERT INTO customers (customer_id, email, created_at, updated_at)
        SELECT 'cust_' || md5(n::text), n || '@committed.example', now(), now() FROM generate_series(1, 3) n;
        INSERT INTO contracts (contract_id, customer_id, billing, created_at, updated_at)
        SELECT 'con_' || md5(n::text), 'cust_' || md5(n::text), CASE n WHEN 1 THEN 'manual' ELSE 'stripe_invoice' END, now(), now()
        FROM generate_series(1, 3) n;
        INSERT INTO contract_versions (contract_id, version, plan, starts_at, ends_at, amount_minor, currency, interval,
            interval_count, created_at, created_by)
        SELECT contract_id, 1, 'enterprise', now(), now() + interval '1 year', 500, 'eur', 'month', 1, now(), 'test' FROM contracts;
        INSERT INTO subscriptions (customer_id, contract_id, stripe_subscription_id, plan, status, recurring, starts_at, ends_at,
            cancel_at, created_at, updated_at)
        SELECT customer_id, contract_id, CASE billing WHEN 'stripe_invoice' THEN 'sub_' || contract_id END, 'enterprise', 'active',
            CASE billing WHEN 'stripe_invoice' THEN '{"currency":"eur","interval":"month","interval_count":1,"items":[{"amount":500,'
            '"quantity":1,"interval":"month","interval_count":1,"discounts":[]}],"discounts":[]}' END, starts_at, ends_at,
            CASE WHEN contract_id = 'con_' || md5('2') THEN date_trunc('second', ends_at)
            WHEN contract_id = 'con_' || md5('3') THEN ends_at - interval '2 months' END, now(), now()
        FROM contracts JOIN contract_versions USING (contract_id);
        UPDATE revenue_customers SET due_at = NULL WHERE customer_id = 'cust_' || md5('1');
        UPDATE revenue_values SET committed = 0 WHERE customer_id <> 'cust_' || md5('1');""", database)
    [migration] = (ROOT / "migrations").glob("*_committed_contracts.sql")
    cluster.sql(migration.read_text(encoding="utf-8"), database)
    assert cluster.sql("SELECT revenue_run(7, 1000)", database) == "2"
    assert cluster.sql("SELECT mrr, committed FROM revenue_values ORDER BY committed, customer_id", database).split("\n") == [
        "500.000000|0", "500.000000|500.000000", "500.000000|500.000000"]


def test_a_contract(api):
    customer = api.sign_up()
    until = (TODAY + datetime.timedelta(days=60)).strftime("%Y-%m-%dT00:00:00.000Z")
    path = f"/api/customers/{customer.id}/contracts"
    price = {"amount_minor": 1000000, "currency": "eur", "interval": "year"}
    made = expect(api.owner.post(path, {"plan": "enterprise", "billing": "manual", "ends_at": until,
                                        "price": price}), 201)["contract"]
    assert movements(api, customer) == [("new", "eur", "83333.333333", "83333.333333")]
    expect(api.owner.patch(f"{path}/{made['contract_id']}", {
        "version": 1, "price": {**price, "amount_minor": 1200000}}), 200)
    assert movements(api, customer)[-1] == ("expansion", "eur", "16666.666667", "100000")
    [renewal] = [row for row in pages(api, "renewals", "days=90&limit=100") if row["customer_id"] == customer.id]
    assert (renewal["kind"], renewal["ends"], renewal["mrr"]) == ("contract", True, "100000")
    expect(api.owner.post(f"{path}/{made['contract_id']}/end", {}), 200)
    assert movements(api, customer)[-1] == ("churn", "eur", "-100000", "0")
    check_identity(api)


def test_trials_by_week(api, stack):
    def total(weeks):
        assert all(one["started"] == one["converted"] + one["expired"] + one["open"] for one in weeks)
        return sum(one["started"] for one in weeks), sum(one["open"] for one in weeks)
    before = total(figures(api, "trials")["weeks"])
    api.sign_up()
    assert total(figures(api, "trials")["weeks"]) == (before[0] + 1, before[1] + 1)
    # MRR that had ended before the trial does not convert it; some since does.
    for changed_at, converts in (("2025-02-15Z", 0), ("2999-02-15Z", 1)):
        customer = api.sign_up()
        before = total(figures(api, "trials")["weeks"])
        stack.sql("BEGIN; SET LOCAL session_replication_role = replica; INSERT INTO revenue_values (customer_id, "
                  "currency, mrr, committed, plan, changed_at) VALUES "
                  f"('{customer.id}', 'xts', 0, 0, 'starter', '{changed_at}'); COMMIT")
        assert total(figures(api, "trials")["weeks"]) == (before[0], before[1] - converts)
        stack.sql(f"DELETE FROM revenue_values WHERE customer_id = '{customer.id}'")


def test_the_use_of_all(api, stack):
    customer = api.sign_up()
    expect(customer.client.post("/api/usage/report", {
        "customer_id": customer.id, "active_devices": 7, "total_devices": 9}), 201)
    # It is in the sums of its customer.
    wait_for(lambda: stack.sql("SELECT max(active_devices_peak) >= 7 FROM usage_days "
                               f"WHERE customer_id = '{customer.id}'") == "t")
    # The last report of a metric may be corrected away: it is counted no more.
    stack.sql("INSERT INTO analytics_usage (metric, day, customers, total, peak) VALUES "
              "('vanished', (now() AT TIME ZONE 'UTC')::date, 1, 9, 9); DELETE FROM analytics_usage_days")

    def counted():
        days = figures(api, "usage?metric=active_devices")["days"]
        return any(int(day["peak"]) >= 7 for day in days[-2:])
    wait_for(counted)
    assert figures(api, "usage?metric=vanished")["days"][-1]["peak"] == "0"


def test_customers_near_their_limits(api):
    customer = api.sign_up()
    most = expect(customer.client.get(f"/api/usage/{customer.id}/limits"),
                  200)["devices"]["max"]
    expect(customer.client.post("/api/usage/report", {
        "customer_id": customer.id, "active_devices": most, "total_devices": most}), 201)

    def listed():
        rows, cursor = [], ""
        while cursor is not None:
            page = figures(api, f"limits?above=100&limit=1{cursor}")
            rows += page["limits"]
            cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
        percents = [row["percent"] for row in rows]
        assert percents == sorted(percents, reverse=True)
        return [row for row in rows if row["customer_id"] == customer.id]
    wait_for(listed)
    [row] = listed()
    assert (row["limit"], row["used"], row["max"], row["percent"]) == ("devices", str(most), most, 100)


def test_many_new_addresses_hide_no_older_one(api, stack):
    oldest = api.sign_up()
    stack.sql(f"UPDATE customers SET pending_email = 'x@example.com' WHERE customer_id = '{oldest.id}'; "
              "INSERT INTO customers (customer_id, email, pending_email) SELECT 'cust_' || md5('waits' || n), n || '@waits.example', 'y@example.com' "
              "FROM generate_series(1, 100) n")
    waiting = [row["customer_id"] for row in figures(api, "attention")["items"] if row["kind"] == "address_waits"]
    stack.sql("UPDATE customers SET pending_email = NULL WHERE pending_email IS NOT NULL")
    assert len(waiting) == 100 and oldest.id in waiting


def test_csv_is_safe_in_a_spreadsheet(api, stack):
    names = ("=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20SUM(A1)", 'A";=1')
    for company in names:
        customer = api.sign_up(company_name=company)
        stack.sql(f"""INSERT INTO revenue_movements (customer_id, currency, kind, happened_at, mrr_before, mrr,
            plan) VALUES ('{customer.id}', 'xts', 'new', '2025-02-15Z', 0, 5, 'starter');
            INSERT INTO revenue_movements (customer_id, currency, kind, happened_at, mrr_before, mrr, plan)
            VALUES ('{customer.id}', 'xts', 'churn', '2025-02-15Z', 5, 0, 'starter')""")
    answer = api.owner.get("/api/analytics/movements?currency=xts&month=2025-02&limit=100", headers=CSV)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert {row["company_name"] for row in rows} == {
        "-1", names[-1], *("'" + name for name in names[:-1] if name != "-1")}
    assert {row["amount"] for row in rows} == {"5", "-5"}
    months = list(csv.DictReader(io.StringIO(
        api.owner.get("/api/analytics/revenue?currency=xts&from=2025-01&to=2025-02", headers=CSV).text, newline="")))
    assert months[-1]["new"] == months[-1]["churn"] == str(5 * len(names)) and months[-1]["end"] == "0"


@pytest.mark.parametrize("path, field", [
    ("revenue?from=2026-02&to=2026-01", "to"), ("revenue?from=2000-01&to=2026-01", "from"),
    ("revenue?from=2026-13", "from"), ("revenue?currency=USD", "currency"),
    ("movements?kind=growth", "kind"), ("movements?month=2026-1", "month"),
    ("movements?cursor=x", "cursor"), ("trials?from=2020-01-01&to=2026-01-01", "from"),
    ("usage?from=2020-01-01", "from"), ("renewals?days=401", "days"), ("renewals?limit=101", "limit")])
def test_bad_fields(api, path, field):
    answer = figures(api, path, 400, "invalid_request")
    assert [detail["field"] for detail in answer["details"]] == [field]


def test_check_finds_nothing_and_finds_what_is_wrong(api, stack):
    customer = api.sign_up()
    buy(stack, customer, "professional")
    stack.sql("DELETE FROM revenue_movements WHERE currency = 'xts'")

    def check():
        done = stack.billingctl("analytics", "check", "--json", check=False)
        return done.returncode, json.loads(done.stdout)
    status, answer = check()
    assert (status, answer["unexplained"]) == (0, 0), answer
    assert answer["compared_with_stripe"] and answer["subscriptions"] > 0
    stack.sql(f"UPDATE revenue_values SET mrr = mrr + 1 WHERE customer_id = '{customer.id}'")
    status, answer = check()
    assert status == 3 and {row["what"] for row in answer["differences"]} >= {"value", "movements"}
    stack.sql(f"UPDATE revenue_values SET mrr = mrr - 1 WHERE customer_id = '{customer.id}'")
    assert check()[0] == 0


def test_check_has_time_for_all_customers(stack):
    """It may take longer than a statement of a request may."""
    # The check waits for this table longer than such a statement may take.
    holder = subprocess.Popen(["psql", "-XAtq", "-d", stack.database_url], env=stack.env, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    holder.stdin.write("BEGIN; LOCK TABLE revenue_sums IN ACCESS EXCLUSIVE MODE; SELECT 'held';\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "held\n"
    checking = subprocess.Popen([stack.build_dir / "billingctl", "analytics", "check", "--offline"], text=True,
                                env={**stack.env, "DB_STATEMENT_TIMEOUT_MS": "2000"}, stdout=subprocess.PIPE)
    wait_for(lambda: stack.sql("SELECT 1 FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE application_name = 'billingctl' "
                               "AND NOT granted AND waitstart < clock_timestamp() - interval '2100 ms'") or
             checking.poll() is not None)
    holder.communicate("ROLLBACK;\n", timeout=60)
    answer = checking.communicate(timeout=60)[0]
    assert "Nothing differs" in answer or "without an explanation" in answer, answer
