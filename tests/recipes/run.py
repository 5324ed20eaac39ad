#!/usr/bin/python3
"""Runs the recipes in the folders beside this file against the vectors in tests/vectors.

    run.py BUILD_DIR [--all] [--licenses FILE]
        exit status 1 when a recipe gives another verdict than the vectors, and with --all also when one
        could not be run. FILE has licences of a running service in the form of the vectors: then Go,
        which takes long to compile, runs with --all alone.

Each recipe runs as it stands. npm fetches once what Debian does not have. package-lock.json beside
this file has the digest of each package.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

import not_tested  # noqa: E402  pylint: disable=wrong-import-position

ALL = "--all" in sys.argv
FILE = Path(sys.argv[sys.argv.index("--licenses") + 1]) if "--licenses" in sys.argv else None
VECTORS = json.loads((FILE or ROOT / "tests/vectors/licenses.json").read_text(encoding="utf-8"))
RECIPES = ROOT / "tests/recipes"

WEBHOOKS = ROOT / "tests/vectors/webhooks.json"
NODE_WEBHOOKS = """
const { genuine } = require(process.argv[2])
const all = JSON.parse(require('fs').readFileSync(process.argv[3]))
for (const { headers, body, now } of all.vectors)
  console.log(genuine(headers, Buffer.from(body), now, { secret: all.secret, publicKeys: all.public_keys }))
"""

NODE_HARNESS = """
const { judge } = require(process.argv[3])
const vectors = JSON.parse(require('fs').readFileSync(process.argv[2]))
;(async () => {
  for (const one of vectors.vectors)
    console.log(await judge(one.token, { ...vectors, ...one, graceDays: vectors.grace_days }))
})()
"""

GO_HARNESS = """package main

import (
	"encoding/json"
	"fmt"
	"license"
	"os"
)

