#!/usr/bin/env python3
"""Makes a GPT-2 of 124 M random parameters in Hugging Face layout, for decoder_benchmark. usage: make_gpt2.py FOLDER
Needs torch and transformers. The seed is fixed: peers that make theirs the same way run the same weights. The tokenizer
beside it names token i "t<i>": a converter asks for one, and nothing is encoded with it."""
import sys

import torch
from tokenizers import Tokenizer, models
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

VOCAB = 50257
torch.manual_seed(0)
GPT2LMHeadModel(GPT2Config(vocab_size=VOCAB, bos_token_id=VOCAB - 1, eos_token_id=VOCAB - 1)).save_pretrained(sys.argv[1])
words = Tokenizer(models.WordLevel({f"t{i}": i for i in range(VOCAB)}, unk_token="t0"))
PreTrainedTokenizerFast(tokenizer_object=words, unk_token="t0", bos_token=f"t{VOCAB - 1}",
                        eos_token=f"t{VOCAB - 1}").save_pretrained(sys.argv[1])
