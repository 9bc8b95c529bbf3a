#!/usr/bin/env python3
"""Reference embeddings: of a tiny random BERT (transformers, mean pooled, not normalized) and of the real
all-MiniLM-L6-v2 (sentence-transformers).

Needs torch, transformers and sentence-transformers. usage: make_encoder_golden.py MINILM_FOLDER. Writes, beside
itself, bert/ (config.json, model.safetensors, modules.json, 1_Pooling/config.json) and minilm/; in both
tokens.json (token ids with [CLS] and [SEP]) and embeddings.f32 (little-endian fp32, a row for each sequence).
minilm/texts.json has the texts in the same order.
"""
import json
import pathlib
import sys

import torch
from sentence_transformers import SentenceTransformer
from transformers import BertConfig, BertModel

HERE = pathlib.Path(__file__).resolve().parent
PARAGRAPH = ("The steam engine was one of the machines that made the Industrial Revolution: it pumped water out of "
             "mines, drove looms and, from 1804 on, pulled trains. ")
TEXTS = [
    "", " ", "a", "Paris is the capital of France.", "What is the boiling point of water at sea level?",
    "naïve café über Straße", "東京は日本の首都である。", "Москва — столица России.", "👩‍👩‍👧‍👦 family 🇫🇷",
    "def main():\n\treturn {'x': 1.5e-3}\r\n", "UPPER lower MiXeD", "!!! ??? ... ---", "pneumonoultramicroscopic" * 6,
    PARAGRAPH, PARAGRAPH * 4, PARAGRAPH * 30,
    "the " * 254, "the " * 253, "1234567890 " * 40,
]


def write(folder, sequences, embeddings):
    (folder / "tokens.json").write_text("[" + ",\n".join(json.dumps(s) for s in sequences) + "]\n")
    torch.stack(list(embeddings)).float().numpy().astype("<f4").tofile(folder / "embeddings.f32")


def make_bert(folder):
    torch.manual_seed(5)
    model = BertModel(BertConfig(vocab_size=61, hidden_size=24, num_hidden_layers=2, num_attention_heads=2,
                                 intermediate_size=44, max_position_embeddings=40), add_pooling_layer=False).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.normal_(1.0 if p.dim() == 1 and "weight" in name else 0.0, 0.25)
        model.save_pretrained(folder)
        sequences = [torch.randint(0, 61, (n,)) for n in (1, 2, 13, 40, 17, 40)]
        embeddings = [model(input_ids=s[None]).last_hidden_state[0].mean(0) for s in sequences]
    write(folder, [s.tolist() for s in sequences], embeddings)
    kinds = [("Transformer", ""), ("Pooling", "1_Pooling")]
    (folder / "modules.json").write_text(json.dumps(
        [{"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + kind}
         for i, (kind, path) in enumerate(kinds)], indent=2) + "\n")
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(
        {"word_embedding_dimension": 24, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
         "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False}, indent=2) + "\n")


def make_minilm(folder, model_folder):
    model = SentenceTransformer(model_folder, device="cpu")
    embeddings = model.encode(TEXTS, batch_size=len(TEXTS), convert_to_tensor=True)
    longest = model.max_seq_length
    sequences = [model.tokenizer(t, truncation=True, max_length=longest).input_ids for t in TEXTS]
    (folder / "texts.json").write_text(json.dumps(TEXTS, indent=0) + "\n")
    write(folder, sequences, embeddings)


def main():
    make_bert(HERE / "bert")
    make_minilm(HERE / "minilm", sys.argv[1])


if __name__ == "__main__":
    main()
