#!/usr/bin/env python3
"""RETRO checkpoints of random weights on the tiny bases of make_decoder_golden.py, and their logits where chunks are not
aligned to the first token: a short first chunk, chunks that close before the one before has acted on all its positions,
gaps, chunks without neighbours, missing and short neighbours. Plain loops over positions, written from Borgeaud et al.
2022 (equations 1 to 7, algorithm 1) and docs alone; no code is shared with the engine or the LibTorch module.
usage: make_retro_unaligned_golden.py (from the repository's root). Needs torch and safetensors."""
import json
import math
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

GOLDEN = pathlib.Path("tests/golden")
CHUNK_LEN, NEIGHBOUR_LEN = 6, 11


class Reference:
    def __init__(self, config, weights):
        self.config, self.retro = config, config["retro"]
        self.w = {name: tensor.double() for name, tensor in weights.items()}
        self.gpt2 = config["model_type"] == "gpt2"
        self.dim = config["n_embd"] if self.gpt2 else config["hidden_size"]
        self.heads = config["n_head"] if self.gpt2 else config["num_attention_heads"]
        self.kv_heads = self.heads if self.gpt2 else config["num_key_value_heads"]
        self.head_dim = self.dim // self.heads if self.gpt2 else config["head_dim"]
        self.layers = config["n_layer"] if self.gpt2 else config["num_hidden_layers"]

    def find(self, *names):
        return next((self.w[name] for name in names if name in self.w), None)

    def norm(self, at, x):
        weight, bias = self.w[f"{at}.weight"], self.find(f"{at}.bias")
        if self.gpt2:
            return F.layer_norm(x, (x.shape[-1],), weight, bias, self.config["layer_norm_epsilon"])
        return x / (x.pow(2).mean(-1, keepdim=True) + self.config["rms_norm_eps"]).sqrt() * weight

    def linear(self, at, x):
        bias = self.find(f"{at}.bias")
        y = x @ self.w[f"{at}.weight"].T
        return y if bias is None else y + bias

    def turn(self, x, position):
        """RoPE on [heads, head_dim]."""
        half = x.shape[-1] // 2
        angle = position * self.config["rope_parameters"]["rope_theta"] ** (-torch.arange(half).double() / half)
        a, b = x[:, :half], x[:, half:]
        return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], 1)

    @staticmethod
    def attend(q, keys, values, scores_of_positions=None):
        """q: [heads, head_dim]; keys, values: lists of [kv_heads, head_dim]."""
        group = q.shape[0] // keys[0].shape[0]
        k = torch.stack(keys).repeat_interleave(group, 1)
        v = torch.stack(values).repeat_interleave(group, 1)
        scores = torch.einsum("hd,jhd->hj", q, k)
        if scores_of_positions is not None:
            scores = scores + torch.stack(scores_of_positions, 1)
        return torch.einsum("hj,jhd->hd", (scores / math.sqrt(q.shape[1])).softmax(1), v).reshape(-1)

    def position_score(self, at, q, distance):
        weight = self.w[f"{at}.position.weight"]
        width = weight.shape[1]
        angles = distance / 10000 ** (torch.arange(0, width, 2).double() / width)
        sinusoid = torch.stack([angles.sin(), angles.cos()], 1).reshape(-1)
        return ((q + self.w[f"{at}.position_bias"]) * (weight @ sinusoid).reshape(q.shape)).sum(1)

    def self_qkv(self, layer, x):
        if self.gpt2:
            at = f"transformer.h.{layer}.attn.c_attn"
            return (x @ self.w[f"{at}.weight"] + self.w[f"{at}.bias"]).split(self.dim, -1)
        at = f"model.layers.{layer}.self_attn"
        return [self.linear(f"{at}.{part}_proj", x) for part in "qkv"]

    def self_out(self, layer, x):
        if self.gpt2:
            at = f"transformer.h.{layer}.attn.c_proj"
            return x @ self.w[f"{at}.weight"] + self.w[f"{at}.bias"]
        return self.linear(f"model.layers.{layer}.self_attn.o_proj", x)

    def feed_forward(self, layer, x):
        if self.gpt2:
            at = f"transformer.h.{layer}"
            h = self.norm(f"{at}.ln_2", x)
            h = F.gelu(h @ self.w[f"{at}.mlp.c_fc.weight"] + self.w[f"{at}.mlp.c_fc.bias"], approximate="tanh")
            return h @ self.w[f"{at}.mlp.c_proj.weight"] + self.w[f"{at}.mlp.c_proj.bias"]
        at = f"model.layers.{layer}"
        h = self.norm(f"{at}.post_attention_layernorm", x)
        return self.linear(f"{at}.mlp.down_proj",
                           F.silu(self.linear(f"{at}.mlp.gate_proj", h)) * self.linear(f"{at}.mlp.up_proj", h))

    def encode(self, neighbour, chunk):
        """[tokens, d'] of one neighbour; chunk: activations of the chunk's tokens, by place 0 to m - 1."""
        encoder = self.retro["encoder"]
        heads, kv_heads, head_dim = encoder["num_heads"], encoder["num_kv_heads"], encoder["head_dim"]
        x = self.w["retro.encoder.token_embedding.weight"][neighbour]
        if self.gpt2:
            x = x + self.w["retro.encoder.position_embedding.weight"][: len(neighbour)]
        for layer in range(encoder["num_layers"]):
            at = f"retro.encoder.layers.{layer}"
            h = self.norm(f"{at}.attention_norm", x)
            q = list(self.linear(f"{at}.attention.q", h).reshape(-1, heads, head_dim))
            k = list(self.linear(f"{at}.attention.k", h).reshape(-1, kv_heads, head_dim))
            v = list(self.linear(f"{at}.attention.v", h).reshape(-1, kv_heads, head_dim))
            if not self.gpt2:
                q = [self.turn(row, i) for i, row in enumerate(q)]
                k = [self.turn(row, i) for i, row in enumerate(k)]
            x = x + self.linear(f"{at}.attention.out", torch.stack([self.attend(row, k, v) for row in q]))
            if layer in encoder["cross_layers"]:
                memory = {i: self.norm(f"{at}.cross.memory_norm", row) for i, row in chunk.items()}
                k = [self.linear(f"{at}.cross.k", row).reshape(kv_heads, head_dim) for row in memory.values()]
                v = [self.linear(f"{at}.cross.v", row).reshape(kv_heads, head_dim) for row in memory.values()]
                rows = []
                for i, row in enumerate(self.norm(f"{at}.cross_norm", x)):
                    q = self.linear(f"{at}.cross.q", row).reshape(heads, head_dim)
                    rows.append(self.attend(q, k, v, [self.position_score(f"{at}.cross", q, i - j) for j in memory]))
                x = x + self.linear(f"{at}.cross.out", torch.stack(rows))
            h = self.norm(f"{at}.ffn_norm", x)
            if self.gpt2:
                h = F.gelu(self.linear(f"{at}.ffn.up", h), approximate="tanh")
            else:
                h = F.silu(self.linear(f"{at}.ffn.gate", h)) * self.linear(f"{at}.ffn.up", h)
            x = x + self.linear(f"{at}.ffn.down", h)
        return self.norm("retro.encoder.final_norm", x)

    def cca(self, layer, place, x, encoded):
        at = f"retro.cca.{layer}.attention"
        q = self.linear(f"{at}.q", self.norm(f"retro.cca.{layer}.norm", x)).reshape(self.heads, self.head_dim)
        keys, values, scores = [], [], []
        for neighbour in encoded:
            for j, row in enumerate(neighbour):
                keys.append(self.linear(f"{at}.k", row).reshape(self.kv_heads, self.head_dim))
                values.append(self.linear(f"{at}.v", row).reshape(self.kv_heads, self.head_dim))
                scores.append(self.position_score(at, q, place - j + CHUNK_LEN - 1))
        out = self.linear(f"{at}.out", self.attend(q, keys, values, scores))
        gate = self.find(f"retro.cca.{layer}.gate")
        return out if gate is None else gate.tanh() * out

    def logits(self, tokens, chunks):
        """chunks: by their end."""
        rows, first = [], min(self.retro["cca_layers"])
        keys, values = [[] for _ in range(self.layers)], [[] for _ in range(self.layers)]
        activations, acting, encoded = [], None, []
        for t, token in enumerate(tokens):
            x = self.find("transformer.wte.weight", "model.embed_tokens.weight")[token]
            if self.gpt2:
                x = x + self.w["transformer.wpe.weight"][t]
            for layer in range(self.layers):
                norm = f"transformer.h.{layer}.ln_1" if self.gpt2 else f"model.layers.{layer}.input_layernorm"
                q, k, v = self.self_qkv(layer, self.norm(norm, x))
                q, k = q.reshape(self.heads, -1), k.reshape(self.kv_heads, -1)
                if not self.gpt2:
                    q, k = self.turn(q, t), self.turn(k, t)
                keys[layer].append(k)
                values[layer].append(v.reshape(self.kv_heads, -1))
                x = x + self.self_out(layer, self.attend(q, keys[layer], values[layer]))
                if layer == first:
                    activations.append(x)
                    if t + 1 in chunks:
                        acting = t
                        # The last m tokens up to here, at the last places of the chunk.
                        chunk = {m: activations[t - (CHUNK_LEN - 1 - m)] for m in range(CHUNK_LEN)
                                 if t - (CHUNK_LEN - 1 - m) >= 0}
                        encoded = [self.encode(neighbour, chunk) for neighbour in chunks[t + 1] if neighbour]
                if layer in self.retro["cca_layers"] and encoded and t - acting < CHUNK_LEN:
                    x = x + self.cca(layer, t - acting, x, encoded)
                x = x + self.feed_forward(layer, x)
            x = self.norm("transformer.ln_f" if self.gpt2 else "model.norm", x)
            output = self.find("lm_head.weight", "transformer.wte.weight")
            rows.append(output @ x)
        return torch.stack(rows)


