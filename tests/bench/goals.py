"""The goals: which figures are compared, and the ratio that is wanted.

All are ratios within one run, on one machine, so they hold on any. `better` says which side of
the goal is the good one; a row without a goal is there to be watched.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Goal:
    """A row of the table."""

    key: str
    what: str
    better: str = ""
    goal: float = 0.0

    def met(self, ratio):
        """Whether the ratio is good enough; None when there is no goal."""
        if not self.better:
            return None
        return ratio >= self.goal if self.better == ">=" else ratio <= self.goal

    def text(self):
        """The goal as shown."""
        return f"{self.better} {self.goal:g}" if self.better else "-"


GOALS = (
    Goal("health_cpu", "GET /health: server CPU / nginx `return 200`", "<=", 3),
    Goal("health_cpu_constant", "GET /health: server CPU / constant FastCGI answer"),
    Goal("health_rate", "GET /health: rate / nginx `return 200`"),
    Goal("health_rate_constant", "GET /health: rate / constant FastCGI answer"),
    # 130 us where `return 200` takes 14.
    Goal("list_cpu", "customers, limit 20: CPU with PostgreSQL / nginx `return 200`", "<=", 9.3),
    Goal("kept", "licence kept: rate / pgbench, same SELECT, 8 clients", ">=", 0.25),
    Goal("fresh", "licence fresh: rate / RSA signatures of all cores", ">=", 0.50),
    Goal("sign_up", "sign-up: rate / pgbench, same statement, 32 clients"),
    # The cores sign a licence and write a row for each.
    Goal("sign_up_bound", "sign-up: rate / bound of that pgbench and RSA together"),
    Goal("report", "usage report, durable: rate / pgbench, same statement, 32 clients", ">=", 0.60),
    Goal("batch", "usage, 20 at once: rate / pgbench, same statement, 32 clients"),
    Goal("webhook", "Stripe event: rate / pgbench, same INSERT, 32 clients"),
    # 50 us where `return 200` takes 14.
    Goal("webhook_cpu", "Stripe event: workers' CPU / nginx `return 200`", "<=", 3.6),
    # Time spent waiting for Stripe; the rest is billingd's.
    Goal("checkout", "checkout: rate / the stand-in's constant answers, as many as it asks"),
    # 12 MB at 8 workers.
    Goal("memory", "billingd, all processes: PSS in MB per worker", "<=", 1.5),
)

# The service's figures that are compared with the reference servers, and the goal beside Go.
PEERS = (
    ("health", "GET /health", 1.7),
    ("kept", "licence kept", 9),
    ("fresh", "licence fresh", 2.7),
    ("usage_report", "usage report, durable", 1.3),
    ("list", "customers, limit 20", 2.1),
    ("webhook", "Stripe event", 1.4),
)

# Each look-up and page, p50 with many customers / p50 with a thousand.
GROWTH = Goal("growth", "p50", "<=", 2)
