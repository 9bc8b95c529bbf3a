#!/usr/bin/env python3
"""Checks that transformers reads what `retro model export` and `retro model import` write.

Needs torch, transformers and tokenizers. usage: check_export.py RETRO FOLDER TEXT.txt: RETRO is the program, FOLDER what
it exported in f32. The text's lines go through `retro score` and through AutoTokenizer and AutoModelForCausalLM: the
ids must be equal, and every log-probability within 1e-4. Says which weights of the file transformers left aside.
"""
import json
import subprocess
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

TOLERANCE = 1e-4


def scored(retro, folder, text):
    """Ids and log-probabilities of a text by retro."""
    result = subprocess.run([retro, "score", "--json", "-q", "--model", folder, "--file", "-"],
                            input=text.encode(), capture_output=True, check=True)
    result = json.loads(result.stdout)
    return result["ids"], result["log_probs"]


def main():
    retro, folder, path = sys.argv[1:]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    model.eval()
    print(f"{type(model).__name__}, {type(tokenizer).__name__}, dtype {model.dtype}, "
          f"missing {sorted(info['missing_keys'])}, left aside {len(info['unexpected_keys'])} weights, "
          f"generation {model.generation_config.eos_token_id}")
    worst, count, other_ids, other_text = 0.0, 0, 0, 0
    lines = [line for line in open(path, encoding="utf-8").read().split("\n") if len(line) > 20]
    for line in lines:
        ids, log_probs = scored(retro, folder, line)
        theirs = tokenizer(line, add_special_tokens=False)["input_ids"]
        if ids != theirs:
            other_ids += 1
            print(f"other ids for {line!r}:\n  {ids}\n  {theirs}")
        other_text += tokenizer.decode(ids, skip_special_tokens=True) != line
        if len(ids) < 2 or len(ids) > model.config.max_position_embeddings:
            continue
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        expected = logits[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
        worst = max(worst, (expected - torch.tensor(log_probs[1:]).double()).abs().max().item())
        count += len(ids) - 1
    print(f"{len(lines)} lines, {count} tokens: largest difference of a log-probability {worst:.2e}; "
          f"{other_ids} lines of other ids, {other_text} decoded to another text")
    sys.exit(0 if other_ids == 0 and worst <= TOLERANCE else 1)


if __name__ == "__main__":
    main()
