"""Bytes over TLS, for requests that no HTTP library would send."""

import json
import socket
import ssl


class Answer:
    """The first answer in the received bytes."""

    def __init__(self, received):
        self.received = received
        head, _, self.body = received.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        self.status = int(lines[0].split(b" ")[1]) if lines[0].startswith(b"HTTP/") else 0
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            self.headers[name.decode("latin-1").lower()] = value.strip().decode("latin-1")

    @property
    def code(self):
        """The code of an error body."""
        return json.loads(self.body)["code"]

    def count(self):
        """The number of answers."""
        return self.received.count(b"HTTP/1.1 ")

    def is_whole(self):
        """Whether the answer is there with all of its body."""
        return "content-length" in self.headers and len(self.body) >= int(self.headers["content-length"])


def exchange(stack, request, *, timeout=30, first=False):
    """Sends the bytes over a fresh connection and reads until the server closes it. The request
    should ask for that (`Connection: close`), or be one after which the server closes it; with `first` nothing
    is read after the first answer."""
    context = ssl.create_default_context(cafile=stack.ca_cert)
    received = b""
    with socket.create_connection(("localhost", stack.https_port), timeout=timeout) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            try:
                connection.sendall(request)
                while chunk := connection.recv(65536):
                    received += chunk
                    if first and b"\r\n\r\n" in received and Answer(received).is_whole():
                        break
            except (ConnectionError, ssl.SSLError, TimeoutError):
                pass  # hung up on, or left waiting
    return Answer(received)


def build(method, path, headers=(), body=b""):
    """A request as bytes; `headers` are pairs, so that names can be repeated."""
    lines = [b"%s %s HTTP/1.1" % (_bytes(method), _bytes(path)), b"Host: localhost",
             b"Connection: close"]
    lines += [b"%s: %s" % (_bytes(name), _bytes(value)) for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _bytes(value):
    return value if isinstance(value, bytes) else value.encode("utf-8")
