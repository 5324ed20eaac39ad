"""The goals: which figures are compared, and the ratio that is wanted.

All are ratios within one run, on one machine, so they hold on any. `better` says which side of
the goal is the good one; a row without a goal is there to be watched. `why` is what a profile
(perf on two cores, `perf record -g -p` of each server) showed of a goal that is hard to reach.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Goal:
    """A row of the table."""

    key: str
    what: str
    better: str = ""
    goal: float = 0.0
    why: str = ""

    def met(self, ratio):
        """Whether the ratio is good enough; None when there is no goal."""
        if not self.better:
            return None
        return ratio >= self.goal if self.better == ">=" else ratio <= self.goal

    def text(self):
        """The goal as shown."""
        return f"{self.better} {self.goal:g}" if self.better else "-"


GOALS = (
    Goal("health_cpu", "GET /health: server CPU / nginx `return 200`", "<=", 3,
         "nginx itself takes twice the CPU of `return 200` for a request that it passes on (a "
         "write, a read and an epoll event more); billingd's 10 to 14 us are seven system calls."),
    Goal("health_cpu_constant", "GET /health: server CPU / constant FastCGI answer"),
    Goal("health_rate", "GET /health: rate / nginx `return 200`"),
    Goal("health_rate_constant", "GET /health: rate / constant FastCGI answer"),
    # 130 us where `return 200` takes 14.
    Goal("list_cpu", "customers, limit 20: CPU with PostgreSQL / nginx `return 200`", "<=", 9.3,
         "about 170 us where `return 200` takes 9: PostgreSQL 80 (21 look-ups of the subscription 45, "
         "starting and ending the statement 20, the key 10), nginx 36 (two thirds in the kernel, for "
         "6 KB by TLS), billingd 45 (half of it system calls, 8 for the JSON)."),
    Goal("kept", "licence kept: rate / pgbench, same SELECT, 8 clients", ">=", 0.25),
    Goal("fresh", "licence fresh: rate / RSA signatures of all cores", ">=", 0.50,
         "a signature takes 250 to 300 us, and each licence is written durably by PostgreSQL: 62 us "
         "to read what it depends on, 130 to store it, the rest of 410 is the commit with new pages "
         "of two indexes in random order; nginx takes 60."),
    # The cores sign, and PostgreSQL reads and writes, for each.
    Goal("fresh_bound", "licence fresh: rate / bound of RSA and pgbench's statements", ">=", 0.75,
         "nginx and billingd's own work are not in the bound."),
    Goal("sign_up", "sign-up: rate / pgbench, same statement, 32 clients"),
    # The cores sign a licence and write a row for each.
    Goal("sign_up_bound", "sign-up: rate / bound of that pgbench and RSA together"),
    Goal("report", "usage report, durable: rate / pgbench, same statement, 32 clients", ">=", 0.60),
    Goal("batch", "usage, 20 at once: rate / pgbench, same statement, 32 clients"),
    Goal("webhook", "Stripe event: rate / pgbench, same INSERT, 32 clients"),
    # 50 us where `return 200` takes 14.
    Goal("webhook_cpu", "Stripe event: workers' CPU / nginx `return 200`", "<=", 3.6,
         "52 to 56 us: twelve system calls with two switches of the process take 28, the HMAC of 2 KB "
         "4, JSON 2, the rest is libpq's, libfcgi's and the C library's."),
    # Time spent waiting for Stripe; the rest is billingd's.
    Goal("checkout", "checkout: rate / the stand-in's constant answers, as many as it asks"),
    # 12 MB at 8 workers.
    Goal("memory", "billingd, all processes: PSS in MB per worker", "<=", 1.5,
         "six processes that are no workers count too. 9 MB of all processes are no pages of files; of a worker 0.4 MB "
         "are the heap (0.25 of it pages of the master, in which OpenSSL counts references to its algorithms while a "
         "key is loaded; the rest libpq's and libfcgi's buffers, and arenas), 0.15 the stack and relocated data of "
         "libraries. The others are pages of the program and its libraries, most of them libcrypto's and ICU's: 4 to 5 "
         "MB, after searches and sign-ups 6 to 7, where the bench runs alone. Beside other programs that use these "
         "libraries they count less."),
)

# The service's figures that are compared with the reference servers, and the goals beside them.
PEERS = (
    ("health", "GET /health", {"Go": 1.7, "Express": 4}),
    ("kept", "licence kept", {}),
    ("fresh", "licence fresh", {"Go": 2.7, "Express": 4}),
    ("usage_report", "usage report, durable", {"Go": 1.3, "Express": 3.3}),
    ("list", "customers, limit 20", {"Go": 2.1, "Express": 4.5}),
    ("webhook", "Stripe event", {"Go": 1.4, "Express": 3}),
)
# The service's slowest hundredth over theirs, and its memory over theirs.
PEER_TAILS = {"Go": 1, "Express": 0.34}
PEER_MEMORY = {"Go": 0.34, "Express": 0.084}
PEER_MEMORY_WHY = "billingd runs 8 workers and 5 other processes; the reference servers run one a core."

# The kept licence beside servers that sign each time, as one without the idea would.
KEPT_BY_FRESH = {peer: Goal("kept_by_fresh", f"licence kept: rate / {peer}'s licence fresh", ">=", goal)
                 for peer, goal in (("Go", 9), ("Express", 14))}

# Each look-up, page and write, p50 with much / p50 with little.
GROWTH = Goal("growth", "p50", "<=", 2)

# The rows beside Go before connections were kept and usage was summed by the jobs: the
# median of three runs.
BEFORE_GO = {"health": 0.9, "kept": 4.5, "fresh": 1.4, "usage_report": 0.7, "list": 1.0, "webhook": 0.65}


def peer_what(words, peer):
    """The name of a row."""
    return f"{words}: rate / {peer}'s"


def tail_goal(name, words, peer):
    """The row about the slowest hundredth."""
    goal = PEER_TAILS.get(peer)
    return Goal(f"{name}_tail", f"{words}: p99 / {peer}'s", "<=" if goal else "", goal or 0)


def memory_goal(peer):
    """The row about memory."""
    goal = PEER_MEMORY.get(peer)
    return Goal("memory_peer", f"memory of all processes: PSS / {peer}'s", "<=" if goal else "",
                goal or 0, PEER_MEMORY_WHY)


def before_of(what, earlier):
    """The ratio of the row in an earlier run, or the one noted here, as text."""
    noted = {peer_what(words, "Go"): BEFORE_GO[name] for name, words, _ in PEERS}
    ratio = earlier.get(what, noted.get(what))
    return "" if ratio is None else f"{ratio:.2f}"


def peer_limit(result, ratio, cores):
    """The words about the ratio that the service would reach beside a reference server if it did nothing
    itself: its share of the cores' time is all that could become free."""
    share = result.cpu_us["billingd"] * result.rate / (1e6 * cores)
    return (f"the service takes {100 * share:.0f} % of the cores' time; nginx, PostgreSQL and the load, which are "
            f"the same for both, have the rest: without any work of its own it would reach {ratio / (1 - share):.2f} "
            "at most.")


def reasons(missed):
    """The rows whose limit is known, with the words about it."""
    known = {goal.what: goal.why for goal in GOALS if goal.why}
    known |= {memory_goal(peer).what: PEER_MEMORY_WHY for peer in PEER_MEMORY}
    found = [(row["what"], row.get("limit") or known.get(row["what"])) for row in missed]
    return [(what, why) for what, why in found if why]
