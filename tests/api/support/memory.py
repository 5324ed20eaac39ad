"""Reads the memory of a process, as root can."""

import re
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key


def role_of(pid):
    """The name of a process, as the kernel cuts it off after 15 characters."""
    return Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()


def regions(pid):
    """The readable and writable memory of a process, shared memory left out."""
    pattern = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw.p \S+ \S+ \S+ *(.*)")
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        found = [pattern.match(line) for line in maps]
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for one in filter(None, found):
            begin, end = int(one[1], 16), int(one[2], 16)
            memory.seek(begin)
            try:
                yield memory.read(end - begin)
            except OSError:
                continue  # a guard page


def held(pid, needles):
    """The names of the needles (bytes by name) that are in the memory of the process."""
    found = set()
    for region in regions(pid):
        found |= {name for name, needle in needles.items() if needle in region}
    return found


def signing_needle(pem_path):
    """A part of the private key as OpenSSL keeps numbers: the first prime, smallest byte first."""
    key = load_pem_private_key(Path(pem_path).read_bytes(), None)
    return key.private_numbers().p.to_bytes(256, "little")[:64]
