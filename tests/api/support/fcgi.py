"""Requests to billingd without nginx."""

import json
import socket
import struct


def _record(kind, content):
    return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content


def _name_value(name, value):
    sizes = b"".join(struct.pack(">B", len(one)) if len(one) < 128 else
                     struct.pack(">I", len(one) | 1 << 31) for one in (name, value))
    return sizes + name + value


def speak(peer, method, uri, body=b"", keep=True, **params):
    """Sends a request on a connection that is to be kept, as nginx would; `params` are further
    FastCGI parameters."""
    params = {"REQUEST_METHOD": method, "REQUEST_URI": uri, "REQUEST_ID": "by-hand",
              "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body)), **params}
    pairs = b"".join(_name_value(name.encode(), value.encode()) for name, value in params.items())
    chunks = [body[at:at + 65000] for at in range(0, len(body), 65000)]
    begin = struct.pack(">HB5x", 1, keep)
    peer.sendall(_record(1, begin) + _record(4, pairs) + _record(4, b""))
    try:
        for chunk in chunks + [b""]:
            peer.sendall(_record(5, chunk))
    except BrokenPipeError:
        pass  # it need not read what it refuses


def send(peer, path, method, uri, body=b"", **params):
    """Connects to the socket at the path and sends a request, the only one of its connection."""
    peer.settimeout(10)
    peer.connect(str(path))
    speak(peer, method, uri, body, keep=False, **params)


def _exactly(peer, size):
    received = b""
    while len(received) < size:
        chunk = peer.recv(size - len(received))
        assert chunk, "the answer has no end"
        received += chunk
    return received


def receive_bytes(peer):
    """The status and the body of the answer, which ends with a record of its own."""
    text, kind = b"", 0
    while kind != 3:
        _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", _exactly(peer, 8))
        content = _exactly(peer, length + padding)[:length]
        text += content if kind == 6 else b""
    head, _, body = text.partition(b"\r\n\r\n")
    return int(head.split(b"\r\n")[0].removeprefix(b"Status: ")), body


def receive(peer):
    """The status and the body of an answer in JSON."""
    status, body = receive_bytes(peer)
    return status, json.loads(body)


def ask(path, method, uri, body=b"", **params):
    """Sends and receives."""
    with socket.socket(socket.AF_UNIX) as peer:
        send(peer, path, method, uri, body, **params)
        return receive(peer)
