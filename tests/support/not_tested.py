"""Records what was not tested because a corpus or a tool is not there.

As a pytest plugin (-p not_tested) it records each test that is skipped for a reason that begins with
"not here: ". Other programs call record(). Each is a line of the file that $NOT_TESTED_FILE names;
tests/check.sh prints them at its end.
"""

import os

MARK = "not here: "


def record(what):
    """Appends one line; without the variable nothing happens."""
    path = os.environ.get("NOT_TESTED_FILE")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(what + "\n")


def pytest_runtest_logreport(report):
    """A test that was skipped by a mark or from inside."""
    record_skipped(report)


def pytest_collectreport(report):
    """A file of tests that was skipped as a whole."""
    record_skipped(report)


def record_skipped(report):
    """Records the report's reason when it names something that is not here."""
    if report.skipped and isinstance(report.longrepr, tuple):
        _, mark, what = report.longrepr[2].partition(MARK)
        if mark:
            record(what)
