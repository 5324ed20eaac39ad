"""billingctl: the output of every command, as text and as JSON, and its failures."""

import getpass
import json
import os
import re
import shutil
import stat
import subprocess
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from support.client import expect
from support.revocations import wait_until_revoked
from support.scratch import (  # noqa: F401 pylint: disable=unused-import
    Scratch, cluster, new_scratch, scratch)
from support.stack import ROOT, VARIANT

# The commands of each group, in the order of --help.
GROUPS = {
    "migrate": "status up",
    "keys": "generate add use retire distrust rotate list",
    "operator": "create list revoke",
    "console": "link",
    "session": "list end clear",
    "customer": "create show list restore update delete export link",
    "apikey": "list create revoke",
    "entitlement": "show",
    "override": "show set",
    "subscription": "show trial checkout preview change cancel resume portal",
    "invoice": "list",
    "contract": "list create amend end",
    "license": "issue export verify list rotate revoke",
    "instance": "list activate release transfer",
    "usage": "list latest days limits correct import cleanup",
    "plans": "list diff",
    "analytics": "revenue movements summary trials plans usage limits renewals attention check",
    "stripe": "events show calls meters retry dismiss settle reconcile setup unknown map unmap "
              "account",
    "import": "original stripe",
    "notices": "list test preview",
    "webhooks": "list add show change enable rotate test replay deliveries remove key",
    "audit": "list verify",
    "events": "",
    "event": "show",
    "restore": "check",
    "doctor": "",
    "completion": "",
}
COMMANDS = [f"{group} {name}".strip() for group, names in GROUPS.items()
            for name in names.split() or [""]]
DAY = 24 * 3600

# The exit statuses of `license verify`: scripts depend on them.
EXITS = {"license_malformed": 10, "license_algorithm_invalid": 11, "license_key_unknown": 12,
         "license_signature_invalid": 13, "license_issuer_invalid": 14,
         "license_not_yet_valid": 15, "license_expired": 16, "license_revoked": 17}


@pytest.fixture(scope="module", name="shared")
def fixture_shared(cluster):  # noqa: F811 pylint: disable=redefined-outer-name
    """An installation for tests that change nothing: migrated, with a signing key."""
    made = Scratch(cluster).ready()
    yield made
    made.close()


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


# Help and usage.

def test_help_lists_every_command(shared):
    done = shared.run("--help")
    assert done.returncode == 0 and done.stderr == ""
    assert re.findall(r"^  ([a-z]+(?: [a-z]+)?)(?= )", done.stdout, re.M) == COMMANDS
    for group in {command.split()[0] for command in COMMANDS}:
        text = shared.run(group, "--help").stdout
        assert all(command in text for command in COMMANDS if command.split()[0] == group)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(shared, command):
    """--help works without settings, database and argument."""
    done = shared.run(*command.split(), "--help", DATABASE_URL="nonsense", WORKERS="x")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"Usage: billingctl {command}")
    for word in ("--config FILE", "--json", "Exit status:"):
        assert word in done.stdout
    if command == "license verify":
        listed = re.findall(r"^ +(\d+)  (license_\w+):", done.stdout, re.M)
        assert {code: int(status) for status, code in listed} == EXITS


def test_version(shared):
    """Every program and document names the version that lib/base/version.h has."""
    version = re.search(r'^#define VERSION "(\d+\.\d+)"$',
                        (ROOT / "lib/base/version.h").read_text(), re.M)[1]
    build = ROOT / "build" / VARIANT
    assert shared.run("--version").stdout == f"billingctl {version}\n"
    for program in ("billingd", "billing-agent"):
        assert subprocess.run([build / program, "--version"], text=True, check=True,
                              stdout=subprocess.PIPE).stdout == f"{program} {version}\n"
    assert json.loads((ROOT / "app/api/openapi.json").read_text())["info"]["version"] == version
    assert f"\nVersion: {version}\n" in (build / "liblicense.pc").read_text()
    assert f"\n## {version}" in (ROOT / ".github/CHANGELOG.md").read_text()
    pages = [page for page in ROOT.glob("*/*/*.[1-9]") if page.suffix in (".3", ".5", ".8")]
    assert len(pages) == 5
    for page in pages:
        assert f'.Os "Global Billing {version}"' in page.read_text(), page


