"""Root follows no link that another user puts into a folder of its own."""

import os
import re
import subprocess

import pytest

from support.stack import ROOT, VARIANT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other users")
USERS = {"billing": ("billing", "billing"), "postgres": ("postgres", "postgres"),
         "www-data": ("www-data", "www-data"), "999": ("999", "999")}


def plant(target, user, path):
    """A link of that user's, in place of the file."""
    name, group = USERS[user]
    subprocess.run(["setpriv", "--reuid", name, "--regid", group, "--clear-groups", "ln", "-sfT",
                    target, path], check=True)


@pytest.fixture(name="precious")
def fixture_precious(tmp_path):
    """A file of root's that other users can see. The test must leave it as it is."""
    for place in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        place.chmod(0o755)
    path = tmp_path / "precious"
    path.write_text("precious\n", encoding="ascii")
    path.chmod(0o644)
    before = path.stat()
    yield path
    after = path.stat()
    assert path.read_text(encoding="ascii") == "precious\n"
    assert (after.st_uid, after.st_mode, after.st_ino) == (0, before.st_mode, before.st_ino)


def test_make_run(new_stack, precious):
    stack = new_stack(STRIPE_STAND_IN="on")
    stack.stop()
    for user, name in (("billing", "stripe/webhook-secret"), ("billing", "stripe/secrets"),
                       ("billing", "stripe/secrets.new"), ("billing", "billingd/billingd.pid"),
                       ("postgres", "postgres/pg_hba.conf"), ("postgres", "postgres/pg_ident.conf"),
                       ("postgres", "postgres/pg_ident.conf.new")):
        plant(precious, user, stack.run_dir / name)
    # Some of the links keep a part from starting, none leads root anywhere.
    stack.script("start", check=False)
    stack.script("stop", check=False)
    for name in ("stripe/secrets.new", "postgres/pg_ident.conf.new", "billingd/billingd.pid"):
        (stack.run_dir / name).unlink(missing_ok=True)
    stack.start()
    for name in ("stripe/webhook-secret", "stripe/secrets", "postgres/pg_hba.conf"):
        path = stack.run_dir / name
        assert not path.is_symlink() and path.stat().st_uid == path.parent.stat().st_uid
    stack.close()


def test_the_version_before(new_stack, precious):
    """Files of www-data's, who was billingd's user before, become billingd's; links do not."""
    stack = new_stack()
    stack.stop()
    key = stack.run_dir / "keys/private-key.pem"
    for path in (key.parent, key):
        os.chown(path, 33, 33)
    plant(precious, "www-data", key.parent / "other.pem")
    stack.start()
    assert key.stat().st_uid == key.parent.stat().st_uid != 33
    stack.close()


def test_containers(precious, tmp_path):
    """The set-up of the containers, with its folders elsewhere."""
    script = (ROOT / "conf/docker-setup.sh").read_text(encoding="utf-8")
    place = tmp_path / "place"
    script = re.sub(r"/(setup/|run/billing)", rf"{place}/\1", script)
    for name in ("setup/database", "setup/owner", "setup/service", "setup/tls", "run"):
        (place / name).mkdir(parents=True)
    (place / "setup").chmod(0o711)
    place.chmod(0o711)
    billingctl = place / "billingctl"
    billingctl.write_bytes((ROOT / "build" / VARIANT / "billingctl").read_bytes())
    billingctl.chmod(0o755)

    def run(check):
        return subprocess.run(["sh", "-c", script], check=check, capture_output=True, env={
            "PATH": f"{place}:{os.environ['PATH']}", "BASE_URL": "https://localhost:8443",
            "STRIPE_SECRET_KEY": "sk_test_x"})

    run(True)
    password = (place / "setup/database/password").read_text(encoding="ascii")
    for user, name in (("billing", "service/stripe-secret-key"), ("billing", "service/database-url"),
                       ("billing", "owner/database-url"), ("999", "database/link"),
                       ("www-data", "tls/link")):
        plant(precious, user, place / "setup" / name)
    run(True)
    for name in ("service/stripe-secret-key", "service/database-url", "owner/database-url"):
        path = place / "setup" / name
        assert not path.is_symlink() and path.stat().st_mode & 0o777 == 0o600
    assert (place / "setup/service/stripe-secret-key").read_text(encoding="ascii") == "sk_test_x\n"
    assert (place / "setup/database/password").read_text(encoding="ascii") == password
    assert password.strip() in (place / "setup/owner/database-url").read_text(encoding="ascii")
    plant(precious, "billing", place / "setup/service/stripe-webhook-secret.new")
    run(False)
