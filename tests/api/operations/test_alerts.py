"""The alerts for Prometheus use metrics that exist, and each says how urgent it is."""

import re

from support.stack import ROOT

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


def test_every_alert_has_a_time_and_a_severity():
    """The file has nothing but such alerts, and a name only once."""
    rest = ALERT.sub("", RULES)
    assert rest.split("groups:\n")[1] == "  - name: billing\n    rules:\n"
    names = [alert[0] for alert in ALERT.findall(RULES)]
    assert len(names) == len(set(names)) == RULES.count("alert:")
    assert {"BillingDown", "BillingDatabaseAway", "BillingErrors", "BillingJobFails"} < set(names)