@pytest.mark.parametrize("words", [
    "", "keys", "nonsense", "keys nonsense", "doctor more", "operator create",
    "operator create a b", "operator list --nonsense", "operator create a --role",
    "operator create a --role king", "operator create a --role=owner --role=viewer",
    "operator create key_a", "customer create", "customer create nobody",
    "customer create a@b@example.com", "customer list --limit 0", "customer list --limit 1001",
    "customer list --limit x", "license verify", "customer show", "--config", "-x",
    "keys list --keys x", "stripe", "stripe show", "stripe events --state lost",
    "stripe events --limit 0", "stripe calls --limit x", "stripe retry", "stripe retry evt_1 --all",
    "stripe retry evt_1 evt_2", "stripe retry call:", "stripe retry call:0", "stripe retry call:-1",
    "stripe retry --all=yes", "completion", "completion fish"])
def test_bad_usage(shared, words):
    line = shared.refuses(*words.split(), status=2)
    assert "--help)" in line


@pytest.mark.parametrize("words", [["operator", "create", ""], ["operator", "create", "a\nb"],
                                   ["operator", "create", "x" * 101],
                                   ["customer", "create", "a@example.com", "--company", " "],
                                   ["customer", "create", "a@example.com", "--company", "x" * 201],
                                   ["customer", "create", "\udcff@example.com"],
                                   ["customer", "list", "--query", "\udcff"]])
def test_bad_values(shared, words):
    shared.refuses(*words, status=2)


def test_words_after_a_double_dash_are_arguments(scratch):
    made = scratch.run("operator", "create", "--role=owner", "--", "--odd")
    assert made.returncode == 0 and "--odd" in made.stdout


@pytest.mark.parametrize("kid", ["-" + 42 * "A", "--" + 41 * "_"])
def test_a_key_id_may_begin_with_dashes(shared, kid):
    assert shared.refuses("keys", "use", kid, status=1)
    assert f"there is no option {kid}" in shared.refuses("operator", "list", kid, status=2)


@pytest.mark.parametrize("words, meant", [
    ("custmer list", "customer"), ("keys lst", "list"), ("licence verify x", "license"),
    ("doctor --jsn", "--json"), ("operator create a --rol owner", "--role"),
    ("stripe calls --states parked", "--state"), ("doctor --confg x", "--config")])
def test_a_misspelt_word_gets_a_suggestion(shared, words, meant):
    line = shared.refuses(*words.split(), status=2)
    assert f"; did you mean {meant}?" in line
    assert "did you mean" not in shared.refuses("entirely", "else", status=2)


@pytest.mark.parametrize("program", ["billingd", "billing-agent"])
@pytest.mark.parametrize("words, said", [
    (["--setings"], "there is no option --setings; did you mean --settings?"),
    (["--nothing-alike"], "there is no option --nothing-alike; see {} --help"),
    (["-x"], "there is no option -x; see {} --help"), (["--config"], "--config needs a value"),
    (["--version=1"], "--version takes no value")])
