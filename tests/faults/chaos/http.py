"""A light HTTPS client for many connections in one thread."""

import asyncio
import dataclasses
import json
import ssl

# Longer than any time limit of nginx or billingd: a request without an answer by then is lost.
ANSWER_SECONDS = 40


class Lost(Exception):
    """The connection ended without an answer."""


@dataclasses.dataclass
class Answer:
    """One answer."""

    status: int
    headers: dict
    body: bytes

    def json(self):
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self):
        """The code of an error, or None."""
        return self.json().get("code") if self.status >= 400 and self.body else None


class Connection:
    """One keep-alive connection, opened by the first request. For one task at a time."""

    def __init__(self, stack):
        self.port = stack.https_port
        self.context = ssl.create_default_context(cafile=stack.ca_cert)
        self.reader = self.writer = None

    async def request(self, method, path, headers=(), body=b""):
        """Sends a request and returns its answer. Raises Lost."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if self.writer is None:
                    self.reader, self.writer = await asyncio.open_connection(
                        "localhost", self.port, ssl=self.context, limit=1 << 20)
                self.writer.write(head + body)
                return await self._read(method)
        except TimeoutError as why:
            self.close()
            raise AssertionError(f"{method} {path}: no answer in {ANSWER_SECONDS} s") from why
        except (OSError, asyncio.IncompleteReadError) as why:
            self.close()
            raise Lost(str(why)) from why

    async def _read(self, method):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        pairs = (line.split(":", 1) for line in head[1:] if line)
        headers = {name.lower(): value.strip() for name, value in pairs}
        body = b""
        if method != "HEAD" and status not in (204, 304):
            body = await self.reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        return Answer(status, headers, body)

    def close(self):
        """Closes the connection; the next request opens another one."""
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None
