"""The tools that make load: wrk, pgbench and openssl speed, and their results as figures."""

import dataclasses
import json
import os
import pathlib
import re
import subprocess

from rig import cpu_seconds

HERE = pathlib.Path(__file__).resolve().parent
# When nothing was answered in the time given, one more run takes so long.
PATIENCE_SECONDS = 10
CORES = len(os.sched_getaffinity(0))


class BadRun(Exception):
    """A server answered with errors, so its rate means nothing."""


@dataclasses.dataclass
class Result:
    """One run: operations, the time that a caller waited, and CPU time of the servers."""

    count: int
    seconds: float
    p50_us: float = 0.0
    p99_us: float = 0.0
    cpu_us: dict = dataclasses.field(default_factory=dict)

    @property
    def rate(self):
        """Operations in a second."""
        return self.count / self.seconds

    @property
    def all_cpu_us(self):
        """CPU time per operation of all servers that were watched."""
        return sum(self.cpu_us.values())


class Requests:
    """A file of requests for requests.lua. Each is method, path, API key (or another header, as
    "Name: value") and body."""

    def __init__(self, folder, name, requests, once=False):
        self.file = folder / f"{name}.requests"
        self.once = once
        with open(self.file, "w", encoding="utf-8") as out:
            for method, path, key, body in requests:
                header = f"X-API-Key: {key}" if key and ": " not in key else key
                out.write(f"{method}\t{path}\t{header}\t{body}\n")


def wrk(url, requests, seconds, connections=48, watched=None):
    """Sends the requests for so long; `watched` are services by name and process id."""
    threads = min(2, connections)
    command = ["wrk", "-t", str(threads), "-c", str(connections), "-d", f"{seconds}s",
               "--timeout", "10s", "-s", HERE / "requests.lua", url, "--", requests.file,
               "once" if requests.once else "loop"]
    before = {name: cpu_seconds(pid) for name, pid in (watched or {}).items()}
    done = subprocess.run(command, env={**os.environ, "BENCH_THREADS": str(threads)}, text=True,
                          capture_output=True, check=False)
    after = {name: cpu_seconds(pid) for name, pid in (watched or {}).items()}
    lines = [line for line in done.stderr.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        raise BadRun(f"wrk {requests.file.name}: {done.stderr or done.stdout}")
    found = json.loads(lines[-1])
    if not (found["requests"] or found["broken"] or seconds >= PATIENCE_SECONDS):
        return wrk(url, requests, PATIENCE_SECONDS, connections, watched)
    if found["bad_answers"] or found["broken"] or not found["requests"]:
        raise BadRun(f"{requests.file.stem}: {found['bad_answers']} refused and "
                     f"{found['broken']} broken of {found['requests']} requests")
    return Result(found["requests"], found["seconds"], found["p50_us"], found["p99_us"],
                  {name: (after[name] - before[name]) * 1e6 / found["requests"]
                   for name in before})


def pgbench(database, scripts, seconds, clients, defines=None):
    """Runs the scripts, prepared, chosen at random."""
    command = ["pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, CORES)),
               "-T", str(seconds)]
    for script in scripts:
        command += ["-f", str(script)]
    for name, value in (defines or {}).items():
        command += ["-D", f"{name}={value}"]
    # As billingd connects; and planned once, as its statements soon are.
    done = subprocess.run([*command, database], text=True, capture_output=True, check=False,
                          env={**os.environ, "PGOPTIONS": "-c jit=off "
                               "-c plan_cache_mode=force_generic_plan"})
    processed = re.search(r"actually processed: (\d+)", done.stdout)
    rate = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    failed = re.search(r"failed transactions: (\d+)", done.stdout)
    if done.returncode != 0 or not rate or (failed and failed[1] != "0"):
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise BadRun("pgbench: " + " ".join(words[:3]))
    return Result(int(processed[1]), int(processed[1]) / float(rate[1]))


def signatures(bits, seconds):
    """RSA signatures on all cores at once."""
    command = ["openssl", "speed", "-mr", "-seconds", str(seconds), "-multi", str(CORES),
               f"rsa{bits}"]
    done = subprocess.run(command, text=True, capture_output=True, check=True)
    summary = re.search(rf"^\+F2:\d+:{bits}:([0-9.]+):", done.stdout, re.MULTILINE)
    if not summary:
        raise BadRun(f"openssl speed: {done.stdout}")
    return Result(float(summary[1]) * seconds, seconds)


def psql(database, *commands):
    """Runs SQL, each command in a transaction of its own."""
    words = [word for command in commands for word in ("-c", command)]
    subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *words, database], check=True,
                   stdout=subprocess.DEVNULL)


def psql_value(database, query):
    """The one value that the query gives."""
    return subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", query, database],
                          check=True, capture_output=True, text=True).stdout.strip()
