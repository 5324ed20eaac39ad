"""The alerts for Prometheus use metrics that exist, and each says how urgent it is."""

import re

from support.stack import ROOT, wait_for

RULES = (ROOT / "conf/prometheus-rules.yml").read_text(encoding="utf-8")
ALERT = re.compile(r"""      - alert: (Billing[A-Za-z]+)
        expr: (.+)
        for: (\d+m)
        labels:
          severity: (critical|warning)
        annotations:
          summary: ([A-Z].+[^ ])
""")


def test_alerts_use_existing_metrics(api):
    expressions = re.findall(r"^ +expr: (.*)$", RULES, re.M)
    named = {name for text in expressions for name in re.findall(r"billing_[a-z_]+", text)}
    metrics = api.nobody.get("/metrics").text
    assert len(expressions) == RULES.count("- alert:") > 5
    assert named <= set(re.findall(r"^# TYPE (\w+)", metrics, re.M)) and len(named) > 8


def test_an_alert_about_errors_leaves_out_readiness(api):
    """A host that drains answers 503 there, and a few errors on a host that serves little are no outage."""
    expression, = re.findall(r"alert: BillingErrors\n +expr: (.*)", RULES)
    series = re.findall(r"billing_requests_total(\{.*?\})?\[5m\]", expression)
    assert len(series) == 3 and all('route!="/health/ready"' in labels for labels in series)
    assert "[5m])) > 10 and " in expression
    api.nobody.get("/health/ready")
    # A request is counted when its answer is sent.
    wait_for(lambda: re.search(r'^billing_requests_total\{[^}]*route="/health/ready"', api.nobody.get("/metrics").text,
                               re.M))


def test_every_alert_has_a_time_and_a_severity():
    """The file has nothing but such alerts, and a name only once."""
    rest = ALERT.sub("", RULES)
    assert rest.split("groups:\n")[1] == "  - name: billing\n    rules:\n"
    names = [alert[0] for alert in ALERT.findall(RULES)]
    assert len(names) == len(set(names)) == RULES.count("alert:")
    assert {"BillingDown", "BillingDatabaseAway", "BillingErrors", "BillingJobFails"} < set(names)
