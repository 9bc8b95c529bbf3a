#!/usr/bin/env python3
"""The peers' side of scripts/bench: each call times one program of others once and prints one JSON line.

    peers.py embed   --model DIR --texts FILE --engine st|ort|ort-int8 [--onnx FILE]   chunks/s
    peers.py gpt2    --model DIR --engine ct2|hf --batch N                       decode tokens/s
    peers.py wordpiece --tokenizer FILE --docs FILE                              MB/s
    peers.py tiktoken  --tokenizer FILE --docs FILE                              MB/s (the same vocabulary and merges)
    peers.py train   --config A|A3|B --engine retro-pytorch|hf                   tokens/s of a training step, peak memory
    peers.py dedup   --docs FILE                                                 documents/s, which were dropped
    peers.py search  --vectors FILE --queries FILE --factory STRING              queries/s at recall@10 >= 0.9

Needs, in the environment that runs it: torch, transformers, sentence-transformers, onnxruntime, onnx, onnxscript, ctranslate2,
tokenizers, tiktoken, faiss-cpu, retro-pytorch, datasketch, numpy."""
import argparse, json, os, statistics, sys, time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
THREADS = int(os.environ.get("BENCH_THREADS", os.cpu_count()))


def seconds(work, reps=3):
    work()
    times = []
    for _ in range(reps):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def batches(ids, size):
    import numpy as np
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    for begin in range(0, len(order), size):
        rows = order[begin:begin + size]
        width = max(len(ids[i]) for i in rows)
        tokens = np.zeros((len(rows), width), np.int64)
        mask = np.zeros((len(rows), width), np.int64)
        for row, i in enumerate(rows):
            tokens[row, :len(ids[i])] = ids[i]
            mask[row, :len(ids[i])] = 1
        yield tokens, mask


