#!/usr/bin/env python3
"""Ours against the peers, in one run: each case alternates our program and the peer's several times and prints the medians
and the ratio. Called by scripts/bench, which builds our programs first.

    compare.py --peers VENV [--llamacpp DIR] [--text FILE …] [--rounds N] [--out FILE] [CASE …]

VENV holds the Python packages named in peers.py; DIR is a folder with node-llama-cpp installed. A peer that is missing is left
out. Cases: embed, build, llm, gpt2, tokenize, search, store, dedup, train."""
import argparse, collections, gzip, json, os, platform, random, re, shutil, statistics, subprocess, sys, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/release"
MODELS = ROOT / ".deps/models"
GGUF = MODELS / "SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf"
MINILM = MODELS / "all-MiniLM-L6-v2"
WORK = ROOT / "build/bench"
SAMPLE = ROOT / "datasets/samples/wiki_vital_en.jsonl.gz"


def run(*command, cwd=None):
    """The last line of a program's output, as JSON."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=cwd)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()[-600:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def ours(name, *arguments):
    return run(BUILD / "benchmarks" / name, *arguments)


def peer(*arguments):
    return run(ARGS.peers / "bin/python", ROOT / "benchmarks/peers.py", *arguments)


def alternate(measures, rounds):
    """measures: name -> function giving a rate. Every round runs each once, in turn: noise meets all alike."""
    values = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            try:
                values[name].append(measure())
            except Exception as error:
                print(f"  {name}: {error}", file=sys.stderr)
    return {name: v for name, v in values.items() if v}


def report(case, unit, measures, targets=None, lower=False):
    """Prints one line a peer: ours, theirs, the median of the rounds' ratios, and the target where there is one. `lower`: less is
    better, and the target is the most that the ratio may be."""
    values = alternate(measures, ARGS.rounds)
    mine = values.pop("ours", None)
    if not mine:
        return
    reached = lambda value, target: value <= target if lower else value >= target
    verdict = lambda value, target: "" if target is None else f"   target {target:,}: {'reached' if reached(value, target) else 'MISSED'}"
    row = {"case": case, "unit": unit, "ours": statistics.median(mine), "ours_range": [min(mine), max(mine)], "peers": {}}
    for name, theirs in values.items():
        ratio = statistics.median(a / b for a, b in zip(mine, theirs))
        target = (targets or {}).get(name)
        row["peers"][name] = {"value": statistics.median(theirs), "range": [min(theirs), max(theirs)], "ratio": ratio, "target": target}
        print(f"{case:28} ours {row['ours']:12,.1f}  {name} {statistics.median(theirs):12,.1f} {unit:12} ratio {ratio:6.2f}{verdict(ratio, target)}")
    if not values:
        row["target"] = (targets or {}).get("absolute")
        print(f"{case:28} ours {row['ours']:12,.{1 if row['ours'] > 10 else 3}f} {unit}{verdict(row['ours'], row['target'])}")
    RESULTS.append(row)


def corpus_texts():
    for path in ARGS.text:
        opened = gzip.open(path, "rt", encoding="utf-8") if str(path).endswith(".gz") else open(path, encoding="utf-8")
        with opened:
            if ".jsonl" in str(path):
                yield from (json.loads(line)["text"] for line in opened)
            else:
                yield opened.read()


def word_pieces(words, limit):
    """Up to `limit` texts of `words` consecutive words each."""
    pieces = []
    for text in corpus_texts():
        all_words = text.split()
        for i in range(0, len(all_words) - words + 1, words):
            pieces.append(" ".join(all_words[i:i + words]))
            if len(pieces) == limit:
                return pieces
    return pieces


def wordpiece_chunks(limit, length=64):
    """Texts of about `length` WordPiece tokens, cut at word starts."""
    code = ("import sys,json;from tokenizers import Tokenizer;t=Tokenizer.from_file(sys.argv[1]);t.no_truncation();t.no_padding();"
            "n=int(sys.argv[2]);out=[]\n"
            "for text in json.load(sys.stdin):\n"
            " e=t.encode(text,add_special_tokens=False);w,o,at=e.word_ids,e.offsets,0\n"
            " while at+n<len(w):\n"
            "  end=at+n\n"
            "  while end>at+1 and w[end]==w[end-1]: end-=1\n"
            "  out.append(' '.join(text[o[at][0]:o[end-1][1]].split()));at=end\n"
            "print(json.dumps(out))")
    texts, size = [], 0
    for text in corpus_texts():
        texts.append(text[:100_000])
        size += len(texts[-1])
        if size > limit * length * 8:
            break
    done = subprocess.run([str(ARGS.peers / "bin/python"), "-c", code, str(MINILM / "tokenizer.json"), str(length)],
                          input=json.dumps(texts), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)[:limit]


def case_embed():
    chunks = WORK / "chunks.txt"
    chunks.write_text("\n".join(wordpiece_chunks(ARGS.chunks)) + "\n", encoding="utf-8")
    measure = lambda engine: peer("embed", "--model", MINILM, "--texts", chunks, "--engine", engine, "--onnx", WORK / "minilm.onnx")["chunks_per_s"]
    report("embed 64-token chunks", "chunks/s", {
        "ours": lambda: ours("embed_benchmark", "--model", MINILM, "--lines", chunks)["chunks_per_s"],
        "sentence-transformers": lambda: measure("st"), "ONNX Runtime": lambda: measure("ort")},
        {"sentence-transformers": 1.2, "ONNX Runtime": 1.0})
    report("embed 64-token chunks, int8", "chunks/s", {
        "ours": lambda: ours("embed_benchmark", "--model", MINILM, "--lines", chunks, "--precision", "int8")["chunks_per_s"],
        "ONNX Runtime int8": lambda: measure("ort-int8")}, {"ONNX Runtime int8": 1.0})


def case_build():
    """The whole of `index build`, from documents to a verified index, against embedding the same chunks' texts alone."""
    source, db = WORK / "build.jsonl", WORK / "build.db"
    with open(source, "w", encoding="utf-8") as out:
        for i, text in zip(range(ARGS.build_documents), corpus_texts()):
            out.write(json.dumps({"id": f"d{i}", "title": "", "text": text[:20_000]}) + "\n")

    def build():
        shutil.rmtree(db, ignore_errors=True)
        start = time.perf_counter()
        for command in (["build", "--input", source, "--out", db], ["verify", "--db", db]):
            subprocess.run([BUILD / "cli/retro", "--quiet", "index", *command, "--encoder", MINILM, "--tokenizer", GGUF],
                           check=True, capture_output=True)
        return 1 / (time.perf_counter() - start)

    build()
    embed = lambda: 1 / ours("embed_benchmark", "--model", MINILM, "--chunks", db / "chunks", "--chunk-tokenizer", GGUF, "--reps", 1)["seconds"]
    report("index build + verify", "1/s", {"ours": build, "embedding alone": embed}, {"embedding alone": 1 / 1.15})


