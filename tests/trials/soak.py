#!/usr/bin/env python3
"""`retro serve` under mixed load for a while: chats, completions, answers, embeddings and searches from several clients, whole
and streamed, others that leave in mid-stream, and floods. Every reply must equal the one that the same request got alone
before, and descriptors must go back. Memory must not grow by 2 % from the first to the second half of the time that is left
after a warm-up (a quarter of the time, two minutes at least), by the medians of what is told.

  python3 tests/trials/soak.py MINUTES [--clients N] [--seed N]
"""
import collections
import http.client
import json
import random
import statistics
import sys
import threading
import time

from retro_server import Server, argument_parser

FLOOD = 400  # requests at once
FLOOD_EACH = 30  # seconds
TELL_EACH = 15
WARM_UP = 120
VOLATILE = {"id", "created", "timing_ms", "prompt_tokens_details", "answer_id"}  # of a reply: they differ each time

SUBJECTS = ["The Magic Flute", "the printing press", "Australia", "photosynthesis", "the French Revolution", "copper", "Hamlet",
            "the Amazon River", "black holes", "the Ottoman Empire"]


def requests():
    """(path, body) of every request of the load."""
    for number, subject in enumerate(SUBJECTS):
        tokens = 8 + 7 * (number % 4)
        yield "/v1/chat/completions", {"messages": [{"role": "system", "content": "Answer in one sentence."},
                                                    {"role": "user", "content": f"What is known of {subject}?"}],
                                       "temperature": 0, "max_tokens": tokens}
        yield "/v1/completions", {"prompt": f"A short history of {subject}:" * (1 + number % 3), "temperature": 0, "max_tokens": tokens,
                                  "logprobs": 2}
        yield "/v1/completions", {"prompt": f"About {subject}", "temperature": 0.8, "seed": number, "max_tokens": tokens, "n": 2}
        yield "/v1/answer", {"question": f"What is {subject}?", "max_tokens": tokens, "temperature": 0}
        yield "/v1/embeddings", {"input": [f"{subject} {i}" for i in range(1 + number)]}
        yield "/v1/retrieve", {"query": subject, "k": 1 + number}


def without_volatile(value):
    if isinstance(value, dict):
        return {name: without_volatile(one) for name, one in value.items() if name not in VOLATILE}
    return [without_volatile(one) for one in value] if isinstance(value, list) else value


def text_of(path, reply):
    """What a stream of the same request writes."""
    if path == "/v1/answer":
        return reply["text"]
    return [choice["message"]["content"] if "message" in choice else choice["text"] for choice in reply["choices"]]


def events(reply):
    for line in reply:
        if line.startswith(b"data: ") and line != b"data: [DONE]\n":
            yield json.loads(line[6:])


