"""A message on its way to a mail server of another make: TLS, sign-in, refusals, and what is said of them."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time

import pytest

from support.mail import MailServer, make_authority
from support.stack import PASSED_ON, ROOT, VARIANT, within

PASSWORD = "swordfish-93-swordfish"


@pytest.fixture(name="tls", scope="module")
def fixture_tls(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("tls"))


def control(*words, **settings):
    """billingctl with these settings and no others."""
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    env |= {"MAIL_FROM": "Acme <billing@acme.example>", "SMTP_TIMEOUT_SECONDS": "50"}
    env |= {"https_proxy": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}
    done = subprocess.run([ROOT / "build" / VARIANT / "billingctl", *words], cwd=ROOT, text=True,
                          env=env | {k: str(v) for k, v in settings.items()}, check=False,
                          capture_output=True, timeout=60)
    assert PASSWORD not in done.stdout + done.stderr
    return done


def send(server, address="jane@example.com", **settings):
    return control("notices", "test", address, **{"SMTP_URL": server.url, **settings})


TEXT = "Subject: {product}: test message\n\n{product}\n.\n..two\nFrom x\n" + 45 * "long line " + "\n{support}\n"


@pytest.mark.parametrize("name", ["Acme", "Größe \"x\" & Söhne, Zürich", "Größe & Söhne 🏭"])
def test_a_message_as_another_reader_reads_it(tmp_path, name):
    brand = tmp_path / "brand.json"
    texts = tmp_path / "mail"
    shutil.copytree(ROOT / "conf/mail", texts)
    (texts / "test.txt").write_text(TEXT, encoding="utf-8")
    brand.write_text(json.dumps({"name": name, "support": "help@acme.example"}), encoding="utf-8")
    with MailServer() as server:
        done = send(server, MAIL_FROM=f"{name} <billing@acme.example>", BRAND_FILE=brand,
                    MAIL_TEMPLATES=texts)
        assert done.returncode == 0 and "250 2.0.0 accepted" in done.stdout, done.stderr
        [letter] = server.ledger
        assert (letter.sender, letter.recipients) == ("billing@acme.example", ["jane@example.com"])
        message = letter.message
        [sender] = message["From"].addresses
        assert (sender.display_name, sender.addr_spec) == (name, "billing@acme.example")
        assert letter.subject == f"{name}: test message"
        wanted = TEXT.partition("\n\n")[2].format(product=name, support="help@acme.example")
        assert letter.text.replace("\r\n", "\n") == wanted
        assert message["Reply-To"] == "help@acme.example"
        assert message["Auto-Submitted"] == "auto-generated" and message["List-Unsubscribe"] is None
        assert abs(message["Date"].datetime.timestamp() - time.time()) < 60
        assert letter.message_id.endswith("@acme.example>") and not message.defects
        assert all(len(line) <= 78 for line in letter.raw.decode("ascii").split("\r\n"))


def test_starttls_and_sign_in(tls):
    with MailServer(tls=tls, user=("us", PASSWORD)) as server:
        wanted = {"SMTP_STARTTLS": "required", "SMTP_CA_FILE": tls[0], "SMTP_USER": "us",
                  "SMTP_PASSWORD": PASSWORD}
        assert send(server, **wanted).returncode == 0
        assert server.signed_in == [("us", PASSWORD)] and len(server.ledger) == 1
        wrong = send(server, **wanted | {"SMTP_PASSWORD": "wrong"})
        assert wrong.returncode == 1 and "sign in refused: 535" in wrong.stderr
        # The certificate is of no authority that is trusted, or of another name.
        assert "SSL" in send(server, **wanted | {"SMTP_CA_FILE": "/etc/ssl/certs/ca-certificates.crt"}).stderr
        other = server.url.replace("localhost", "127.0.0.1")
        assert send(server, **wanted | {"SMTP_URL": other}).returncode == 1
        assert len(server.ledger) == 1 and ("us", PASSWORD) not in server.signed_in[2:]


def test_the_password_may_be_in_a_file(tls, tmp_path):
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n", encoding="ascii")
    secret.chmod(0o600)
    with MailServer(tls=tls, implicit=True, user=("us", PASSWORD)) as server:
        done = send(server, SMTP_CA_FILE=tls[0], SMTP_USER="us", SMTP_PASSWORD_FILE=secret)
        assert done.returncode == 0, done.stderr
        assert len(server.ledger) == 1


def test_no_message_goes_without_tls_where_it_is_required():
    with MailServer() as server:
        done = send(server, SMTP_STARTTLS="required")
        assert done.returncode == 1 and "STARTTLS" in done.stderr
        assert not server.tried


@pytest.mark.parametrize("step, answer, said", [
    ("rcpt", "550 5.1.1 no such user", "recipient refused: 550 5.1.1"),
    ("rcpt", "451 4.3.0 later", "recipient refused: 451 4.3.0"),
    ("data", "554 5.7.1 spam", "answer refused: 554 5.7.1"),
    ("rcpt", "hang", "recipient: "), ("rcpt", "close", "recipient: "),
    ("data", "hang", "answer: "), ("data", "close", "answer: ")])
def test_what_is_said_when_it_is_not_accepted(step, answer, said):
    with MailServer() as server:
        server.rule = lambda at, _address: answer if at == step else None
        done = send(server, SMTP_TIMEOUT_SECONDS=10 if answer == "hang" else 50)
        assert done.returncode == 1 and said in done.stderr, done.stderr
        assert not server.ledger and len(server.tried) == 1


@pytest.mark.parametrize("step, answer, said", [
    ("ehlo", "close", "hello: "), ("ehlo", "hang", "hello: "),
    ("mail", "451 4.3.0 later", "sender refused: 451 4.3.0"), ("mail", "550 5.7.1 not you", "sender refused: 550 5.7.1"),
    ("mail", "close", "sender: ")])
def test_what_is_said_when_the_sender_is_not_accepted(step, answer, said):
    with MailServer() as server:
        server.early = lambda at: answer if at == step else None
        done = send(server, SMTP_TIMEOUT_SECONDS=10 if answer == "hang" else 50)
        assert done.returncode == 1 and said in done.stderr, done.stderr
        assert not server.tried


@pytest.mark.parametrize("greeting, said", [
    (b"554 5.3.2 no mail here\r\n", "connect refused: 554 5.3.2"), (b"421 4.3.2 busy\r\n", "connect refused: 421 4.3.2"),
    (b"", "connect: "), (b"HTTP/1.1 400 Bad Request\r\n\r\n", "connect")])
def test_what_is_said_when_the_greeting_is_none(greeting, said):
    def greet():
        connection, _ = listener.accept()
        connection.sendall(greeting)
        connection.close()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        thread = threading.Thread(target=greet)
        thread.start()
        done = control("notices", "test", "jane@example.com",
                       SMTP_URL=f"smtp://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    assert done.returncode == 1 and said in done.stderr, done.stderr


def test_a_server_that_does_not_say_goodbye():
    with MailServer() as server:
        server.rule = lambda at, _address: "hang" if at == "quit" else None
        start = time.monotonic()
        assert send(server).returncode == 0
        assert time.monotonic() - start < within(5)


@pytest.mark.parametrize("settings, said", [
    ({"SMTP_URL": "http://x.example"}, "must be smtp://"),
    ({"SMTP_URL": "smtp://us:pw@x.example"}, "must not have a user name"),
    ({"SMTP_URL": "smtp://x.example", "MAIL_FROM": ""}, "needs MAIL_FROM"),
    ({"SMTP_URL": "smtp://x.example", "MAIL_FROM": "x"}, "MAIL_FROM"),
    ({"SMTP_URL": "smtp://x.example", "MAIL_OPERATORS": "a@b.example,c"}, "MAIL_OPERATORS"),
    ({"SMTP_URL": "smtp://x.example", "SMTP_USER": "us"}, "go together"),
    ({"SMTP_URL": "smtp://x.example", "SMTP_PASSWORD": PASSWORD}, "go together"),
    ({"SMTP_URL": "smtp://x.example", "SMTP_USER": "us", "SMTP_PASSWORD": PASSWORD,
      "SMTP_STARTTLS": "off"}, "needs TLS"),
    ({"SMTP_URL": "smtp://x.example", "MAIL_TEMPLATES": "conf/none"}, "conf/none/trial_ending.txt"),
    ({}, "SMTP_URL isn't set")])
def test_settings_that_cannot_work(settings, said):
    done = control("notices", "test", "jane@example.com", **settings)
    assert done.returncode == 1 and said in done.stderr, done.stderr


def test_previews():
    done = control("notices", "preview", "trial_ending")
    assert done.returncode == 0 and "2030-01-31" in done.stdout and "{" not in done.stdout
    assert "trial_ending" in control("notices", "preview", "x").stderr


def test_addresses_with_more_than_an_address(tls):
    with MailServer() as server:
        for address in ("a@b.example>\r\nRCPT TO:<c@d.example", "a b@c.example", "<a@b.example>"):
            assert send(server, address).returncode == 2
        assert not server.tried
        assert send(server, "jürgen@example.com").returncode == 0
        assert server.ledger[0].recipients == ["jürgen@example.com"]