def test_the_daemons_refuse_options_alike(program, words, said):
    done = subprocess.run([ROOT / "build" / VARIANT / program, *words], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{program}: {said.format(program)}\n"


@pytest.mark.parametrize("words, said", [
    (["stauts"], "there is no command stauts; did you mean status?"),
    (["entirely", "else"], "there is no command entirely; see billing-agent --help"),
    (["usage"], "the command is usage JSON"), (["status", "x"], "the command is status"),
    (["import", "a", "b"], "the command is import FILE"),
    (["--once", "status"], "--once is without a command")])
def test_the_agent_refuses_words(words, said, tmp_path):
    """Before it reads settings or makes a folder for its state."""
    done = subprocess.run([ROOT / "build" / VARIANT / "billing-agent", *words], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={"AGENT_STATE_DIR": str(tmp_path / "state")})
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"billing-agent: {said}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("program", ["billingd", "billing-agent"])
def test_an_unknown_setting_names_its_own_program(program, tmp_path):
    for name, said in (("NONSENSE", f"is unknown; {program} --settings lists them all"),
                       ("LOG_LEVLE", "is unknown; did you mean LOG_LEVEL?")):
        config = tmp_path / "settings"
        config.write_text(f"{name}=1\n", encoding="utf-8")
        done = subprocess.run([ROOT / "build" / VARIANT / program, "--config", config], text=True,
                              check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={})
        assert (done.returncode, done.stderr) == (
            1, f"{program}: setting {name} ({config} line 1) {said}\n")


# Completion.

COMPLETIONS = [
    ("", " ".join(GROUPS)),
    ("c", "console customer contract completion"), ("subscription checkout a@b p --interval ", "month year"),
    ("subscription cancel x --y", "--yes"), ("customer export x --out ", "FILES"),
    ("apikey ", "list create revoke"), ("keys r", "retire rotate"), ("--json keys g", "generate"),
    ("--config some.env restore ", "check"), ("operator create --role ", "owner viewer"),
    ("operator create somebody --role o", "owner"), ("stripe calls --state p", "parked pending"),
    ("stripe events --state p", "pending parked"), ("customer create --k", "--key-out"),
    ("doctor --c", "--config"), ("customer list --plan ", ""), ("completion ", "bash zsh"),
    ("usage import ", "FILES"), ("license issue x --out ", "FILES"), ("--config ", "FILES"),
    ("operator revoke ", ""), ("nonsense ", "")]
# bash makes three words of --config=some.env, and two of --config= .
COMPLETIONS_OF_BASH = [
    ("--config = some.env restore ", "check"), ("--config = ", "FILES"), ("--config =", "FILES"),
    ("operator create --role = o", "owner"), ("operator create --role =", "owner viewer"),
    ("operator create --role = owner --k", "--key-out")]


def completed(shell, script, line):
    """The words that the shell's completion offers at the end of the line."""
    words = ["billingctl", *line.split(" ")]
    quoted = " ".join(f"'{word}'" for word in words)
    if shell == "bash":
        run = (f"source {script}; _billingctl_files() {{ COMPREPLY=(FILES); }}\n"
               f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n"
               "_billingctl; printf '%s\\n' \"${COMPREPLY[@]}\"")
        command = ["bash", "--norc", "-c", run]
    else:
        run = ("compdef() { :; }; _files() { print FILES; }\n"
               "compadd() { shift; print -l -- ${(M)@:#${words[CURRENT]}*}; }\n"
               f"source {script}; words=({quoted}); CURRENT={len(words)}; _billingctl")
        command = ["zsh", "-f", "-c", run]
    done = subprocess.run(command, text=True, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion(shared, tmp_path, shell):
    if not shutil.which(shell):
        pytest.skip(f"not here: completion in {shell}, which is not installed")
    script = tmp_path / "script"
    script.write_text(shared.run("completion", shell).stdout, encoding="utf-8")
    completions = COMPLETIONS + (COMPLETIONS_OF_BASH if shell == "bash" else [])
    assert {line: completed(shell, script, line) for line, _ in completions} == {
        line: words.split() for line, words in completions}
    groups = set(completed(shell, script, ""))
    names = {group: completed(shell, script, group + " ") for group in groups}
    for command in COMMANDS:
        group, _, name = command.partition(" ")
        assert group in groups and (not name or name in names[group])


def test_completion_of_the_agent():
    agent = ROOT / "build" / VARIANT / "billing-agent"
    run = (f"source <({agent} --completion bash); complete -p billing-agent\n"
           f"compgen -W \"$(complete -p billing-agent | sed \"s/.*-W '//; s/' .*//\")\" -- \"$1\"")
    for word, offered in (("re", "retry request"), ("--c", "--config --completion"), ("im", "import")):
        done = subprocess.run(["bash", "--norc", "-c", run, "bash", word], text=True, check=True,
                              stdout=subprocess.PIPE)
        assert done.stdout.split("\n", 1)[1].split() == offered.split()
    zsh = subprocess.run([agent, "--completion", "zsh"], text=True, check=True,
                         stdout=subprocess.PIPE).stdout.split("\n")
    assert zsh[0] == "#compdef billing-agent" and "retry" in zsh[1].split() and zsh[2] == "_files"
    done = subprocess.run([agent, "--completion", "fish"], text=True, check=False,
                          stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (2, "billing-agent: the shell must be bash or zsh\n")


def test_an_option_takes_a_value_in_every_command_or_in_none(shared):
    """The completion knows options by their names."""
    found = {}
    for command in COMMANDS:
        for name, value in re.findall(r"^  (--[a-z-]+)( \S+)?  ", shared.run(
                *command.split(), "--help").stdout, re.M):
            found.setdefault(name, set()).add(bool(value))
    assert {name for name, kinds in found.items() if len(kinds) > 1} == set()
    assert len(found) > 20


# Settings.

def test_settings_from_a_file(scratch, tmp_path):
    config = tmp_path / "billing.env"
    config.write_text(f"DATABASE_URL={scratch.env.pop('DATABASE_URL')}\n"
                      "# a remark\nKEYS_DIR='/nowhere'\n", encoding="utf-8")
    assert scratch("--config", config, "operator", "list") == {"operators": []}
    assert scratch("operator", "list", f"--config={config}") == {"operators": []}
    # The environment overrides the file.
    assert len(scratch("keys", "list", "--config", config)["keys"]) == 1


def test_bad_settings(shared, tmp_path):
    assert "LOG_LEVEL" in shared.refuses("keys", "list", LOG_LEVEL="loud")
    assert "KEYS_DIRR" in shared.refuses("keys", "list", KEYS_DIRR="x")
    config = tmp_path / "billing.env"
    config.write_text("NONSENSE=1\n", encoding="utf-8")
    line = shared.refuses("keys", "list", "--config", config)
    assert "NONSENSE" in line and f"{config} line 1" in line
    assert "none.env" in shared.refuses("keys", "list", "--config", tmp_path / "none.env")


def test_an_unreachable_database_is_explained(shared):
    url = "postgresql://ann:topsecret@/x?host=/nonexistent"
    line = shared.refuses("operator", "list", DATABASE_URL=url)
    assert "/nonexistent" in line and "topsecret" not in line
    line = shared.refuses("operator", "list", DATABASE_URL="postgresql://ann:topsecret@[x/y")
    assert "topsecret" not in line


def test_a_secret_from_a_file(scratch, tmp_path):
    path = tmp_path / "url"
    path.write_text(scratch.env.pop("DATABASE_URL") + "\n", encoding="utf-8")
    path.chmod(0o600)
    assert scratch("operator", "list", DATABASE_URL_FILE=path) == {"operators": []}
    path.chmod(0o644)
    assert "chmod" in scratch.refuses("operator", "list", DATABASE_URL_FILE=path)


def test_stdout_that_is_full(shared):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = shared.run("keys", "list", stdout=full)
    assert done.returncode == 1 and "No space left" in done.stderr


# Keys.

def test_keys_generate_and_list(new_scratch):
    fresh = new_scratch()
    assert "billingctl keys generate" in fresh.refuses("keys", "list")
    made = fresh("keys", "generate")
    private, public = fresh.keys / "private-key.pem", fresh.keys / "public-key.pem"
    assert mode_of(private) == 0o600 and mode_of(public) == 0o644
    assert private.read_text(encoding="ascii").startswith("-----BEGIN PRIVATE KEY-----")
    before = private.read_bytes()
    assert "already" in fresh.refuses("keys", "generate")
    assert private.read_bytes() == before
    listed = fresh("keys", "list")["keys"]
    assert listed == [{"kid": made["kid"], "signs": True, "retired_at": None,
                       "published_until": None}]
    private.chmod(0o644)
    assert f"chmod 600 {private}" in fresh.refuses("keys", "list")


def test_keys_rotate(scratch):
    customer = scratch("customer", "create", "a@example.com")
    before = scratch("license", "issue", customer["customer_id"])["license"]
    old = scratch("keys", "list")["keys"][0]["kid"]
    made = scratch("keys", "rotate", "--now", LICENSE_TTL_DAYS=10)
    assert made["retired_kid"] == old and made["kid"] != old and made["state"] == "current"
    # The trial's licence outlives LICENSE_TTL_DAYS.
    assert days_until(made["retired_published_until"]) == pytest.approx(14, abs=0.01)
    newest, retired = scratch("keys", "list")["keys"]
    assert (newest["kid"], newest["signs"], newest["state"]) == (made["kid"], True, "current")
    assert (retired["kid"], retired["signs"], retired["state"]) == (old, False, "retired")
    assert retired["published_until"] == made["retired_published_until"]
    # Licences of both keys are valid, and the next licence is signed with the new key.
    after = scratch("license", "issue", customer["customer_id"])["license"]
    assert jwt.get_unverified_header(after)["kid"] == made["kid"]
    for token in (before, after):
        assert scratch("license", "verify", "-", input=token)["valid"] is True


def days_until(moment):
    parsed = time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S")
    return (time.mktime(parsed) - time.timezone - time.time()) / DAY


@pytest.mark.parametrize("settings, days", [
    ({}, 367), ({"LICENSE_TTL_DAYS": 30}, 32),
    ({"LICENSE_TTL_DAYS": 30, "LICENSE_EXPIRY": "paid_through"}, 366 + 7 + 2)])
def test_an_old_key_is_published_as_long_as_it_may_be_needed(scratch, settings, days):
    until = scratch("keys", "rotate", "--now", **settings)["retired_published_until"]
    assert days_until(until) == pytest.approx(days, abs=0.01)


def test_an_old_key_outlives_its_last_licence(scratch):
    scratch("customer", "create", "a@example.com")
    scratch.sql("UPDATE licenses SET expires_at = '2199-01-01T00:00:00Z'")
    made = scratch("keys", "rotate", "--now")
    assert made["retired_published_until"] == "2199-01-01T00:00:00.000Z"


def test_a_key_waits_before_it_is_used(scratch):
    """rotate, and add and use, go the same way: add, a waiting time, use."""
    old = scratch("keys", "list")["keys"][0]["kid"]
    made = scratch("keys", "rotate", KEY_WAIT_HOURS=5)
    assert made["state"] == "added" and f"keys use {made['kid']}" in made["next"]
    assert made["file"] == str(scratch.keys / "next-private-key.pem")
    assert days_until(made["usable_at"]) == pytest.approx(5 / 24, abs=0.01)
    assert (scratch.keys / "next-private-key.pem").stat().st_mode & 0o777 == 0o600
    listed = scratch("keys", "list")["keys"]
    assert [(k["kid"], k["state"], k["signs"], k["published"]) for k in listed] == [
        (old, "current", True, True), (made["kid"], "added", False, True)]
    assert "can be used from" in scratch.refuses("keys", "use", made["kid"])
    assert "can be used from" in scratch.refuses("keys", "rotate")
    assert "waits already" in scratch.refuses("keys", "add")
    assert "retires when another" in scratch.refuses("keys", "retire", old)
    assert "no key" in scratch.refuses("keys", "use", "none")
    used = scratch("keys", "use", made["kid"], KEY_WAIT_HOURS=0)
    assert (used["kid"], used["retired_kid"]) == (made["kid"], old)
    assert "cannot sign again" in scratch.refuses("keys", "use", old)
    assert not (scratch.keys / "next-private-key.pem").exists()
    assert [path.stem for path in (scratch.keys / "retired").iterdir()] == [old]
    audited = scratch.sql("SELECT string_agg(action, ' ' ORDER BY audit_id) FROM audit_log "
                          f"WHERE subject = '{made['kid']}'")
    assert audited == "signing_key.added signing_key.used"


def test_an_added_key_is_withdrawn(scratch):
    old = scratch("keys", "list")["keys"][0]["kid"]
    made = scratch("keys", "add")
    assert scratch("keys", "retire", made["kid"])["state"] == "retired"
    listed = scratch("keys", "list")["keys"]
    assert [(k["kid"], k["published"]) for k in listed] == [(old, True), (made["kid"], False)]
    assert not (scratch.keys / "next-private-key.pem").exists()
    assert scratch("keys", "add")["kid"] not in (old, made["kid"])


def test_a_host_without_the_current_key_signs_nothing(scratch, tmp_path):
    """Another host made the key. Each command that signs says which file to copy."""
    customer = scratch("customer", "create", "a@example.com")["customer_id"]
    other = tmp_path / "keys"
    shutil.copytree(scratch.keys, other)
    (other / "private-key.pem").chmod(0o600)
    made = scratch("keys", "rotate", "--now", KEYS_DIR=other)
    for command in (["license", "issue", customer], ["customer", "create", "b@example.com"],
                    ["license", "export", customer]):
        line = scratch.refuses(*command)
        assert made["kid"] in line and "copy the file" in line
    shutil.copy(other / "private-key.pem", scratch.keys / "next-private-key.pem")
    issued = scratch("license", "issue", customer)["license"]
    assert jwt.get_unverified_header(issued)["kid"] == made["kid"]
    assert scratch("keys", "use", made["kid"])["state"] == "current"
    assert (scratch.keys / "private-key.pem").read_bytes() == \
        (other / "private-key.pem").read_bytes()


def test_no_rotation_without_the_database(shared):
    before = shared("keys", "list")
    for command in (["rotate"], ["add"], ["use", "x"], ["distrust", "x", "--why", "y"]):
        shared.refuses("keys", *command, DATABASE_URL="postgresql:///x?host=/nonexistent")
    assert shared("keys", "list") == before


# Operators.

def test_operators(scratch):
    owner = scratch("operator", "create", "ann", "--role", "owner")
    viewer = scratch("operator", "create", "Ödön O'Neil")
    assert (owner["role"], viewer["role"]) == ("owner", "viewer")
    for made in (owner, viewer):
        assert re.fullmatch(r"gba_[0-9a-f]{64}", made["api_key"])
    done = scratch.run("operator", "list")
    assert "Ödön O'Neil" in done.stdout
    for made in (owner, viewer):
        assert made["api_key"][4:] not in done.stdout + scratch.sql("TABLE api_keys")
    assert "of that name" in scratch.refuses("operator", "create", "ann")
    assert scratch("operator", "revoke", "ann")["key_id"] == owner["key_id"]
    assert scratch("operator", "revoke", viewer["key_id"])["key_id"] == viewer["key_id"]
    for who in ("ann", owner["key_id"], "nobody", "key_" + "0" * 24):
        scratch.refuses("operator", "revoke", who)
    listed = {row["key_id"]: row for row in scratch("operator", "list")["operators"]}
    assert all(row["revoked_at"] for row in listed.values()) and len(listed) == 2
    # The name of a revoked operator can be used again.
    scratch("operator", "create", "ann")
    audit = scratch.sql("SELECT DISTINCT actor, request_id ~ '^cli-[0-9a-f]{16}$' FROM audit_log")
    assert audit == f"billingctl:{getpass.getuser()}|t"


def test_a_key_into_a_file(scratch, tmp_path):
    path = tmp_path / "key"
    done = scratch.run("operator", "create", "ann", "--key-out", path)
    secret = path.read_text(encoding="ascii").strip()
    assert re.fullmatch(r"gba_[0-9a-f]{64}", secret) and secret[4:] not in done.stdout
    assert mode_of(path) == 0o600
    # No file is overwritten, and nothing is created when its key cannot be written.
    for arguments in (["operator", "create", "bob"], ["customer", "create", "b@example.com"]):
        assert "exists" in scratch.refuses(*arguments, "--key-out", path)
        scratch.refuses(*arguments, "--key-out", tmp_path / "none" / "key")
    assert path.read_text(encoding="ascii").strip() == secret
    assert [row["name"] for row in scratch("operator", "list")["operators"]] == ["ann"]
    assert scratch("customer", "list") == {"customers": []}


def test_an_operators_key_opens_the_api(stack, api):
    made = json.loads(stack.billingctl("operator", "create", "test-operator", "--json").stdout)
    client = api.bearer(made["api_key"])
    expect(client.get("/api/customers"), 200)
    expect(client.post("/api/customers", {"email": api.email()}), 403, "forbidden")
    stack.billingctl("operator", "revoke", "test-operator")
    expect(client.get("/api/customers"), 401, "unauthenticated")


# Customers.

def test_customers(scratch):
    made = scratch("customer", "create", "Ann@Example.com", "--company", "Größe & Söhne")
    assert re.fullmatch(rf"{made['customer_id']}_[0-9a-f]{{64}}", made["api_key"])
    assert (made["status"], made["plan"]) == ("trialing", "starter")
    shown = scratch("customer", "show", made["customer_id"])
    assert {name: shown[name] for name in made if name not in ("key_id", "api_key")} == {
        name: made[name] for name in made if name not in ("key_id", "api_key")}
    assert (shown["access"], shown["access_until"]) == (True, made["trial_ends_at"])
    assert shown["current_period_ends_at"] == made["trial_ends_at"]
    assert {"kind": "limit", "name": "maxUsers", "value": "5", "source": "plan",
            "until": made["trial_ends_at"]} in shown["entitlements"]
    assert "e-mail" in scratch.refuses("customer", "create", "ann@example.COM")
    assert "no such customer" in scratch.refuses("customer", "show", "cust_" + "0" * 32)
    assert "no such customer" in scratch.refuses("customer", "show", "nonsense")
    # An address names the customer as its id does.
    for address in ("Ann@Example.com", "ann@EXAMPLE.com"):
        assert scratch("customer", "show", address) == shown
    assert "no customer with this e-mail" in scratch.refuses("customer", "show", "bob@example.com")
    assert scratch.run("license", "issue", "ann@example.com").stdout == scratch.run(
        "license", "issue", made["customer_id"]).stdout
    assert "no customer" in scratch.refuses("license", "export", "bob@example.com")
    assert made["api_key"] not in scratch.sql("TABLE api_keys")
    table = scratch.run("customer", "show", made["customer_id"]).stdout
    assert "Größe & Söhne" in table and "trialing" in table


@pytest.mark.parametrize("words, said", [
    ("customer list", "No customers."), ("operator list", "No operators."),
    ("stripe events", "No events."), ("stripe events --state parked", "No parked events."),
    ("stripe calls", "No parked calls."), ("stripe calls --state done", "No done calls."),
    ("stripe meters", "No parked meter events.")])
def test_an_empty_list_says_so(shared, words, said):
    done = shared.run(*words.split())
    assert (done.returncode, done.stdout, done.stderr) == (0, said + "\n", "")
    assert list(shared(*words.split()).values()) == [[]]


def test_customer_list(scratch):
    ids = [scratch("customer", "create", f"{name}@example.com", "--company", name.upper())
           ["customer_id"] for name in ("ann", "anton", "bob")]

    def listed(*options):
        return [row["customer_id"] for row in scratch("customer", "list", *options)["customers"]]

    assert listed() == ids[::-1]
    assert listed("--limit", "2") == ids[:0:-1]
    assert listed("--email", "BOB@example.com") == ids[2:]
    assert listed("--query", "an") == ids[1::-1]
    assert listed("--query", "%") == []
    lines = scratch.run("customer", "list").stdout.splitlines()
    assert lines[0].split() == ["customer_id", "email", "company_name", "plan", "status",
                                "created_at"]
    assert len(lines) == 4


def test_a_customers_key_opens_the_api(stack, api):
    made = json.loads(stack.billingctl("customer", "create", api.email(), "--json").stdout)
    answer = expect(api.keyed(made["api_key"]).get(f"/api/customers/{made['customer_id']}"), 200)
    assert answer["subscription"]["status"] == "trialing"


# Licences.

@pytest.fixture(name="customer")
def fixture_customer(scratch):
    """The id of a customer."""
    return scratch("customer", "create", "a@example.com", "--company", "Acme")["customer_id"]


def test_license_issue(scratch, customer, tmp_path):
    plain = scratch.run("license", "issue", customer)
    assert plain.returncode == 0 and plain.stdout.count("\n") == 1
    answer = scratch("license", "issue", customer)
    # The stored licence: nothing has changed.
    assert answer["license"] == plain.stdout.strip()
    claims = jwt.decode(answer["license"], (scratch.keys / "public-key.pem").read_bytes(),
                        algorithms=["RS256"])
    assert (claims["sub"], claims["jti"]) == (customer, answer["jti"])
    path = tmp_path / "license"
    for _ in range(2):  # the second one replaces the file
        assert scratch.run("license", "issue", customer, "--out", path).stdout == ""
    assert path.read_text(encoding="ascii") == plain.stdout and mode_of(path) == 0o600
    assert scratch.refuses("license", "issue", "cust_" + "0" * 32)


def verdict(scratch, token, *options, status, code):
    """Verifies the token, with text and with JSON output."""
    done = scratch.run("license", "verify", "-", *options, input=token)
    assert (done.returncode, done.stderr) == (status, ""), done
    assert code in done.stdout and "valid  no" in done.stdout
    done = scratch.run("license", "verify", "-", "--json", *options, input=token)
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["valid"], answer["code"]) == (status, False, code)


def refused(scratch, token, code, *options):
    verdict(scratch, token, *options, status=EXITS[code], code=code)


def forge(scratch, claims, key=None, **header):
    """A token with the installation's kid, signed with its key unless another is given."""
    pem = (scratch.keys / "private-key.pem").read_bytes()
    kid = scratch("keys", "list")["keys"][0]["kid"]
    return jwt.encode(claims, key or pem, algorithm="RS256", headers={"kid": kid, **header})


@pytest.fixture(name="claims")
def fixture_claims(scratch, customer):
    """The claims of a valid licence."""
    token = scratch("license", "issue", customer)["license"]
    return jwt.decode(token, options={"verify_signature": False})


def shifted(claims, seconds, life):
    """The claims at another time."""
    start = int(time.time()) + seconds
    return {**claims, "iat": start, "issuedAt": start, "exp": start + life,
            "expiresAt": start + life}


def test_a_valid_license_needs_no_database(scratch, claims, tmp_path):
    offline = {"DATABASE_URL": "postgresql:///x?host=/nonexistent",
               "MIGRATIONS_DIR": "/nonexistent", "PLANS_FILE": "/nonexistent"}
    token = forge(scratch, claims)
    path = tmp_path / "license"
    for text in (token, token + "\n", json.dumps({"license": token, "plan": "starter"}),
                 "\n".join(token[i:i + 64] for i in range(0, len(token), 64))):
        path.write_text(text, encoding="ascii")
        assert scratch("license", "verify", path, **offline) == {"valid": True, "data": claims}
        assert scratch("license", "verify", "-", input=text, **offline)["valid"] is True
    done = scratch.run("license", "verify", path, **offline)
    assert re.search(r"^valid +yes$", done.stdout, re.M) and claims["sub"] in done.stdout


def test_keys_from_a_file(scratch, claims, tmp_path):
    token = forge(scratch, claims)
    pem = tmp_path / "public-key.pem"
    pem.write_bytes((scratch.keys / "public-key.pem").read_bytes())
    public = serialization.load_pem_public_key(pem.read_bytes())
    kid = jwt.get_unverified_header(token)["kid"]
    jwks = tmp_path / "jwks.json"
    key = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(public)), "kid": kid, "alg": "RS256"}
    del key["key_ops"]
    jwks.write_text(json.dumps({"keys": [key]}), encoding="ascii")
    no_settings = {"KEYS_DIR": "/nonexistent", "WORKERS": "nonsense"}
    for path in (pem, jwks):
        # With --keys the settings are not read.
        assert scratch("license", "verify", "-", "--keys", path, "--issuer", claims["iss"],
                       input=token, **no_settings)["valid"] is True
    for broken in ("", "{}", "{", "nonsense"):
        pem.write_text(broken, encoding="ascii")
        done = scratch.run("license", "verify", "-", "--keys", pem, input=token)
        assert done.returncode in (1, EXITS["license_key_unknown"]), done
    assert "none.pem" in scratch.refuses("license", "verify", "-", "--keys", "none.pem",
                                         input=token)