def case_llm():
    run_ours = lambda: ours("decoder_benchmark", "--model", GGUF, "--prompt-tokens", 512, "--new-tokens", 128)
    run_peer = lambda: run("node", ROOT / "benchmarks/peer_llamacpp.mjs", GGUF, 512, 128, cwd=ARGS.llamacpp)
    memory = {}

    def pick(key, name, measure):
        """Both figures come from one run of each program: the second report takes what the first one kept."""
        def get():
            kept = memory.setdefault(name, {"prefill": [], "decode": []})
            if not kept[key]:
                result = measure()
                kept["prefill"].append(result["prefill_tokens_per_s"])
                kept["decode"].append(result["decode_tokens_per_s"])
            return kept[key].pop(0)
        return get
    for key, target in (("prefill", 2.0), ("decode", 2.5)):
        measures = {"ours": pick(key, "ours", run_ours)}
        if ARGS.llamacpp:
            measures["llama.cpp"] = pick(key, "llama.cpp", run_peer)
        report(f"SmolLM2-135M {key}", "tokens/s", measures, {"llama.cpp": target})


def case_gpt2():
    model = WORK / "gpt2"
    if not (model / "model.safetensors").exists():
        subprocess.run([ARGS.peers / "bin/python", ROOT / "benchmarks/make_gpt2.py", model], check=True, stdout=sys.stderr)
    for batch in (1, 8):
        measure = lambda engine, b=batch: peer("gpt2", "--model", model, "--engine", engine, "--batch", b)["decode_tokens_per_s"]
        report(f"GPT-2 124M decode, batch {batch}", "tokens/s", {
            "ours": lambda b=batch: ours("decoder_benchmark", "--model", model, "--prompt-tokens", 64, "--new-tokens", 128, "--batch", b)["decode_tokens_per_s"],
            "CTranslate2": lambda: measure("ct2"), "transformers": lambda: measure("hf")}, {"CTranslate2": 1.0, "transformers": 2.0})


