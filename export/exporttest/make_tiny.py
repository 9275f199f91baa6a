"""Make a tiny random BERT as a sentence-transformers directory, from a seed."""

import json
import os
import shutil
import sys

import torch
from transformers import BertConfig, BertModel

source, out, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
torch.manual_seed(options["Seed"])
config = BertConfig(
    vocab_size=30522, hidden_size=options["Hidden"], num_hidden_layers=options["Layers"],
    num_attention_heads=options["Heads"], intermediate_size=options["Intermediate"],
    max_position_embeddings=options["MaxTokens"], layer_norm_eps=1e-6,
)
model = BertModel(config).eval()
# A fresh BERT's biases are all 0 and its weights small: nothing would notice
# a bias that was left out.
with torch.no_grad():
    for p in model.parameters():
        p.add_(torch.randn_like(p) * 0.05)
model.save_pretrained(out, safe_serialization=True)
for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
    shutil.copyfile(os.path.join(source, name), os.path.join(out, name))


def write(name, value):
    path = os.path.join(out, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f)


modules = ["Transformer", "Pooling"] + ([] if options["NoNormalize"] else ["Normalize"])
write("modules.json", [
    {"idx": i, "name": str(i), "path": "" if i == 0 else f"{i}_{m}", "type": f"sentence_transformers.models.{m}"}
    for i, m in enumerate(modules)
])
write("sentence_bert_config.json", {"max_seq_length": options["MaxTokens"], "do_lower_case": False})
write("1_Pooling/config.json", {
    "word_embedding_dimension": options["Hidden"],
    "pooling_mode_cls_token": options["Pooling"] == "cls",
    "pooling_mode_mean_tokens": options["Pooling"] == "mean",
    "pooling_mode_max_tokens": options["Pooling"] == "max",
})
