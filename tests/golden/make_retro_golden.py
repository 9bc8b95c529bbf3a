#!/usr/bin/env python3
"""Makes tiny random RETRO checkpoints, and the logits and gradients that follow from the paper's equations.

Needs torch, safetensors, numpy. Written from Borgeaud et al. 2022 (equations 1 to 7, algorithm 1) one chunk, one neighbour and one
head at a time, in double precision, apart from retro's own code. Writes, beside itself, retro/gpt2/, retro/llama/, and the
same with the decoder's first layers as encoder (gpt2_shared, llama_shared):
config.json, model.safetensors, tokens.json (B sequences of one length), neighbours.json (for each sequence and each chunk
k lists of tokens; an empty list is a neighbour that there is not), logits.f32 (a row of vocab_size for every token) and
gradients.safetensors (of the mean next-token cross-entropy).
"""
import json
import math
import pathlib

import numpy as np
import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent
torch.set_default_dtype(torch.float64)


def normed(x, w, c, name):
    if c["family"] == "gpt2":
        m, v = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        return (x - m) / torch.sqrt(v + c["eps"]) * w[name + ".weight"] + w[name + ".bias"]
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + c["eps"]) * w[name + ".weight"]


def linear(x, w, name):
    y = x @ w[name + ".weight"].T
    return y + w[name + ".bias"] if name + ".bias" in w else y


def rope(x, position, base):
    """One head's row: element i turns with element i + d / 2."""
    half = x.shape[-1] // 2
    angle = position * base ** (-torch.arange(half) * 2.0 / (2 * half))
    a, b = x[:half], x[half:]
    return torch.cat([a * torch.cos(angle) - b * torch.sin(angle), b * torch.cos(angle) + a * torch.sin(angle)])


def self_attention(x, w, name, heads, kv_heads, dim, c, causal):
    q, k, v = (linear(x, w, f"{name}.{p}") for p in "qkv")
    out = []
    for i in range(len(x)):
        row = []
        for h in range(heads):
            g = h // (heads // kv_heads)
            turn = (lambda y, at: rope(y, at, c["base"])) if c["family"] == "llama" else (lambda y, at: y)
            query = turn(q[i, h * dim:(h + 1) * dim], i)
            seen = range(i + 1) if causal else range(len(x))
            logits = torch.stack([query @ turn(k[j, g * dim:(g + 1) * dim], j) / math.sqrt(dim) for j in seen])
            p = torch.softmax(logits, 0)
            row.append(sum(p[n] * v[j, g * dim:(g + 1) * dim] for n, j in enumerate(seen)))
        out.append(torch.cat(row))
    return linear(torch.stack(out), w, name + ".out")