def test_every_verdict(scratch, claims):
    token = forge(scratch, claims)
    head, body, signature = token.split(".")
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    other = "A" if signature[0] != "A" else "B"

    for text in ("", "nonsense", token + ".x", "{}", '{"license": 1}', "\x00" + token,
                 f"{head}.{body}.", "x" * 100_000):
        refused(scratch, text, "license_malformed")
    refused(scratch, jwt.encode(claims, "secret" * 8, algorithm="HS256",
                                headers=jwt.get_unverified_header(token) | {"alg": "HS256"}),
            "license_algorithm_invalid")
    refused(scratch, forge(scratch, claims, kid="x" * 43), "license_key_unknown")
    refused(scratch, f"{head}.{body}.{other}{signature[1:]}", "license_signature_invalid")
    refused(scratch, forge(scratch, claims, key=stranger), "license_signature_invalid")
    refused(scratch, token, "license_issuer_invalid", "--issuer", "https://elsewhere.example")
    refused(scratch, forge(scratch, shifted(claims, 3600, DAY)), "license_not_yet_valid")
    refused(scratch, forge(scratch, shifted(claims, -2 * DAY, DAY)), "license_expired")


def test_a_revoked_license(stack, api, tmp_path):
    """--revocations takes the API's answer or the token in it."""
    customer = api.sign_up()
    pem = stack.run_dir / "keys/public-key.pem"
    listed = tmp_path / "revocations"

    def verify():
        return stack.billingctl("license", "verify", "-", "--keys", str(pem), "--revocations",
                                str(listed), "--json", input=customer.license, check=False)

    listed.write_text(api.nobody.get("/api/licenses/revocations").text, encoding="ascii")
    assert json.loads(verify().stdout)["valid"] is True
    expect(api.owner.post(f"/api/licenses/{customer.id}/revoke", {}), 200)
    wait_until_revoked(api, customer.license)
    answer = api.nobody.get("/api/licenses/revocations")
    for text in (answer.text, answer.json()["revocations"] + "\n"):
        listed.write_text(text, encoding="ascii")
        done = verify()
        assert done.returncode == EXITS["license_revoked"]
        assert json.loads(done.stdout)["code"] == "license_revoked"


