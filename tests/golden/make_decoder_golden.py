#!/usr/bin/env python3
"""Makes tiny random decoders in Hugging Face layout and the logits that `transformers` gets from them.

Needs torch and transformers. Writes, beside itself, gpt2/, llama/gqa/ and llama/llama3_rope/: config.json,
model.safetensors, tokens.json (sequences of token ids) and logits.f32 (little-endian fp32, a row of vocab_size for
every token, sequences one after the other).
"""
import json
import pathlib

import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

HERE = pathlib.Path(__file__).resolve().parent
LENGTHS = [1, 7, 40, 19]


def randomize(model):
    """Every parameter matters in the result: norms and biases too, and weights large enough to tell tokens apart."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1:
                p.normal_(1.0 if "weight" in name else 0.0, 0.2)
            else:
                p.normal_(0.0, 0.25)


def write(folder, model, dtype=torch.float32):
    randomize(model)
    model = model.to(dtype).eval()
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    # Loaded again: to() rounds RoPE's frequencies too, which are no weights and stay fp32.
    model = type(model).from_pretrained(folder, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(7)
    sequences = [torch.randint(0, model.config.vocab_size, (n,), generator=generator) for n in LENGTHS]
    with torch.no_grad():
        logits = [model(input_ids=s[None]).logits[0] for s in sequences]
    (folder / "tokens.json").write_text(json.dumps([s.tolist() for s in sequences]) + "\n")
    torch.cat(logits).float().numpy().astype("<f4").tofile(folder / "logits.f32")


def main():
    torch.manual_seed(3)
    # Widths that no vector register divides: 12 floats a head, 44 in a feed-forward layer, 61 tokens.
    write(HERE / "gpt2", GPT2LMHeadModel(GPT2Config(
        vocab_size=61, n_positions=48, n_embd=24, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0)))
    write(HERE / "llama" / "gqa", LlamaForCausalLM(LlamaConfig(
        vocab_size=67, hidden_size=32, intermediate_size=44, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-6, tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 5000.0})))
    write(HERE / "llama" / "llama3_rope", LlamaForCausalLM(LlamaConfig(
        vocab_size=67, hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=3,
        num_key_value_heads=1, max_position_embeddings=128, rms_norm_eps=1e-5, tie_word_embeddings=True,
        rope_parameters={"rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0,
                         "high_freq_factor": 4.0, "original_max_position_embeddings": 24})), torch.bfloat16)


if __name__ == "__main__":
    main()
