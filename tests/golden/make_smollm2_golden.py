#!/usr/bin/env python3
"""Reference log-probabilities and greedy text of SmolLM2-135M-Instruct, as its GGUF file has it.

Needs torch, transformers and gguf. The file's tensors are dequantized by the `gguf` package, and `transformers` runs
them in fp32. usage: make_smollm2_golden.py MODEL.gguf. Writes smollm2/expected.json: for each prompt its token ids,
the log-probability of every token after the first, the five likeliest tokens after the last one, the greedy
continuation, and how clear its closest decision was (log-probability of the first minus the second).
"""
import json
import pathlib
import sys

import gguf
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

HERE = pathlib.Path(__file__).resolve().parent
PROMPTS = [
    "The capital of France is",
    "<|im_start|>user\nWhat is the boiling point of water?<|im_end|>\n<|im_start|>assistant\n",
    "def fibonacci(n):\n    if n < 2:\n",
    "Im Jahr 1905 veröffentlichte Albert Einstein",
    "The history of the Roman Empire begins with the founding of the city and " * 8,
]
NUM_NEW = 24
NAMES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "token_embd": "embed_tokens", "output_norm": "norm", "output": "lm_head",
}


def split_halves(weight, num_heads):
    """GGUF stores the rows of q and k so that RoPE turns neighbours; the reference turns a head's two halves."""
    rows, columns = weight.shape
    return weight.reshape(num_heads, rows // num_heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def load(path):
    reader = gguf.GGUFReader(path)
    field = lambda name: reader.fields["llama." + name].contents()
    heads, kv_heads = field("attention.head_count"), field("attention.head_count_kv")
    state = {}
    for tensor in reader.tensors:
        weight = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).copy()).float()
        parts = tensor.name.split(".")
        layer, key = (f"layers.{parts[1]}.", parts[2]) if parts[0] == "blk" else ("", parts[0])
        if key in ("attn_q", "attn_k"):
            weight = split_halves(weight, heads if key == "attn_q" else kv_heads)
        state[("" if key == "output" else "model.") + layer + NAMES[key] + ".weight"] = weight
    config = LlamaConfig(
        vocab_size=len(state["model.embed_tokens.weight"]), hidden_size=field("embedding_length"),
        intermediate_size=field("feed_forward_length"), num_hidden_layers=field("block_count"),
        num_attention_heads=heads, num_key_value_heads=kv_heads, max_position_embeddings=field("context_length"),
        rms_norm_eps=field("attention.layer_norm_rms_epsilon"), tie_word_embeddings="lm_head.weight" not in state,
        rope_parameters={"rope_type": "default", "rope_theta": field("rope.freq_base")})
    model = LlamaForCausalLM(config)
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    model.tie_weights()
    return model.eval()


def continuation(model, ids):
    """The greedy tokens that follow, and the smallest lead of a chosen token over the next best."""
    chosen, lead, past, step = [], float("inf"), None, ids
    for _ in range(NUM_NEW):
        out = model(input_ids=torch.tensor([step]), past_key_values=past, use_cache=True)
        past, best = out.past_key_values, torch.log_softmax(out.logits[0, -1], -1).topk(2)
        lead = min(lead, (best.values[0] - best.values[1]).item())
        chosen.append(best.indices[0].item())
        step = chosen[-1:]
    return chosen, lead


def expected(model, ids):
    with torch.no_grad():
        log_probs = torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0], -1)
        greedy, lead = continuation(model, ids)
    top = log_probs[-1].topk(5)
    return {"tokens": ids, "log_probs": [round(log_probs[i, t].item(), 5) for i, t in enumerate(ids[1:])],
            "top_tokens": top.indices.tolist(), "top_log_probs": [round(v, 5) for v in top.values.tolist()],
            "greedy": greedy, "greedy_lead": round(lead, 5)}


def main():
    path = pathlib.Path(sys.argv[1])
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = load(path)
    results = []
    for prompt in PROMPTS:
        results.append(expected(model, tokenizer(prompt).input_ids))
        print(repr(prompt[:40]), "->", repr(tokenizer.decode(results[-1]["greedy"])), results[-1]["greedy_lead"])
    lines = ",\n".join(json.dumps(r) for r in results)
    (HERE / "smollm2" / "expected.json").write_text("[" + lines + "]\n")


if __name__ == "__main__":
    main()
