"""A `retro serve` of a trial's own: started, asked, watched from outside, ended."""
import argparse
import http.client
import json
import os
import re
import resource
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def argument_parser(description):
    models = ROOT / ".deps" / "models"
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retro", default=ROOT / "build/release/cli/retro", help="the program")
    parser.add_argument("--db", default=ROOT / "build/quickstart/db", help="as scripts/quickstart builds it")
    parser.add_argument("--model", default=models / "SmolLM2-135M-Instruct")
    parser.add_argument("--encoder", default=models / "all-MiniLM-L6-v2")
    return parser


def raise_descriptor_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Server:
    """The process, on a free port of this machine."""

    def __init__(self, args, *options):
        raise_descriptor_limit()
        command = [args.retro, "serve", "--db", args.db, "--model", args.model, "--encoder", args.encoder, "--port", "0", *options]
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = []
        for line in self.process.stdout:
            said.append(line)
            if ready := re.search(r"Ready at https?://[^:]+:(\d+)", line):
                self.port = int(ready.group(1))
                return
        raise SystemExit(f"the server did not start (exit status {self.process.wait()}):\n" + "".join(said))

    def alive(self):
        return self.process.poll() is None

    def rss_mib(self):
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def metric(self, name):
        """The value of one of /metrics, summed over its labels."""
        _, _, text = call(self.port, "GET", "/metrics")
        return sum(float(line.split()[-1]) for line in text.decode().splitlines() if re.match(name + r"[ {]", line))

    def await_idle(self, seconds=60):
        """Whether the engine has nothing more to do within that time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.metric("retro_num_requests_running") + self.metric("retro_num_requests_waiting") == 0:
                return True
            time.sleep(0.2)
        return False

    def stop(self):
        """SIGTERM; the exit status, after what the server still said."""
        self.process.terminate()
        said, _ = self.process.communicate(timeout=60)
        if said:
            print(said, end="")
        return self.process.returncode


def call(port, method, path, body=None, headers=None, timeout=300):
    """One request on a connection of its own: status, headers, body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        return call_on(connection, method, path, body, headers)
    finally:
        connection.close()


def call_on(connection, method, path, body=None, headers=None):
    headers = dict(headers or {})
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body)
    connection.request(method, path, body, headers)
    reply = connection.getresponse()
    return reply.status, reply.headers, reply.read()
