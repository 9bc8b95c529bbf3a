#!/usr/bin/env python3
"""How often a search finds a question's gold document, by embeddings, by words, and by both fused.

    benchmarks/fusion_recall.py --db DB --questions Q.jsonl [--retro PATH] [--k 10] [--max-questions N]

Questions are JSON lines with "question" and "doc_ids" (ids of documents in the database), spread evenly over the file
where there are more than N. The database needs a lexical index (retro index build --lexical, or retro index lexical).
Prints a table in Markdown: the share of questions with a gold document among the first 1, 3 and k passages, the mean
reciprocal rank, and the paired bootstrap's 95 % interval of the gain of fusion over embeddings at k.
"""

import argparse
import json
import random
import subprocess

MODES = ("off", "only", "fuse")


def read_questions(path, most):
    with open(path, encoding="utf-8") as lines:
        questions = [json.loads(line) for line in lines]
    if most and len(questions) > most:
        questions = [questions[i * len(questions) // most] for i in range(most)]
    return questions


def gold_ranks(args, questions, mode):
    """For each question the rank, from 1, of the first passage of a gold document; 0 where there is none."""
    texts = "".join(question["question"].replace("\n", " ") + "\n" for question in questions)
    command = [args.retro, "--json", "search", "--db", args.db, "--k", str(args.k), "--lexical", mode, "--file", "-"]
    found = subprocess.run(command, input=texts, capture_output=True, text=True, check=True).stdout.splitlines()
    ranks = []
    for question, line in zip(questions, found, strict=True):
        documents = [passage["document"] for passage in json.loads(line)["passages"]]
        gold = [i + 1 for i, document in enumerate(documents) if document in question["doc_ids"]]
        ranks.append(gold[0] if gold else 0)
    return ranks


def share(ranks, k):
    return sum(0 < rank <= k for rank in ranks) / len(ranks)


def interval_of_gain(before, after, k, rounds=2000):
    rng = random.Random(1)
    gains = [(0 < b <= k) - (0 < a <= k) for a, b in zip(before, after)]
    means = sorted(sum(rng.choices(gains, k=len(gains))) / len(gains) for _ in range(rounds))
    return means[rounds // 40], means[-rounds // 40]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--db", required=True)
    parser.add_argument("--questions", required=True)
    parser.add_argument("--retro", default="build/release/cli/retro")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--max-questions", type=int, default=0)
    args = parser.parse_args()
    questions = read_questions(args.questions, args.max_questions)
    ranks = {mode: gold_ranks(args, questions, mode) for mode in MODES}
    print(f"{len(questions)} questions\n\n| --lexical | @1 | @3 | @{args.k} | MRR |\n| --- | --- | --- | --- | --- |")
    for mode in MODES:
        mrr = sum(1 / rank for rank in ranks[mode] if rank) / len(questions)
        at = " | ".join(f"{share(ranks[mode], k):.3f}" for k in (1, 3, args.k))
        print(f"| {mode} | {at} | {mrr:.3f} |")
    low, high = interval_of_gain(ranks["off"], ranks["fuse"], args.k)
    print(f"\nGain of fuse over off at {args.k}: 95 % interval {low:+.3f} to {high:+.3f}")


if __name__ == "__main__":
    main()