def add_weights(config, weights, generator):
    retro = config["retro"]
    encoder, gpt2 = retro["encoder"], config["model_type"] == "gpt2"
    dim = config["n_embd"] if gpt2 else config["hidden_size"]
    heads = config["n_head"] if gpt2 else config["num_attention_heads"]
    kv_heads = heads if gpt2 else config["num_key_value_heads"]
    head_dim, width = dim // heads, encoder["hidden_dim"]

    def add(name, *shape, scale=1.0, mean=0.0):
        weights[name] = torch.randn(*shape, generator=generator) * scale + mean

    def norm(at, size):
        add(f"{at}.weight", size, scale=0.2, mean=1.0)
        if gpt2:
            add(f"{at}.bias", size, scale=0.2)

    def linear(at, outputs, inputs):
        add(f"{at}.weight", outputs, inputs, scale=inputs ** -0.5)
        if gpt2:
            add(f"{at}.bias", outputs, scale=0.2)

    def attention(at, query, memory, sizes, relative):
        count, kv_count, size = sizes
        linear(f"{at}.q", count * size, query)
        linear(f"{at}.k", kv_count * size, memory)
        linear(f"{at}.v", kv_count * size, memory)
        linear(f"{at}.out", query, count * size)
        if relative:
            add(f"{at}.position.weight", count * size, query, scale=0.3)
            add(f"{at}.position_bias", count, size, scale=0.3)

    sizes = encoder["num_heads"], encoder["num_kv_heads"], encoder["head_dim"]
    add("retro.encoder.token_embedding.weight", config["vocab_size"], width)
    if gpt2:
        add("retro.encoder.position_embedding.weight", NEIGHBOUR_LEN, width)
    for layer in range(encoder["num_layers"]):
        at = f"retro.encoder.layers.{layer}"
        norm(f"{at}.attention_norm", width)
        attention(f"{at}.attention", width, width, sizes, False)
        if layer in encoder["cross_layers"]:
            norm(f"{at}.cross_norm", width)
            norm(f"{at}.cross.memory_norm", dim)
            attention(f"{at}.cross", width, dim, sizes, True)
        norm(f"{at}.ffn_norm", width)
        for name in ("up",) if gpt2 else ("gate", "up"):
            linear(f"{at}.ffn.{name}", encoder["ffn_dim"], width)
        linear(f"{at}.ffn.down", width, encoder["ffn_dim"])
    norm("retro.encoder.final_norm", width)
    for layer in retro["cca_layers"]:
        norm(f"retro.cca.{layer}.norm", dim)
        attention(f"retro.cca.{layer}.attention", dim, width, (heads, kv_heads, head_dim), True)
        if retro["gated"]:
            add(f"retro.cca.{layer}.gate", 1)


