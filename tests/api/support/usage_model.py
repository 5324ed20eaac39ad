"""What usage must add up to: a reference model in a few lines, and random reports to feed it."""

import collections
import datetime
import random


class Model:
    """Takes reports in the order in which the service stored them; tells what its roll-ups must
    say then. Numbers are Python's, which never overflow."""

    def __init__(self):
        self.reports = {}                                  # (customer, report_id) -> report
        self.days = collections.defaultdict(list)          # (customer, day, instance) -> reports
        self.newest = {}                                   # (customer, instance) -> report

    def add(self, report):
        """One report as the service answered it."""
        key = (report["customer_id"], report["report_id"])
        if report["report_id"] is not None and key in self.reports:
            assert self.reports[key] == report, "the first report is the answer for ever"
            return
        self.reports[key if report["report_id"] is not None else report["id"]] = report
        instance = (report["customer_id"], report["instance_id"])
        self.days[instance[0], report["reported_at"][:10], instance[1]].append(report)
        newest = self.newest.get(instance)
        if newest is None or (newest["reported_at"], newest["id"]) < (
                report["reported_at"], report["id"]):
            self.newest[instance] = report

    def daily_rows(self):
        """usage_daily as psql prints it."""
        rows = []
        for (customer, day, instance), reports in self.days.items():
            active = [one["active_devices"] for one in reports]
            total = [one["total_devices"] for one in reports]
            rows.append("|".join(map(str, (customer, day, instance, len(reports), max(active),
                                           sum(active), max(total), sum(total)))))
        return sorted(rows)

    def metric_rows(self):
        """usage_daily_metrics as psql prints it."""
        rows = []
        for (customer, day, instance), reports in self.days.items():
            for metric in {name for one in reports for name in one["metrics"]}:
                values = [one["metrics"][metric] for one in reports if metric in one["metrics"]]
                rows.append("|".join(map(str, (customer, day, instance, metric, sum(values),
                                               max(values)))))
        return sorted(rows)

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
                sorted(str(one["id"]) for one in self.reports.values())]
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
