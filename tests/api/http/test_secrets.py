"""No secrets in the database, in answers, and in what other users see of processes. The logs
of every stack are searched when it is closed (support/stack.py)."""

import grp
import os
import pwd
import re
import shutil
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from support.client import SECRET, expect
from support.document import INTERNALS
from support.memory import held, role_of, signing_needle
from support.stack import ROOT, VARIANT


def soon(condition):
    """Whether the condition becomes true within a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_the_database_holds_no_key(api, stack):
    customer = api.sign_up()
    secret, _ = api.mint(customer, "license")
    body = {"email": api.email()}
    made = expect(api.owner.post("/api/customers", body, headers={"Idempotency-Key": "secret-1"}),
                  201)
    dump = stack.pg_dump()
    assert not SECRET.findall(dump)
    for key in (stack.admin_key, stack.viewer_key, customer.api_key, secret, made["api_key"]):
        tail = key[-58:]  # behind what is kept to recognise it by
        assert tail not in dump and key.encode().hex() not in dump
    pem = (stack.run_dir / "keys/private-key.pem").read_text(encoding="ascii")
    assert pem.splitlines()[1] not in dump and stack.webhook_secret not in dump


def test_a_digest_is_no_key(api, stack):
    """A digest from the database cannot be used as a key."""
    customer = api.sign_up()
    digest = stack.sql("SELECT encode(digest, 'hex') FROM api_keys WHERE customer_id = "
                       f"'{customer.id}'")
    for client in (api.keyed(f"{customer.id}_{digest}"), api.bearer(f"gba_{digest}")):
        expect(client.get(f"/api/customers/{customer.id}"), 401, "unauthenticated")


def test_processes_expose_no_secret(stack):
    secrets = {secret.encode() for secret in stack.canaries() - {stack.mail_domain}}
    secrets |= {stack.admin_key.encode(), stack.viewer_key.encode()}
    pids = stack.pids()
    assert len(pids) >= 3
    for pid in pids:
        for name in ("environ", "cmdline"):
            try:
                shown = Path(f"/proc/{pid}/{name}").read_bytes()
            except PermissionError:
                continue  # not even to the user that it runs as
            assert not [secret for secret in secrets if secret in shown], (pid, name)


# The secrets that each kind of process holds, by the name that the kernel shows.
HELD = {"billingd": set(), "billingd jobs": {"database", "signing"}, "billingd jobs s": {"database", "stripe"},
        "billingd webhoo": {"database"},
        "billingd worker": {"database", "webhook", "signing"},
        "billingd stripe": {"database", "stripe", "signing"}}


@pytest.mark.skipif(os.geteuid() != 0 or VARIANT == "sanitize",
                    reason="only root reads the memory; sanitizers keep freed memory")
def test_each_process_holds_the_secrets_of_its_role(new_stack):
    """Secrets of the environment and of files, also after a reload."""
    secrets = {"stripe": "sk_test_canary" + uuid.uuid4().hex,
               "webhook": "whsec_canary" + uuid.uuid4().hex}
    stack = new_stack(STRIPE_SECRET_KEY=secrets["stripe"], STRIPE_API_BASE="http://127.0.0.1:9",
                      WORKERS=2, STRIPE_WORKERS=1)
    stack.stop()
    stack.settings["STRIPE_WEBHOOK_SECRET_FILE"] = stack.keep_secret("webhook", secrets["webhook"])
    stack.start()
    needles = {name: secret.encode() for name, secret in secrets.items()}
    needles["database"] = b"user=billingd"
    needles["signing"] = signing_needle(stack.run_dir / "keys/private-key.pem")

    def check():
        roles = {}
        for pid in stack.pids():
            roles.setdefault(role_of(pid), []).append(held(pid, needles))
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            assert not [name for name, needle in needles.items() if needle in environment], pid
        assert set(roles) == set(HELD)
        assert all(found == HELD[role] for role, all_found in roles.items()
                   for found in all_found), roles
        return True

    def served():
        """A worker loads its secrets just after its start."""
        try:
            return stack.api.owner.get("/api/customers").status_code == 200 and check()
        except (AssertionError, OSError):
            return False

    if not soon(served):
        check()
    stack.reload()
    if not soon(served):
        check()
    stack.close()


@pytest.mark.skipif(os.geteuid() != 0 or VARIANT == "sanitize",
                    reason="root alone can be other users; sanitizers read the memory")
@pytest.mark.parametrize("user", ["www-data", "billing", "nobody"])
def test_no_other_process_reads_the_memory(stack, user):
    for pid in stack.pids():
        for name in ("mem", "environ", "maps", "fd/0"):
            done = subprocess.run(["setpriv", "--reuid", user, "--clear-groups", "head", "-c", "1",
                                   f"/proc/{pid}/{name}"], capture_output=True, check=False)
            assert done.returncode != 0 and done.stdout == b"", (role_of(pid), name)
            assert b"Permission denied" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="a normal user has one user for everything")
def test_each_server_has_a_user_of_its_own(stack):
    """nginx's workers reach the sockets and no file of billingd's."""
    uids = {re.search(r"^Uid:\t(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="ascii"),
                      re.MULTILINE)[1] for pid in stack.pids()}
    assert uids == {str(pwd.getpwnam("billing").pw_uid)}
    for name in ("keys", "billingd", "stripe"):
        refused = subprocess.run(["setpriv", "--reuid", "www-data", "--regid", "www-data",
                                  "--init-groups", "ls", stack.run_dir / name],
                                 capture_output=True, check=False)
        assert b"Permission denied" in refused.stderr
    assert grp.getgrgid(stack.socket.stat().st_gid).gr_name == "www-data"


def test_state_is_readable_by_its_owners_only(stack):
    for name in ("env", "keys/private-key.pem", "tls/key.pem"):
        assert (stack.run_dir / name).stat().st_mode & 0o077 == 0, name
    sockets = Path(stack.database_url.split("host=")[1].split("&")[0]).parent
    for name in ("billingd.sock", "billingd-stripe.sock"):
        socket = sockets / "billingd" / name
        assert socket.is_socket() and socket.stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o604, 0o666])
def test_a_signing_key_that_others_can_reach_is_refused(stack, tmp_path, mode):
    keys = tmp_path / "keys"
    shutil.copytree(stack.run_dir / "keys", keys)
    (keys / "private-key.pem").chmod(mode)
    done = subprocess.run([stack.build_dir / "billingd", "--check"], text=True, cwd=ROOT,
                          capture_output=True, check=False, env={**stack.env,
                                                                 "KEYS_DIR": str(keys)})
    assert done.returncode == 1
    line, = done.stderr.splitlines()
    assert "private-key.pem" in line and "PRIVATE KEY" not in line


@pytest.mark.parametrize("method, path, body", [
    ("GET", "/api/customers/'%20OR%20''='", None), ("GET", "/api/customers?q=%27%3B--", None),
    ("GET", "/api/customers?cursor=%27", None), ("GET", "/api/customers?email=%5C%27%22", None),
    ("GET", "/api/customers?q=%25%25%5C", None), ("GET", "/api/none", None),
    ("POST", "/api/customers", {"email": "'; DROP TABLE customers;--@x.example"}),
    ("POST", "/api/customers", {"email": "\\'@x.example"}), ("PUT", "/api/customers", {}),
    ("POST", "/api/licenses/verify", {"license": "'"}),
    ("DELETE", "/api/customers/cust_" + "0" * 32 + "/keys/'", None),
    ("POST", "/api/subscriptions/trial", {"customer_id": "'||pg_sleep(9)||'"})])
def test_refusals_contain_no_internals(api, method, path, body):
    answer = api.owner.request(method, path, body=body)
    assert answer.status_code < 500
    assert answer.elapsed.total_seconds() < 9  # what pg_sleep would take
    if answer.status_code >= 400:
        assert not INTERNALS.search(answer.text), answer.text
