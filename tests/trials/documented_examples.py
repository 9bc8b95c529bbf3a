#!/usr/bin/env python3
"""Every curl example of docs/service.md, run against a server of its own: each must get 200 and JSON.

  python3 tests/trials/documented_examples.py        needs curl
"""
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from retro_server import ROOT, Server, argument_parser

DOCUMENT = ROOT / "docs" / "service.md"


def curl_commands(markdown):
    """The commands of indented blocks; one goes on while a quote is open."""
    command = ""
    for line in markdown.splitlines():
        if command or re.match(r" {4}curl ", line):
            command += line.removeprefix("    ") + "\n"
            try:
                shlex.split(command, comments=True)
            except ValueError:
                continue
            yield command.strip()
            command = ""


def run(command, port):
    command = command.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    command = re.sub(r"^curl ", r"curl -sS -w '\\n%{http_code}' ", command)
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=300)
    body, _, status = ran.stdout.rpartition("\n")
    return status or ran.stderr, body


def is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def main():
    args = argument_parser(__doc__).parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        options = ["--feedback", f"{folder}/feedback.jsonl"]
        if "--writable" in subprocess.run([args.retro, "serve", "--help"], capture_output=True, text=True, check=True).stdout:
            args.db = shutil.copytree(args.db, f"{folder}/db")
            options.append("--writable")
        server = Server(args, *options)
        commands = list(curl_commands(DOCUMENT.read_text()))
        for command in commands:
            status, body = run(command, server.port)
            good = status == "200" and is_json(body)
            failed += not good
            print(f"{'ok' if good else 'FAIL':<5}{status:<5}{' '.join(command.split())[:110]}", flush=True)
            if not good:
                print(body)
        server.stop()
    print(f"{len(commands)} examples, {failed} failed")
    return int(failed > 0 or not commands)


if __name__ == "__main__":
    sys.exit(main())