def test_revocation_lists(scratch, claims, tmp_path):
    token, listed, now = forge(scratch, claims), tmp_path / "list", int(time.time())

    def write(jtis, next_update, **header):
        content = {"iss": claims["iss"], "iat": now - DAY, "nextUpdate": next_update,
                   "revoked": jtis}
        listed.write_text(forge(scratch, content, **{"typ": "revocations+jwt", **header}),
                          encoding="ascii")

    options = ("--revocations", listed)
    write([claims["jti"], "lic_x"], now + DAY)
    refused(scratch, token, "license_revoked", *options)
    write(["lic_x"], now + DAY)
    assert scratch("license", "verify", "-", *options, input=token)["valid"] is True
    # An outdated list still counts, with a warning.
    write([claims["jti"]], now - 3600)
    done = scratch.run("license", "verify", "-", *options, input=token)
    assert done.returncode == EXITS["license_revoked"] and "out of date" in done.stderr
    # With a list that is not signed with these keys there is no verdict.
    write([], now + DAY, typ="JWT")
    assert "revocation list" in scratch.refuses("license", "verify", "-", *options, input=token)
    listed.write_text(token, encoding="ascii")
    scratch.refuses("license", "verify", "-", *options, input=token)
    scratch.refuses("license", "verify", "-", "--revocations", tmp_path / "none", input=token)


def test_an_unreadable_file_is_a_failure(shared):
    line = shared.refuses("license", "verify", Path("/nonexistent/license"))
    assert "/nonexistent/license" in line
    assert "public key" in shared.refuses("license", "verify", "-", input="x",
                                           KEYS_DIR=str(ROOT / "nonexistent"))


def test_the_example_has_the_bounds_of_numbers():
    """The greatest value that the example of the settings names is taken, and one more is refused."""
    def refused(name, value):
        done = subprocess.run([ROOT / "build" / VARIANT / "billingd", "--check"], text=True, capture_output=True,
                              check=False, cwd="/", env={name: str(value)}, timeout=120)
        return f"{name} (environment) must be a number" in done.stderr

    found = re.findall(r"From (\d+) to (\d+)\.\n#?(\w+)=(\d+)$",
                       (ROOT / "conf/billing.env.example").read_text(encoding="utf-8"), re.M)
    assert len(found) >= 20
    for low, high, name, initial in found:
        assert int(low) <= int(initial) <= int(high)
        assert [refused(name, int(high) + more) for more in (0, 1)] == [False, True], name
