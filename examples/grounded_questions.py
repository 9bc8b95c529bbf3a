#!/usr/bin/env python3
"""Makes questions with passages and short answers to fine-tune on: the input of `retro examples grounded`.

    grounded_questions.py --set squad.jsonl:squad_corpus.jsonl --set adversarial.jsonl:adversarial_corpus.jsonl \\
        --grounded clapnq_grounded.jsonl --p3 p3_sample.jsonl.gz --exclude xquad_en.jsonl:xquad_en_corpus.jsonl \\
        --out grounded.jsonl

--set QUESTIONS:CORPUS   questions (question, answers, doc_ids) and the passages that doc_ids name (id, title, text)
--grounded FILE          rows with instruction, context and response; "answerable": false, or a refusal, says no answer
--p3 FILE                rows with prompt, response and has_context whose prompt is a passage and a question to it
--exclude QUESTIONS:CORPUS  held-out sets: nothing that shares a question or 12 words in a row with these is used

Questions are shown their own passage, at times among others of its set that have words in common with it, as a search
would bring them. Several questions share a passage, and some are questions to a passage like it, with no answer (null).
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
MAX_ANSWER_WORDS = 10
QUESTIONS = 4  # to one passage
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


def shortest(answers):
    return min(answers or [""], key=len).strip()


def asked_groups(questions, passages, held):
    """The usable questions to each passage, a few at a time: one reading of a passage teaches several answers."""
    by_passage = collections.defaultdict(list)
    for row in rows(questions):
        gold = passages.get(row["doc_ids"][0]) if row.get("doc_ids") else None
        answer = shortest(row.get("answers"))
        if gold is None or not answer or len(answer.split()) > MAX_ANSWER_WORDS or answer not in gold["text"]:
            continue
        if not held.has(row["question"], gold["text"]):
            by_passage[gold["id"]].append({"question": row["question"], "answer": answer, "all": row["answers"]})
    return by_passage


def question_set(questions, corpus, held, rng, refusals):
    passages = {row["id"]: row for row in rows(corpus)}
    ids = list(passages)
    search = Neighbours([passages[i]["text"] for i in ids])
    by_passage = asked_groups(questions, passages, held)
    for gold_id, asked in by_passage.items():
        gold = passages[gold_id]
        rng.shuffle(asked)
        while asked:
            group, asked = asked[:QUESTIONS], asked[QUESTIONS:]
            text = around(gold["text"], group[0]["answer"])
            asked = [q for q in group if q["answer"] not in text] + asked
            group = [q for q in group if q["answer"] in text]
            near = [ids[n] for n in search.nearest(group[0]["question"] + " " + gold["text"], 4, [])]
            near = [i for i in near if i != gold_id and not held.has("", passages[i]["text"])]
            forbidden = [a.lower() for q in group for a in q["all"]]
            wrong = [i for i in near if not any(a in passages[i]["text"].lower() for a in forbidden)]
            shown = [passages[i] for i in wrong[:rng.choice((0, 0, 0, 1, 2))]]
            shown = [{"title": p.get("title", ""), "text": p["text"][:MAX_PASSAGE_CHARS]} for p in shown]
            # A search mostly brings the right passage first.
            shown.insert(0 if rng.random() < 0.7 else rng.randint(0, len(shown)),
                         {"title": gold.get("title", ""), "text": text})
            everything = " ".join(p["text"] for p in shown).lower()
            # A question to a passage much like this one is the hardest to refuse.
            others = [q for i in near for q in by_passage.get(i, ()) if passages[i]["text"][:99].lower() not in everything
                      and not any(a.lower() in everything for a in q["all"])]
            group = [{"question": q["question"], "answer": q["answer"]} for q in group]
            wanted = sum(rng.random() < refusals for _ in group)
            group += [{"question": q["question"], "answer": None} for q in rng.sample(others, min(wanted, len(others)))]
            rng.shuffle(group)
            yield {"passages": shown, "questions": group}


def grounded(path, held):
    """Long answers are not what is learned here; what they are good for is the refusals of real questions."""
    for row in rows(path):
        refused = row.get("answerable") is False or "does not" in row["response"].lower()[:80]
        if refused and row.get("context") and not held.has(row["instruction"], row["context"]):
            yield {"passages": [{"title": "", "text": row["context"][:MAX_PASSAGE_CHARS]}],
                   "questions": [{"question": row["instruction"], "answer": None}]}


def p3_parts(prompt):
    """(question, passage) of a reading-comprehension prompt, or None. Templates differ: the passage is the longest line,
    or what is quoted as being the place of the answer."""
    for form in (r'question "(?P<q>[^"]{8,250}\?)" is in "(?P<c>.{200,})"\. Can you tell',
                 r'question: (?P<q>[^?\n]{8,250}\?)[^?]{0,60}article: (?P<c>.{200,}), (?:can you guess|what would)'):
        found = re.search(form, prompt, re.S)
        if found:
            return found["q"], " ".join(found["c"].split())
    context = max(prompt.split("\n"), key=len)
    asked = re.findall(r"([^.!?\n\"]{8,250}\?)", prompt.replace(context, " "))
    asked = [q.split(": ")[-1].strip() for q in asked if "can you" not in q and "what would be" not in q]
    return (asked[0], context.strip(' ",')) if len(asked) == 1 else None


def p3(path, held):
    by_context = collections.defaultdict(list)
    for row in rows(path):
        answer = row["response"].strip()
        if not row.get("has_context") or not 3 <= len(answer) or len(answer.split()) > MAX_ANSWER_WORDS:
            continue
        parts = p3_parts(row["prompt"])
        if parts is None or answer not in parts[1] or len(parts[1]) < 200 or held.has(*parts):
            continue
        if QUESTION.match(parts[0]):
            by_context[around(parts[1], answer)].append({"question": parts[0], "answer": answer})
    for context, asked in by_context.items():
        for first in range(0, len(asked), QUESTIONS):
            yield {"passages": [{"title": "", "text": context}], "questions": asked[first:first + QUESTIONS]}


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
    parser.add_argument("--refusals", type=float, default=0.2, help="questions without an answer, for each of a set's questions")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    held = Held(options.exclude)
    sources = [(q, question_set(q, c, held, rng, options.refusals)) for q, c in options.sets]
    sources += [(path, grounded(path, held)) for path in options.grounded]
    sources += [(path, p3(path, held)) for path in options.p3]
    seen, made = set(), []
    for name, chats in sources:
        answered = refused = 0
        for chat in chats:
            fresh = [q for q in chat["questions"] if (" ".join(words(q["question"])), q["answer"]) not in seen]
            seen.update((" ".join(words(q["question"])), q["answer"]) for q in fresh)
            if fresh:
                made.append({"passages": chat["passages"], "questions": fresh})
            refused += sum(q["answer"] is None for q in fresh)
            answered += sum(q["answer"] is not None for q in fresh)
        print(f"{name}: {answered} questions, {refused} without an answer", file=sys.stderr)
    with open(options.out, "w", encoding="utf-8") as file:
        for row in made:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
