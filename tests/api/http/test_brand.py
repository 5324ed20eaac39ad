"""The vendor's name, logo and colour, from one file."""

import json
import os
import signal

import pytest

from support.client import expect
from support.stack import wait_for

LOGO = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture(scope="module")
def place(new_stack, tmp_path_factory):
    """A stack with a brand of its own, which tests change."""
    folder = tmp_path_factory.mktemp("brand")
    for one in (folder, folder.parent, folder.parent.parent):
        one.chmod(0o755)
    (folder / "mark.svg").write_bytes(LOGO)
    path = folder / "brand.json"
    path.write_text(json.dumps({"name": "Acme", "logo": "mark.svg", "color": "#ffcc00"}), encoding="utf-8")
    made = new_stack(BRAND_FILE=path)
    made.brand_file = path
    yield made
    made.close()


def brand(stack):
    """The brand as pages get it."""
    return expect(stack.api.nobody.get("/api/brand"), 200)


def test_the_shipped_brand(stack):
    shown = brand(stack)
    assert (shown["name"], shown["sign_up"]) == ("Global Billing", False)
    logo = stack.api.nobody.get(shown["logo"])
    assert logo.headers["Content-Type"] == "image/svg+xml" and b"<svg" in logo.content


def test_a_logo_runs_nothing(place):
    """A script in the vendor's file stays a picture's, also when the file is opened as a page."""
    logo = place.api.nobody.get("/api/brand/logo")
    assert logo.content == LOGO
    assert logo.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert logo.headers["X-Content-Type-Options"] == "nosniff"


def test_colours(place):
    style = place.api.nobody.get("/api/brand/style.css")
    assert style.headers["Content-Type"] == "text/css; charset=utf-8"
    assert "--brand: #ffcc00;" in style.text and "--on-brand: #000000;" in style.text


def test_a_changed_file(place):
    """A reload takes the new file; a faulty one is refused with its line, and the old one stays."""
    place.brand_file.write_text('{"name": "Acme & Co", "support": "help@acme.example"}', encoding="utf-8")
    place.reload()
    assert brand(place)["name"] == "Acme & Co"
    place.brand_file.write_text('{"name": "Other",\n"color": "yellow"}', encoding="utf-8")
    os.kill(place.pids()[0], signal.SIGHUP)
    wait_for(lambda: "line 2: color must be a colour" in place.log_text("billingd.log"))
    assert brand(place)["name"] == "Acme & Co"
    found = place.billingctl("doctor", env={"BRAND_FILE": str(place.brand_file)}, check=False)
    assert "color must be a colour" in found.stdout
