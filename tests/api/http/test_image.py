"""nginx of the image: its configuration as conf/Dockerfile makes it, and its command, in namespaces."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys

import pytest

from support.stack import ROOT

# $1: the folder of this test, $2: what makes the configuration, $3: the image's command, and the rest:
# what it runs under.
SCRIPT = """
set -eu
place=$1 make=$2 command=$3
shift 3
mount --make-rprivate /
for name in etc/nginx var/lib/nginx var/log/nginx; do mount --bind "$place/$name" "/$name"; done
python3 -c 'import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14x", b"lo", 1))'
sh -euc "$make"
"$@" setpriv --reuid www-data --regid www-data --clear-groups sh -c "$command" &
curl -sSk --retry 100 --retry-connrefused --retry-delay 0 --retry-max-time 120 https://127.0.0.1:8443/none
echo
curl -sSk https://[::1]:8443/none || echo refused
kill -QUIT $!
wait $!
"""


def stage(name):
    """The instructions of a stage of the Dockerfile, by their first words."""
    text = (ROOT / "conf/Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    part = text.split(f"AS {name}\n")[1].split("\nFROM ")[0]
    return re.findall(r"^([A-Z]+) +(.*)$", part, re.MULTILINE)


@pytest.mark.skipif(os.geteuid() != 0 or platform.machine() != "x86_64" or
                    subprocess.run(["unshare", "-nm", "true"], check=False).returncode != 0,
                    reason="root alone makes namespaces; the filter is for x86-64")
@pytest.mark.parametrize("ipv6", [True, False], ids=["with IPv6", "without IPv6"])
def test_nginx_of_the_image_serves(tmp_path, ipv6):
    instructions = stage("nginx")
    make, = (text for name, text in instructions if name == "RUN" and "nginx-ipv4.conf" in text)
    command, = (json.loads(text)[-1] for name, text in instructions if name == "CMD")
    assert ("USER", "www-data") in instructions
    for name in ("etc/nginx/billing/tls", "var/lib/nginx", "var/log/nginx"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("var/lib/nginx", "var/log/nginx", "etc/nginx/billing/tls"):
        shutil.chown(tmp_path / name, "www-data", "www-data")
    for path in (ROOT / "nginx").glob("*.conf"):
        shutil.copy(path, tmp_path / "etc/nginx/billing")
    tls = tmp_path / "etc/nginx/billing/tls"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-noenc", "-subj", "/CN=localhost", "-keyout", tls / "key.pem", "-out",
                    tls / "cert.pem"], check=True, capture_output=True)
    (tls / "key.pem").chmod(0o644)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o011)
    under = [] if ipv6 else [sys.executable, str(ROOT / "tests/api/support/without_ipv6.py")]
    done = subprocess.run(["unshare", "-nm", "sh", "-c", SCRIPT, "sh", tmp_path, make, command, *under],
                          text=True, capture_output=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    over_ipv4, over_ipv6 = done.stdout.splitlines()
    assert json.loads(over_ipv4)["code"] == "not_found"
    assert over_ipv6 == "refused" if not ipv6 else json.loads(over_ipv6)["code"] == "not_found"
    assert (tmp_path / "var/lib/nginx/body").is_dir()
