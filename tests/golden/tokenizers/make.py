#!/usr/bin/env python3
"""Writes gpt2.json, smollm.json, llama3.json and qwen2.json (small byte-level BPE tokenizers trained on the sample
corpus) and golden.json (the ids that the reference library gives to texts.py) beside itself.
Needs: tokenizers==0.23.3 and, for WordPiece, the folder of all-MiniLM-L6-v2. Usage: make.py MINILM_FOLDER"""
import gzip
import json
import os
import sys

from texts import INVALID, LINES
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, processors, trainers
from tokenizers import pre_tokenizers as P

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLE = os.path.join(HERE, "../../../datasets/samples/wiki_vital_en.jsonl.gz")
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def byte_level(use_regex):
    return P.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def split(regex):
    return P.Sequence([P.Split(Regex(regex), "isolated"), byte_level(False)])


PRE_TOKENIZERS = {
    "gpt2": byte_level(True),
    "smollm": P.Sequence([P.Digits(individual_digits=True), byte_level(True)]),
    "llama3": split(LLAMA3),
    "qwen2": split(LLAMA3.replace("{1,3}", "")),
}


def train(name, texts):
    tokenizer = Tokenizer(models.BPE(ignore_merges=name == "llama3"))
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[name]
    tokenizer.decoder = decoders.ByteLevel()
    if name == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    if name == "llama3":
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)])
    trainer = trainers.BpeTrainer(vocab_size=1000, special_tokens=SPECIAL, show_progress=False,
                                  initial_alphabet=P.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    if name == "gpt2":
        tokenizer.add_tokens(["New York", "caf\u00e9"])
    path = os.path.join(HERE, name + ".json")
    with open(path, "w") as file:
        json.dump(json.loads(tokenizer.to_str()), file, separators=(",", ":"))
    return Tokenizer.from_file(path)


def long_words():
    """Words of a million characters, made by the same few rules in the test."""
    state, letters = 1, []
    for _ in range(1000000):
        state = (state * 1103515245 + 12345) % 2**31
        letters.append("etaoinshrdlu"[state // 65536 % 12])
    return {"one letter": "x" * 1000000, "two letters": "ab" * 500000, "random letters": "".join(letters),
            "spaces": " " * 1000000 + "x", "digits": "7" * 1000000, "symbols": "-" * 1000000}


def fold(ids):
    """FNV-1a over the ids."""
    value = 0xCBF29CE484222325
    for i in ids:
        value = (value ^ i) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def golden(tokenizer, texts, words):
    def encode(text, parse_special, add_special):
        tokenizer.encode_special_tokens = not parse_special
        return tokenizer.encode(text, add_special_tokens=add_special).ids
    plain = [encode(t, False, False) for t in texts]
    parsed = [encode(t, True, True) for t in texts]
    return {"plain": plain, "parsed": {i: p for i, p in enumerate(parsed) if p != plain[i]},
            "decoded": [tokenizer.decode(ids, skip_special_tokens=False) for ids in plain],
            "long": {name: fold(encode(w, False, False)) for name, w in words.items()}}


def main():
    texts = [json.loads(line)["text"] for line in gzip.open(SAMPLE, "rt")]
    lines = LINES + ["in New York City, New Yorker; caf\u00e9s caf\u00e9", "New  York cafe\u0301"]
    out = {"texts": lines, "invalid": [list(t) for t in INVALID], "tokenizers": {}}
    words = long_words()
    for name in PRE_TOKENIZERS:
        result = golden(train(name, texts[::4] + LINES * 3), lines, words)
        del result["decoded"]  # byte-level BPE gives the text back
        out["tokenizers"][name] = result
    minilm = Tokenizer.from_file(os.path.join(sys.argv[1], "tokenizer.json"))
    minilm.no_padding()
    minilm.no_truncation()
    out["tokenizers"]["minilm"] = golden(minilm, lines, words)
    with open(os.path.join(HERE, "golden.json"), "w") as file:
        json.dump(out, file, separators=(",", ":"))


if __name__ == "__main__":
    main()
