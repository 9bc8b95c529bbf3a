#!/usr/bin/env python3
"""What a hostile or broken client does to `retro serve`, tried on the built program with real models.

For each fault: the replies must be those that are written here, the server must live, its descriptors must go back, its
memory must not grow when the fault comes a second time, and another client must keep 90 % of its rate while the fault lasts (the best of three measurements, since other
processes of the machine disturb them; not asked for where the fault is honest work for the engine). That client repeats a
search and a completion of 8 tokens; its rate is told by the median time of that, before and during the fault.

  python3 tests/trials/service_faults.py [FAULT…]      a part of the name chooses; needs `ulimit -Hn` of 11,000 or more
"""
import collections
import contextlib
import http.client
import json
import multiprocessing
import socket
import statistics
import struct
import sys
import time

from retro_server import Server, argument_parser, call, call_on

ROUNDS = 12  # of the other client, in each window
HEAD = b"Host: trial\r\nContent-Type: application/json\r\n"
CLOSE = b"Connection: close\r\n"
CODED = b"Transfer-Encoding: chunked\r\n"


# --- What is sent. Each returns bytes.

def post(path, body, head=CLOSE):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"POST %s HTTP/1.1\r\n" % path.encode() + HEAD + head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(chunks, head=CODED):
    return b"POST /tokenize HTTP/1.1\r\n" + HEAD + head + b"\r\n" + chunks


def get(path=b"/health", head=CLOSE):
    return b"GET " + path + b" HTTP/1.1\r\nHost: trial\r\n" + head + b"\r\n"


TEXT = b'{"prompt": "a text"}'
ONE_CHUNK = b"%x\r\n%s\r\n0\r\n\r\n" % (len(TEXT), TEXT)
HIDDEN = get(b"/version", CLOSE)  # would be answered if the body's end were taken for somewhere else

BAD_IDS = [[49152], [-1], [2**31], [2**63], [1.5], [1e308], [[1, 2], [10**9]], [True]]
BAD_COUNTS = [-1, 2**31, 2**64, 1e308, 0.5, "1"]
COUNTS = [("/v1/completions", {"prompt": "a"}, ["max_tokens", "n", "logprobs", "best_of"]),
          ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}]}, ["max_tokens", "n", "top_logprobs"]),
          ("/v1/answer", {"question": "a"}, ["max_tokens"]),
          ("/v1/retrieve", {"query": "a"}, ["k", "nprobe"])]

