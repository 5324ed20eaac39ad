"""The look of the stand-in's pages: one calm column with the vendor's name, logo and colour."""

import base64
import hashlib
import html
import json
from pathlib import Path

from .wire import Answer

STYLE = """
:root { color-scheme: light dark; --ground: #f4f6f8; --sheet: #fff; --ink: #1a232e; --quiet: #566272;
  --line: #d8dee5; --bad: #b3261e; --brand: BRAND; --on-brand: ONBRAND; --edge: #7b8794 }
@media (prefers-color-scheme: dark) { :root { --ground: #11161c; --sheet: #1a2129; --ink: #e7ecf2;
  --quiet: #a3afbd; --line: #323c48; --bad: #ff9d94; --edge: #8592a1 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink); overflow-wrap: break-word;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif }
header, main, footer { max-width: 34rem; margin: 0 auto; padding: 0 1rem }
header { display: flex; align-items: center; gap: .75rem; padding-top: 2rem; padding-bottom: 1rem; font-weight: 600 }
header img { width: 2.25rem; height: 2.25rem; border-radius: .5rem }
header span { margin-left: auto; padding: .1rem .6rem; border: 1px solid var(--edge); border-radius: 1rem;
  color: var(--quiet); font-size: .8rem; font-weight: 500; white-space: nowrap }
main { padding-bottom: 1rem }
.sheet { background: var(--sheet); border: 1px solid var(--line); border-radius: .75rem; padding: 1.5rem }
h1 { margin: 0 0 1rem; font-size: 1.45rem; line-height: 1.25 }
h2 { margin: 1.75rem 0 .5rem; font-size: 1.1rem }
p { margin: .5rem 0 }
table { width: 100%; border-collapse: collapse; margin: .5rem 0 1rem; font-variant-numeric: tabular-nums }
caption, thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden }
td { padding: .55rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
td + td { padding-left: .75rem; white-space: nowrap } td:last-child { text-align: right }
.due { display: flex; justify-content: space-between; font-size: 1.15rem; font-weight: 650; margin: 1rem 0 }
fieldset { border: 1px solid var(--line); border-radius: .5rem; margin: 1.25rem 0 1rem; padding: 0 }
legend { margin-left: .75rem; padding: 0 .35rem; color: var(--quiet); font-size: .9rem }
label.card { display: flex; gap: .75rem; padding: .7rem .9rem; cursor: pointer; border-top: 1px solid var(--line) }
legend + label.card { border-top: 0 }
label.card:has(:checked) { background: color-mix(in srgb, var(--brand) 12%, transparent) }
label.card small { display: block; color: var(--quiet); font-size: .875rem }
input[type=radio] { accent-color: var(--brand); width: 1.5rem; height: 1.5rem; margin: .1rem 0 0; flex: none }
label.field { display: block; font-weight: 550 }
input[name=email] { display: block; width: 100%; margin-top: .25rem; padding: .6rem .75rem; font: inherit;
  color: inherit; background: var(--ground); border: 1px solid var(--edge); border-radius: .5rem }
.actions { display: flex; flex-wrap: wrap; gap: .75rem }
button, a.first { display: inline-block; text-align: center; text-decoration: none; font: inherit; font-weight: 600; padding: .65rem 1.25rem; border-radius: .5rem; cursor: pointer;
  border: 1px solid var(--edge); background: transparent; color: var(--ink); min-height: 2.75rem }
button.first, a.first { flex: 1; background: var(--brand); color: var(--on-brand); border-color: var(--brand) }
summary { cursor: pointer; padding: .75rem 0; font-weight: 600 } .actions { margin-top: 1.5rem }
button:hover, a.first:hover { filter: brightness(1.08) }
:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px }
a { color: inherit; text-underline-offset: .2em }
.bad { color: var(--bad); border-left: 4px solid; padding-left: .75rem }
form + form { margin-top: .6rem }
.note, footer { color: var(--quiet); font-size: .875rem }
@media print { header span, form, footer { display: none } .sheet { border: 0; padding: 0 } }
"""
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title} – {name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>{style}</style></head><body>
<header>{logo}<div>{name}</div><span>Test mode</span></header>
<main><div class="sheet"><h1>{title}</h1>
{content}</div></main>
<footer><p>This is a stand-in for Stripe. No money moves.</p></footer></body></html>
"""
TYPES = {".svg": "image/svg+xml", ".png": "image/png"}


class Look:
    """Name, logo and colour of the vendor."""

    def __init__(self):
        self.take("Global Billing", "#0f6b5c", "")

    def take(self, name, color, logo):
        """Makes the page's constant parts."""
        parts = [int(color[at:at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (one / 12.92 if one <= .04045 else ((one + .055) / 1.055) ** 2.4 for one in parts)
        dark = 1.05 / (.2126 * red + .7152 * green + .0722 * blue + .05) >= 4.5
        self.name, self.logo = html.escape(name), logo
        self.style = STYLE.replace("ONBRAND", "#fff" if dark else "#000").replace("BRAND", color)
        digest = base64.b64encode(hashlib.sha256(self.style.encode()).digest()).decode()
        # Nothing runs and nothing is loaded. No form-action: a payment's redirect leads to the seller.
        self.policy = (f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; "
                       "frame-ancestors 'none'")

    def read(self, path):
        """Takes brand.json, the file of the seller's own pages."""
        brand = json.loads(Path(path).read_text(encoding="utf-8"))
        logo = ""
        file = Path(path).parent / (brand.get("logo") or "none")
        if file.suffix in TYPES and file.is_file():
            data = base64.b64encode(file.read_bytes()).decode()
            logo = f'<img src="data:{TYPES[file.suffix]};base64,{data}" alt="">'
        self.take(brand["name"], brand.get("color") or "#0f6b5c", logo)


look = Look()


def page(title, content, status=200):
    """A page."""
    text = PAGE.format(title=html.escape(title), name=look.name, style=look.style, logo=look.logo, content=content)
    return Answer(status, text, {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store",
                                 "Content-Security-Policy": look.policy, "Referrer-Policy": "no-referrer",
                                 "X-Content-Type-Options": "nosniff"})
