#!/usr/bin/python3
"""docker-compose.yml is well-formed, and every setting that .env has reaches billingd and billingctl."""
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).parent.parent
NAMES = re.findall(r"^#([A-Z_]+)=", (ROOT / "conf/billing.env.example").read_text(), re.MULTILINE)
SERVICES = ("billingd", "migrate")


def configuration():
    """The configuration that docker-compose reads when .env gives each setting its own name as value."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, ".env").write_text("".join(f"{name}={name}\n" for name in NAMES))
        return yaml.safe_load(subprocess.run(
            ["docker-compose", "--file", ROOT / "docker-compose.yml", "--project-directory", folder,
             "config"], check=True, text=True, stdout=subprocess.PIPE).stdout)


def main():
    services = configuration()["services"]
    # docker-compose.yml itself sets where a container finds these.
    fixed = {"KEYS_DIR": "/setup/service/keys"}
    lost = [f"{service}: {name}" for service in SERVICES for name in NAMES
            if services[service]["environment"].get(name) != fixed.get(name, name)]
    if lost:
        sys.exit("compose: settings of .env that do not arrive: " + ", ".join(lost))
    print(f"compose: docker-compose.yml is well-formed and passes on {len(NAMES)} settings")


main()
