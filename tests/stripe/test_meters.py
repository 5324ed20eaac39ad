"""Usage is counted once, summed up by window, corrected and billed."""

import pytest
from conftest import make_price

HOUR, DAY = 3600, 86400


@pytest.fixture
def meter(stripe):
    """A meter of calls."""
    return stripe.call("POST", "/v1/billing/meters", {
        "display_name": "Calls", "event_name": "calls", "default_aggregation[formula]": "sum"})


def report(stripe, customer, value, **params):
    """Reports usage: status and answer."""
    return stripe.api("POST", "/v1/billing/meter_events", {
        "event_name": "calls", "payload[stripe_customer_id]": customer, "payload[value]": value,
        **params})


def summed(stripe, meter, customer, start, end, window=None):
    """The sums by window, newest first."""
    params = {"customer": customer, "start_time": start, "end_time": end}
    if window:
        params["value_grouping_window"] = window
    answer = stripe.call("GET", f"/v1/billing/meters/{meter['id']}/event_summaries", params)
    return [one["aggregated_value"] for one in answer["data"]]


def test_counted_once(stripe, meter):
    """An identifier counts once in 24 hours; repeating it is refused, not to be retried."""
    customer = stripe.customer()
    assert report(stripe, customer, 5, identifier="a")[0] == 200
    status, answer = report(stripe, customer, 5, identifier="a")
    assert status == 400 and "already exists" in answer["error"]["message"]
    assert stripe.last_headers["stripe-should-retry"] == "false"
    report(stripe, customer, "2.5", identifier="b")
    minute = stripe.now() // 60 * 60
    assert summed(stripe, meter, customer, minute - 600, minute + 600) == [7.5]
    stripe.advance(hours=25)
    assert report(stripe, customer, 5, identifier="a")[0] == 200


def test_windows(stripe, meter):
    """Whole hours, newest first; times must be aligned."""
    customer = stripe.customer()
    hour = stripe.now() // HOUR * HOUR
    report(stripe, customer, 3, timestamp=hour - 2 * HOUR)
    report(stripe, customer, 4, timestamp=hour - 1)
    assert summed(stripe, meter, customer, hour - 2 * HOUR, hour, "hour") == [4, 3]
    status, answer = stripe.api("GET", f"/v1/billing/meters/{meter['id']}/event_summaries", {
        "customer": customer, "start_time": hour - 1, "end_time": hour})
    assert (status, answer["error"]["param"]) == (400, "start_time")


def test_times_and_corrections(stripe, meter):
    """35 days back, 5 minutes ahead; a cancelled report counts no more."""
    customer, now = stripe.customer(), stripe.now()
    assert report(stripe, customer, 1, timestamp=now - 36 * DAY)[0] == 400
    assert report(stripe, customer, 1, timestamp=now + 400)[0] == 400
    assert report(stripe, customer, 9, identifier="x")[0] == 200
    minute = now // 60 * 60
    stripe.call("POST", "/v1/billing/meter_event_adjustments", {
        "event_name": "calls", "type": "cancel", "cancel[identifier]": "x"})
    assert summed(stripe, meter, customer, minute - 600, minute + 600) == [0]
    assert stripe.api("POST", "/v1/billing/meter_event_adjustments", {
        "event_name": "calls", "type": "cancel", "cancel[identifier]": "y"})[0] == 400


def test_accepted_is_not_counted(delivering, receiver):
    """A meter event that no meter can use is accepted, and a thin event reports it."""
    delivering.settings(thin_url=receiver.url)
    delivering.call("POST", "/v1/billing/meters", {
        "display_name": "Calls", "event_name": "calls", "default_aggregation[formula]": "sum"})
    assert report(delivering, "cus_nobody", 1)[0] == 200
    assert delivering.api("POST", "/v1/billing/meter_events", {
        "event_name": "no_such", "payload[value]": "1"})[0] == 200
    delivering.settings(thin_url=None)
    wanted = {"v1.billing.meter.error_report_triggered", "v1.billing.meter.no_meter_found"}
    delivering.wait(lambda: wanted == {one["type"] for one in receiver.events()
                                       if one["object"] == "v2.core.event"})


def test_billed_after_the_period(stripe, meter):
    """A metered item costs nothing at first, then what was used."""
    customer = stripe.customer()
    metered = make_price(stripe, interval="month", usage_type="metered", meter=meter["id"],
                         unit_amount_decimal="0.5")
    id = stripe.subscribe(customer, metered, **{"items[1][price]": "price_starter"})["id"]
    assert stripe.state()["charged"] == {customer: 2900}
    report(stripe, customer, 1001)
    stripe.advance(days=32)
    assert stripe.state()["charged"] == {customer: 2900 + 2900 + 501}
    assert stripe.subscription(id)["plan"] == "starter"


def test_names(stripe, meter):
    """Active meters have different names."""
    again = {"display_name": "B", "event_name": "calls", "default_aggregation[formula]": "count"}
    assert stripe.api("POST", "/v1/billing/meters", again)[0] == 400
    stripe.call("POST", f"/v1/billing/meters/{meter['id']}/deactivate")
    stripe.call("POST", "/v1/billing/meters", again)
