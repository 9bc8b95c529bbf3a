#!/usr/bin/env python3
"""Writes datasets/unicode_ranges.cc: which code points are letters, numbers, punctuation ... to the reference library
(Hugging Face `tokenizers` 0.23.3), found by asking it about every code point. Its parts follow different versions of
Unicode (regular expressions 16, digits 17, BERT's punctuation and marks 8), so no one version would give equal ids.
Needs: tokenizers==0.23.3. Usage: make_unicode_ranges.py > datasets/unicode_ranges.cc"""
import textwrap
from tokenizers import AddedToken, Regex, Tokenizer, models
from tokenizers import normalizers as N
from tokenizers import pre_tokenizers as P

ALL = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def matching(regex):
    split = P.Split(Regex(regex), "removed")
    return {c for c in ALL if not split.pre_tokenize_str(chr(c))}


def bert(**on):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    normalizer = N.BertNormalizer(**{**off, **on})
    return {c: normalizer.normalize_str(chr(c)) for c in ALL}


def word_characters():
    tokenizer = Tokenizer(models.WordLevel({"[U]": 0}, unk_token="[U]"))
    tokenizer.add_tokens([AddedToken("qzq", single_word=True, normalized=False)])
    return {c for c in ALL if "qzq" not in tokenizer.encode("qzq" + chr(c)).tokens}


def moving_marks():
    """Marks that canonical ordering moves: before a mark of class 240, or behind one of class 1."""
    nfd = N.NFD()
    def moves(c):
        return (nfd.normalize_str("a" + c + "\u0334") == "a\u0334" + c and c != "\u0334") or \
               (nfd.normalize_str("a\u0345" + c) == "a" + c + "\u0345" and c != "\u0345")
    return {c for c in ALL if nfd.normalize_str(chr(c)) == chr(c) and moves(chr(c))} | {0x334, 0x345}


def ranges(code_points):
    out = []
    for c in sorted(code_points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def emit(name, code_points):
    rows = ", ".join(f"{{0x{a:X}, 0x{b:X}}}" for a, b in ranges(code_points))
    print(textwrap.fill(f"const CodePointRange {name}Data[] = {{{rows}}};", 118, break_on_hyphens=False), end="\n\n")


digits = P.Digits(individual_digits=True)
punctuation = P.BertPreTokenizer()
removed = {c for c, r in bert(clean_text=True).items() if r == ""}
stripped = {c for c, r in bert(strip_accents=True).items() if r == ""}
lower = {c: ord(r) - c for c, r in bert(lowercase=True).items() if r != chr(c) and len(r) == 1}
tables = {
    "kLetterRanges": matching(r"\p{L}"), "kNumberRanges": matching(r"\p{N}"), "kWhiteSpaceRanges": matching(r"\s"),
    "kDigitRanges": {c for c in ALL if len(digits.pre_tokenize_str("xx" + chr(c) + "xx")) == 3},
    "kPunctuationRanges": {c for c in ALL if len(punctuation.pre_tokenize_str("x" + chr(c) + "x")) == 3},
    "kControlRanges": removed, "kAccentRanges": stripped, "kMovingMarkRanges": moving_marks(),
    "kWordRanges": word_characters(),
}
print("// Made by tests/golden/tokenizers/make_unicode_ranges.py: do not edit.\n// clang-format off")
print('#include "datasets/unicode_ranges.h"\n\nnamespace retro {\nnamespace {\n')
for name, code_points in tables.items():
    emit(name, code_points)
rows, run = [], None
for c, d in sorted(lower.items()):
    if run and run[2] == d and c == run[1] + run[3] or (run and run[2] == d and run[0] == run[1] and c - run[1] <= 2):
        run[3] = c - run[1]
        run[1] = c
    else:
        run = [c, c, d, 1]
        rows.append(run)
rows = ", ".join(f"{{0x{a:X}, 0x{b:X}, {s}, {d}}}" for a, b, d, s in rows)
print(textwrap.fill(f"const LowerCaseRange kLowerCaseData[] = {{{rows}}};", 118, break_on_hyphens=False), end="\n\n")
print("}  // namespace\n")
for name in tables:
    print(f"const std::span<const CodePointRange> {name} = {name}Data;")
print("const std::span<const LowerCaseRange> kLowerCaseRanges = kLowerCaseData;")
print("\n}  // namespace retro")
