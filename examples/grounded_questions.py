#!/usr/bin/env python3
"""Makes questions with passages and short answers to fine-tune on: the input of `retro examples grounded`.

    grounded_questions.py --set squad.jsonl:squad_corpus.jsonl --set adversarial.jsonl:adversarial_corpus.jsonl \\
        --grounded clapnq_grounded.jsonl --p3 p3_sample.jsonl.gz --exclude xquad_en.jsonl:xquad_en_corpus.jsonl \\
        --out grounded.jsonl

--set QUESTIONS:CORPUS   questions (question, answers, doc_ids) and the passages that doc_ids name (id, title, text)
--grounded FILE          rows with instruction, context and response; "answerable": false, or a refusal, says no answer
--p3 FILE                rows with prompt, response and has_context whose prompt is a passage and a question to it
--exclude QUESTIONS:CORPUS  held-out sets: nothing that shares a question or 12 words in a row with these is used

Each question is shown its own passage among others of its set, by words in common rather than at random, so that they are
as near as a search would bring them. A share of the questions is shown the others alone, with no answer (null).
Standard library only; the same seed gives the same bytes.
"""
import argparse
import collections
import gzip
import json
import random
import re
import sys

WORD = re.compile(r"\w+")
QUESTION = re.compile(r"(who|whom|whose|what|when|where|which|how|why|in|on|at|for|from|to|by) (?!entity)", re.I)
RUN = 12  # words in a row that count as the same text
MAX_ANSWER_WORDS = 15
MAX_PASSAGE_CHARS = 900  # about what two chunks of a database hold


def rows(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def words(text):
    return [word.lower() for word in WORD.findall(text)]


def runs(text):
    found = words(text)
    return {" ".join(found[i:i + RUN]) for i in range(max(1, len(found) - RUN + 1))} if found else set()


class Held:
    """What must not be trained on."""

    def __init__(self, pairs):
        self.runs, self.questions = set(), set()
        for questions, corpus in pairs:
            for row in rows(corpus):
                self.runs |= runs(row["text"])
            self.questions |= {" ".join(words(row["question"])) for row in rows(questions)}

    def has(self, question, text):
        return " ".join(words(question)) in self.questions or not self.runs.isdisjoint(runs(text))


def around(text, answer):
    """The sentences around the answer, as long as a passage is."""
    at = text.find(answer)
    if len(text) <= MAX_PASSAGE_CHARS or at < 0:
        return text[:MAX_PASSAGE_CHARS]
    ends = [0] + [match.end() for match in re.finditer(r"[.!?]\s+", text)]
    first = max(0, at + len(answer) - MAX_PASSAGE_CHARS)
    starts = [end for end in ends if first <= end <= at]
    start = starts[0] if starts else first
    return text[start:start + MAX_PASSAGE_CHARS]


class Neighbours:
    """Passages with many rare words in common, from a plain inverted index."""

    def __init__(self, texts):
        self.texts = texts
        self.index = collections.defaultdict(list)
        for number, text in enumerate(texts):
            for word in set(words(text)):
                self.index[word].append(number)

    def nearest(self, query, count, forbidden):
        scores = collections.Counter()
        for word in set(words(query)):
            places = self.index.get(word, ())
            if 0 < len(places) <= len(self.texts) // 10 + 1:
                for number in places:
                    scores[number] += 1 / len(places)
        near = (number for number, _ in scores.most_common(count + 8))
        # What holds the answer is no wrong passage.
        return [number for number in near if not any(part in self.texts[number].lower() for part in forbidden)][:count]


def question_set(questions, corpus, held, rng, refusals):
    passages = {row["id"]: row for row in rows(corpus)}
    ids = list(passages)
    search = Neighbours([passages[i]["text"] for i in ids])
    for row in rows(questions):
        gold = passages.get(row["doc_ids"][0]) if row.get("doc_ids") else None
        answer = min(row.get("answers") or [""], key=len).strip()
        if gold is None or not answer or len(answer.split()) > MAX_ANSWER_WORDS or answer not in gold["text"]:
            continue
        if held.has(row["question"], gold["text"]):
            continue
        wrong = [ids[n] for n in search.nearest(row["question"], 3, [a.lower() for a in row["answers"]])]
        wrong = [i for i in wrong if i != gold["id"] and not held.has("", passages[i]["text"])]
        shown = [{"title": passages[i].get("title", ""), "text": passages[i]["text"][:MAX_PASSAGE_CHARS]}
                 for i in wrong[:rng.choice((0, 0, 1, 2))]]
        if wrong and rng.random() < refusals:
            shown = shown or [{"title": passages[wrong[0]].get("title", ""),
                               "text": passages[wrong[0]]["text"][:MAX_PASSAGE_CHARS]}]
            yield {"question": row["question"], "passages": shown, "answer": None}
            continue
        own = {"title": gold.get("title", ""), "text": around(gold["text"], answer)}
        # A search mostly brings the right passage first.
        shown.insert(0 if rng.random() < 0.7 else rng.randint(0, len(shown)), own)
        yield {"question": row["question"], "passages": shown, "answer": answer}


def grounded(path, held):
    """Long answers are not what is learned here; what they are good for is the refusals of real questions."""
    for row in rows(path):
        refused = row.get("answerable") is False or "does not" in row["response"].lower()[:80]
        if refused and row.get("context") and not held.has(row["instruction"], row["context"]):
            yield {"question": row["instruction"],
                   "passages": [{"title": "", "text": row["context"][:MAX_PASSAGE_CHARS]}], "answer": None}


def p3(path, held):
    """Prompts that end in a question and hold one long passage with the answer in it."""
    for row in rows(path):
        answer, prompt = row["response"].strip(), row["prompt"]
        if not row.get("has_context") or not answer or len(answer.split()) > MAX_ANSWER_WORDS:
            continue
        asked = [found.split(": ")[-1].strip() for found in re.findall(r"([^.!?\n\"]{10,200}\?)", prompt)]
        context = max(prompt.split("\n"), key=len).strip(" \",")
        if len(asked) != 1 or len(answer) < 3 or answer not in context or len(context) < 200 or asked[0] in context:
            continue
        if QUESTION.match(asked[0]) and not held.has(asked[0], context):
            yield {"question": asked[0], "passages": [{"title": "", "text": around(context, answer)}], "answer": answer}


def pair(text):
    parts = text.split(":")
    if len(parts) != 2:
        raise argparse.ArgumentTypeError(f"{text}: must be QUESTIONS:CORPUS")
    return parts


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--set", type=pair, action="append", default=[], dest="sets")
    parser.add_argument("--grounded", action="append", default=[])
    parser.add_argument("--p3", action="append", default=[])
    parser.add_argument("--exclude", type=pair, action="append", default=[])
    parser.add_argument("--refusals", type=float, default=0.2, help="share of a set's questions shown wrong passages only")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    held = Held(options.exclude)
    sources = [(q, question_set(q, c, held, rng, options.refusals)) for q, c in options.sets]
    sources += [(path, grounded(path, held)) for path in options.grounded]
    sources += [(path, p3(path, held)) for path in options.p3]
    seen, made = set(), []
    for name, questions in sources:
        before, refused = len(made), 0
        for row in questions:
            key = (" ".join(words(row["question"])), row["answer"])
            if key in seen:
                continue
            seen.add(key)
            made.append(row)
            refused += row["answer"] is None
        print(f"{name}: {len(made) - before} questions, {refused} without an answer", file=sys.stderr)
    with open(options.out, "w", encoding="utf-8") as file:
        for row in made:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
