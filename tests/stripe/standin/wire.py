"""HTTP/1.1 for the stand-in: a thread for each connection, which stays open between requests.
Written out because the library's handler takes most of a millisecond for each request and cannot
break a connection half-way through an answer."""

import itertools
import socket
import socketserver
import struct
import time
import urllib.parse

MAX_LINE, MAX_HEADERS, MAX_BODY = 65536, 200, 16_000_000
REASONS = {200: "OK", 302: "Found", 303: "See Other", 400: "Bad Request", 401: "Unauthorized",
           402: "Request Failed", 403: "Forbidden", 404: "Not Found", 409: "Conflict",
           429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable"}


class Request:
    """A request as it came. Header names are in small letters."""

    def __init__(self, method, target, headers, body, connection, peer):
        self.method = method
        self.path, _, self.query = target.partition("?")
        self.headers = headers
        self.body = body
        self.connection = connection
        self.peer = peer
        self.time = time.time()

    def form(self):
        """The body of a page's form."""
        return dict(urllib.parse.parse_qsl(self.body.decode(), keep_blank_values=True))


class Answer:
    """An answer. `cut` breaks the connection: "reset" before any byte, a number after that many
    bytes of the body."""

    def __init__(self, status=200, body=b"", headers=None, cut=None):
        self.status = status
        self.body = body.encode() if isinstance(body, str) else body
        self.headers = headers or {}
        self.cut = cut

    def bytes(self):
        """The answer as it goes out."""
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Status')}",
                 f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if isinstance(self.cut, int):
            return head + self.body[:self.cut]
        return head + self.body


class Broken(Exception):
    """The received bytes are not a request."""


class Connection(socketserver.StreamRequestHandler):
    """One connection."""

    def setup(self):
        """Numbers the connection and does the TLS handshake, in the connection's own thread."""
        self.number = next(self.server.numbers)
        if self.server.tls:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().setup()

    def handle(self):
        """Answers requests until one side closes."""
        try:
            while True:
                request = self.read()
                if request is None:
                    return
                answer = self.server.respond(request)
                if answer.cut != "reset":
                    self.request.sendall(answer.bytes())
                if answer.cut is not None:
                    self.reset()
                    return
                if request.headers.get("connection", "").lower() == "close":
                    return
        except Broken as error:
            self.request.sendall(Answer(400, str(error), {"Connection": "close"}).bytes())
        except OSError:
            pass

    def finish(self):
        """Closes, also the TLS socket, which the listener does not know."""
        super().finish()
        self.request.close()

    def reset(self):
        """Lets the other side see a reset instead of an end."""
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()

    def line(self):
        """A line without its end."""
        line = self.rfile.readline(MAX_LINE)
        if line and not line.endswith(b"\n"):
            raise Broken("A line is too long.")
        return line.rstrip(b"\r\n").decode("latin-1")

    def read(self):
        """The next request; None at the end."""
        first = self.line()
        if not first:
            return None
        parts = first.split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise Broken("That is no HTTP/1 request.")
        headers = {}
        while True:
            line = self.line()
            if not line:
                break
            name, colon, value = line.partition(":")
            if not colon or len(headers) >= MAX_HEADERS:
                raise Broken("A header is broken.")
            headers[name.lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return Request(parts[0], parts[1], headers, self.body(headers), self.number,
                       self.client_address)

    def body(self, headers):
        """The body."""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while True:
                size = int(self.line().split(";")[0], 16)
                body += self.rfile.read(size)
                self.line()
                if size == 0:
                    return body
        try:
            length = int(headers.get("content-length", 0))
        except ValueError:
            raise Broken("A length is broken.") from None
        if not 0 <= length <= MAX_BODY:
            raise Broken("The body is too large.")
        return self.rfile.read(length)


class Server(socketserver.ThreadingTCPServer):
    """The listener. `respond` makes an answer of a request."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 1024

    def __init__(self, address, respond, tls=None):
        self.numbers = itertools.count(1)
        self.respond = respond
        self.tls = tls
        super().__init__(address, Connection)

    def handle_error(self, request, client_address):
        """A failed handshake or a connection that broke is the caller's trouble; operations
        report their own errors."""
