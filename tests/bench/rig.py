"""The measured systems: a private stack, and a second nginx with the limits to compare it with.

The second nginx is the stack's own configuration with other locations: one that nginx answers by
itself, one behind the least that libfcgi can do (constant_fcgi.c), and the reference servers.
"""

import contextlib
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
STACK = ROOT / "app/stack/stack.sh"
VARIANT = os.environ.get("BUILD_VARIANT", "release")
BUILD = ROOT / "build" / VARIANT
TICKS = os.sysconf("SC_CLK_TCK")

REFERENCE_LOCATIONS = """
location = /return200 {
    access_log   off;
    default_type application/json;
    return 200   '{"status":"healthy","service":"billing","timestamp":"2026-01-01T00:00:00.000Z"}';
}
location = /constant {
    include      billing/billing-request.conf;
    access_log   off;
    fastcgi_pass constant;
}
"""
# Over kept connections, as nginx's manual advises for servers of HTTP.
PEERS = ("Go", "Node", "Express")
PEER_UPSTREAM = "upstream {name} {{ server unix:{socket}; keepalive 64; }}\n"
PEER_LOCATION = """
location /{name}/ {{
    include            billing/billing-request.conf;
    proxy_http_version 1.1;
    proxy_set_header   Connection "";
    proxy_pass         http://{name}/;
}}
"""


def build():
    """Compiles the two C programs of the bench; their folder."""
    out = BUILD / "tests/bench"
    out.mkdir(parents=True, exist_ok=True)
    include = subprocess.run(["pg_config", "--includedir"], check=True, capture_output=True,
                             text=True).stdout.strip()
    objects = [BUILD / source.relative_to(ROOT).with_suffix(".o")
               for source in sorted(ROOT.glob("lib/*/*.c"))]
    objects += [BUILD / f"{source.relative_to(ROOT)}.o"
                for source in sorted(ROOT.glob("lib/*/*.sql"))]
    compiler = ["gcc", "-std=c17", "-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE"]
    subprocess.run([*compiler, "-o", out / "constant_fcgi", HERE / "constant_fcgi.c", "-lfcgi"],
                   check=True)
    subprocess.run([*compiler, f"-I{ROOT}/lib", f"-I{include}", "-pie", "-o",
                    out / "print_statements", HERE / "print_statements.c", *objects,
                    "-lcurl", "-lfcgi", "-lpq", "-lcrypto", "-licui18n", "-licuuc"], check=True)
    return out


def statements(programs):
    """The service's SQL by statement name."""
    words = subprocess.run([programs / "print_statements"], check=True, capture_output=True,
                           text=True).stdout.split("\0")[:-1]
    return dict(zip(words[::2], words[1::2]))


def free_port():
    """A free TCP port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _stat(pid):
    """Parent, and clock ticks of the process and of its ended children."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])


