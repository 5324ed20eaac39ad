#!/usr/bin/python3
"""Checks tests/GUARANTEES.md: every test that it names exists, and every promise names one."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "tests/GUARANTEES.md"
DEFINED = {".py": r"^ *def {}\(", ".c": r"^START_TEST\({}\)"}


def exists(file, test):
    """Whether a test file of this name, in any folder, defines the test."""
    pattern = re.compile(DEFINED[Path(file).suffix].format(test), re.M)
    return any(pattern.search(path.read_text(encoding="utf-8"))
               for path in (ROOT / "tests").rglob(file))


def main():
    proven, _, _ = PAGE.read_text(encoding="utf-8").partition("\n## Promises that nothing proves")
    faults = []
    for line in proven.splitlines():
        named = re.findall(r"`(test_\w+\.(?:py|c))::(\w+)`", line)
        faults += [f"{file}::{test} does not exist" for file, test in named
                   if not exists(file, test)]
        if line.startswith("| ") and not named and not line.startswith(("| promise", "| ---")):
            faults.append(f"no test is named for: {line[:60]}")
    for fault in faults:
        print(f"tests/GUARANTEES.md: {fault}")
    sys.exit(1 if faults else 0)


main()
