"""The comparisons. Each alternates between its two sides and stores the figures of every round."""

import base64
import itertools
import json
import re
import ssl
import statistics
import urllib.request

import customers
import load
import peers
import scripts
import usage
from load import Requests
from rig import pss_megabytes

SMALL = 1000
WARM_UP_SECONDS = 1
VIEW, STORE, SIGN_UP = "license_view", "license_store", "account_sign_up"
HEALTH = [("GET", "/health", "", "")]

# The parameters that billingd would pass for a new customer, made by PostgreSQL from two random numbers. By the
# number of the parameter of SIGN_UP.
SIGN_UP_SETUP = """\\set a random(1, 9000000000000000000)
\\set b random(1, 9000000000000000000)
"""
HEX = "md5(:a::text || ' ' || :b::text)"
# The data of an event about a licence, and of one about a customer.
LICENSE_EVENT = (f"json_build_object('jti', 'lic_' || {HEX}, 'plan', '{{plan}}', 'kid', 'pgbench', "
                 "'reason', 'changed', 'issued_at', now(), 'expires_at', now())::text")
CUSTOMER_EVENT = (f"json_build_object('customer_id', 'cust_' || {HEX}, 'email', {HEX} || "
                  "'@pgbench.example', 'company_name', 'Company', 'created_at', now())::text")
# The parameters for a licence of a customer that has had none in the last hour.
STORE_VALUES = {
    1: ":s", 2: "1", 3: f"'lic_' || {HEX}", 4: "'pgbench'", 5: "'{plan}'", 6: "'changed'",
    7: f"sha256(convert_to({HEX}, 'UTF8'))", 8: "repeat('x', {token_length})", 9: "now()",
    10: "now() + interval '14 days'", 11: "465", 12: "60", 13: "10", 14: "NULL", 15: "NULL",
    16: "'license.issued'", 17: LICENSE_EVENT,
}
SIGN_UP_VALUES = {
    1: f"'cust_' || {HEX}", 2: f"{HEX} || '@pgbench.example'", 3: "'Company ' || :a::text",
    4: "now()", 5: "'{plan}'", 6: "now() + interval '14 days'", 7: f"'lic_' || {HEX}",
    8: "'pgbench'", 9: f"sha256(convert_to({HEX}, 'UTF8'))", 10: "repeat('x', {token_length})",
    11: "now() + interval '14 days'", 12: f"'key_' || left({HEX}, 24)", 13: "'sign-up'",
    14: f"sha256(convert_to({HEX}, 'UTF8'))", 15: f"'cust_' || left({HEX}, 8)",
    16: "'{{license,usage,billing}}'::text[]", 17: "'nobody'", 18: HEX,
    19: f"{HEX} || '@pgbench.example'", 20: "'company ' || :a::text",
    21: f"sha256(convert_to({HEX} || 'email', 'UTF8'))",
    22: f"sha256(convert_to({HEX} || 'skeleton', 'UTF8'))", 23: "true",
    24: f"sha256(convert_to({HEX} || 'file', 'UTF8'))", 25: "NULL", 26: CUSTOMER_EVENT,
    27: CUSTOMER_EVENT, 28: LICENSE_EVENT, 29: CUSTOMER_EVENT,
}
# By name of the statement.
VALUES = {VIEW: (1, 2, 3), STORE: STORE_VALUES, SIGN_UP: SIGN_UP_VALUES,
          usage.SINGLE: usage.SINGLE_VALUES, usage.BATCH: usage.BATCH_VALUES}


