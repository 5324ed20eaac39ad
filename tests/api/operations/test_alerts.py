"""The alerts for Prometheus use metrics that exist."""

import re

from support.stack import ROOT


def test_alerts_use_existing_metrics(api):
    rules = (ROOT / "conf/prometheus-rules.yml").read_text(encoding="utf-8")
    expressions = re.findall(r"^ +expr: (.*)$", rules, re.M)
    named = {name for text in expressions for name in re.findall(r"billing_[a-z_]+", text)}
    metrics = api.nobody.get("/metrics").text
    assert len(expressions) == rules.count("- alert:") > 5
    assert named <= set(re.findall(r"^# TYPE (\w+)", metrics, re.M)) and len(named) > 8
