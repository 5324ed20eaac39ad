#!/usr/bin/python3
"""Writes what documents take from the programs.

    docs.py BUILD_DIR [FOLDER]    writes into the project, or copies of the files into FOLDER

Manual pages and openapi.json get the version. The two example files get every setting. In manual
pages the text between the lines `.\\" generated: SOURCE` and `.\\" end` is replaced, where SOURCE is
`settings of PROGRAM` or `command GROUP NAME` of billingctl. The rest of each file is written by hand.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path(sys.argv[1]).resolve()
OUT = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT
EXAMPLES = {"conf/billing.env.example": "billingd",
            "conf/billing-agent.env.example": "billing-agent"}
PAGES = ["app/settings/billing.conf.5", "app/agent/billing-agent.8",
         "app/billingctl/billingctl.8"]
VERSIONED = ["app/billingd/billingd.8", "conf/billing-operations.7", "lib/licensing/liblicense.3",
             "app/api/openapi.json", *PAGES]
VERSION = re.compile(r'^(\.Os "Global Billing |    "version": ")[^"]*', re.M)
PART = re.compile(r'^(\.\\" generated: (.*)\n)(?:.*\n)*?(\.\\" end)$', re.M)


def ask(program, *arguments):
    """The program's output."""
    done = subprocess.run([BUILD / program, *arguments], text=True, capture_output=True,
                          check=False, timeout=20)
    if done.returncode != 0:
        sys.exit(f"docs: {program} {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def escaped(text):
    """A line of text for a manual page."""
    text = text.replace("\\", "\\e")
    return "\\&" + text if text.startswith((".", "'")) else text


def sentences(text):
    """The text with each sentence on a line of its own, as manual pages have it."""
    return [escaped(line) for line in re.split(r"(?<=[.?]) (?=[A-Z])", " ".join(text.split()))]


def capital(text):
    """The text with a capital letter, unless it begins with an identifier, such as proration_at."""
    return text if "_" in text.split()[0] else text[0].upper() + text[1:]


def settings(program):
    """The settings of a program as a list of a manual page."""
    lines = [".Bl -tag -width Ds"]
    for row in ask(program, "--settings").splitlines()[2:]:
        name, initial, meaning = [cell.strip().replace("`", "") for cell in
                                  row.strip("| ").split(" | ")]
        secret = name.endswith("[_FILE]")
        lines.append(f".It Ev {name.removesuffix('[_FILE]')}" + (" Ns Op Ev _FILE" if secret else ""))
        lines += sentences(meaning)
        if initial:
            lines += ["Default:", f".Ql {initial} ."]
    return lines + [".El"]


def options(text):
    """Rows of --help, `  --name VALUE   meaning`, as a list."""
    lines = []
    for name, value, meaning in re.findall(r"^  --(\S+)(?: (\S+))? {2,}(.*)$", text, re.M):
        argument = f" Ar {value}" if value else ""
        lines += [f".It Fl -{name}{argument}", *sentences(capital(meaning) + ".")]
    return lines


def command(words):
    """One command of billingctl, or its common options."""
    common = ask("billingctl", "--help").split("Options of every command:\n")[1].split("\n\n")[0]
    if words == "options":
        return [".Bl -tag -width Ds", *options(common), ".El"]
    text = ask("billingctl", *words.split(), "--help")
    usage, told, own, exits = text.split("\n\n", 3)
    usage = usage.removeprefix("Usage: billingctl ").replace(" [OPTION...]", "")
    lines = [f".Ss {usage}", *sentences(told)]
    rows = options(own.replace(common, ""))
    if rows:
        lines += [".Bl -tag -width Ds", *rows, ".El"]
    more = re.findall(r"^ +(\d+)  (.*)$", exits, re.M)[3:]
    if more:
        lines += ["Exit status:", ".Bl -tag -width Ds -compact"]
        for status, meaning in more:
            lines += [f".It {status}", escaped(capital(meaning) + ".")]
        lines += [".El"]
    return lines


def generated(source):
    """The lines that belong between the marks."""
    kind, _, rest = source.partition(" ")
    return settings(rest.removeprefix("of ")) if kind == "settings" else command(rest)


def commands():
    """The commands of billingctl, such as "keys rotate"."""
    rows = ask("billingctl", "--help").split("Commands:\n")[1].split("\n\n")[0].splitlines()
    return {" ".join(word for word in row.split("  ")[1].split() if re.fullmatch("[a-z]+", word))
            for row in rows}


# Variables of `make vendor-agent`.
MAKE_VARIABLES = {"AGENT_KEYS", "AGENT_ISSUER", "AGENT_CUSTOMER_ID", "AGENT_GRACE_DAYS"}


def check_mentions(known):
    """Every command and setting that a document mentions in its own words exists."""
    settings_known = {name for program in ("billingd", "billing-agent") for name in
                      re.findall(r"^\| `(\w+)", ask(program, "--settings"), re.M)}
    settings_known |= {f"{name}_FILE" for name in settings_known} | {"STRIPE_STAND_IN", "STRIPE_CONTROL_TOKEN"}
    groups = {name.split()[0] for name in known}
    pages = [*ROOT.glob("*.md"), *ROOT.glob(".github/*.md"), *ROOT.glob("lib/*.md"),
             *ROOT.glob("app/*/*.[58]"), *ROOT.glob("conf/*.7"), *ROOT.glob("conf/*.service"), *ROOT.glob("conf/*.yml")]
    for page in pages:
        text = PART.sub("", page.read_text(encoding="utf-8"))
        used = re.findall(r"billingctl(?: --config \S+)? ([a-z]+)(?: ([a-z]+))?", text)
        unknown = {f"billingctl {group} {name}" for group, name in used
                   if group in groups and name and group not in known and
                   f"{group} {name}" not in known}
        names = set(re.findall(r"\b(?:STRIPE|BILLING|LICENSE|AGENT|DB)_[A-Z_]*[A-Z]\b", text))
        unknown |= {name for name in names - settings_known if name not in MAKE_VARIABLES}
        if unknown:
            sys.exit(f"docs: {page.relative_to(ROOT)} mentions what does not exist: {sorted(unknown)}")


def check_commands(page, known):
    """billingctl.8 describes every command there is, each with an example."""
    described = set(re.findall(r'^\.\\" generated: command (.*)$', page, re.M)) - {"options"}
    if known != described:
        sys.exit(f"docs: billingctl.8 and billingctl --help differ in: {sorted(known ^ described)}")
    for part in re.split(r'^\.\\" generated: command ', page, flags=re.M)[2:]:
        words = part.splitlines()[0]
        told = ask("billingctl", *words.split(), "--help").split("\nExample:\n")[1].splitlines()[0]
        if told.strip().replace("\\", "\\e") not in part.split('.\\" end\n')[1]:
            sys.exit(f"docs: billingctl.8 lacks the example that --help has of: {words}")


def write(name, text):
    """One file, where it has changed."""
    path = OUT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def main():
    known = commands()
    for name, program in EXAMPLES.items():
        head = (ROOT / name).read_text(encoding="utf-8").split("\n\n")[0]
        write(name, f"{head}\n\n{ask(program, '--example')}")
    version = ask("billingd", "--version").split()[1]
    for name in VERSIONED:
        page = VERSION.sub(rf"\g<1>{version}", (ROOT / name).read_text(encoding="utf-8"))
        if name.endswith("billingctl.8"):
            check_commands(page, known)
        write(name, PART.sub(lambda part: "\n".join(
            [part[1].rstrip("\n"), *generated(part[2]), part[3]]), page))
    check_mentions(known)


main()