def export_onnx(model_dir, path):
    """The encoder in ONNX, with ONNX Runtime's own fusions for BERT."""
    import torch
    from onnxruntime.transformers import optimizer
    from transformers import AutoModel
    model = AutoModel.from_pretrained(model_dir, attn_implementation="eager").eval()

    class Hidden(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.model(input_ids=input_ids, attention_mask=attention_mask,
                              token_type_ids=token_type_ids).last_hidden_state

    x = torch.randint(5, 1000, (3, 20))
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {name: {0: "batch", 1: "length"} for name in names}
    torch.onnx.export(Hidden(), (x, torch.ones_like(x), torch.zeros_like(x)), path + ".raw", input_names=names,
                      output_names=["hidden"], dynamic_axes=axes, opset_version=17, dynamo=False)
    fused = optimizer.optimize_model(path + ".raw", model_type="bert", num_heads=12, hidden_size=384, opt_level=1)
    fused.save_model_to_file(path)


def quantize_onnx(path, quantized):
    """Activations quantized as they come, weights by output channel."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    quantize_dynamic(path, quantized, weight_type=QuantType.QInt8, per_channel=True, extra_options={"DefaultTensorType": 1})


def embed(a):
    texts = open(a.texts, encoding="utf-8").read().splitlines()
    if a.engine == "st":
        import torch
        from sentence_transformers import SentenceTransformer
        torch.set_num_threads(THREADS)
        model = SentenceTransformer(a.model, device="cpu")
        work = lambda size: model.encode(texts, batch_size=size, show_progress_bar=False)
    else:
        import onnxruntime
        from tokenizers import Tokenizer
        if not os.path.exists(a.onnx):
            export_onnx(a.model, a.onnx)
        path = a.onnx
        if a.engine == "ort-int8":
            path += ".int8"
            if not os.path.exists(path):
                quantize_onnx(a.onnx, path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        session = onnxruntime.InferenceSession(path, options)
        tokenizer = Tokenizer.from_file(a.model + "/tokenizer.json")
        tokenizer.no_padding()

        def work(size):
            ids = [e.ids for e in tokenizer.encode_batch(texts)]
            for tokens, mask in batches(ids, size):
                hidden = session.run(None, {"input_ids": tokens, "attention_mask": mask, "token_type_ids": tokens * 0})[0]
                pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
                pooled / ((pooled ** 2).sum(1, keepdims=True) ** 0.5)
    best = min(seconds(lambda: work(size)) for size in (16, 64))
    return {"chunks_per_s": len(texts) / best}


def gpt2(a):
    import numpy as np
    prompt_len, new = 64, 128
    prompts = np.random.default_rng(1).integers(0, 50256, (a.batch, prompt_len))
    if a.engine == "hf":
        import torch
        from transformers import GPT2LMHeadModel
        torch.set_num_threads(THREADS)
        model = GPT2LMHeadModel.from_pretrained(a.model).eval()
        x = torch.from_numpy(prompts)

        def generate(count):
            with torch.inference_mode():
                ids, past = x, None
                for _ in range(count):
                    out = model(input_ids=ids, past_key_values=past, use_cache=True, logits_to_keep=1)
                    past, ids = out.past_key_values, out.logits[:, -1].argmax(-1, keepdim=True)
    else:
        import ctranslate2
        import subprocess
        target = a.model + "/ct2"
        if not os.path.exists(target):
            subprocess.run([os.path.join(os.path.dirname(sys.executable), "ct2-transformers-converter"), "--model", a.model,
                            "--output_dir", target], check=True, stdout=sys.stderr)
        generator = ctranslate2.Generator(target, device="cpu", compute_type="float32", intra_threads=THREADS, inter_threads=1)
        tokens = [[f"t{i}" for i in row] for row in prompts]
        generate = lambda count: generator.generate_batch(tokens, max_length=count, min_length=count, beam_size=1,
                                                          sampling_topk=1, include_prompt_in_result=False)
    first, total = seconds(lambda: generate(1)), seconds(lambda: generate(new))
    return {"decode_tokens_per_s": a.batch * (new - 1) / (total - first)}


def wordpiece(a):
    from tokenizers import Tokenizer
    docs = json.load(open(a.docs))
    tokenizer = Tokenizer.from_file(a.tokenizer)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    megabytes = sum(len(d.encode()) for d in docs) / 1e6
    return {"mb_per_s": megabytes / seconds(lambda: tokenizer.encode_batch_fast(docs, add_special_tokens=False))}


def byte_of_character():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(others)}


def tiktoken(a):
    import tiktoken as tk
    docs = json.load(open(a.docs))
    decode = byte_of_character()
    vocab = json.load(open(a.tokenizer))["model"]["vocab"]
    ranks = {bytes(decode[c] for c in token): i for token, i in vocab.items() if all(c in decode for c in token)}
    pattern = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
    encoding = tk.Encoding("x", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    megabytes = sum(len(d.encode()) for d in docs) / 1e6
    return {"mb_per_s": megabytes / seconds(lambda: encoding.encode_ordinary_batch(docs, num_threads=1))}


def dedup(a):
    """Each document is looked up among those that were kept before it, and kept if none is similar."""
    from datasketch import MinHash, MinHashLSH
    docs = [json.loads(line)["text"] for line in open(a.docs, encoding="utf-8")]
    dropped = []

    def work():
        dropped.clear()
        index, kept = MinHashLSH(threshold=0.8, num_perm=128), {}
        words = [doc.lower().split() for doc in docs]
        shingles = [[" ".join(w[i:i + 5]).encode() for i in range(max(1, len(w) - 4))] for w in words]
        for number, signature in enumerate(MinHash.bulk(shingles, num_perm=128)):
            if any(signature.jaccard(kept[other]) >= 0.8 for other in index.query(signature)):
                dropped.append(number)
            else:
                index.insert(number, signature)
                kept[number] = signature
    return {"docs_per_s": len(docs) / seconds(work, 1), "dropped": dropped}


def search(a):
    import faiss
    import numpy as np
    vectors, queries = np.load(a.vectors), np.load(a.queries)
    faiss.omp_set_num_threads(THREADS)
    exact = faiss.IndexFlatL2(vectors.shape[1])
    exact.add(vectors)
    truth = exact.search(queries, 10)[1]
    index = faiss.index_factory(vectors.shape[1], a.factory)
    index.train(vectors)
    index.add(vectors)
    space, best = faiss.ParameterSpace(), None
    for nprobe in (4, 8, 12, 16, 24, 32, 48, 64):
        for factor in (4, 8, 16, 32):
            space.set_index_parameters(index, f"nprobe={nprobe},k_factor_rf={factor}")
            found = index.search(queries, 10)[1]
            recall = sum(len(set(x) & set(y)) for x, y in zip(found.tolist(), truth.tolist())) / truth.size
            if recall < 0.9:
                continue
            qps = len(queries) / seconds(lambda: index.search(queries, 10), 1)
            if best is None or qps > best["queries_per_s"]:
                best = {"queries_per_s": qps, "recall_at_10": recall, "nprobe": nprobe, "rerank_factor": factor}
    space.set_index_parameters(index, f"nprobe={best['nprobe']},k_factor_rf={best['rerank_factor']}")
    best["queries_per_s"] = len(queries) / seconds(lambda: index.search(queries, 10), 7)
    return best


# Vocabulary 32,000, sequences of 512, chunks of 64, 2 neighbours of 128: encoder width, decoder width, depth, layers with CCA.
TRAIN_SIZES = {"A": (256, 384, 8, (6,)), "A3": (256, 384, 8, (3, 6)), "B": (192, 256, 6, (6,))}


def train(a):
    import resource
    import torch
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    encoder_width, width, depth, layers = TRAIN_SIZES[a.config]
    tokens = torch.randint(1, 32000, (a.batch, 513))
    if a.engine == "retro-pytorch":
        from retro_pytorch import RETRO
        # It takes `heads` and leaves it unused: always 8.
        model = RETRO(num_tokens=32000, max_seq_len=512, enc_dim=encoder_width, enc_depth=2, dec_dim=width, dec_depth=depth,
                      dec_cross_attn_layers=layers, dim_head=width // 8, chunk_size=64)
        neighbours = torch.randint(1, 32000, (a.batch, 8, 2, 128))
        loss = lambda: model(tokens, retrieved=neighbours, return_loss=True)
    else:
        from transformers import GPT2Config, GPT2LMHeadModel
        model = GPT2LMHeadModel(GPT2Config(vocab_size=32000, n_positions=512, n_embd=width, n_layer=depth, n_head=width // 64,
                                           resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, attn_implementation="sdpa"))
        loss = lambda: model(input_ids=tokens[:, :-1], labels=tokens[:, :-1]).loss
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step():
        loss().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    step()
    return {"tokens_per_s": a.batch * 512 / seconds(step, 5), "parameters_m": sum(p.numel() for p in model.parameters()) / 1e6,
            "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = {f.__name__: f for f in (embed, gpt2, wordpiece, tiktoken, dedup, search, train)}
    parser.add_argument("what", choices=commands)
    for name in ("model", "texts", "engine", "onnx", "tokenizer", "docs", "vectors", "queries", "factory", "config"):
        parser.add_argument("--" + name)
    parser.add_argument("--batch", type=int, default=1)
    arguments = parser.parse_args()
    print(json.dumps(commands[arguments.what](arguments)))
