"""A reference model of the sums of usage, and random reports for it."""

import collections
import datetime
import json
import random


class Sums:
    """The sums of one day of one instance."""

    def __init__(self):
        self.reports = self.active_max = self.active_sum = self.total_max = self.total_sum = 0
        self.metrics = {}  # name -> (sum, highest)

    def add(self, report):
        """One more report."""
        active, total = report["active_devices"], report["total_devices"]
        self.reports += 1
        self.active_max, self.active_sum = max(self.active_max, active), self.active_sum + active
        self.total_max, self.total_sum = max(self.total_max, total), self.total_sum + total
        for name, value in report["metrics"].items():
            before = self.metrics.get(name, (0, 0))
            self.metrics[name] = (before[0] + value, max(before[1], value))


class Model:
    """Takes reports in the order in which the service stored them; gives the daily sums
    that must follow. Numbers are Python's, which never overflow."""

    def __init__(self):
        self.reports = {}                              # (customer, report_id) -> its text's hash
        self.ids = []
        self.days = collections.defaultdict(Sums)      # (customer, day, instance) -> Sums
        self.newest = {}                               # (customer, instance) -> report

    def add(self, report):
        """One report as the service answered it."""
        key = (report["customer_id"], report["report_id"] or report["id"])
        text = hash(json.dumps(report, sort_keys=True))
        if key in self.reports:
            assert self.reports[key] == text, "the first report is the answer for ever"
            return
        self.reports[key] = text
        self.ids.append(str(report["id"]))
        instance = (report["customer_id"], report["instance_id"])
        self.days[instance[0], report["reported_at"][:10], instance[1]].add(report)
        newest = self.newest.get(instance)
        if newest is None or (newest["reported_at"], newest["id"]) < (
                report["reported_at"], report["id"]):
            self.newest[instance] = report

    def daily_rows(self):
        """usage_daily as psql prints it."""
        return sorted("|".join(map(str, (*key, day.reports, day.active_max, day.active_sum,
                                         day.total_max, day.total_sum)))
                      for key, day in self.days.items())

    def metric_rows(self):
        """usage_daily_metrics as psql prints it."""
        return sorted("|".join(map(str, (*key, name, *sums)))
                      for key, day in self.days.items() for name, sums in day.metrics.items())

    def newest_rows(self):
        """The newest reports in instances as psql prints them."""
        return sorted("|".join(map(str, (customer, instance, one["id"], one["active_devices"],
                                         one["total_devices"])))
                      for (customer, instance), one in self.newest.items())

    def differences(self, stack):
        """How many rows of the database are not the model's, in both directions."""
        customers = "', '".join({key[0] for key in self.newest})
        of_ours = f"WHERE customer_id IN ('{customers}')"
        ours = [self.daily_rows(), self.metric_rows(), self.newest_rows(),
                sorted(self.ids)]
        theirs = [sorted(stack.sql(query).splitlines()) for query in (
            f"SELECT * FROM usage_daily {of_ours}", f"SELECT * FROM usage_daily_metrics {of_ours}",
            "SELECT customer_id, instance_id, latest_usage_id, active_devices, total_devices "
            f"FROM instances {of_ours}", f"SELECT usage_id FROM usage_reports {of_ours}")]
        return sum(len(set(one) ^ set(two)) + abs(len(one) - len(two))
                   for one, two in zip(ours, theirs))


class Reports:
    """Random reports: late, out of order, some of them sent before, numbers of any size."""

    def __init__(self, seed, customers):
        self.random = random.Random(seed)
        self.customers = customers
        self.sent = []
        self.count = 0

    def one(self):
        """The body of a report."""
        rng = self.random
        if self.sent and rng.random() < 0.15:
            return rng.choice(self.sent)
        self.count += 1
        now = datetime.datetime.now(datetime.timezone.utc)
        ago = rng.choice((0, rng.random() * 3600, rng.random() * 34 * 86400))
        total = rng.choice((0, 1, rng.randrange(100), 2**31 - 1))
        metrics = {name: rng.choice((0, rng.randrange(1000), 2**53 - 1))
                   for name in ("mqtt_messages", "api_calls", "storage_mb") if rng.random() < 0.4}
        report = {"customer_id": rng.choice(self.customers), "report_id": f"r{self.count}",
                  "instance_id": rng.choice("abc"), "active_devices": rng.randint(0, total),
                  "total_devices": total, "metrics": metrics,
                  "reported_at": (now - datetime.timedelta(seconds=ago)).strftime(
                      "%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"}
        self.sent.append(report)
        if len(self.sent) > 2000:
            self.sent.pop(rng.randrange(1000))
        return report
