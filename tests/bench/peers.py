"""The reference servers: the service's busiest endpoints on Go's net/http with pgx, on Node's http with
pg, and on Express with pg and jose (tests/bench/reference), behind the reference nginx. They run the service's own statements on
its database, authenticate, check their input and log, so that the ratios compare like with like."""

import dataclasses
import os
import pathlib
import shutil
import socket
import subprocess
import time

import load
from load import Requests
from rig import HERE, pss_megabytes

GO_LIBRARIES = pathlib.Path("/usr/share/gocode")
CONNECTIONS = 16

# Endpoints that are compared, by the name of the service's own figures.
HEALTH, LIST, KEPT, FRESH, REPORT, EVENT = "health", "list", "kept", "fresh", "usage_report", "webhook"


@dataclasses.dataclass
class Peer:
    """A reference server. `missing` says why it cannot run here."""

    name: str
    command: list
    missing: str = ""
    environment: dict = dataclasses.field(default_factory=dict)


def _go(out):
    """Compiles the Go server with Debian's libraries."""
    if not shutil.which("go") or not (GO_LIBRARIES / "src/github.com/jackc/pgx/v4").is_dir():
        return Peer("Go", [], "golang-go and golang-github-jackc-pgx-v4-dev")
    program = out / "reference-go"
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(GO_LIBRARIES),
                   "GOCACHE": str(out / "go-cache")}
    subprocess.run(["go", "build", "-o", program, HERE / "reference/server.go"], check=True,
                   env=environment)
    return Peer("Go", [program])


def _node_environment():
    paths = [os.environ.get("NODE_PATH"), "/usr/share/nodejs"]
    return {**os.environ, "NODE_PATH": ":".join(path for path in paths if path)}


def _node(name, packages, framework=""):
    """The server on Node, when it has these modules."""
    wanted = "".join(f"require('{package}');" for package in packages)
    found = shutil.which("node") and subprocess.run(
        ["node", "-e", wanted], env=_node_environment(), check=False, capture_output=True).returncode == 0
    if not found:
        return Peer(name, [], " and ".join(["nodejs", *(f"node-{package}" for package in packages)]))
    return Peer(name, ["node", HERE / "reference/server.js"], environment={"FRAMEWORK": framework})


def prepare(out):
    """The reference servers, compiled; those that cannot run here say why."""
    return [_go(out), _node("Node", ["pg"]), _node("Express", ["pg", "express", "jose"], "express")]


class Peers:
    """A context: the reference servers that can run here, and their figures."""

    def __init__(self, rig, found, sql, webhook_secret):
        self.rig = rig
        self.running = [peer for peer in found if not peer.missing]
        self.statements = rig.folder / "statements"
        self.statements.write_text("".join(f"{name}\0{text}\0" for name, text in sql.items()),
                                   encoding="utf-8")
        self.secret = webhook_secret
        self.processes = []

    def __enter__(self):
        for peer in self.running:
            address = self.rig.peer_socket(peer.name)
            with open(self.rig.folder / f"{peer.name}.log", "wb") as log:
                self.processes.append(subprocess.Popen(
                    [str(word) for word in peer.command], stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log, env={
                        **_node_environment(), "LISTEN": str(address), "STATEMENTS": str(self.statements),
                        "DATABASE_URL": self.rig.database(), "WEBHOOK_SECRET": self.secret,
                        "KEY": str(self.rig.signing_key()), "CONNECTIONS": str(CONNECTIONS),
                        "PROCESSES": str(load.CORES), **peer.environment}))
            self._await(peer, address)
        return self

    def _await(self, peer, address):
        for _ in range(200):
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(address)) == 0:
                    return
            if self.processes[-1].poll() is not None:
                break
            time.sleep(0.05)
        self.__exit__()
        words = (self.rig.folder / f"{peer.name}.log").read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"the reference server on {peer.name} did not start: {words[-500:]}")

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()

    def serve(self, measures, name, make, once=False):
        """Load on each, with the requests that `make` gives for it; a `once` request is sent once."""
        for peer, process in zip(self.running, self.processes):
            requests = [(method, f"/{peer.name}{path}", key, body)
                        for method, path, key, body in make(peer.name)]
            file = Requests(self.rig.folder, f"{peer.name} {name}", requests, once)
            try:
                result = load.wrk(self.rig.reference_url, file, measures.seconds, watched={
                    "server": process.pid, "postgres": self.rig.pid("postgres"),
                    "nginx": self.rig.pid("reference")})
            except load.BadRun as bad:
                raise load.BadRun(f"{bad}; {peer.name}: {self._errors(peer)}") from bad
            measures.keep(f"{peer.name} {name}", result)

    def memory(self):
        """PSS in MB by server, as it is now."""
        return {peer.name: pss_megabytes(process.pid)
                for peer, process in zip(self.running, self.processes)}

    def _errors(self, peer):
        """The last errors that a server has logged."""
        log = (self.rig.folder / f"{peer.name}.log").read_text(encoding="utf-8", errors="replace")
        lines = [line for line in log.splitlines() if '"error"' in line]
        return " ".join([line for line in lines if "canceled" not in line][-2:])
