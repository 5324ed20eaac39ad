"""Shared by tests of usage: sending and reading reports."""

import datetime

from support.client import expect


def at(**ago):
    """A time so long ago, as the API writes it."""
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**ago)).strftime(
        "%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def report(customer, **members):
    """A body."""
    return {"customer_id": customer.id, **members}


def send(customer, status=201, **members):
    """Sends a report as its customer; the answer."""
    return expect(customer.client.post("/api/usage/report", report(customer, **members)), status)


def walk(client, customer, query=""):
    """All reports, page by page."""
    path, found = f"/api/usage/{customer.id}?{query}", []
    cursor = ""
    while cursor is not None:
        page = expect(client.get(path + (f"&cursor={cursor}" if cursor else "")), 200)
        assert page["total"] == len(page["reports"])
        found += page["reports"]
        cursor = page["next_cursor"]
    return found
