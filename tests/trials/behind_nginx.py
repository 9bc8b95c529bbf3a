#!/usr/bin/env python3
"""`retro serve` behind nginx with the configuration of docs/service.md: streams come as they are written, a client that goes
away is noticed, and large bodies, refusals and kept connections pass.

  python3 tests/trials/behind_nginx.py [--nginx /usr/sbin/nginx]        needs Debian's nginx and openssl
"""
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time

from retro_server import ROOT, Server, argument_parser

MOST_REQUESTS = 20
LONG = {"prompt": "Once upon a time", "max_tokens": 1500, "ignore_eos": True, "temperature": 0}


def documented_block():
    text = (ROOT / "docs" / "service.md").read_text()
    block = re.search(r"^    server \{\n.*?^    \}\n", text, re.MULTILINE | re.DOTALL)
    return block.group()


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def start_nginx(program, folder, server_port):
    port = free_port()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=answers.example.org",
                    "-keyout", f"{folder}/answers.key", "-out", f"{folder}/answers.pem"], check=True, capture_output=True)
    block = documented_block().replace("listen 443", f"listen 127.0.0.1:{port}").replace("/etc/ssl/", f"{folder}/")
    block = block.replace("127.0.0.1:8080", f"127.0.0.1:{server_port}")
    paths = "".join(f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(f"{folder}/nginx.conf", "w") as file:
        file.write(f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; user root;\nevents {{}}\n"
                   f"http {{\naccess_log off;\n{paths}{block}}}\n")
    process = subprocess.Popen([program, "-p", folder, "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"])
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process, port
        except OSError:
            if process.poll() is not None:
                raise SystemExit("nginx did not start")
            time.sleep(0.1)


class Client:
    def __init__(self, folder, port):
        self.context = ssl.create_default_context(cafile=f"{folder}/answers.pem")
        self.context.check_hostname = False
        self.port = port

    def begin(self, path, body=None):
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=300)
        self.ask(connection, path, body)
        return connection

    @staticmethod
    def ask(connection, path, body=None):
        connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body),
                           {"Content-Type": "application/json"})


def streams(client, _):
    connection = client.begin("/v1/completions", {**LONG, "max_tokens": 60, "stream": True})
    reply, times = connection.getresponse(), []
    while line := reply.readline():
        if line.startswith(b"data: "):
            times.append(time.monotonic())
    spread = (times[-1] - times[0]) / (len(times) - 1)
    together = sum(after - before < spread / 20 for before, after in zip(times, times[1:]))
    return len(times) == 61 and together < 10, f"{len(times)} events, one each {1000 * spread:.0f} ms, {together} with the one before"


def notices(stream):
    def check(client, server):
        before = server.metric("retro_cancelled_total")
        connection = client.begin("/v1/completions", {**LONG, "stream": stream})
        if stream:
            connection.getresponse().read(100)
        else:
            while server.metric("retro_num_requests_running") == 0:
                time.sleep(0.05)
        begin = time.monotonic()
        connection.close()
        while server.metric("retro_cancelled_total") == before and time.monotonic() < begin + 20:
            time.sleep(0.02)
        seconds = time.monotonic() - begin
        return server.await_idle(5) and seconds < 20, f"after {1000 * seconds:.0f} ms"
    return check


def passes_sizes(client, _):
    statuses = []
    for size in (1_500_000, 2_500_000):
        connection = client.begin("/v1/completions", {"prompt": "a" * size, "max_tokens": 1})
        statuses.append(connection.getresponse().status)
    return statuses == [400, 413], f"a prompt of 1.5 MB (longer than the context), one of 2.5 MB: {statuses}"


def passes_refusals(status):
    def check(client, _):
        connections = [client.begin("/v1/completions", {**LONG, "max_tokens": 64}) for _ in range(2 * MOST_REQUESTS)]
        replies = [connection.getresponse() for connection in connections]
        refused = [reply for reply in replies if reply.status == status]
        waits = {reply.headers["Retry-After"] for reply in refused}
        good = refused and None not in waits and all(reply.status in (200, status) for reply in replies)
        return good, f"{len(replies)} at once: {len(refused)} got {status}, Retry-After {', '.join(map(str, waits))}"
    return check


def keeps_connections(client, _):
    connection = client.begin("/version")
    sockets = set()
    for _ in range(3):
        connection.getresponse().read()
        sockets.add(connection.sock.fileno())
        client.ask(connection, "/")
    page = connection.getresponse()
    page.read()
    return len(sockets) == 1 and "default-src 'none'" in page.headers["Content-Security-Policy"], "the page with its policy"


# By the server's options.
CHECKS = {("--max-requests", str(MOST_REQUESTS)): {
    "a stream is not held back": streams,
    "a client that leaves a stream is noticed": notices(True),
    "a client that leaves while it waits is noticed": notices(False),
    "large bodies": passes_sizes,
    "refusals keep Retry-After": passes_refusals(503),
    "several requests on one connection": keeps_connections,
}, ("--max-requests-per-client", str(MOST_REQUESTS)): {
    "refusals of one client keep Retry-After": passes_refusals(429),
}}


def run(args, options, checks):
    """How many failed."""
    server = Server(args, *options)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        nginx, port = start_nginx(args.nginx, folder, server.port)
        for name, check in checks.items():
            good, told = check(Client(folder, port), server)
            failed += not good
            print(f"{'ok' if good else 'FAIL':<5}{name:<50}{told}", flush=True)
        nginx.terminate()
        nginx.wait()
        if failed:
            print(open(f"{folder}/error.log").read()[-2000:])
    server.stop()
    return failed


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--nginx", default="nginx", help="the program")
    args = parser.parse_args()
    failed = sum(run(args, options, checks) for options, checks in CHECKS.items())
    print(f"{sum(map(len, CHECKS.values()))} checks, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
