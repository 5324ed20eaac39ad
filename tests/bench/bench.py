#!/usr/bin/python3
"""bench.py: compares the service with the limits of the machine, in one run; for `make bench`.

Only ratios mean anything. What is compared is measured in turns, so that both see the same machine,
and the median over the rounds is shown. Nothing is asserted about time: the bench fails only when
something answers with errors, and whether a goal is met is told, not enforced.
"""

import argparse
import dataclasses
import json
import statistics
import sys
import time

import customers
import growth
import payments
import peers
import scripts
import tails
import usage
from goals import (GOALS, GROWTH, KEPT_BY_FRESH, PEERS, Goal, before_of, memory_goal, peer_limit, peer_what,
                   reasons, tail_goal)
from load import CORES, BadRun
from measures import SMALL, VALUES, Measures, bounds, cpu
from payment_measures import RECEIVE, PaymentMeasures, answers, workers_cpu
from rig import Rig, build, statements

MANY = 1_000_000
MANY_QUICK = 100_000
REPORTS = 100_000
MANY_REPORTS = 10_000_000
MANY_REPORTS_QUICK = 300_000


def read_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description="Measures the service against its limits.")
    parser.add_argument("--json", metavar="FILE", help="keep all figures in this file")
    parser.add_argument("--before", metavar="FILE",
                        help="show the ratios of this file of an earlier run beside")
    parser.add_argument("--seconds", type=int, metavar="N", help="of each single run")
    parser.add_argument("--check", action="store_true",
                        help="measure nothing; whether the measured statements are what they were")
    parser.add_argument("--quick", action="store_true",
                        help="one round, fewer customers: below a minute, and noisier")
    return parser.parse_args()


def say(words):
    """Prints progress to stderr."""
    print(f"bench: {words}", file=sys.stderr, flush=True)


def measure(rig, stripe, sql, found, options):
    """Runs everything; the measures, and the look-ups by name with what was compared."""
    many = MANY_QUICK if options.quick else MANY
    seconds = options.seconds or (1 if options.quick else 2)
    measures = Measures(rig, sql, seconds, 1 if options.quick else 3, many)
    customers.fill(rig, 1, SMALL, measures.plan)
    with peers.Peers(rig, found, sql, stripe.webhook_secret) as measures.peers:
        found = run(measures, stripe, many, options)
        measures.peer_memory = measures.peers.memory()
        return found