def make(name, base, seed, cca_layers, cross_layers, gated):
    generator = torch.Generator().manual_seed(seed)
    config = json.loads((GOLDEN / base / "config.json").read_text())
    weights = load_file(GOLDEN / base / "model.safetensors")
    config["retro"] = dict(chunk_len=CHUNK_LEN, neighbour_len=NEIGHBOUR_LEN, num_neighbours=2, cca_layers=cca_layers,
                           gated=gated, embedder="",
                           encoder=dict(num_layers=2, hidden_dim=16, num_heads=4, num_kv_heads=2, head_dim=6,
                                        ffn_dim=24, cross_layers=cross_layers, shared_embedding=False))
    add_weights(config, weights, generator)

    def tokens(count):
        return torch.randint(config["vocab_size"], (count,), generator=generator).tolist()

    # Ends; and the lengths of each chunk's neighbours.
    cases = [(22, {2: [11, 7], 8: [11], 14: [], 20: [1, 0, 11, 5]}), (19, {4: [11, 11], 7: [3], 8: [11, 2], 17: [9]})]
    reference, sequences, rows = Reference(config, weights), [], []
    for length, ends in cases:
        chunks = {end: [tokens(size) for size in lengths] for end, lengths in ends.items()}
        text = tokens(length)
        sequences.append(dict(tokens=text, chunks=[dict(end=end, neighbours=n) for end, n in chunks.items()]))
        rows.append(reference.logits(text, chunks))
    folder = GOLDEN / "retro_unaligned" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    (folder / "cases.json").write_text(json.dumps(sequences) + "\n")
    torch.cat(rows).float().numpy().tofile(folder / "logits.f32")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


make("gpt2", "gpt2", 1, [0, 1], [0], True)
make("llama", "llama/gqa", 2, [1], [0, 1], False)
