"""One of several hosts with one database."""

import json
import re
import shutil
import socket

from chaos.processes import Daemon
from support.fcgi import ask, receive_bytes, send
from support.stack import wait_for


class Host:
    """A billingd with sockets, keys and plans of its own, and billingctl there."""

    def __init__(self, stack, name):
        self.stack = stack
        self.daemon = Daemon(stack)
        folder = self.daemon.pid_file.parent
        self.daemon.socket, self.daemon.stripe_socket = folder / "m.sock", folder / "s.sock"
        self.daemon.write(BILLING_SOCKET=self.daemon.socket, WORKERS=2,
                          BILLING_STRIPE_SOCKET=self.daemon.stripe_socket,
                          REVOCATIONS_FILE=folder / f"{name}.jwt")
        self.keys = self.daemon.keys
        self.daemon.launch()
        # The first round of its jobs measures what the metrics and the readiness say.
        wait_for(lambda: self.get("/health/ready")[0] == 200)

    def ctl(self, *words, check=True):
        """billingctl with this host's KEYS_DIR, PLANS_FILE and socket, as JSON."""
        done = self.stack.billingctl("--json", *words, check=check,
                                     env={"KEYS_DIR": str(self.keys),
                                          "PLANS_FILE": str(self.daemon.plans),
                                          "BILLING_SOCKET": str(self.daemon.socket)})
        return json.loads(done.stdout) if check else done

    def get(self, path):
        """The status and the body of an operator's request."""
        return ask(self.daemon.socket, "GET", path, HTTP_X_API_KEY=self.stack.admin_key)

    def published(self):
        """The kids of the JWK set."""
        return [key["kid"] for key in self.get("/.well-known/jwks.json")[1]["keys"]]

    def ready(self):
        """The status of the readiness, and what it says of the signing key."""
        status, body = self.get("/health/ready")
        return status, body["checks"]["signing_key"]["detail"]

    def metric(self, name):
        """A gauge of this host."""
        with socket.socket(socket.AF_UNIX) as peer:
            send(peer, self.daemon.socket, "GET", "/metrics")
            _, text = receive_bytes(peer)
        return int(re.search(rf"^{name} (\d+)$", text.decode("ascii"), re.MULTILINE)[1])

    def sign_up(self):
        """A new customer: its id and its licence."""
        body = json.dumps({"email": self.stack.api.email()}).encode()
        status, answer = ask(self.daemon.socket, "POST", "/api/customers", body,
                             HTTP_X_API_KEY=self.stack.admin_key)
        assert status == 201
        return answer["customer"]["customer_id"], answer["license"]

    def copy(self, other, name="next-private-key.pem"):
        """The operator copies the private key of the other host."""
        target = self.keys / "next-private-key.pem"
        shutil.copy(other.keys / name, target)
        target.chmod(0o600)
        self.daemon.own(target)


def two_hosts(stack):
    """For a fixture: two hosts take the place of the stack's own billingd. Both end well."""
    made = [Host(stack, name) for name in ("one", "two")]
    stack.script("stop", "billingd")
    yield made
    for host in made:
        assert host.daemon.stop() == 0