def run(measures, stripe, many, options):
    """Runs everything while the reference servers run."""
    rig = measures.rig
    say("small requests")
    measures.small_requests()
    say(f"usage with {REPORTS} reports")
    usage.fill(rig, 1, REPORTS)
    usage_names = measures.usage_lookups("small")
    measures.reports()
    reports = MANY_REPORTS_QUICK if options.quick else MANY_REPORTS
    say(f"filling up to {reports} reports")
    usage.fill(rig, REPORTS + 1, reports)
    say(f"usage with {reports} reports")
    measures.usage_lookups("large")
    say("usage of fleets")
    growth.reports_by_fleet(measures)
    say("kept licences")
    measures.licenses_kept()
    growth.licenses(measures, "small", range(SMALL // 2, SMALL))
    say("slowest requests")
    tails.measure(measures)
    say(f"look-ups among {SMALL} customers")
    measures.lookups(SMALL, "small")
    say(f"filling up to {many} customers")
    customers.fill(rig, SMALL + 1, many, measures.plan)
    say(f"look-ups among {many} customers")
    names = measures.lookups(many, "large")
    say("fresh licences")
    # No other measure reaches these customers.
    growth.licenses(measures, "large", range(many * 6 // 10, many * 6 // 10 + SMALL // 2))
    measures.licenses_fresh()
    say("sign-ups")
    measures.sign_ups()
    say("Stripe's events")
    paid = PaymentMeasures(measures, stripe)
    paid.webhooks()
    growth.events(measures, stripe, many)
    say("checkouts")
    paid.checkouts(many)
    return measures, {**{name: f"with many customers / with {SMALL}" for name in names},
                      **{name: f"with {reports} reports / with {REPORTS}" for name in usage_names}}


def ratios(measures, workers):
    """The rounds' ratios of each goal, and the name of the figures whose tail belongs to it."""
    def of_bound(name, *parts):
        return [result.rate / bound for result, bound in zip(
            measures.figures[name], bounds(measures, "signatures", *parts))]

    return {
        "health_cpu": (measures.ratios("health", "return200", cpu), "health"),
        "health_cpu_constant": (measures.ratios("health", "constant", cpu), "health"),
        "health_rate": (measures.ratios("health", "return200"), "health"),
        "health_rate_constant": (measures.ratios("health", "constant"), "constant"),
        "list_cpu": (measures.ratios("list", "return200", cpu), "list"),
        "kept": (measures.ratios("kept", "pgbench view"), "kept"),
        "fresh": (measures.ratios("fresh", "signatures"), "fresh"),
        "fresh_bound": (of_bound("fresh", "pgbench view", "pgbench store"), "fresh"),
        "sign_up": (measures.ratios("sign-up", "pgbench sign-up"), "sign-up"),
        "sign_up_bound": (of_bound("sign-up", "pgbench sign-up"), "sign-up"),
        "report": (measures.ratios(usage.SINGLE, f"pgbench {usage.SINGLE}"), usage.SINGLE),
        "batch": (measures.ratios(usage.BATCH, f"pgbench {usage.BATCH}"), usage.BATCH),
        "webhook": (measures.ratios("webhook", "pgbench event"), "webhook"),
        "webhook_cpu": (workers_cpu(measures), "webhook"),
        "checkout": (answers(measures), "checkout"),
        "memory": ([measures.memory()["billingd"] / workers], None),
    }


def peer_rows(measures):
    """The service's rate, tail and memory over the reference servers'."""
    rows = []
    for peer in (peer.name for peer in measures.peers.running):
        for name, what, goals in PEERS:
            goal = goals.get(peer)
            row = compared(measures, peer_what(what, peer), lambda result: result.rate, name,
                           f"{peer} {name}", Goal("", "", ">=", goal) if goal else None)
            rows.append({**row, "limit": peer_limit(measures.typical(name), row["ratio"], CORES)})
        for name, what, _ in PEERS:
            goal = tail_goal(name, what, peer)
            rows.append(compared(measures, goal.what, p99, name, f"{peer} {name}", goal))
        if peer in KEPT_BY_FRESH:
            goal = KEPT_BY_FRESH[peer]
            row = compared(measures, goal.what, lambda result: result.rate, "kept", f"{peer} fresh", goal)
            rows.append({**row, "limit": peer_limit(measures.typical("kept"), row["ratio"], CORES)})
        rows.append(memory_row(measures, peer))
    return rows


def memory_row(measures, peer):
    """The service's memory over the reference server's."""
    ratio = measures.memory()["billingd"] / measures.peer_memory[peer]
    goal = memory_goal(peer)
    return {"what": goal.what, "ratio": ratio, "rounds": [ratio], "goal": goal.text(),
            "met": goal.met(ratio), "p99_by_p50": None}


def rows_of(measures, names, workers):
    """The table, as data."""
    rows = peer_rows(measures)
    found = ratios(measures, workers)
    for goal in GOALS:
        rounds, figures = found[goal.key]
        ratio = statistics.median(rounds)
        tail = figures and measures.median(figures, lambda result: result.p99_us / result.p50_us)
        rows.append({"what": goal.what, "ratio": ratio, "rounds": rounds, "goal": goal.text(),
                     "met": goal.met(ratio), "p99_by_p50": tail})
    return rows + growth_rows(measures, names)


def p50(result):
    """For Measures.ratios()."""
    return result.p50_us


def p99(result):
    """For Measures.ratios()."""
    return result.p99_us


def compared(measures, what, of, figure, base, goal=None):
    """The row of a figure over another one of the service's own."""
    rounds = measures.ratios(figure, base, of)
    ratio = statistics.median(rounds)
    return {"what": what, "ratio": ratio, "rounds": rounds, "goal": goal.text() if goal else "-",
            "met": goal.met(ratio) if goal else None,
            "p99_by_p50": measures.median(figure, lambda result: result.p99_us / result.p50_us)}


def growth_rows(measures, names):
    """The rows about more rows, instances, idle clients and reloads."""
    rows = [compared(measures, what, p50, figure, base, GROWTH)
            for what, figure, base in growth.rows()]
    rows += [compared(measures, f"{name}: p50 {words}", p50, f"{name}, large", f"{name}, small",
                      None if name == "health" else GROWTH) for name, words in names.items()]
    return rows + [compared(measures, what, p99, figure, base)
                   for what, figure, base in tails.rows()]


def print_table(rows, earlier):
    """The table as text, and for each row that misses its goal the reason."""
    width = max(len(row["what"]) for row in rows)
    print(f"{'':{width}}  {'before':>9}  {'ratio':>7}  {'goal':>7}  {'':4}  {'p99/p50':>7}  rounds")
    for row in rows:
        met = {True: "ok", False: "miss", None: ""}[row["met"]]
        tail = f"{row['p99_by_p50']:.1f}" if row["p99_by_p50"] else ""
        rounds = f"{min(row['rounds']):.2f}..{max(row['rounds']):.2f}" \
            if len(row["rounds"]) > 1 else ""
        print(f"{row['what']:{width}}  {before_of(row['what'], earlier):>9}  {row['ratio']:7.2f}  "
              f"{row['goal']:>7}  {met:4}  {tail:>7}  {rounds}")
    for what, reason in reasons(row for row in rows if row["met"] is False):
        print(f"miss: {what}: {reason}")


def keep(path, measures, rows, workers):
    """Everything that was measured, for later comparison."""
    figures = {name: [{**dataclasses.asdict(result), "rate": result.rate} for result in results]
               for name, results in measures.figures.items()}
    kept = {"cores": CORES, "workers": workers, "rows": rows, "memory_mb": measures.memory(),
            "figures": figures}
    with open(path, "w", encoding="utf-8") as out:
        json.dump(kept, out, indent=1)
        out.write("\n")


def read_earlier(path):
    """The ratios of an earlier run by row."""
    if path is None:
        return {}
    with open(path, encoding="utf-8") as kept:
        return {row["what"]: row["ratio"] for row in json.load(kept)["rows"]}


def check_statements(sql):
    """Each parameter of the measured statements has a value."""
    for name, values in {**VALUES, RECEIVE: payments.EVENT_VALUES}.items():
        scripts.check(sql, name, values)


def main():
    """Builds, starts, measures, shows."""
    options = read_arguments()
    start = time.monotonic()
    programs = build()
    check_statements(statements(programs))
    if options.check:
        print("bench: each parameter of the measured statements has a value")
        return
    found = peers.prepare(programs)
    with payments.stand_in() as stripe, Rig(programs, payments.settings(stripe)) as rig:
        measures, names = measure(rig, stripe, statements(programs), found, options)
        workers = rig.workers()
        rows = rows_of(measures, names, workers)
        print_table(rows, read_earlier(options.before))
        if options.json:
            keep(options.json, measures, rows, workers)
        memory, own = measures.memory(), measures.own_memory()
    print(f"PSS after the run: billingd {memory['billingd']:.1f} MB with {workers} workers ({own:.1f} MB without the "
          f"pages of files), nginx {memory['nginx']:.1f} MB; {CORES} cores, {time.monotonic() - start:.0f} s")
    for peer in found:
        if peer.missing:
            print(f"not compared with {peer.name}, not installed: {peer.missing}")


if __name__ == "__main__":
    try:
        main()
    except (BadRun, RuntimeError) as trouble:
        sys.exit(f"bench: {trouble}")
