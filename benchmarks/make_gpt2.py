#!/usr/bin/env python3
"""Makes a GPT-2 of 124 M random parameters in Hugging Face layout, for decoder_benchmark. usage: make_gpt2.py FOLDER
Needs torch and transformers. The seed is fixed: peers that make theirs the same way run the same weights."""
import sys

import torch
from transformers import GPT2Config, GPT2LMHeadModel

torch.manual_seed(0)
GPT2LMHeadModel(GPT2Config(vocab_size=50257, bos_token_id=50256, eos_token_id=50256)).save_pretrained(sys.argv[1])
