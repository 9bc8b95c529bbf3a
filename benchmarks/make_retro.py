#!/usr/bin/env python3
"""Makes a RETRO decoder of random weights in Hugging Face layout, for decoder_benchmark.
usage: make_retro.py FOLDER [encoder layers, default 2]. Needs torch and safetensors. The base has the shape of
SmolLM2-135M; CCA is in the layers of the paper's table 10, the encoder as wide as the decoder (InstructRetro)."""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file

out = pathlib.Path(sys.argv[1])
num_layers = int(sys.argv[2]) if len(sys.argv) > 2 else 2
hidden, heads, kv_heads, head_dim, ffn, layers, vocab = 576, 9, 3, 64, 1536, 30, 49152
cca_layers = list(range(8, layers, 3))
encoder = dict(num_layers=num_layers, hidden_dim=hidden, num_heads=heads, num_kv_heads=kv_heads, head_dim=head_dim,
               ffn_dim=ffn, cross_layers=[0], shared_embedding=True)
config = dict(model_type="llama", vocab_size=vocab, hidden_size=hidden, intermediate_size=ffn, num_hidden_layers=layers,
              num_attention_heads=heads, num_key_value_heads=kv_heads, max_position_embeddings=2048,
              rms_norm_eps=1e-5, rope_theta=100000.0, hidden_act="silu", tie_word_embeddings=True,
              retro=dict(chunk_len=64, neighbour_len=128, num_neighbours=2, cca_layers=cca_layers, gated=False,
                         encoder=encoder, embedder=""))
tensors = {}
torch.manual_seed(0)


def matrix(name, rows, columns):
    tensors[name] = torch.randn(rows, columns, dtype=torch.float32).mul(0.02).to(torch.bfloat16)


def attention(at, relative):
    for part, rows in (("q", heads * head_dim), ("k", kv_heads * head_dim), ("v", kv_heads * head_dim)):
        matrix(f"{at}.{part}.weight", rows, hidden)
    matrix(f"{at}.out.weight", hidden, heads * head_dim)
    if relative:
        matrix(f"{at}.position.weight", heads * head_dim, hidden)
        tensors[f"{at}.position_bias"] = torch.zeros(heads, head_dim)


def norm(at):
    tensors[f"{at}.weight"] = torch.ones(hidden)


def linear(at, rows, columns):
    matrix(f"{at}.weight", rows, columns)


linear("model.embed_tokens", vocab, hidden)
norm("model.norm")
for i in range(layers):
    at = f"model.layers.{i}"
    norm(f"{at}.input_layernorm")
    norm(f"{at}.post_attention_layernorm")
    for part, rows in (("q", heads * head_dim), ("k", kv_heads * head_dim), ("v", kv_heads * head_dim)):
        linear(f"{at}.self_attn.{part}_proj", rows, hidden)
    linear(f"{at}.self_attn.o_proj", hidden, heads * head_dim)
    linear(f"{at}.mlp.gate_proj", ffn, hidden)
    linear(f"{at}.mlp.up_proj", ffn, hidden)
    linear(f"{at}.mlp.down_proj", hidden, ffn)
for i in range(num_layers):
    at = f"retro.encoder.layers.{i}"
    attention(f"{at}.attention", False)
    norms = ["attention_norm", "ffn_norm"]
    if i == 0:
        attention(f"{at}.cross", True)
        norms += ["cross_norm", "cross.memory_norm"]
    for name in norms:
        norm(f"{at}.{name}")
    for name, shape in (("gate", (ffn, hidden)), ("up", (ffn, hidden)), ("down", (hidden, ffn))):
        matrix(f"{at}.ffn.{name}.weight", *shape)
norm("retro.encoder.final_norm")
for i in cca_layers:
    norm(f"retro.cca.{i}.norm")
    attention(f"retro.cca.{i}.attention", True)

out.mkdir(parents=True, exist_ok=True)
(out / "config.json").write_text(json.dumps(config, indent=1))
save_file(tensors, out / "model.safetensors")
