#!/usr/bin/env python3
"""Makes LoRA adapters of the tiny decoders beside this script and the logits that `peft` gets with them.

Needs torch, transformers and peft. Run it after make_decoder_golden.py: the bases are gpt2/ and llama/gqa/. Writes
lora/gpt2/ and lora/llama/: adapter_config.json, adapter_model.safetensors and logits.f32 for the tokens of the base.
"""
import json
import pathlib

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).resolve().parent


def write(name, base, **options):
    torch.manual_seed(11)
    model = AutoModelForCausalLM.from_pretrained(HERE / base, dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **options)).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if "lora_" in parameter_name:
                parameter.normal_(0.0, 0.2)  # B too, which is zero at first
    folder = HERE / "lora" / name
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = base  # not the path of this machine
    config["target_modules"].sort()
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    sequences = json.loads((HERE / base / "tokens.json").read_text())
    with torch.no_grad():
        logits = [model(input_ids=torch.tensor([s])).logits[0] for s in sequences]
    torch.cat(logits).float().numpy().astype("<f4").tofile(folder / "logits.f32")


def main():
    write("gpt2", "gpt2", r=3, lora_alpha=5, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True)
    write("llama", "llama/gqa", r=4, lora_alpha=6, use_rslora=True,
          target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])
    write("llama_one_layer", "llama/gqa", r=2, lora_alpha=4, target_modules=["q_proj", "up_proj"],
          layers_to_transform=[1])


if __name__ == "__main__":
    main()
