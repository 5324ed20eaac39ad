"""The pages for a browser that comes back from Stripe, as nginx serves them."""

import re

import pytest

PAGES = {"/checkout/done": "licence follows by itself", "/checkout/canceled": "no money was taken",
         "/checkout/back": "reaches your licence by itself"}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_says_what_has_happened(stack, path):
    session = stack.api.nobody.session
    for query in ("", "?session_id=cs_test_a1&x=%3Cscript%3E"):
        page = session.get(stack.base_url + path + query, timeout=10)
        assert page.status_code == 200
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert PAGES[path] in page.text and "You can close this page." in page.text
        # A trial that goes on is not paid yet, nor is a transfer that takes days.
        assert "received" not in page.text


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_script_and_loads_nothing(stack, path):
    """The headers forbid scripts and resources of other hosts."""
    page = stack.api.nobody.session.get(stack.base_url + path, timeout=10)
    policy = page.headers["Content-Security-Policy"].split("; ")
    assert policy[0] == "default-src 'none'" and "frame-ancestors 'none'" in policy
    assert not any(word.startswith("script-src") for word in policy)
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert not re.search(r"<script|<form|src=|href=|https?://|@import|url\(", page.text)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_only_read(stack, path):
    session = stack.api.nobody.session
    assert session.head(stack.base_url + path, timeout=10).status_code == 200
    assert session.post(stack.base_url + path, timeout=10).status_code == 405
