"""The files under nginx/www, as nginx serves them: the console, and the pages for customers."""

import gzip
import re

import pytest

from support.stack import ROOT

PAGES = {"/checkout/done": "licence follows by itself", "/checkout/canceled": "no money was taken",
         "/checkout/back": "reaches your licence by itself"}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_says_what_has_happened(stack, path):
    session = stack.api.nobody.session
    for query in ("", "?session_id=cs_test_a1&x=%3Cscript%3E"):
        page = session.get(stack.base_url + path + query, timeout=30)
        assert page.status_code == 200
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert PAGES[path] in " ".join(page.text.split()) and "You can close this page." in page.text
        # A trial that goes on is not paid yet, nor is a transfer that takes days.
        assert "received" not in page.text


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_only_from_here(stack, path):
    """The text stands in the page: it needs no script. Scripts and styles come from this server alone."""
    page = stack.api.nobody.session.get(stack.base_url + path, timeout=30)
    policy = page.headers["Content-Security-Policy"].split("; ")
    assert policy[0] == "default-src 'none'" and "frame-ancestors 'none'" in policy
    assert {"script-src 'self'", "style-src 'self'"} <= set(policy)
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert not re.search(r"<style|<form|style=|https?://|@import|url\(|<script(?! type=\"module\" src=\"/)", page.text)


def test_the_pages_have_one_frame():
    """The files after a payment have the same head, masthead and foot, but for the title."""
    def frame(path):
        lines = (ROOT / f"nginx/www{path}.html").read_text(encoding="utf-8").splitlines()
        inner = [index for index, line in enumerate(lines) if line.startswith(('<div class="card', "</main>"))]
        return [line for line in lines[:inner[0]] + lines[inner[1]:] if not line.startswith("<title>")]
    assert len({tuple(frame(path)) for path in PAGES}) == 1


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_only_read(stack, path):
    session = stack.api.nobody.session
    assert session.head(stack.base_url + path, timeout=30).status_code == 200
    assert session.post(stack.base_url + path, timeout=30).status_code == 405


STATIC = sorted(str(path.relative_to(ROOT / "nginx/www")) for path in (ROOT / "nginx/www").rglob("*.*"))
KINDS = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8",
         "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml; charset=utf-8",
         "json": "application/json; charset=utf-8"}


@pytest.mark.parametrize("path", [*STATIC, "shared/chart.js"])
def test_a_static_file_is_served_with_a_strict_policy(stack, path):
    session = stack.api.nobody.session
    answer = session.get(f"{stack.base_url}/{path}", timeout=30)
    assert answer.status_code == 200
    if path != "shared/chart.js":
        assert answer.content == (ROOT / "nginx/www" / path).read_bytes()
    assert answer.headers["Content-Type"] == KINDS[path.rpartition(".")[2]]
    policy = dict(part.partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-cache"
    again = session.get(f"{stack.base_url}/{path}", timeout=30,
                        headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert session.post(f"{stack.base_url}/{path}", timeout=30).status_code == 405


@pytest.mark.parametrize("path", ["/console/nothing", "/shared/", "/checkout/", "/checkout/nothing", "/console/../env", "/shared/..%2fnginx.conf"])
def test_nothing_else_is_served(stack, path):
    assert stack.api.nobody.session.get(stack.base_url + path, timeout=30).status_code in (400, 403, 404)


def test_pages_come_with_a_slash(stack):
    for path in ("/console", "/pricing", "/account"):
        answer = stack.api.nobody.session.get(stack.base_url + path, timeout=30, allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (308, path + "/")


@pytest.mark.quick
def test_the_console_is_small(figures):
    parts = [path for folder in ("console", "shared") for path in (ROOT / "nginx/www" / folder).iterdir()]
    size = sum(len(gzip.compress(path.read_bytes(), 6)) for path in parts)
    figures["console, compressed"] = f"{size / 1000:.0f} kB in {len(parts)} files"
    assert size < 150000


@pytest.mark.quick
@pytest.mark.parametrize("path", STATIC)
def test_no_file_writes_markup_or_names_another_host(path):
    text = (ROOT / "nginx/www" / path).read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|"
                         r"localStorage|sessionStorage|indexedDB|\bstyle=|\bon[a-z]+=\"", text), path
    assert not re.search(r"""(?:src|href|import|from|url\()\W{0,3}(?:https?:)?//""", text), path