class Measures:
    """All comparisons over one rig. `figures` holds the results of each round by name."""

    peers = None  # the reference servers, once they run
    peer_memory = {}  # their memory in MB, before they end

    def __init__(self, rig, sql, seconds, rounds, many):
        self.rig, self.sql = rig, sql
        self.seconds, self.rounds, self.many = seconds, rounds, many
        self.figures = {}
        self.asked = []
        self.key = rig.env["ADMIN_API_KEY"]
        self.warm_up = rounds > 1
        self.plan = self._get("/api/plans")["trial"]["plan"]
        self.key_bits = 8 * len(self._modulus())

    def _get(self, path, key=None):
        request = urllib.request.Request(self.rig.url + path, headers={"X-API-Key": key} if key
                                         else {})
        trust = ssl.create_default_context(cafile=self.rig.env["CA_CERT"])
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                             urllib.request.HTTPSHandler(context=trust))
        with opener.open(request, timeout=30) as answer:
            return json.load(answer)

    def _modulus(self):
        return base64.urlsafe_b64decode(self._get("/.well-known/jwks.json")["keys"][0]["n"] + "==")

    def _watched(self, *services):
        return {name: self.rig.pid(name) for name in services}

    def requests(self, name, requests, once=False):
        return Requests(self.rig.folder, name, requests, once)

    def keep(self, name, result):
        self.figures.setdefault(name, []).append(result)
        return result

    def serve(self, name, requests, connections=48):
        """Load on the service, all its servers watched."""
        return self.keep(name, load.wrk(self.rig.url, requests, self.seconds, connections,
                                         self._watched("nginx", "billingd", "postgres")))

    def small_requests(self):
        """/health, and a list, against what nginx does alone and with the least FastCGI."""
        health = self.requests("health", HEALTH)
        listing = self.requests("list", [("GET", "/api/customers?limit=20", self.key, "")])
        alone = self.requests("return200", [("GET", "/return200", "", "")])
        constant = self.requests("constant", [("GET", "/constant", "", "")])
        for _ in range(self.rounds):
            self.keep("return200", load.wrk(self.rig.reference_url, alone, self.seconds,
                                             watched=self._watched("reference")))
            self.keep("constant", load.wrk(self.rig.reference_url, constant, self.seconds,
                                            watched=self._watched("reference", "constant")))
            self.serve("health", health)
            self.serve("list", listing)
            self.peers.serve(self, peers.HEALTH, lambda _: HEALTH)
            self.peers.serve(self, peers.LIST,
                             lambda _: [("GET", "/api/customers?limit=20", self.key, "")])

    def licenses_kept(self):
        """Repeated requests for the same licences, against the SELECT that finds them."""
        numbers = range(1, 17)
        requests = self.requests("kept", customers.license_requests(numbers))
        views, defines = [], {}
        for number in numbers:
            self._get(f"/api/licenses/{customers.customer_id(number)}", customers.api_key(number))
            script = self.rig.folder / f"view{number}.sql"
            script.write_text(re.sub(r"\$(\d)\b", rf":p{number}_\1", self.sql[VIEW]) +
                              ";\n", encoding="utf-8")
            views.append(script)
            defines[f"p{number}_1"] = "\\x" + customers.digest(number)
            defines[f"p{number}_2"] = customers.customer_id(number)
            defines[f"p{number}_3"] = "now"
        for _ in range(self.rounds):
            self.keep("pgbench view", load.pgbench(self.rig.database(), views, self.seconds, 8,
                                                    defines))
            self.serve("kept", requests)
            self.peers.serve(self, peers.KEPT, lambda _: customers.license_requests(numbers))

    def licenses_fresh(self):
        """Each request is the first of a customer for its licence, which is signed and stored.
        Against what the cores can sign when they do nothing else."""
        servers = self.rounds * (1 + len(self.peers.running))
        size = min(3000 * load.CORES * self.seconds, (self.many - SMALL) // (2 * servers))
        first = itertools.count(SMALL + 1, size)

        def fresh(_):
            start = next(first)
            return customers.license_requests(range(start, start + size))

        script = self._store_script()
        for number in range(self.rounds):
            self.keep("signatures", load.signatures(self.key_bits, self.seconds))
            self.keep("pgbench store", load.pgbench(self.rig.database(), [script], self.seconds, 32))
            self.serve("fresh", self.requests(f"fresh{number}", fresh(None), once=True))
            self.peers.serve(self, peers.FRESH, fresh, once=True)

    def _store_script(self):
        return self._script(STORE, f"\\set s random(1, {self.many})\n")

    def _script(self, name, setup=""):
        """The script of a statement that stores a licence."""
        token = self._get(f"/api/licenses/{customers.customer_id(1)}", self.key)["license"]
        return scripts.write(self.rig.folder / f"{name}.sql", SIGN_UP_SETUP + setup, self.sql[name],
                             VALUES[name], plan=self.plan, token_length=len(token))

    def sign_ups(self):
        """New customers, against the statement that writes them."""
        script = self._script(SIGN_UP)
        for number in range(self.rounds):
            new = customers.sign_ups(self.key, f"round{number}", 4000 * load.CORES * self.seconds)
            self.keep("pgbench sign-up", load.pgbench(self.rig.database(), [script],
                                                       self.seconds, 32))
            self.serve("sign-up", self.requests(f"sign-up{number}", new, once=True))

    def reports(self):
        """Usage reports, one by one and many at once, against the statements that write them."""
        written = {name: scripts.write(self.rig.folder / f"{name}.sql", usage.SETUP, self.sql[name],
                                       VALUES[name]) for name in (usage.SINGLE, usage.BATCH)}
        size = 5000 * load.CORES * self.seconds
        for number in range(self.rounds):
            single = usage.singles(f"single{number}", size)
            batch = usage.batches(f"batch{number}", size // 4)
            for name, requests in ((usage.SINGLE, single), (usage.BATCH, batch)):
                self.keep(f"pgbench {name}", load.pgbench(self.rig.database(), [written[name]],
                                                           self.seconds, 32))
                self.serve(name, self.requests(f"{name}{number}", requests, once=True))
            self.peers.serve(self, peers.REPORT,
                             lambda peer, n=number: usage.singles(f"{peer}{n}", size), once=True)

    def lookups(self, total, stage):
        """Every look-up and page with so many customers, by few callers at a time."""
        skipped = total * 99 // 100
        deep = self._get(f"/api/customers?limit=1&offset={skipped - 1}", self.key)["next_cursor"]
        return self._lookups({"health": HEALTH, **customers.lookups(total, self.key, deep)}, stage)

    def usage_lookups(self, stage):
        """Looks up usage when the table has that many reports."""
        return self._lookups(usage.lookups(), stage)

    def _lookups(self, asked, stage):
        for name, requests in asked.items():
            file = self.requests(name.replace("/", " "), requests)
            if self.warm_up or name == "licence kept":
                load.wrk(self.rig.url, file, WARM_UP_SECONDS, 4)
            self.serve(f"{name}, {stage}", file, 4)
        return list(asked)

    def median(self, name, of=lambda result: result.rate):
        """The median over the rounds of a figure."""
        return statistics.median(of(result) for result in self.figures[name])

    def typical(self, name):
        """The round with the median rate."""
        return sorted(self.figures[name], key=lambda result: result.rate)[len(self.figures[name]) // 2]

    def ratios(self, name, base, of=lambda result: result.rate):
        """The figure over the base's, round by round."""
        return [of(a) / of(b) for a, b in zip(self.figures[name], self.figures[base])]

    def memory(self):
        """PSS in MB by service, as it is now."""
        return {name: pss_megabytes(self.rig.pid(name)) for name in ("billingd", "nginx")}

    def own_memory(self):
        """The part of billingd's that is no page of a file."""
        return pss_megabytes(self.rig.pid("billingd"), "Pss_Anon")


def cpu(result):
    """For Measures.ratios()."""
    return result.all_cpu_us


def bounds(measures, *names):
    """Operations a second if these figures' operations took turns on the same cores, round by
    round."""
    return [1 / sum(1 / result.rate for result in results)
            for results in zip(*(measures.figures[name] for name in names))]
