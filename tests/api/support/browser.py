"""Debian's Chromium, driven by its own driver: finds things as people do, and gathers what went wrong."""

import json
import re
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from .stack import ROOT, within

SHOTS = ROOT / "build/screenshots"

# Kept before any script of a page runs: violations of the policy, errors that no one caught, and the one word that the
# payloads of the tests would call.
WATCH = """
window.faults = []; window.executed = [];
window.pwned = (what) => window.executed.push(what || 'called');
addEventListener('securitypolicyviolation', (e) => faults.push('policy: ' + e.violatedDirective + ' ' + e.blockedURI));
addEventListener('error', (e) => faults.push('error: ' + e.message));
window.shift = 0;
new PerformanceObserver((list) => { for (const one of list.getEntries()) if (!one.hadRecentInput) shift += one.value; })
  .observe({ type: 'layout-shift', buffered: true });
"""


# The elements whose text, label or aria-label is the name: most names are found so with one command to the browser.
NAMED = """
const [selector, name] = arguments;
const is = (text) => (text || '').trim().toLowerCase() === name;
return [...document.querySelectorAll(selector)].filter((e) => is(e.getAttribute('aria-label')) || is(e.innerText) ||
  [...(e.labels || [])].some((label) => is(label.innerText)));
"""


class Browser:
    """A browser of one person: a fresh profile, a size, a theme."""

    def __init__(self, stack, width=1280, height=900):
        self.stack = stack
        self.profile = tempfile.TemporaryDirectory(prefix="billing-browser-")
        options = Options()
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--disable-extensions", "--disable-background-networking", "--no-first-run",
                     "--disable-component-update", "--lang=en-GB", "--hide-scrollbars", "--force-device-scale-factor=1",
                     f"--window-size={width},{height}", f"--user-data-dir={self.profile.name}"):
            options.add_argument(word)
        options.binary_location = "/usr/bin/chromium"
        options.accept_insecure_certs = True
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.command("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        self.command("Emulation.setTimezoneOverride", timezoneId="Europe/Vienna")
        self.resize(width, height)
        self.requests = []

    def close(self):
        """Ends the browser."""
        self.driver.quit()
        self.profile.cleanup()

    def command(self, name, **arguments):
        """One command of Chromium's protocol for developers."""
        return self.driver.execute_cdp_cmd(name, arguments)

    def resize(self, width, height=900):
        """Sets the size of the window's content."""
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height,
                     deviceScaleFactor=1, mobile=False)

    def theme(self, scheme, motion="no-preference"):
        """Light or dark, with or without motion."""
        self.command("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": motion}])

    def open(self, path):
        """Goes to a path of the service, as by the bar of addresses."""
        self.driver.get(self.stack.base_url + path)

    def go(self, place):
        """Goes to a page behind the # of the present one, and waits for what it loads."""
        self.run("location.hash = arguments[0]", place)
        self.settle()

    def run(self, script, *arguments):
        """Runs JavaScript in the page."""
        return self.driver.execute_script(script, *arguments)

    def until(self, condition, what="something"):
        """Waits until the function is true; its value."""
        def met(_):
            try:
                return condition()
            except Exception as fault:  # pylint: disable=broad-except
                if type(fault).__name__ not in ("StaleElementReferenceException", "NoSuchElementException"):
                    raise
                return None
        return WebDriverWait(self.driver, within(12), 0.03).until(met, f"no {what}: {self.text()[:500]}")

    def settle(self):
        """Waits until nothing loads any more."""
        self.until(lambda: self.run(
            "return new Promise((done) => requestAnimationFrame(() => setTimeout(() => done("
            "document.readyState === 'complete' && document.querySelector('h1') !== null && "
            "document.querySelector('[aria-busy=true]') === null), 20)))"), "quiet page")

    def text(self):
        """All text of the page that can be seen."""
        return self.run("return document.body ? document.body.innerText : ''")

    def sees(self, *words):
        """Waits until the page has all these words."""
        for word in words:
            self.until(lambda word=word: word.lower() in self.text().lower(), f"text {word!r}")

    def find(self, selector, name=None):
        """The first visible element with that accessible name or text."""
        for element in self.run(NAMED, selector, name.lower()) if name is not None else ():
            if element.is_displayed():
                return element
        for element in self.driver.find_elements(By.CSS_SELECTOR, selector):
            if element.is_displayed() and (name is None or name.lower() in (
                    element.text.lower(), (element.accessible_name or "").lower())):
                return element
        return None

    def press(self, name, selector="dialog[open] button, button, a"):
        """Presses the button or link of that name; one in an open dialog comes first."""
        if self.driver.find_elements(By.CSS_SELECTOR, "dialog[open]"):
            selector = "dialog[open] button, dialog[open] a, dialog[open] summary"
        element = self.until(lambda: self.find(selector, name), f"button {name!r}")
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()
        return element

    def enter(self, label, value):
        """Fills in the control with that label."""
        control = self.until(lambda: self.find(
            "dialog[open] input, dialog[open] select, dialog[open] textarea"
            if self.driver.find_elements(By.CSS_SELECTOR, "dialog[open]") else
            "input, select, textarea", label), f"field {label!r}")
        if control.tag_name == "select":
            self.run("arguments[0].value = arguments[1]; arguments[0].dispatchEvent("
                     "new Event('change', {bubbles: true}))", control, value)
        elif control.get_attribute("type") == "date":
            self.run("arguments[0].value = arguments[1]", control, value)
        else:
            control.clear()
            control.send_keys(value)

    def keys(self, *keys):
        """Types on the keyboard, wherever the focus is."""
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def focused(self):
        """Name and role of what has the focus."""
        return self.run("const e = document.activeElement; return e && (e.innerText || "
                        "e.labels?.[0]?.innerText || e.getAttribute('aria-label') || e.tagName).trim()")

    def tab_to(self, name, most=60):
        """Presses the tab key until what has the focus has that name."""
        for _ in range(most):
            if (self.focused() or "").lower() == name.lower():
                return
            self.keys(Keys.TAB)
        raise AssertionError(f"the tab key does not reach {name!r}")

    def shot(self, name):
        """Keeps a picture of the whole page, for people."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(SHOTS / f"{name}.png"))

    def loaded(self):
        """The hosts that the browser sent requests to, since the last call."""
        hosts = set()
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                self.requests.append(url)
                if urlsplit(url).scheme in ("http", "https", "ws", "wss"):
                    hosts.add(urlsplit(url).netloc)
        return hosts

    def faults(self, expected=r"^$"):
        """All that went wrong since the last call, but for lines of the log that are expected."""
        found = list(self.run("return (window.faults || []).splice(0)"))
        found += [f"executed: {what}" for what in self.run("return window.executed || []")]
        found += [entry["message"] for entry in self.driver.get_log("browser")
                  if not re.search(expected, entry["message"])]
        found += [f"request to {host}" for host in self.loaded() - {urlsplit(self.stack.base_url).netloc}]
        return found


CHECKER = (Path(__file__).parent / "accessibility.js").read_text(encoding="utf-8")


def inaccessible(browser):
    """Checks names, roles, contrast and order of focus in the page; the faults, as sentences."""
    return browser.run(CHECKER)
