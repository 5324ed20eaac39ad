"""A mail server (aiosmtpd, an implementation of its own) that keeps a ledger and misbehaves as told."""

import asyncio
import email
import email.policy
import socket
import ssl
import subprocess

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult


def make_authority(folder, name="localhost"):
    """A certificate for the name, which vouches for itself: the paths of certificate and key."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
                    f"subjectAltName=DNS:{name}", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    for place in (folder, folder.parent, folder.parent.parent):
        place.chmod(0o755)
    return certificate, key


class Letter:
    """A message that the server accepted."""

    def __init__(self, envelope):
        self.sender = envelope.mail_from
        self.recipients = list(envelope.rcpt_tos)
        self.raw = envelope.content
        self.message = email.message_from_bytes(envelope.content, policy=email.policy.SMTP)
        self.subject = self.message["Subject"]
        self.text = self.message.get_content()
        self.message_id = self.message["Message-ID"]


class MailServer(Controller):
    """`rule(step, address)`, with the step "rcpt", "data" or "quit", gives an answer such as "451 Later"; "hang"
    and "close" do that; None accepts. `early(step)` does for "ehlo" and "mail". A letter is in `ledger` once it is accepted, in `seen` once its text
    came. Each address that was tried is in `tried`."""

    def __init__(self, tls=None, implicit=False, user=None, port=0):
        self.ledger, self.seen, self.tried, self.signed_in = [], [], [], []
        self.rule = lambda step, address: None
        self.early = lambda step: None
        self.user = user
        self.implicit = implicit
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
        self.context = context
        super().__init__(self, hostname="127.0.0.1", port=port,
                         ssl_context=context if implicit else None)

    def factory(self):
        """aiosmtpd's hook: the protocol of one connection."""
        return SMTP(self, hostname="mail.test", enable_SMTPUTF8=True,
                    tls_context=None if self.implicit else self.context,
                    require_starttls=self.context is not None and not self.implicit,
                    auth_required=self.user is not None,
                    auth_require_tls=self.user is not None and not self.implicit,
                    authenticator=self._sign_in, timeout=600)

    def _trigger_server(self):
        """aiosmtpd's hook, which makes a first connection: to the port that was found."""
        self.port = self.server.sockets[0].getsockname()[1]
        with socket.create_connection(("127.0.0.1", self.port)):
            pass

    def _sign_in(self, _server, _session, _envelope, _mechanism, data):
        given = (data.login.decode(), data.password.decode())
        self.signed_in.append(given)
        return AuthResult(success=given == self.user, handled=False)

    async def _obey(self, server, order):
        if order == "hang":
            await asyncio.sleep(3600)
        if order == "close":
            server.transport.abort()
            return "250 nobody hears this"
        return order

    async def handle_EHLO(self, server, session, _envelope, name, responses):
        """aiosmtpd's hook."""
        session.host_name = name
        order = self.early("ehlo")
        return responses if order is None else [await self._obey(server, order)]

    async def handle_MAIL(self, server, _session, envelope, address, _options):
        """aiosmtpd's hook."""
        order = self.early("mail")
        if order is None:
            envelope.mail_from = address
            return "250 OK"
        return await self._obey(server, order)

    async def handle_RCPT(self, server, _session, envelope, address, _options):
        """aiosmtpd's hook."""
        self.tried.append(address)
        order = self.rule("rcpt", address)
        if order is None:
            envelope.rcpt_tos.append(address)
            return "250 OK"
        return await self._obey(server, order)

    async def handle_DATA(self, server, _session, envelope):
        """aiosmtpd's hook."""
        letter = Letter(envelope)
        self.seen.append(letter)
        order = self.rule("data", letter.recipients[0])
        if order is None:
            self.ledger.append(letter)
            return "250 2.0.0 accepted"
        return await self._obey(server, order)

    async def handle_QUIT(self, server, _session, _envelope):
        """aiosmtpd's hook."""
        order = self.rule("quit", None)
        return "221 Bye" if order is None else await self._obey(server, order)

    @property
    def url(self):
        """For SMTP_URL."""
        return f"{'smtps' if self.implicit else 'smtp'}://localhost:{self.port}"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
