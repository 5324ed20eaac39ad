#!/usr/bin/python3
"""Runs each fuzz target for FUZZ_SECONDS (default 3), two at a time, from seeds that it makes of the
shared vectors; what is found new stays under BUILD_DIR for the next run.

    run.py BUILD_DIR     exit status 1 when a target falls; its input is then in BUILD_DIR/found
"""

import concurrent.futures
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VECTORS = json.loads((ROOT / "tests/vectors/licenses.json").read_text(encoding="utf-8"))
BUILD = Path(sys.argv[1]).resolve()
SECONDS = os.environ.get("FUZZ_SECONDS", "3")

REPORT = {"number": 2, "first": 1, "report_id": "a", "reported_at": "2026-01-01T00:00:00.000Z",
          "tally": {"active_devices": 1, "total_devices": 2, "counts": {"a": 1},
                    "levels": {"b": 2}}}
CURRENT = {"number": 2, "posted": True, "tally": REPORT["tally"]}


def claims(token):
    import base64
    part = "".join(token.split()).split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


EVENT = {"id": "evt_1", "object": "event", "created": 1760000000, "type": "customer.updated", "data": {
    "object": {"id": "cus_1", "customer": {"id": "a\u00e9\U0001f600\n\x00"}, "x": [1, -0.5e3, None]}},
    "a": {"a": True, "b": {"b": "\ud83d"}}}


def seeds(target):
    """The inputs that the target starts from."""
    if target == "foreign":
        return [json.dumps(EVENT).encode(), json.dumps(EVENT, indent=1).encode(),
                b'{"a":{"a":1,"b":2},"a":{"b":123456789012345678901},"id":1,"\\u0069d":"\\udc00"}',
                b'{"a":{"a":"\\ud837\\ude00","b":"\\ud836\\udc00"}}']
    tokens = [one["token"].encode() for one in VECTORS["vectors"]]
    if target == "token":
        good = [one["token"] for one in VECTORS["vectors"] if one["verdict"] == "valid"]
        return tokens + [VECTORS["revocations"].encode()] + [claims(one) for one in good]
    if target == "keys":
        return [VECTORS["pem"].encode(), json.dumps(VECTORS["jwks"]).encode()]
    if target == "state":
        return [b"\0" + json.dumps({"license": tokens[2].decode(), "etag": "x"}).encode(),
                b"\1" + b'{"outcome":"done","at":"2026-01-01T00:00:00.000Z","contact":null,'
                b'"retry_after":0,"message":""}', b"\2" + json.dumps(CURRENT).encode(),
                b"\3" + b'{"number":7}', b"\4" + json.dumps(REPORT).encode(),
                b"\5" + b'{"chain":"a","file":1,"digest":"b"}',
                b"\6" + b"license-clock 1 1 2 " + b"0" * 64 + b"\n",
                b"\7" + VECTORS["revocations"].encode(), b"\10" + b"inst_" + b"0" * 32 + b"\n",
                b"\11" + json.dumps(VECTORS["jwks"]).encode(), b"\12" + b'{"number":1}',
                b"\3" + b'{"number":9223372036854775807}']
    return [b"GET /license HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST /usage?a HTTP/1.0\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
            json.dumps(CURRENT["tally"]).encode()]


def fuzz(target):
    """(target, whether it stood, what libFuzzer said)."""
    corpus, found = BUILD / "corpus" / target, BUILD / "found"
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    for number, seed in enumerate(seeds(target)):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    keys = BUILD / "keys.json"
    keys.write_text(json.dumps(VECTORS["jwks"]), encoding="ascii")
    done = subprocess.run(
        [BUILD / target, f"-max_total_time={SECONDS}", "-max_len=8192", "-timeout=20",
         "-rss_limit_mb=2048", f"-artifact_prefix={found}/{target}-", "-verbosity=1",
         "-print_final_stats=1", corpus],
        env={**os.environ, "FUZZ_KEYS": str(keys)}, capture_output=True, text=True,
        errors="replace", check=False)
    return target, done.returncode == 0, done.stderr


def main():
    targets = sorted(path.stem for path in (ROOT / "tests/fuzz").glob("*.c"))
    fine = True
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for target, stood, said in pool.map(fuzz, targets):
            runs = re.search(r"number_of_executed_units:\s*(\d+)", said)
            print(f"fuzz {target}: {runs[1] if runs else 0} inputs, "
                  f"{'none fell' if stood else 'ONE FELL'}")
            if not stood:
                print(said[-6000:])
                fine = False
    sys.exit(not fine)


main()
