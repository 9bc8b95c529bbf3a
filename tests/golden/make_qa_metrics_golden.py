#!/usr/bin/env python3
"""Expected values of SQuAD's and DPR's answer measures, computed from their published rules.

Needs the `regex` package (for Unicode classes, as DPR's own tokenizer does). usage: make_qa_metrics_golden.py. Writes
qa_metrics/expected.json: a list of {prediction, answers, normalized, exact_match, f1, has_answer}, where `has_answer`
takes the prediction as the passage.
"""
import collections
import json
import pathlib
import re
import string
import unicodedata

import regex

HERE = pathlib.Path(__file__).resolve().parent
CASES = [
    ("the Eiffel Tower", ["Eiffel Tower"]),
    ("A man, a plan; AN idea!", ["man plan idea", "something"]),
    ("It was Denver.", ["Denver Broncos", "The Denver Broncos"]),
    ("", [""]),
    ("the", ["a"]),
    ("", ["x"]),
    ("x", ["the"]),
    ("1,085 °C", ["1085 °C", "1,085 degrees"]),
    ("Ergänzungsschulen ÉCOLE", ["ergänzungsschulen école"]),
    ("cafe\u0301 the\u2013cat", ["café cat"]),
    ("theatre another an-other", ["theatre another other"]),
    ("\u201cQuoted\u201d it\u2019s", ["Quoted its"]),
    ("\u4e2d\u56fd\u3000\u4eba", ["\u4e2d\u56fd \u4eba"]),
    ("no\u00a0break\x1fspace\u2003em", ["no break space em"]),
    ("to be or not to be", ["be be be to", "or"]),
    ("İstanbul STRASSE ß", ["i\u0307stanbul strasse ß"]),
    ("half ½ and x² or ⅷ", ["½", "x²"]),
    ("U.S.A. in 1990", ["USA", "U.S.A."]),
    ("The answer_is here", ["answeris", "answer_is", "is"]),
    ("She was born in New York City.", ["new york", "york new"]),
    ("pre-war years", ["war"]),
    ("prewar years", ["war"]),
    ("\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e", ["\u0928\u092e\u0938\u094d\u0924\u0947"]),
    ("the a\u0301 an\u0303 a", ["a\u0301"]),
    ("$5.00 100%", ["500", "100 %"]),
]


def normalize(text):
    text = "".join(c for c in text.lower() if c not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def f1(prediction, answer):
    p, a = normalize(prediction).split(), normalize(answer).split()
    if not p or not a:
        return float(p == a)
    common = sum((collections.Counter(p) & collections.Counter(a)).values())
    return 2 * common / (len(p) + len(a))


def simple_tokens(text):
    pattern = regex.compile(r"([\p{L}\p{N}\p{M}]+)|([^\p{Z}\p{C}])", regex.IGNORECASE | regex.UNICODE | regex.MULTILINE)
    return [m.group().lower() for m in pattern.finditer(unicodedata.normalize("NFD", text))]


def has_answer(passage, answers):
    tokens = simple_tokens(passage)
    for answer in map(simple_tokens, answers):
        if answer and any(tokens[i : i + len(answer)] == answer for i in range(len(tokens) - len(answer) + 1)):
            return True
    return False


def main():
    rows = [{"prediction": p, "answers": a, "normalized": normalize(p),
             "exact_match": any(normalize(p) == normalize(x) for x in a), "f1": max(f1(p, x) for x in a),
             "has_answer": has_answer(p, a)} for p, a in CASES]
    (HERE / "qa_metrics").mkdir(exist_ok=True)
    (HERE / "qa_metrics" / "expected.json").write_text("[" + ",\n".join(json.dumps(r) for r in rows) + "]\n")


if __name__ == "__main__":
    main()
