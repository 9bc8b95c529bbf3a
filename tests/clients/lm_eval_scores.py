"""lm-eval's local-completions against `retro score`, on multiple-choice questions.

python lm_eval_scores.py http://127.0.0.1:8080 RETRO MODEL QUESTIONS.jsonl.gz [COUNT]
Each line of QUESTIONS: {"query", "choices", "gold"}. Prints both scores of every choice that differ, and the accuracies.
"""
import gzip
import json
import subprocess
import sys

from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalCompletionsAPI

root, retro, model, path = sys.argv[1:5]
count = int(sys.argv[5]) if len(sys.argv) > 5 else 20
with gzip.open(path, "rt") as lines:
    questions = [json.loads(line) for line in lines][:count]

lm = LocalCompletionsAPI(base_url=root + "/v1/completions", model=None, tokenizer_backend="remote", max_length=2048)
pairs = [(q["query"], " " + choice) for q in questions for choice in q["choices"]]
requests = [Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(pairs)]
served = lm.loglikelihood(requests)


def score(context, continuation):
    before, after = lm._encode_pair(context, continuation)
    ids = " ".join(map(str, before + after))
    out = subprocess.run([retro, "score", "--model", model, "--ids", ids, "--json"], capture_output=True, check=True)
    result = json.loads(out.stdout)
    return sum(result["log_probs"][len(before):]), all(result["is_greedy"][len(before):])


differ = 0
own = [score(*pair) for pair in pairs]
for pair, theirs, ours in zip(pairs, served, own):
    if f"{theirs[0]:.4f}" != f"{ours[0]:.4f}" or theirs[1] != ours[1]:
        differ += 1
        print("differs:", pair, theirs, ours)


def accuracy(scores):
    right, at = 0, 0
    for q in questions:
        own_scores = [scores[at + i][0] for i in range(len(q["choices"]))]
        right += own_scores.index(max(own_scores)) == q["gold"]
        at += len(q["choices"])
    return right / len(questions)


largest = max(abs(theirs[0] - ours[0]) for theirs, ours in zip(served, own))
print(f"{len(pairs)} choices, {differ} differ, largest difference {largest:.2e}; "
      f"accuracy {accuracy(served):.4f} by lm-eval, {accuracy(own):.4f} by retro score")
sys.exit(differ > 0)