class Load:
    def __init__(self, server, seed):
        self.server, self.seed = server, seed
        self.work = list(requests())
        self.alone = [self.whole(path, body) for path, body in self.work]
        self.counts = collections.Counter()
        self.wrong = []
        self.lock = threading.Lock()
        self.stop = threading.Event()

    def begin(self, path, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=600)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        return connection, connection.getresponse()

    def whole(self, path, body):
        """The reply, or None when the server is full and says until when."""
        connection, reply = self.begin(path, body)
        text = reply.read()
        connection.close()
        if reply.status == 503 and reply.headers["Retry-After"]:
            return None
        if reply.status != 200:
            raise RuntimeError(f"{path} got {reply.status}: {text.decode()}")
        return without_volatile(json.loads(text))

    def streamed(self, path, body):
        connection, reply = self.begin(path, {**body, "stream": True})
        if reply.status == 503 and reply.headers["Retry-After"]:
            reply.read()
            connection.close()
            return None
        last, texts = None, collections.defaultdict(str)
        for last in events(reply):
            for choice in last.get("choices", ()):
                texts[choice["index"]] += choice.get("text") or choice.get("delta", {}).get("content") or ""
        connection.close()
        return last["text"] if path == "/v1/answer" else [texts[index] for index in sorted(texts)]

    def count(self, name, wrong=None):
        with self.lock:
            self.counts[name] += 1
            if wrong:
                self.wrong.append(wrong)

    def client(self, number):
        """Repeats the requests in an order of its own."""
        order = random.Random(self.seed + number)
        while not self.stop.is_set():
            index = order.randrange(len(self.work))
            (path, body), alone = self.work[index], self.alone[index]
            streams = path not in ("/v1/embeddings", "/v1/retrieve") and order.random() < 0.5
            try:
                got = self.streamed(path, body) if streams else self.whole(path, body)
                expected = text_of(path, alone) if streams else alone
                if got is None:
                    self.count("full")
                    self.stop.wait(1)
                else:
                    self.count(path, None if got == expected else f"{path} {body}\n  alone {expected}\n  now   {got}")
            except (OSError, RuntimeError, http.client.HTTPException) as error:
                self.count("failed", f"{path} {body}: {error!r}")

    def leaver(self):
        """Begins streams and goes away."""
        order = random.Random(self.seed - 1)
        while not self.stop.is_set():
            path, body = self.work[order.randrange(0, len(self.work), 6)]
            connection, reply = self.begin(path, {**body, "max_tokens": 500, "stream": True})
            reply.read(order.randrange(1, 2000))
            reply.close()
            connection.close()
            self.count("left")
            self.stop.wait(0.5)

    def flooder(self):
        """Now and then very many requests at once."""
        while not self.stop.wait(FLOOD_EACH):
            threads = [threading.Thread(target=self.flood_one) for _ in range(FLOOD)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def flood_one(self):
        try:
            self.count("flood" if self.whole("/v1/completions", {"prompt": "Once", "max_tokens": 2}) else "flood, full")
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            self.count("failed", f"flood: {error!r}")

    def run(self, seconds, num_clients):
        threads = [threading.Thread(target=self.client, args=(number,)) for number in range(num_clients)]
        threads += [threading.Thread(target=self.leaver), threading.Thread(target=self.flooder)]
        begin = time.monotonic()
        for thread in threads:
            thread.start()
        seen = []
        while time.monotonic() < begin + seconds and self.server.alive():
            time.sleep(min(TELL_EACH, seconds))
            seen.append((time.monotonic() - begin, self.server.rss_mib()))
            print(f"{seen[-1][0]:>6.0f} s  RSS {seen[-1][1]:>6.1f} MiB  {self.server.descriptors():>4} descriptors  "
                  f"{len(self.wrong)} wrong  {dict(sorted(self.counts.items()))}", flush=True)
        self.stop.set()
        for thread in threads:
            thread.join()
        return seen


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("minutes", type=float)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    server = Server(args)
    load = Load(server, args.seed)
    descriptors = server.descriptors()
    print(f"{len(load.work)} different requests made alone; RSS {server.rss_mib():.1f} MiB, {descriptors} descriptors", flush=True)
    seen = load.run(60 * args.minutes, args.clients)
    failures = load.wrong[:5]
    if not server.alive() or not server.await_idle():
        failures.append("the server died, or is still at work")
    warm = [rss for at, rss in seen if at >= max(WARM_UP, 15 * args.minutes)]
    half = len(warm) // 2
    first, second = (statistics.median(part or [0]) for part in (warm[:half], warm[half:]))
    end = time.monotonic() + 20
    while (left := server.descriptors()) > descriptors and time.monotonic() < end:
        time.sleep(0.2)
    if left > descriptors:
        failures.append(f"{left} descriptors at the end, {descriptors} before")
    if half and second > 1.02 * first:
        failures.append("memory grew by more than 2 %")
    status = server.stop()
    if status != 0:
        failures.append(f"exit status {status}")
    replies = sum(count for name, count in load.counts.items() if name.startswith("/"))
    print(f"{replies} replies compared, {len(load.wrong)} wrong; RSS {first:.1f} MiB in the first half, {second:.1f} MiB in the second; "
          f"{left} descriptors")
    print("\n".join(failures))
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