def sinusoid(d, width):
    r = torch.zeros(width)
    for n in range(width // 2):
        r[2 * n] = math.sin(d / 10000 ** (2 * n / width))
        r[2 * n + 1] = math.cos(d / 10000 ** (2 * n / width))
    return r


def cross_attention(x, places, w, name, heads, kv_heads, dim):
    """x: the rows that attend. places: for each of them the list of (row to attend to, distance)."""
    q = linear(x, w, name + ".q")
    out = []
    for i in range(len(x)):
        row = []
        for h in range(heads):
            g = h // (heads // kv_heads)
            query = q[i, h * dim:(h + 1) * dim]
            logits, values = [], []
            for y, d in places[i]:
                key = linear(y, w, name + ".k")[g * dim:(g + 1) * dim]
                r = (w[name + ".position.weight"] @ sinusoid(d, x.shape[1]))[h * dim:(h + 1) * dim]
                logits.append((query @ key + (query + w[name + ".position_bias"][h]) @ r) / math.sqrt(dim))
                values.append(linear(y, w, name + ".v")[g * dim:(g + 1) * dim])
            p = torch.softmax(torch.stack(logits), 0)
            row.append(sum(p[n] * v for n, v in enumerate(values)))
        out.append(torch.cat(row))
    return linear(torch.stack(out), w, name + ".out")


def feed_forward(x, w, name, c):
    up = linear(x, w, name + ".up")
    if c["family"] == "llama":
        return linear(torch.nn.functional.silu(linear(x, w, name + ".gate")) * up, w, name + ".down")
    return linear(torch.nn.functional.gelu(up, approximate="tanh"), w, name + ".down")


def encode(neighbour, activations, w, c):
    """One neighbour: tokens to rows, conditioned on the chunk's activations, or by the decoder's own first layers."""
    e, r = c["encoder"], "retro.encoder."
    own = not e["shared_layers"]
    x = (w["token_embedding.weight"] if e["shared_embedding"] else w[r + "token_embedding.weight"])[neighbour]
    if c["family"] == "gpt2":
        x = x + w[(r if own else "") + "position_embedding.weight"][:len(neighbour)]
    for j in range(e["num_layers"]):
        layer = f"{r if own else ''}layers.{j}."
        x = x + self_attention(normed(x, w, c, layer + "attention_norm"), w, layer + "attention", e["num_heads"],
                               e["num_kv_heads"], e["head_dim"], c, causal=not own)
        if j in e["cross_layers"]:
            memory = normed(activations, w, c, layer + "cross.memory_norm")
            places = [[(memory[i], at - i) for i in range(len(memory))] for at in range(len(x))]
            x = x + cross_attention(normed(x, w, c, layer + "cross_norm"), places, w, layer + "cross", e["num_heads"],
                                    e["num_kv_heads"], e["head_dim"])
        x = x + feed_forward(normed(x, w, c, layer + "ffn_norm"), w, layer + "ffn", c)
    return normed(x, w, c, r + "final_norm")


def chunked_cross_attention(x, encoded, w, c, layer):
    """encoded[u]: the rows of each neighbour of chunk u, or none."""
    m, name = c["chunk_len"], f"retro.cca.{layer}"
    added = [torch.zeros(x.shape[1]) for _ in x]
    hidden = normed(x, w, c, name + ".norm")
    for position in range(m - 1, len(x)):
        u, i = (position - (m - 1)) // m, (position - (m - 1)) % m
        places = [(row, i - at + m - 1) for rows in encoded[u] for at, row in enumerate(rows)]
        if places:
            y = cross_attention(hidden[position:position + 1], [places], w, name + ".attention", c["heads"], c["kv_heads"],
                                c["head_dim"])[0]
            added[position] = y * torch.tanh(w[name + ".gate"]) if c["gated"] else y
    return torch.stack(added)


def forward(tokens, neighbours, w, c):
    m, encoded = c["chunk_len"], None
    x = w["token_embedding.weight"][tokens]
    if c["family"] == "gpt2":
        x = x + w["position_embedding.weight"][:len(tokens)]
    for n in range(c["layers"]):
        layer = f"layers.{n}."
        x = x + self_attention(normed(x, w, c, layer + "attention_norm"), w, layer + "attention", c["heads"], c["kv_heads"],
                               c["head_dim"], c, causal=True)
        if n in c["cca_layers"]:
            if encoded is None:
                encoded = [[encode(f, x[u * m:(u + 1) * m], w, c) for f in neighbours[u] if f]
                           for u in range(len(tokens) // m)]
            x = x + chunked_cross_attention(x, encoded, w, c, n)
        x = x + feed_forward(normed(x, w, c, layer + "ffn_norm"), w, layer + "ffn", c)
    x = normed(x, w, c, "final_norm")
    return x @ (w["output.weight"] if "output.weight" in w else w["token_embedding.weight"]).T


def shapes(c):
    """Our names of all weights, with their shapes."""
    e, bias, s = c["encoder"], c["family"] == "gpt2", {}

    def norm(name, width):
        s[name + ".weight"] = (width,)
        if bias:
            s[name + ".bias"] = (width,)

    def matrix(name, out, into, with_bias=bias):
        s[name + ".weight"] = (out, into)
        if with_bias:
            s[name + ".bias"] = (out,)

    def attention(name, width, memory, heads, kv_heads, dim, relative):
        matrix(name + ".q", heads * dim, width)
        matrix(name + ".k", kv_heads * dim, memory)
        matrix(name + ".v", kv_heads * dim, memory)
        matrix(name + ".out", width, heads * dim)
        if relative:
            matrix(name + ".position", heads * dim, width, False)
            s[name + ".position_bias"] = (heads, dim)

    def ffn(name, width, inner):
        if not bias:
            matrix(name + ".gate", inner, width)
        matrix(name + ".up", inner, width)
        matrix(name + ".down", width, inner)

    d, ed = c["hidden"], e["hidden_dim"]
    s["token_embedding.weight"] = (c["vocab"], d)
    if bias:
        s["position_embedding.weight"] = (c["context"], d)
        if not e["shared_layers"]:
            s["retro.encoder.position_embedding.weight"] = (c["neighbour_len"], ed)
    for n in range(c["layers"]):
        norm(f"layers.{n}.attention_norm", d)
        attention(f"layers.{n}.attention", d, d, c["heads"], c["kv_heads"], c["head_dim"], False)
        norm(f"layers.{n}.ffn_norm", d)
        ffn(f"layers.{n}.ffn", d, c["ffn"])
    norm("final_norm", d)
    if not c["tied"]:
        s["output.weight"] = (c["vocab"], d)
    if not e["shared_embedding"]:
        s["retro.encoder.token_embedding.weight"] = (c["vocab"], ed)
    for j in range(0 if e["shared_layers"] else e["num_layers"]):
        layer = f"retro.encoder.layers.{j}."
        norm(layer + "attention_norm", ed)
        attention(layer + "attention", ed, ed, e["num_heads"], e["num_kv_heads"], e["head_dim"], False)
        if j in e["cross_layers"]:
            norm(layer + "cross_norm", ed)
            norm(layer + "cross.memory_norm", d)
            attention(layer + "cross", ed, d, e["num_heads"], e["num_kv_heads"], e["head_dim"], True)
        norm(layer + "ffn_norm", ed)
        ffn(layer + "ffn", ed, e["ffn_dim"])
    norm("retro.encoder.final_norm", ed)
    for n in c["cca_layers"]:
        norm(f"retro.cca.{n}.norm", d)
        attention(f"retro.cca.{n}.attention", d, ed, c["heads"], c["kv_heads"], c["head_dim"], True)
        if c["gated"]:
            s[f"retro.cca.{n}.gate"] = (1,)
    return s


LLAMA_NAMES = {"token_embedding": "model.embed_tokens", "final_norm": "model.norm", "output": "lm_head",
               "attention_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attention.out": "self_attn.o_proj",
               "attention.q": "self_attn.q_proj", "attention.k": "self_attn.k_proj", "attention.v": "self_attn.v_proj",
               "ffn.gate": "mlp.gate_proj", "ffn.up": "mlp.up_proj", "ffn.down": "mlp.down_proj"}
GPT2_NAMES = {"token_embedding": "transformer.wte", "position_embedding": "transformer.wpe", "final_norm": "transformer.ln_f",
              "attention_norm": "ln_1", "ffn_norm": "ln_2", "attention.out": "attn.c_proj", "ffn.up": "mlp.c_fc",
              "ffn.down": "mlp.c_proj"}


def hugging_face(w, c):
    """The same weights by the names and in the form of the base's family."""
    out = {}
    for name, value in w.items():
        if name.startswith("retro."):
            out[name] = value
            continue
        stem, kind = name.rsplit(".", 1)
        layer, part = ("", stem) if not stem.startswith("layers.") else stem.split(".", 2)[1:]
        if c["family"] == "llama":
            out[(f"model.layers.{layer}." if layer else "") + LLAMA_NAMES[part] + "." + kind] = value
        elif part in ("attention.q", "attention.k", "attention.v"):
            if part == "attention.q":
                whole = torch.cat([w[f"layers.{layer}.attention.{p}.{kind}"] for p in "qkv"])
                out[f"transformer.h.{layer}.attn.c_attn.{kind}"] = whole.T if kind == "weight" else whole
        else:
            is_matrix = layer and value.dim() == 2
            out[(f"transformer.h.{layer}." if layer else "") + GPT2_NAMES[part] + "." + kind] = value.T if is_matrix else value
    return {n: v.detach().float().contiguous() for n, v in out.items()}


def config_json(c):
    base = {"model_type": "gpt2", "vocab_size": c["vocab"], "n_embd": c["hidden"], "n_layer": c["layers"], "n_head": c["heads"],
            "n_inner": c["ffn"], "n_positions": c["context"], "layer_norm_epsilon": c["eps"], "activation_function": "gelu_new"}
    if c["family"] == "llama":
        base = {"model_type": "llama", "vocab_size": c["vocab"], "hidden_size": c["hidden"], "num_hidden_layers": c["layers"],
                "num_attention_heads": c["heads"], "num_key_value_heads": c["kv_heads"], "head_dim": c["head_dim"],
                "intermediate_size": c["ffn"], "max_position_embeddings": c["context"], "rms_norm_eps": c["eps"],
                "rope_theta": c["base"], "hidden_act": "silu"}
    base["tie_word_embeddings"] = c["tied"]
    base["retro"] = {"chunk_len": c["chunk_len"], "neighbour_len": c["neighbour_len"], "num_neighbours": 2,
                     "cca_layers": c["cca_layers"], "gated": c["gated"], "encoder": c["encoder"]}
    return base


def make(name, c, gradients):
    rng = np.random.default_rng(11)
    # Rounded to what the file will hold, so that both sides start from the same numbers.
    w = {}
    for key, shape in shapes(c).items():
        is_norm = key.endswith("norm.weight")
        values = rng.normal(1.0 if is_norm else 0.0, 0.2 if len(shape) == 1 else 0.25, shape)
        w[key] = torch.tensor(values.astype(np.float32).astype(np.float64), requires_grad=True)
    length, m, r = c["length"], c["chunk_len"], c["neighbour_len"]
    tokens = rng.integers(0, c["vocab"], (2, length)).tolist()
    lengths = [[[r, r - 3], [0, r], [m, 1], [0, 0]], [[r, r], [r - 1, 0], [2, m], [r, r]]]
    neighbours = [[[rng.integers(0, c["vocab"], n).tolist() for n in chunk] for chunk in sequence[:length // m]]
                  for sequence in lengths]
    logits = [forward(t, f, w, c) for t, f in zip(tokens, neighbours)]
    loss = torch.stack([torch.nn.functional.cross_entropy(y[:-1], torch.tensor(t[1:])) for y, t in zip(logits, tokens)]).mean()
    loss.backward()
    folder = HERE / "retro" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config_json(c), indent=1) + "\n")
    save_file(hugging_face(w, c), folder / "model.safetensors")
    (folder / "tokens.json").write_text(json.dumps(tokens) + "\n")
    (folder / "neighbours.json").write_text(json.dumps(neighbours) + "\n")
    torch.cat(logits).detach().numpy().astype("<f4").tofile(folder / "logits.f32")
    save_file({n: w[n].grad.float().contiguous() for n in gradients}, folder / "gradients.safetensors")


def main():
    # Widths that no vector register divides; sequences that end inside a chunk.
    make("gpt2", dict(family="gpt2", vocab=53, hidden=20, layers=3, heads=2, kv_heads=2, head_dim=10, ffn=28, context=40, eps=1e-5,
                      tied=True, chunk_len=6, neighbour_len=12, cca_layers=[1, 2], gated=False, length=22,
                      encoder=dict(num_layers=2, hidden_dim=12, num_heads=2, num_kv_heads=2, head_dim=6, ffn_dim=20,
                                   cross_layers=[0], shared_embedding=False, shared_layers=False)),
         ["retro.cca.1.attention.q.weight", "retro.cca.2.attention.position.weight", "retro.cca.1.attention.position_bias",
          "retro.encoder.layers.0.cross.k.weight", "retro.encoder.layers.0.cross.position.weight",
          "retro.encoder.layers.1.ffn.up.bias", "retro.encoder.token_embedding.weight", "layers.0.ffn.down.weight"])
    make("llama", dict(family="llama", vocab=59, hidden=24, layers=3, heads=4, kv_heads=2, head_dim=6, ffn=20, context=64, eps=1e-6,
                       base=5000.0, tied=False, chunk_len=5, neighbour_len=9, cca_layers=[0, 2], gated=True, length=20,
                       encoder=dict(num_layers=2, hidden_dim=24, num_heads=4, num_kv_heads=2, head_dim=6, ffn_dim=16,
                                    cross_layers=[0, 1], shared_embedding=True, shared_layers=False)),
         ["retro.cca.0.gate", "retro.cca.0.attention.k.weight", "retro.cca.2.attention.v.weight",
          "retro.encoder.layers.1.cross.q.weight", "retro.encoder.layers.1.cross.memory_norm.weight",
          "retro.encoder.layers.0.attention.k.weight", "layers.0.attention.q.weight", "token_embedding.weight"])
    shared = dict(num_layers=2, cross_layers=[], shared_embedding=True, shared_layers=True)
    make("gpt2_shared", dict(family="gpt2", vocab=53, hidden=20, layers=3, heads=2, kv_heads=2, head_dim=10, ffn=28, context=40,
                             eps=1e-5, tied=True, chunk_len=6, neighbour_len=12, cca_layers=[1, 2], gated=False, length=22,
                             encoder=dict(hidden_dim=20, num_heads=2, num_kv_heads=2, head_dim=10, ffn_dim=28, **shared)),
         ["retro.cca.1.attention.q.weight", "retro.encoder.final_norm.bias", "layers.0.ffn.down.weight",
          "layers.0.attention.q.weight"])
    make("llama_shared", dict(family="llama", vocab=59, hidden=24, layers=3, heads=4, kv_heads=2, head_dim=6, ffn=20, context=64,
                              eps=1e-6, base=5000.0, tied=False, chunk_len=5, neighbour_len=9, cca_layers=[0, 2], gated=True,
                              length=20, encoder=dict(hidden_dim=24, num_heads=4, num_kv_heads=2, head_dim=6, ffn_dim=20,
                                                      **shared)),
         ["retro.cca.0.gate", "retro.cca.2.attention.v.weight", "retro.encoder.final_norm.weight",
          "layers.0.attention.q.weight", "token_embedding.weight"])


if __name__ == "__main__":
    main()
