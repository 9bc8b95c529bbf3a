"""Whole lm-eval runs over the server, from files of this machine, against `retro score` and `retro generate`.

python lm_eval_tasks.py http://127.0.0.1:8080 RETRO MODEL CHOICES.jsonl.gz QUESTIONS.jsonl.gz [COUNT]
CHOICES, a task of log-likelihoods: {"query", "choices", "gold"} a line. QUESTIONS, one of generation: {"context",
"continuation"}. Prints both accuracies by lm-eval and by the program, and fails when a score or a text differs.
"""
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import lm_eval
import yaml
from lm_eval.models.openai_completions import LocalCompletionsAPI
from lm_eval.tasks import TaskManager

root, retro, model, choices, questions = sys.argv[1:6]
count = int(sys.argv[6]) if len(sys.argv) > 6 else 10

CHOOSE = {"task": "choose", "output_type": "multiple_choice", "doc_to_text": "{{query}}", "doc_to_choice": "{{choices}}",
          "doc_to_target": "{{gold}}", "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}]}
WRITE = {"task": "write", "output_type": "generate_until", "doc_to_text": "Question: {{context}}\nAnswer:",
         "doc_to_target": "{{continuation}}", "generation_kwargs": {"until": ["\n"], "max_gen_toks": 24, "do_sample": False},
         "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True, "ignore_case": True,
                          "ignore_punctuation": True}]}


def write_task(folder, task, path):
    with gzip.open(path, "rt") as lines, open(folder / f"{task['task']}.jsonl", "w") as file:
        file.writelines(line for _, line in zip(range(count), lines))
    data = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(folder / f"{task['task']}.jsonl")}}, "test_split": "test"}
    (folder / f"{task['task']}.yaml").write_text(yaml.safe_dump({**task, **data}))


def program(*words):
    return json.loads(subprocess.run([retro, *words, "--model", model, "--json"], capture_output=True, check=True).stdout)


def score(before, after):
    ids = " ".join(map(str, before + after))
    return sum(program("score", "--ids", ids)["log_probs"][len(before):])


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    write_task(folder, CHOOSE, choices)
    write_task(folder, WRITE, questions)
    served = LocalCompletionsAPI(base_url=root + "/v1/completions", model=None, tokenizer_backend="remote", max_length=2048)
    results = lm_eval.simple_evaluate(model=served, tasks=["choose", "write"], task_manager=TaskManager(include_path=name),
                                      log_samples=True, bootstrap_iters=0)

differ, right = 0, 0
for sample in results["samples"]["choose"]:
    # `arguments` and `filtered_resps` are one a choice.
    own = [score(*served._encode_pair(*argument.values())) if isinstance(argument, dict) else score(*served._encode_pair(*argument))
           for argument in (sample["arguments"].values() if isinstance(sample["arguments"], dict) else sample["arguments"])]
    theirs = [float(response[0]) for response in sample["filtered_resps"]]
    differ += any(f"{a:.4f}" != f"{b:.4f}" for a, b in zip(own, theirs))
    right += own.index(max(own)) == sample["doc"]["gold"]
texts = 0
for sample in results["samples"]["write"]:
    prompt = WRITE["doc_to_text"].replace("{{context}}", sample["doc"]["context"])
    own = program("generate", prompt, "--max-new-tokens", "24", "--stop", "\n")
    own_text = own["text"] if isinstance(own, dict) else own[0]["text"]
    if own_text != sample["resps"][0][0]:
        texts += 1
        print("differs:", [prompt, own_text, sample["resps"][0][0]])
print(f"choose: {count} questions, {differ} with a score that differs; accuracy {results['results']['choose']['acc,none']:.4f} "
      f"by lm-eval, {right / count:.4f} by retro score")
print(f"write: {count} questions, {texts} texts differ; exact match {results['results']['write']['exact_match,none']:.4f} by lm-eval")
sys.exit(differ + texts > 0)