def case_tokenize():
    docs, current, size = [], [], 0
    for line in "\n".join(corpus_texts()).splitlines(keepends=True):
        current.append(line)
        size += len(line)
        if size >= 4000:
            docs.append("".join(current))
            current, size = [], 0
        if len(docs) >= 2500:
            break
    path, bpe, lines = WORK / "docs.json", WORK / "bpe.json", WORK / "docs.jsonl"
    path.write_text(json.dumps(docs))
    lines.write_text("".join(json.dumps({"text": doc}) + "\n" for doc in docs))
    if not bpe.exists():
        code = ("import sys,json;from tokenizers import Tokenizer,models,pre_tokenizers,decoders,trainers;"
                "t=Tokenizer(models.BPE());t.pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False);t.decoder=decoders.ByteLevel();"
                "t.train_from_iterator(json.load(open(sys.argv[1])),trainers.BpeTrainer(vocab_size=32000,show_progress=False,"
                "initial_alphabet=pre_tokenizers.ByteLevel.alphabet()));t.save(sys.argv[2])")
        subprocess.run([ARGS.peers / "bin/python", "-c", code, path, bpe], check=True)
    mine = lambda tokenizer: ours("tokenizer_benchmark", "--tokenizer", tokenizer, "--text", lines, "--threads", 1)["mb_per_s"]
    report("byte-level BPE, 1 thread", "MB/s", {
        "ours": lambda: mine(bpe), "tiktoken": lambda: peer("tiktoken", "--tokenizer", bpe, "--docs", path)["mb_per_s"]}, {"tiktoken": 1.0})
    report("WordPiece, 1 thread", "MB/s", {
        "ours": lambda: mine(MINILM / "tokenizer.json"),
        "Hugging Face": lambda: peer("wordpiece", "--tokenizer", MINILM / "tokenizer.json", "--docs", path)["mb_per_s"]}, {"Hugging Face": 3.0})


def case_search():
    """Real embeddings of 24-word pieces of the texts (as many as there are, up to 101,000; the last 1,000 are the queries)."""
    vectors, queries = WORK / "vectors.npy", WORK / "queries.npy"
    if not vectors.exists():
        pieces = WORK / "pieces.txt"
        pieces.write_text("\n".join(word_pieces(24, 101_000)) + "\n", encoding="utf-8")
        subprocess.run([BUILD / "cli/retro", "embed", "--encoder", MINILM, "--input", pieces, "--out", WORK / "all.npy"], check=True, stdout=sys.stderr)
        code = ("import numpy as np,sys;v=np.load(sys.argv[1]);v=v[np.random.default_rng(1).permutation(len(v))];"
                "np.save(sys.argv[2],v[:-1000]);np.save(sys.argv[3],v[-1000:])")
        subprocess.run([ARGS.peers / "bin/python", "-c", code, WORK / "all.npy", vectors, queries], check=True)
    factory = "IVF1264,PQ48x4fs"
    report("search, recall@10 >= 0.9", "queries/s", {
        "ours": lambda: ours("search_benchmark", "--vectors", vectors, "--queries", queries, "--factory", factory, "--recall", 0.9, "--work", WORK / "search")["fastest"]["queries_per_s"],
        "faiss-cpu": lambda: peer("search", "--vectors", vectors, "--queries", queries, "--factory", factory + ",RFlat")["queries_per_s"]},
        {"faiss-cpu": 0.9})


def case_store():
    report("neighbour fetch, batches", "reads/s", {"ours": lambda: ours("store_benchmark", "--chunks", 2_000_000, "--dir", WORK / "store")["batches_of_1024_per_s"]},
           {"absolute": 200_000})


def planted_duplicates(limit, words=200, share=0.2):
    """Up to `limit` texts of `words` words; a share of them are an earlier text with 1 to 8 words replaced."""
    chance, texts, originals = random.Random(0), [], []
    for piece in word_pieces(words, limit):
        if originals and chance.random() < share:
            copy = list(originals[chance.randrange(len(originals))])
            for _ in range(chance.randint(1, 8)):
                copy[chance.randrange(words)] = chance.choice(piece.split())
            texts.append(" ".join(copy))
        else:
            originals.append(piece.split())
            texts.append(piece)
    return texts


def best_earlier(texts, ngram=5):
    """For each text the exact Jaccard similarity of its word n-grams to those of the most similar earlier text."""
    holders, sizes, best = collections.defaultdict(list), [], []
    for number, text in enumerate(texts):
        words = text.lower().split()
        shingles = {" ".join(words[i:i + ngram]) for i in range(max(1, len(words) - ngram + 1))}
        common = collections.Counter(other for shingle in shingles for other in holders[shingle])
        best.append(max((n / (len(shingles) + sizes[other] - n) for other, n in common.items()), default=0.0))
        sizes.append(len(shingles))
        for shingle in shingles:
            holders[shingle].append(number)
    return best


