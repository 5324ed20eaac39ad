"""A reference model of the sums of usage, and random reports for it."""

import collections
import datetime
import json
import random

from .stack import wait_for

# Sums that are stored, and the same made anew of what they are sums of.
STORED = {
    "SELECT customer_id, day, instance_id, reports, active_devices_max, active_devices_sum, "
    "total_devices_max, total_devices_sum FROM usage_daily":
        "SELECT customer_id, (reported_at AT TIME ZONE 'UTC')::date, instance_id, count(*), "
        "max(active_devices), sum(active_devices), max(total_devices), sum(total_devices) "
        "FROM usage_reports WHERE superseded_by IS NULL GROUP BY 1, 2, 3",
    "SELECT customer_id, day, instance_id, metric, total, highest FROM usage_daily_metrics":
        "SELECT customer_id, (reported_at AT TIME ZONE 'UTC')::date, instance_id, v.key, "
        "sum(v.value::numeric), max(v.value::bigint) FROM usage_reports, "
        "jsonb_each_text(metrics) v WHERE superseded_by IS NULL GROUP BY 1, 2, 3, 4",
    "SELECT * FROM usage_days":
        "SELECT customer_id, day, sum(reports), count(*), max(active_devices_max), "
        "sum(active_devices_sum), sum(active_devices_max), max(total_devices_max), "
        "sum(total_devices_sum), sum(total_devices_max), true FROM usage_daily GROUP BY 1, 2",
    "SELECT * FROM usage_metric_sums WHERE parts > 0":
        "SELECT customer_id, unit, date_trunc(unit, day)::date, metric, count(*), sum(total), "
        "sum(highest), true FROM usage_daily_metrics, (VALUES ('day'), ('month')) u (unit) "
        "GROUP BY 1, 2, 3, 4",
    "SELECT customer_id, instances, active_devices, counted FROM usage_fleets":
        "SELECT customer_id, count(*) FILTER (WHERE lease_expires_at > now()), "
        "COALESCE(sum(active_devices) FILTER (WHERE lease_expires_at > now()), 0), true "
        "FROM instances GROUP BY 1",
    "SELECT customer_id, key, value::numeric FROM usage_fleets, jsonb_each_text(metrics) "
    "WHERE value::numeric <> 0":
        "SELECT customer_id, key, sum(value::numeric) FROM instances, jsonb_each_text(metrics) "
        "WHERE lease_expires_at > now() GROUP BY 1, 2 HAVING sum(value::numeric) <> 0",
}


def wait_until_folded(stack, seconds=60):
    """Waits until no report is pending, and no share of an instance whose lease has ended is left."""
    wait_for(lambda: stack.sql(
        "SELECT count(*) FROM (SELECT FROM usage_pending UNION ALL "
        "SELECT FROM usage_fleet_instances WHERE check_at < now()) p") == "0", seconds)


def recomputed_differences(stack, customers):
    """The rows of all sums of these customers that are not what making them anew gives."""
    wait_until_folded(stack)
    some = ", ".join(f"'{customer}'" for customer in customers)
    found = []
    for stored, anew in STORED.items():
        of_ours = f"SELECT * FROM ({{}}) q WHERE customer_id IN ({some})"
        one, two = of_ours.format(stored), of_ours.format(anew)
        found += stack.sql(f"SELECT 'stored', * FROM ({one} EXCEPT ALL {two}) d UNION ALL "
                           f"SELECT 'anew', * FROM ({two} EXCEPT ALL {one}) d").splitlines()
    return found


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
        self.places = {}                               # id of a report or correction -> its first id

    def add(self, report, superseded=False):
        """One report or correction as the service answered it; a superseded one counts nowhere. A
        correction takes the place of the report that it corrects."""
        key = (report["customer_id"], report["report_id"] or report["id"], report.get("corrects"))
        text = hash(json.dumps(report, sort_keys=True))
        if key in self.reports:
            assert self.reports[key] == text, "the first report is the answer for ever"
            return
        self.reports[key] = text
        self.ids.append(str(report["id"]))
        corrects = report.get("corrects")
        self.places[report["id"]] = self.places.get(corrects, corrects) or report["id"]
        if superseded:
            return
        instance = (report["customer_id"], report["instance_id"])
        self.days[instance[0], report["reported_at"][:10], instance[1]].add(report)
        newest = self.newest.get(instance)
        if newest is None or self.rank(newest) < self.rank(report):
            self.newest[instance] = report

    def rank(self, report):
        """The order in time of the reports of an instance."""
        return report["reported_at"], self.places[report["id"]]

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
        """How many rows of the database are not the model's, in both directions, once all reports
        are folded."""
        wait_until_folded(stack)
        customers = "', '".join({key[0] for key in self.newest})
        of_ours = f"WHERE customer_id IN ('{customers}')"
        ours = [self.daily_rows(), self.metric_rows(), self.newest_rows(),
                sorted(self.ids)]
        theirs = [sorted(stack.sql(query).splitlines()) for query in (
            f"SELECT * FROM usage_daily {of_ours}", f"SELECT * FROM usage_daily_metrics {of_ours}",
            "SELECT customer_id, instance_id, latest_usage_id, active_devices, total_devices "
            f"FROM instances {of_ours}", f"SELECT usage_id FROM usage_reports {of_ours}")]
        return sum(len(set(one) ^ set(two)) + abs(len(one) - len(two))
                   for one, two in zip(ours, theirs)) + len(
                       recomputed_differences(stack, {key[0] for key in self.newest}))


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
