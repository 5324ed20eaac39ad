"""A receiver of webhooks: an HTTPS server with a certificate of its own authority, whose answers a test
chooses."""

import http.server
import json
import runpy
import socketserver
import ssl
import subprocess
import threading
import time
from pathlib import Path

RECIPE = runpy.run_path(str(Path(__file__).resolve().parents[2] / "recipes/python/webhook.py"))


def make_certificates(folder):
    """An authority and a certificate for localhost in the folder: (ca, certificate, key)."""
    ca, ca_key, cert, key = (folder / name for name in ("ca.pem", "ca.key", "cert.pem", "key.pem"))
    run = lambda *words: subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3",
        "-subj", "/CN=receivers", "-keyout", ca_key, "-out", ca)
    run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
        "/CN=localhost", "-keyout", key, "-out", folder / "csr.pem")
    (folder / "ext").write_text("subjectAltName=DNS:localhost,DNS:*.receiver.example,IP:127.0.0.1\n", encoding="ascii")
    run("x509", "-req", "-in", folder / "csr.pem", "-CA", ca, "-CAkey", ca_key, "-CAcreateserial",
        "-days", "3", "-extfile", folder / "ext", "-out", cert)
    for place in (folder, folder.parent, folder.parent.parent):
        place.chmod(0o755)
    return ca, cert, key


class Message:
    """One request that came."""

    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body
        self.id = headers["webhook-id"]
        self.at = time.monotonic()
        self.json = json.loads(body)

    def is_genuine(self, **by):
        """Whether the recipe for receivers in Python says so, at the time of the message."""
        sent_at = int(self.headers["webhook-timestamp"])
        return RECIPE["genuine"](self.headers, self.body, sent_at, **by)

    def is_by(self, secret):
        """Whether a v1 signature is by the secret, whsec_..."""
        return self.is_genuine(secret=secret)

    def is_by_key(self, public):
        """Whether a v1a signature is by the key, whpk_..."""
        return self.is_genuine(public_keys=[public])


class Receiver:
    """Answers by `answer`, a function of the message that gives (status, headers, body) or writes to the
    connection itself and gives None. `messages` are those that came, in their order."""

    def __init__(self, certificate=None, key=None, answer=None):
        self.messages, self.connections = [], 0
        self.answer = answer or (lambda message, handler: (204, {}, b""))
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """One connection."""
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):  # pylint: disable=invalid-name
                """Reads a message and answers."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                message = Message(self.path, self.headers, body)
                receiver.messages.append(message)
                answer = receiver.answer(message, self)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, content = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(content)

            def setup(self):
                receiver.connections += 1
                super().setup()

            def log_message(self, *_):  # pylint: disable=arguments-differ
                """Nothing."""

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            """TLS is shaken in the connection's own thread."""
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_):
                """A sender that goes away is no fault."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
            self.scheme = "https"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def url(self, path="/hook", host="localhost"):
        """Where it is."""
        return f"{self.scheme}://{host}:{self.port}{path}"

    def at(self, path):
        """The messages to this path."""
        return [message for message in self.messages if message.path == path]

    def close(self):
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()
