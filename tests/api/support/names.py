"""A server of the DNS that changes its mind, and commands that ask it alone."""

import contextlib
import ipaddress
import os
import socket
import struct
import subprocess
import threading

TYPES = {4: 1, 6: 28}  # of records, by the version of an address
NOT_FOUND = 3


def read_name(packet):
    """The name that is asked for, and the end of the question."""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("ascii").lower())
        at += 1 + packet[at]
    return ".".join(labels), at + 5


class NameServer:
    """`addresses` has those of each name, of both families, to be changed at any time."""

    def __init__(self):
        self.addresses = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for last in range(1, 255):
            with contextlib.suppress(OSError):
                self.socket.bind((f"127.53.0.{last}", 53))
                break
        self.address = self.socket.getsockname()[0]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                packet, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            self.socket.sendto(self._answer(packet), peer)

    def _answer(self, packet):
        name, end = read_name(packet)
        kind = struct.unpack("!H", packet[end - 4:end - 2])[0]
        found = [ipaddress.ip_address(text) for text in self.addresses.get(name, [])]
        records = [struct.pack("!HHHIH", 0xc00c, kind, 1, 0, len(one.packed)) + one.packed
                   for one in found if TYPES[one.version] == kind]
        head = struct.pack("!HHHHH", 0x8580 | (0 if found else NOT_FOUND), 1, len(records), 0, 0)
        return packet[:2] + head + packet[12:end] + b"".join(records)

    def close(self):
        """Ends it."""
        self.socket.close()


def through(server, folder):
    """The beginning of a command that looks up names at the server alone, by a resolv.conf of its own; None where
    that cannot be had."""
    path = folder / "resolv.conf"
    path.write_text(f"nameserver {server.address}\n", encoding="ascii")
    path.chmod(0o644)
    prefix = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(path)]
    server.addresses["probe.receiver.example"] = ["127.0.0.1"]
    if os.geteuid() != 0 or server.address == "0.0.0.0":
        return None
    done = subprocess.run([*prefix, "getent", "ahosts", "probe.receiver.example"], capture_output=True,
                          text=True, check=False)
    return prefix if done.stdout.startswith("127.0.0.1 ") else None