def family(pid):
    """The process and all that descend from it."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parents.setdefault(_stat(entry)[0], []).append(int(entry))
            except OSError:
                pass
    found, queue = [], [pid]
    while queue:
        found.append(queue.pop())
        queue += parents.get(found[-1], [])
    return found


def cpu_seconds(pid):
    """CPU time of a family so far, that of members which have ended included."""
    ticks = 0
    for member in family(pid):
        try:
            _, own, ended = _stat(member)
            ticks += own + ended
        except OSError:
            pass
    return ticks / TICKS


def pss_megabytes(pid, kind="Pss"):
    """Proportional set size of a family: shared pages count once, spread over all their users, also over other
    services. `kind` "Pss_Anon": without the pages of files."""
    kilobytes = 0
    for member in family(pid):
        try:
            rollup = pathlib.Path(f"/proc/{member}/smaps_rollup").read_text(encoding="ascii")
        except OSError:  # it has just ended
            continue
        kilobytes += sum(int(line.split()[1]) for line in rollup.splitlines()
                         if line.startswith(f"{kind}:"))
    return kilobytes / 1024


def _name(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()


def _is_worker(pid):
    return _name(pid) == "billingd worker"


class Rig:
    """A context: the stack, with these settings, and the reference nginx run inside it and are gone
    after it."""

    def __init__(self, programs, settings):
        self.programs, self.settings = programs, settings
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="billing-bench-", dir="/var/tmp"))
        self.folder.chmod(0o711)
        self.run_dir = self.folder / "run"
        self.port = free_port()
        self.reference_port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.reference_url = f"https://127.0.0.1:{self.reference_port}"
        self.processes = []
        self.env = {}

    def __enter__(self):
        try:
            self._stack("start")
            for line in shlex.split((self.run_dir / "env").read_text(encoding="utf-8")):
                name, _, value = line.partition("=")
                self.env[name] = value
            self._start_reference()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _stack(self, command):
        foreign = ("DATABASE_URL", "DATABASE_URL_FILE", "DATABASE_OWNER_URL", "BILLINGD_PID_FILE", "BILLING_SOCKET",
                   "BASE_URL", "PLANS_FILE", "KEYS_DIR", "MIGRATIONS_DIR")
        environment = {name: value for name, value in os.environ.items()
                       if name not in foreign and not name.startswith("STRIPE_")}
        environment |= {"RUN_DIR": str(self.run_dir), "HTTPS_PORT": str(self.port),
                        "RATE_LIMITS": "off", "LOG_LEVEL": "info", "BUILD_VARIANT": VARIANT}
        environment |= self.settings
        # Without pipes: the started processes would keep them open.
        with open(self.folder / "stack.log", "a", encoding="utf-8") as log:
            code = subprocess.run([STACK, command], env=environment, stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=log, check=False).returncode
        if code != 0 and command == "start":
            words = (self.folder / "stack.log").read_text(encoding="utf-8").strip()
            raise RuntimeError(f"the stack did not start: {words}")

    def _start_reference(self):
        folder = self.run_dir / "bench-nginx"
        # Sockets need a short path that nginx's user can enter.
        constant = self.folder / "constant.sock"
        shutil.copytree(self.run_dir / "nginx", folder, symlinks=True,
                        ignore=shutil.ignore_patterns("*.pid", "tmp"))
        (folder / "tmp").mkdir(mode=0o711)
        config = (folder / "nginx.conf").read_text(encoding="utf-8")
        config = config.replace(f":{self.port} ", f":{self.reference_port} ")
        config = config.replace(f"listen {self.port} ", f"listen {self.reference_port} ")
        config = config.replace("../log/nginx-", "../log/bench-nginx-")
        upstreams = "".join(PEER_UPSTREAM.format(name=name, socket=self.peer_socket(name))
                            for name in PEERS)
        config = config.replace("include billing/billing-http.conf;",
                                "include billing/billing-http.conf;\n"
                                f"upstream constant {{ server unix:{constant}; }}\n{upstreams}")
        (folder / "nginx.conf").write_text(config, encoding="utf-8")
        locations = [PEER_LOCATION.format(name=name) for name in PEERS]
        (folder / "billing/billing-locations.conf").write_text(
            REFERENCE_LOCATIONS + "".join(locations), encoding="utf-8")
        self._spawn(self.programs / "constant_fcgi", constant, str(self.workers()))
        self._spawn("nginx", "-p", folder, "-c", "nginx.conf", "-e",
                    "../log/bench-nginx-error.log", "-g", "daemon off;")
        self._await_reference()

    def _await_reference(self):
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.reference_port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("the reference nginx did not start")

    def _spawn(self, *command):
        self.processes.append(subprocess.Popen([str(word) for word in command],
                                               stdin=subprocess.DEVNULL,
                                               stdout=subprocess.DEVNULL))

    def peer_socket(self, name):
        """The socket of a reference server."""
        return self.folder / f"{name}.sock"

    def signing_key(self):
        """The file of the service's private key."""
        return self.run_dir / "keys/private-key.pem"

    def pid(self, service):
        """The first process of a service: postgres, billingd, nginx; constant, reference."""
        if service in ("constant", "reference"):
            return self.processes[("constant", "reference").index(service)].pid
        return int((self.run_dir / "pids" / service).read_text(encoding="ascii").split()[0])

    def workers(self):
        """How many workers answer what is measured: not the jobs process, not the Stripe pool."""
        return sum(map(_is_worker, family(self.pid("billingd"))))

    @contextlib.contextmanager
    def stripe_jobs_paused(self):
        """Stops the jobs of Stripe meanwhile: events are stored and not processed."""
        # The kernel keeps 15 characters of "billingd jobs stripe".
        jobs = [pid for pid in family(self.pid("billingd"))
                if _name(pid).startswith("billingd jobs s")]
        for pid in jobs:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in jobs:
                os.kill(pid, signal.SIGCONT)

    def database(self, role="billing"):
        """A libpq URL; the role postgres may do anything."""
        return self.env["DATABASE_OWNER_URL"].replace("user=billing", f"user={role}")

    def close(self):
        """Stops everything and removes the folder."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait()
        self._stack("stop")
        shutil.rmtree(self.folder, ignore_errors=True)