SMUGGLING = {
    "both lengths": chunked(ONE_CHUNK + HIDDEN, b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
    "both lengths, the other way round": chunked(ONE_CHUNK + HIDDEN, b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"),
    "two lengths": post("/tokenize", TEXT, b"Content-Length: 3\r\n") + HIDDEN,
    "a list of lengths": chunked(TEXT + HIDDEN, b"Content-Length: 20, 3\r\n"),
    "a signed length": chunked(TEXT + HIDDEN, b"Content-Length: +20\r\n"),
    "a negative length": chunked(TEXT + HIDDEN, b"Content-Length: -20\r\n"),
    "a length of 2^64 + 20": chunked(TEXT + HIDDEN, b"Content-Length: 18446744073709551636\r\n"),
    "an unknown coding": chunked(ONE_CHUNK + HIDDEN, b"Transfer-Encoding: xchunked\r\n"),
    "chunked is not the last coding": chunked(ONE_CHUNK + HIDDEN, b"Transfer-Encoding: chunked, identity\r\n"),
    "chunked twice": chunked(ONE_CHUNK + HIDDEN, b"Transfer-Encoding: chunked, chunked\r\n"),
    "two fields of codings": chunked(ONE_CHUNK + HIDDEN, b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
    "a space before the colon": chunked(ONE_CHUNK + HIDDEN, b"Transfer-Encoding : chunked\r\n"),
    "chunked by HTTP/1.0": chunked(ONE_CHUNK + HIDDEN).replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "a chunk's size with 0x": chunked(b"0x" + ONE_CHUNK + HIDDEN),
    "a chunk's size of 2^64": chunked(b"1" + b"0" * 16 + b"\r\n" + ONE_CHUNK + HIDDEN),
    "a negative chunk": chunked(b"-1\r\n" + ONE_CHUNK + HIDDEN),
    "a chunk without its end": chunked(ONE_CHUNK.replace(TEXT + b"\r\n", TEXT) + HIDDEN),
    "lines that end in LF alone": chunked(ONE_CHUNK).replace(b"\r\n", b"\n") + HIDDEN,
    "a NUL in a field": get(head=b"X: a\0b\r\n") + HIDDEN,
    "a CR in a field": get(head=b"X: a\rContent-Length: 5\r\n") + HIDDEN,
}


# --- How it is sent. Each runs in a process of its own until `stop`, says `ready` when the fault stands, and returns
# how often each outcome came: a status, or what happened to the connection.

def connect(port, timeout=60, receive_buffer=0):
    connection = socket.socket()
    connection.settimeout(timeout)
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.connect(("127.0.0.1", port))
    return connection


def reset(connection):
    """Closes without the wait of TCP, which would use up the ports."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def exchange(port, data, timeout=60):
    """Sends all and reads to the end: the final replies' statuses."""
    connection = connect(port, timeout)
    received = b""
    with contextlib.suppress(ConnectionError):
        connection.sendall(data)
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionError:
        pass
    except TimeoutError:
        return ["no end"]
    finally:
        reset(connection)
    statuses = [reply.split(b" ", 1)[0].decode() for reply in received.split(b"HTTP/1.1 ")[1:]]
    statuses += [reply.split(b" ", 1)[0].decode() for reply in received.split(b"HTTP/1.0 ")[1:]]
    return statuses or ["closed"]


def repeated(requests, each_second=20):
    """One request after the other, each on a connection of its own."""
    def attack(port, ready, stop):
        outcomes = collections.Counter()
        ready.set()
        while not stop.is_set() or sum(outcomes.values()) < len(requests):
            outcomes["+".join(exchange(port, requests[sum(outcomes.values()) % len(requests)]))] += 1
            time.sleep(1 / each_second)
        return outcomes
    return attack


def held(number, first=b"", each_second=b""):
    """Many connections at once. With `first`, that is sent on each, then `each_second` once a second, until the server
    has closed them all."""
    def attack(port, ready, stop):
        connections = []
        for i in range(number):
            connections.append(connect(port))
            connections[-1].sendall(first)
            connections[-1].setblocking(False)
            if i % 1000 == 999:
                time.sleep(0.2)  # the backlog is not what is tried
        ready.set()
        while not stop.wait(1):
            for connection in connections if each_second else ():
                with contextlib.suppress(OSError):
                    connection.send(each_second)
        outcomes = collections.Counter()
        end = time.monotonic() + 60
        for connection in connections:
            outcomes[end_of(connection, end) if first else "held"] += 1
            reset(connection)
        return outcomes
    return attack


def not_reading(port, ready, stop):
    """Asks for 7 MB and reads nothing for 40 s, when the server must have given up."""
    page = get(b"/openapi.json", b"")
    size = len(call(port, "GET", "/openapi.json")[2])
    wanted = 7_000_000 // size
    connections = [connect(port, receive_buffer=4096) for _ in range(50)]
    for connection in connections:
        connection.sendall(page * wanted)
    ready.set()
    end = time.monotonic() + 40
    stop.wait()
    time.sleep(max(0, end - time.monotonic()))
    outcomes = collections.Counter()
    for connection in connections:
        received = 0
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(2**20):
                received += len(part)
                if received > size * wanted:
                    break
        outcomes["served" if received > size * wanted else "cut"] += 1
        reset(connection)
    return outcomes


def end_of(connection, end):
    connection.setblocking(True)
    connection.settimeout(max(0.01, end - time.monotonic()))
    received = b""
    try:
        while part := connection.recv(65536):
            received = received or part
    except TimeoutError:
        return "still open"
    except ConnectionError:
        pass
    return received[9:12].decode() or "closed"


def expecting(port, ready, stop):
    """Expect: 100-continue, as curl sends it before a large body."""
    outcomes = collections.Counter()
    ready.set()
    while not stop.is_set():
        connection = connect(port)
        head, body = post("/tokenize", TEXT, b"Expect: 100-continue\r\n" + CLOSE).split(b"\r\n\r\n")
        connection.sendall(head + b"\r\n\r\n")
        first = connection.recv(65536)
        connection.sendall(body)
        received = first
        while part := connection.recv(65536):
            received += part
        outcomes["+".join(line.split()[1].decode() for line in received.split(b"\r\n") if line.startswith(b"HTTP/"))] += 1
        connection.close()
        time.sleep(0.05)
    return outcomes


def endless(head, part):
    """A request whose `head` is followed by `part` without an end, as quickly as it is taken, up to 256 MiB."""
    def attack(port, ready, stop):
        outcomes = collections.Counter()
        ready.set()
        while not stop.is_set():
            connection = connect(port)
            outcome = "taken without an end"
            try:
                connection.sendall(head)
                for _ in range(2**28 // len(part)):
                    connection.sendall(part)
            except ConnectionError:
                outcome = "cut"
            outcomes[outcome] += 1
            reset(connection)
            time.sleep(0.2)
        return outcomes
    return attack


STREAM = {"prompt": "Once upon a time", "max_tokens": 1000, "ignore_eos": True, "stream": True, "temperature": 0}


def leaving(port, ready, stop):
    """Begins long streams and goes away after the first text."""
    outcomes = collections.Counter()
    ready.set()
    while not stop.is_set():
        connection = connect(port)
        connection.sendall(post("/v1/completions", STREAM))
        received = b""
        while b"data: " not in received:
            received += connection.recv(65536)
        outcomes[received[9:12].decode()] += 1
        reset(connection)
    return outcomes


def flood(number):
    """So many completions at once; a refusal must say when to try again."""
    def attack(port, ready, stop):
        outcomes = collections.Counter()
        ready.set()
        while True:
            connections = [connect(port, 300) for _ in range(number)]
            for connection in connections:
                connection.sendall(post("/v1/completions", {"prompt": "Once", "max_tokens": 1}))
            for connection in connections:
                received = b""
                while part := connection.recv(65536):
                    received += part
                status = received[9:12].decode() or "closed"
                if status in ("429", "503") and b"\r\nRetry-After: " not in received:
                    status += " without Retry-After"
                outcomes[status] += 1
                reset(connection)
            if stop.is_set():
                return outcomes
    return attack


def bad_counts():
    for path, body, fields in COUNTS:
        for field in fields:
            for value in BAD_COUNTS:
                if (field, value) != ("max_tokens", -1):  # llama.cpp's clients mean "no limit" by it
                    yield post(path, {**body, field: value})


Fault = collections.namedtuple("Fault", "name attack outcomes keeps_rate", defaults=(True,))

FAULTS = [
    Fault("10,000 idle connections", held(10_000), {"held"}),
    Fault("200 slow headers", held(200, b"GET /health HTTP/1.1\r\n", b"X: y\r\n"), {"408"}),
    Fault("200 slow bodies", held(200, chunked(b""), b"1\r\n \r\n"), {"408"}),
    Fault("50 readers that do not read", not_reading, {"cut"}),
    Fault("65,536 tiny chunks", repeated([chunked(b"1\r\n \r\n" * 65_534 + ONE_CHUNK, CODED + CLOSE)], 2), {"200"}),
    Fault("65,537 tiny chunks", repeated([chunked(b"1\r\n \r\n" * 65_537 + ONE_CHUNK)], 2), {"413"}),
    Fault("JSON of depth 100,000", repeated([post("/v1/completions", b'{"prompt":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
                                             post("/v1/answer", b'{"a":' * 100_000)]), {"400"}),
    Fault("ids outside of the vocabulary", repeated([post("/v1/completions", {"prompt": ids, "max_tokens": 1}) for ids in BAD_IDS]
                                                    + [post("/detokenize", {"tokens": ids}) for ids in BAD_IDS]), {"400"}),
    Fault("counts of -1, 2^31, 1e308", repeated(list(bad_counts())), {"400"}),
    Fault("bad UTF-8", repeated([post("/v1/completions", b'{"prompt": "\xff"}'), post("/tokenize", b'{"\xc3": 1}'),
                                 post("/v1/answer", b'{"question": "\\ud800"}'), get(b"/v1/models/%ff")]), {"400"}),
    Fault("huge headers", repeated([get(head=CLOSE + b"X: " + b"y" * 2**20 + b"\r\n"), get(head=CLOSE + b"X: y\r\n" * 3000),
                                    get(b"/" + b"a" * 2**20)]), {"431"}),
    Fault("50 pipelined requests", repeated([get(head=b"") * 49 + get()]), {"+".join(["200"] * 50)}),
    Fault("Expect: 100-continue", expecting, {"100+200"}),
    Fault("two requests in one (smuggling)", repeated(list(SMUGGLING.values())), {"400", "closed"}),
    Fault("an endless chunk extension", endless(chunked(b"1;"), b"x" * 65536), {"cut"}),
    Fault("an endless trailer", endless(chunked(b"0\r\n"), b"X: " + b"y" * 1000 + b"\r\n"), {"cut"}),
    Fault("an endless chunk size", endless(chunked(b""), b"0" * 65536), {"cut"}),
    Fault("clients that leave in mid-stream", leaving, {"200"}, False),
    Fault("600 completions at once", flood(600), {"200", "503"}, False),
]


class OtherClient:
    """Whose rate is to stay."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)

    def median_seconds(self):
        return statistics.median(self.seconds() for _ in range(ROUNDS))

    def seconds(self):
        begin = time.monotonic()
        for path, body in (("/v1/retrieve", {"query": "the invention of printing"}),
                           ("/v1/completions", {"prompt": "The capital of France is", "max_tokens": 8, "temperature": 0})):
            status, _, reply = call_on(self.connection, "POST", path, body)
            while status == 503:  # in a flood
                time.sleep(0.1)
                status, _, reply = call_on(self.connection, "POST", path, body)
            if status != 200:
                raise SystemExit(f"the other client got {status}: {reply.decode()}")
        return time.monotonic() - begin


def in_process(attack, port, ready, stop, outcomes):
    outcomes.put(attack(port, ready, stop))


def during(attack, port, measure):
    """What `measure` says while the attack lasts, and the attack's outcomes."""
    ready, stop, outcomes = multiprocessing.Event(), multiprocessing.Event(), multiprocessing.Queue()
    process = multiprocessing.Process(target=in_process, args=(attack, port, ready, stop, outcomes))
    process.start()
    while not ready.wait(1):
        if not process.is_alive():
            raise SystemExit("the attacker failed")
    measured = measure()
    stop.set()
    counted = outcomes.get(timeout=600)
    process.join()
    return measured, counted


def goes_back(read, limit, seconds=20):
    """The value that `read` comes down to: at most `limit` within that time, or the last one."""
    end = time.monotonic() + seconds
    while (value := read()) > limit and time.monotonic() < end:
        time.sleep(0.2)
    return value


def try_fault(server, other, fault):
    num_descriptors = server.descriptors()
    rates, outcomes, memory = [], collections.Counter(), []
    while len(rates) < 2 or len(rates) < 3 and fault.keeps_rate and max(rates) < 0.9:
        quiet = other.median_seconds()
        meanwhile, counted = during(fault.attack, server.port, other.median_seconds)
        rates.append(quiet / meanwhile)
        outcomes += counted
        idle = server.await_idle()
        descriptors = goes_back(server.descriptors, num_descriptors)
        memory.append(goes_back(server.rss_mib, memory[0] * 1.02 if memory else float("inf")))
    wrong = []
    if not idle:
        wrong.append("the engine is still at work")
    if set(outcomes) - fault.outcomes:
        wrong.append("outcomes other than " + ", ".join(sorted(fault.outcomes)))
    if fault.keeps_rate and max(rates) < 0.9:
        wrong.append("the other client is slowed down")
    if descriptors > num_descriptors:
        wrong.append("descriptors are not given back")
    if memory[-1] > memory[0] * 1.02:
        wrong.append("memory grows")
    told = ", ".join(f"{shortened(outcome)} × {count}" for outcome, count in sorted(outcomes.items()))
    print(f"{'FAIL' if wrong else 'ok':<5}{fault.name:<34}{max(rates):>6.0%}  {memory[0]:>6.0f} → {memory[-1]:<6.0f}"
          f"{num_descriptors:>4} → {descriptors:<5}{told}{'  ' if wrong else ''}{'; '.join(wrong)}", flush=True)
    return not wrong


def shortened(outcome):
    parts = outcome.split("+")
    return outcome if len(parts) < 4 else f"{len(parts)} × {parts[0]}" if len(set(parts)) == 1 else outcome[:40] + "…"


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help="parts of names; default: all")
    args = parser.parse_args()
    chosen = [fault for fault in FAULTS if not args.faults or any(part in fault.name for part in args.faults)]
    server = Server(args)
    other = OtherClient(server.port)
    other.median_seconds()  # caches, buffers and threads are there
    during(held(2000), server.port, other.median_seconds)
    during(flood(300), server.port, other.seconds)
    print(f"{'':<5}{'fault':<34}{'rate':>6}  {'RSS, MiB':<15} {'descriptors':<12} outcomes", flush=True)
    failed = 0
    for fault in chosen:
        failed += not try_fault(server, other, fault)
        if not server.alive():
            print(f"the server died: exit status {server.stop()}")
            return 1
    status = server.stop()
    print(f"{len(chosen)} faults, {failed} failed; after SIGTERM the server ended with {status}")
    return int(failed > 0 or status != 0)


if __name__ == "__main__":
    sys.exit(main())