func main() {
	var all struct {
		Issuer, Revocations, Instance string
		Jwks                json.RawMessage
		Grace_days          float64
		Vectors             []struct {
			Token    string
			Now      float64
			Instance *string
		}
	}
	text, _ := os.ReadFile(os.Args[1])
	if err := json.Unmarshal(text, &all); err != nil {
		panic(err)
	}
	keys, _ := license.Keys(all.Jwks)
	for i := range all.Vectors {
		all.Vectors[i].Instance = &all.Instance
	}
	if err := json.Unmarshal(text, &all); err != nil {
		panic(err)
	}
	for _, one := range all.Vectors {
		instance := ""
		if one.Instance != nil {
			instance = *one.Instance
		}
		fmt.Println(license.Judge(one.Token, all.Revocations, all.Issuer, instance, keys, one.Now, all.Grace_days))
	}
}
"""

def compare(recipe, verdicts, wanted=None):
    """Reports where the verdicts aren't the vectors'; how many."""
    wanted = wanted or [one["verdict"] for one in VECTORS["vectors"]]
    names = [one["name"] for one in VECTORS["vectors"]]
    assert len(verdicts) == len(wanted), f"{recipe}: {len(verdicts)} verdicts of {len(wanted)}"
    wrong = [f"{recipe}: {name}: {got} instead of {right}"
             for name, got, right in zip(names, verdicts, wanted) if got != right]
    print("\n".join(wrong) if wrong else f"recipe for {recipe}: {len(wanted)} verdicts agree")
    return len(wrong)


def instance_of(one):
    """The id of the installation that verifies, or None."""
    return one.get("instance", VECTORS["instance"])


def python_recipe(name):
    """The recipe in Python of that name, as a module."""
    spec = importlib.util.spec_from_file_location(f"{name}_recipe", RECIPES / f"python/{name}.py")
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    return recipe


def webhooks():
    """The two recipes for receivers of webhooks."""
    recipe, all_ = python_recipe("webhook"), json.loads(WEBHOOKS.read_text(encoding="utf-8"))
    verdicts = {"Python": [recipe.genuine(one["headers"], one["body"].encode(), one["now"], all_["secret"],
                                          all_["public_keys"]) for one in all_["vectors"]]}
    if shutil.which("node"):
        done = subprocess.run(["node", "-e", NODE_WEBHOOKS, "-", RECIPES / "node/webhook.js", WEBHOOKS],
                              text=True, capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        verdicts["Node"] = [word == "true" for word in done.stdout.split()]
    wrong = 0 if "Node" in verdicts else skip("webhooks in Node", "node is not installed")
    for language, got in verdicts.items():
        assert len(got) == len(all_["vectors"]), language
        faults = [one["name"] for one, verdict in zip(all_["vectors"], got) if verdict != one["genuine"]]
        print(f"webhooks in {language}: {len(got)} verdicts, {len(faults)} wrong", *faults, sep="\n    ")
        wrong += len(faults)
    return wrong


def python():
    recipe = python_recipe("license")
    return compare("Python", [recipe.judge(one["token"], VECTORS["jwks"], VECTORS["issuer"],
                                           VECTORS["revocations"], one["now"],
                                           VECTORS["grace_days"], instance_of(one))
                              for one in VECTORS["vectors"]])


def skip(recipe, why):
    """Records that a recipe was not run; counts as wrong where all have to be."""
    print(f"recipe for {recipe}: NOT RUN, {why}")
    not_tested.record(f"the recipe for {recipe}: {why}")
    return int(ALL)


def fetch(build):
    """The folder of the modules that npm fetches, or why there is none."""
    folder = build / "recipes"
    if not shutil.which("npm"):
        return None, "npm is not installed"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(Path(__file__).parent / name, folder)
    if (folder / "node_modules/.package-lock.json").exists():
        return folder / "node_modules", ""
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
                          cwd=folder, text=True, capture_output=True, check=False, timeout=120)
    return (folder / "node_modules", "") if done.returncode == 0 else (
        None, "npm could not fetch it: " + (done.stderr.strip().splitlines() or ["no reason"])[-1])


def node(recipe, folder, scratch, modules="/usr/share/nodejs"):
    """Runs the recipe in that folder with the modules."""
    if not shutil.which("node"):
        return skip(recipe, "node is not installed")
    program = scratch / f"{folder}.js"
    program.write_text(NODE_HARNESS, encoding="utf-8")
    done = subprocess.run(["node", program, FILE or ROOT / "tests/vectors/licenses.json",
                           RECIPES / folder / "license.js"], text=True,
                          env={**os.environ, "NODE_PATH": str(modules)}, capture_output=True,
                          check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return compare(recipe, done.stdout.split())


def jsonwebtoken(scratch, build):
    recipe = "Node with jsonwebtoken"
    modules, why = fetch(build)
    return node(recipe, "node-jsonwebtoken", scratch, modules) if modules else skip(recipe, why)


def golang(scratch):
    """Compiled with Debian's libraries in GOPATH, where import paths have no version."""
    library = Path("/usr/share/gocode/src/github.com/golang-jwt/jwt")
    if not shutil.which("go") or not library.is_dir():
        return skip("Go", "golang-go and golang-github-golang-jwt-jwt-dev are not installed")
    recipe = (RECIPES / "go/license.go").read_text(encoding="utf-8").replace("jwt/v4", "jwt")
    for folder, text in (("license", recipe), ("app", GO_HARNESS)):
        (scratch / "src" / folder).mkdir(parents=True)
        (scratch / "src" / folder / "main.go").write_text(text, encoding="utf-8")
    environment = {**os.environ, "GO111MODULE": "off", "GOCACHE": str(scratch / "cache"),
                   "GOPATH": f"{scratch}:/usr/share/gocode", "GOFLAGS": "-p=2"}
    done = subprocess.run(["go", "run", "app", FILE or ROOT / "tests/vectors/licenses.json"], cwd=scratch,
                          env=environment, text=True, capture_output=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return compare("Go", done.stdout.split())


def shell(scratch):
    keys = scratch / "keys"
    keys.mkdir()
    pems = re.findall(r"-----BEGIN.*?-----END[^\n]*\n", VECTORS["pem"], re.S)
    for jwk, pem in zip(VECTORS["jwks"]["keys"], pems):
        (keys / f"{jwk['kid']}.pem").write_text(pem, encoding="ascii")
    wanted = []
    script = 'for token in "$1"/*.jwt; do sh "$3" "$token" "$2" "$(cat "$token.id")" >"$token.out"; ' \
        'case $? in 0) echo genuine ;; 2) echo wrong_instance ;; *) echo forged ;; esac; done'
    for number, one in enumerate(VECTORS["vectors"]):
        (scratch / f"{number:03}.jwt").write_text(one["token"], encoding="utf-8")
        (scratch / f"{number:03}.jwt.id").write_text(instance_of(one) or "", encoding="utf-8")
        # The shell recipe checks one claim alone, the instance.
        signed = one["reason"] == "license_issuer_invalid" or one["verdict"] not in ("forged", "none")
        signed |= one["name"].startswith(("payload ", "without ", "exp ", "sub "))
        bound = "bound to another" in one["name"] or one["verdict"] == "wrong_instance"
        wanted.append("wrong_instance" if bound else "genuine" if signed else "forged")
    done = subprocess.run(["sh", "-c", script, "sh", scratch, keys, RECIPES / "shell/genuine.sh"],
                          text=True, check=False, capture_output=True, timeout=120)
    verdicts = done.stdout.split()
    for number, one in enumerate(VECTORS["vectors"]):
        printed = (scratch / f"{number:03}.jwt.out").read_bytes()
        if one["verdict"] == "valid":
            assert json.loads(printed)["jti"] == one.get("jti", "lic_live"), one["name"]
        elif wanted[number] != "genuine":
            assert not printed, one["name"]
    return compare("the shell", verdicts, wanted)


def c(scratch, build):
    """Compiled against the installed library; the system's clock, so only verdicts without one, and
    licences that are new."""
    make = ["make", "--no-print-directory", "-s", "-C", ROOT, "install-liblicense",
            "PREFIX=/usr", f"DESTDIR={scratch}/root", f"BUILD={build}"]
    subprocess.run(make, check=True, timeout=300)
    environment = {**os.environ, "PKG_CONFIG_PATH": f"{scratch}/root/usr/lib/pkgconfig",
                   "PKG_CONFIG_SYSROOT_DIR": f"{scratch}/root", "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1",
                   "LD_LIBRARY_PATH": f"{scratch}/root/usr/lib"}
    subprocess.run(f"gcc -Wall -Wextra -Werror -o app {RECIPES}/c/show.c "
                   "$(pkg-config --cflags --libs liblicense)", shell=True, env=environment, cwd=scratch, check=True, timeout=60)
    wrong = 0
    expected = ("forged", "revoked", "canceled", "none", "wrong_instance", *(["valid"] if FILE else []))
    checked = 0
    for one in VECTORS["vectors"]:
        if one["verdict"] not in expected or one["reason"] == "license_issuer_invalid":
            continue
        done = subprocess.run([scratch / "app", json.dumps(VECTORS["jwks"]), one["token"],
                               VECTORS["revocations"], *filter(None, [instance_of(one)])],
                              env=environment, text=True, check=False, capture_output=True, timeout=20)
        got = done.stdout.splitlines()
        right = [one["verdict"], "a fourth device is too many"]
        checked += 1
        if got != right:
            print(f"C: {one['name']}: {got} instead of {right}")
            wrong += 1
    print(f"recipe for C: {checked} verdicts, {wrong} wrong")
    return wrong


def containers():
    """The example of containers is well-formed."""
    environment = {**os.environ, "CUSTOMER_ID": "cust_1", "BILLING_API_KEY": "x"}
    done = subprocess.run(["docker-compose", "config", "-q"], cwd=RECIPES / "containers",
                          env=environment, text=True, capture_output=True, check=False, timeout=60)
    print(f"containers: {'well-formed' if done.returncode == 0 else done.stderr}")
    return done.returncode


def main():
    build = Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="billing-recipes-") as folder:
        scratch = Path(folder)
        wrong = python() + node("Node with jose", "node-jose", scratch) + \
            jsonwebtoken(scratch, build) + shell(scratch) + c(scratch, build)
        if ALL or not FILE:
            wrong += golang(scratch)
        if not FILE:
            wrong += webhooks() + containers()
    sys.exit(wrong > 0)


main()
