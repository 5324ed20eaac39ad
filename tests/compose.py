#!/usr/bin/python3
"""docker-compose.yml is well-formed, every setting that .env has reaches billingd and billingctl, and the
containers need nothing that podman or a host without IPv6 lacks."""
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).parent.parent
NAMES = re.findall(r"^#([A-Z_]+)=", (ROOT / "conf/billing.env.example").read_text(), re.MULTILINE)
SERVICES = ("billingd", "migrate")
DOCKERFILE = (ROOT / "conf/Dockerfile").read_text().replace("\\\n", " ")
NGINX = (ROOT / "nginx/nginx.conf").read_text()


def configuration():
    """The configuration that docker-compose reads when .env gives each setting its own name as value."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, ".env").write_text("".join(f"{name}={name}\n" for name in NAMES))
        return yaml.safe_load(subprocess.run(
            ["docker-compose", "--file", ROOT / "docker-compose.yml", "--project-directory", folder,
             "config"], check=True, text=True, stdout=subprocess.PIPE).stdout)


def lost_settings(services):
    """docker-compose.yml itself sets where a container finds these."""
    fixed = {"KEYS_DIR": "/setup/service/keys"}
    return [f"{service}: the setting {name} of .env does not arrive"
            for service in SERVICES for name in NAMES
            if services[service]["environment"].get(name) != fixed.get(name, name)]


def target(volume):
    """The folder of a volume in the container, and whether the container may write there."""
    if isinstance(volume, dict):
        return volume["target"], not volume.get("read_only", False)
    _, folder, *mode = volume.split(":")
    return folder, mode != ["ro"]


def stage(name):
    """The part of the Dockerfile that makes an image."""
    return DOCKERFILE.split(f"AS {name}\n")[1].split("\nFROM ")[0]


def wrong_for_podman(services):
    """podman gives a tmpfs to root, mode 755, whatever is asked for. A new volume has the owner and the
    mode of the folder that the image has there."""
    for name, service in services.items():
        if "tmpfs" in service or any(isinstance(one, dict) and one.get("type") == "tmpfs"
                                     for one in service.get("volumes", [])):
            yield f"{name}: podman loses the mode of a tmpfs"
    nginx = services["nginx"]
    writable = {folder for folder, may_write in map(target, nginx["volumes"]) if may_write}
    image = stage("nginx")
    if "USER www-data" not in image or not nginx.get("read_only"):
        yield "nginx: is no longer www-data with a read-only image"
    changed = re.search(r"sed 's\|(\S+)\|(\S+)\|' /etc/nginx/billing/nginx.conf", image)
    conf = re.sub(changed[1], changed[2], NGINX)
    written = re.findall(r"^\s*(?:\w+_temp_path|pid)\s+([^;]+);", conf, re.MULTILINE)
    if len(written) != 6:
        yield "nginx: has other folders of its own than before"
    owned = " ".join(re.findall(r"chown www-data ([^&\n]+)", image)).split()
    for path in written:
        folder = path.rpartition("/")[0]
        if folder not in writable or folder not in owned:
            yield f"nginx: {path} is not in a volume that the image gives to www-data"


def wrong_without_ipv6(configured):
    """nginx's second file, which its command chooses, has no IPv6 address; nothing else needs one."""
    image = stage("nginx")
    dropped = re.search(r"sed '/(.+)/d' /etc/nginx/nginx.conf >/etc/nginx/nginx-ipv4.conf", image)[1]
    left = [line for line in NGINX.splitlines() if not re.search(dropped, line)]
    if not any("listen" in line for line in left):
        yield "nginx: listens nowhere without IPv6"
    others = [path for path in (ROOT / "nginx").glob("*.conf") if path.name != "nginx.conf"]
    for text in ["\n".join(left), *(path.read_text() for path in others)]:
        if re.search(r"listen[^;]*\[", text):
            yield "nginx: an IPv6 address is left in the file for hosts without IPv6"
    if '"[ -e /proc/net/if_inet6 ] || file=-ipv4; exec nginx -c /etc/nginx/nginx$file.conf' not in image:
        yield "nginx: the command does not choose the file by what the host has"
    for name, network in configured["networks"].items():
        if network and network.get("enable_ipv6"):
            yield f"the network {name} needs IPv6"
    for name, service in configured["services"].items():
        if "::" in str(service.get("ports", "")) + str(service.get("healthcheck", "")):
            yield f"{name}: an IPv6 address"


def main():
    configured = configuration()
    services = configured["services"]
    wrong = [*lost_settings(services), *wrong_for_podman(services), *wrong_without_ipv6(configured)]
    if wrong:
        sys.exit("\n".join(f"compose: {one}" for one in wrong))
    print(f"compose: docker-compose.yml is well-formed and passes on {len(NAMES)} settings")


main()