def case_dedup():
    """128 permutations, threshold 0.8, one thread each. Recall: of the texts with an earlier one that is at least so similar."""
    path, dropped = WORK / "dedup.jsonl", {}
    texts = planted_duplicates(20_000)
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")

    def measure(name, result):
        dropped[name] = set(result["dropped"])
        return result["docs_per_s"]
    report("near duplicates", "docs/s", {
        "ours": lambda: measure("ours", ours("dedup_benchmark", "--input", path)),
        "datasketch": lambda: measure("datasketch", peer("dedup", "--docs", path))}, {"datasketch": 10})
    similarity = best_earlier(texts)
    wanted = {i for i, s in enumerate(similarity) if s >= 0.8}
    dropped["ours, --exact"] = set(ours("dedup_benchmark", "--input", path, "--reps", 1, "--exact")["dropped"])
    for name, found in dropped.items():
        print(f"  {name}: {len(found & wanted)} of {len(wanted)} duplicates found (recall {len(found & wanted) / len(wanted):.4f}), "
              f"{len(found - wanted)} others dropped, the least similar at {min((similarity[i] for i in found), default=0):.3f}")


def case_train():
    """Forward, backward and AdamW in fp32. Our decoder of A and B is GPT-2's; RETRO has the peers' widths, layers and neighbours."""
    memory = {"ours": [], "RETRO-pytorch": []}

    def kept(result, name, config):
        if config == "B":
            memory[name].append(result["peak_rss_mib"])
        return result["tokens_per_s"]
    for config in ("A", "A3", "B"):
        report(f"RETRO training step, {config}", "tokens/s", {
            "ours": lambda c=config: kept(ours("train_benchmark", "--config", c), "ours", c),
            "RETRO-pytorch": lambda c=config: kept(peer("train", "--config", c, "--engine", "retro-pytorch", "--batch", 4), "RETRO-pytorch", c)},
            {"RETRO-pytorch": 1.8})
    report("RETRO peak memory, B", "MiB", {name: (lambda v=values: v.pop(0)) for name, values in memory.items() if values},
           {"RETRO-pytorch": 0.6}, lower=True)
    for config in ("A", "B"):
        report(f"GPT training step, {config}", "tokens/s", {
            "ours": lambda c=config: ours("train_benchmark", "--config", c, "--gpt")["tokens_per_s"],
            "transformers": lambda c=config: peer("train", "--config", c, "--engine", "hf", "--batch", 4)["tokens_per_s"]}, {"transformers": 1.2})
    report("frozen RETROfit, share of peak", "", {
        "ours": lambda: ours("train_benchmark", "--config", "retrofit", "--init-from", GGUF, "--batch", 2, "--steps", 3)["share_of_peak"]},
        {"absolute": 0.6})


def machine():
    text = Path("/proc/cpuinfo").read_text()
    flags = re.search(r"^flags\s*:(.*)$", text, re.M)[1].split()
    return {"cpu": re.search(r"^model name\s*:\s*(.*)$", text, re.M)[1], "cores": os.cpu_count(), "system": platform.platform(),
            "flags": [f for f in ("avx2", "avx512f", "avx512_vnni", "amx_int8") if f in flags]}


def main():
    global ARGS, RESULTS
    cases = {name[5:]: f for name, f in globals().items() if name.startswith("case_")}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, required=True, help="a Python environment with the peers' packages")
    parser.add_argument("--llamacpp", type=Path, help="a folder with node-llama-cpp installed")
    parser.add_argument("--text", type=Path, nargs="+", default=[SAMPLE], help="texts to work on (.txt, .jsonl, .jsonl.gz)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chunks", type=int, default=512, help="chunks of the embedding case")
    parser.add_argument("--build-documents", type=int, default=600, help="documents of the index build case")
    parser.add_argument("--out", type=Path, help="write all figures here as JSON")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(cases))
    ARGS, RESULTS = parser.parse_args(), []
    WORK.mkdir(parents=True, exist_ok=True)
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    print(json.dumps({"machine": machine(), "commit": commit, "rounds": ARGS.rounds}))
    for name in ARGS.cases or cases:
        cases[name]()
    if ARGS.out:
        ARGS.out.write_text(json.dumps({"machine": machine(), "commit": commit, "results": RESULTS}, indent=1) + "\n")


if __name__ == "__main__":
    main()
