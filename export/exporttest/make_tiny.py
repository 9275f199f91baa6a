"""Make a tiny random BERT as a sentence-transformers directory, from a seed."""

import json
import os
import shutil
import sys

import numpy as np
from safetensors.numpy import save_file

source, out, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
rng = np.random.Generator(np.random.PCG64(options["Seed"]))
hidden, intermediate = options["Hidden"], options["Intermediate"]
config = {
    "model_type": "bert", "architectures": ["BertModel"], "dtype": "float32", "vocab_size": 30522, "hidden_size": hidden,
    "num_hidden_layers": options["Layers"], "num_attention_heads": options["Heads"], "intermediate_size": intermediate,
    "max_position_embeddings": options["MaxTokens"], "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-6, "pad_token_id": 0,
}
tensors = {}


def tensor(name, *shape):
    # A fresh BERT's biases are all 0 and its weights small: nothing would
    # notice a bias that was left out.
    about = 1 if name.endswith("LayerNorm.weight") else 0
    size = 0.054 if name.endswith("weight") and not about else 0.05
    tensors[name] = (about + size * rng.standard_normal(shape)).astype(np.float32)


def linear(name, into, to):
    tensor(name + ".weight", to, into)
    tensor(name + ".bias", to)


def norm(name):
    tensor(name + ".LayerNorm.weight", hidden)
    tensor(name + ".LayerNorm.bias", hidden)


tensor("embeddings.word_embeddings.weight", config["vocab_size"], hidden)
tensor("embeddings.position_embeddings.weight", config["max_position_embeddings"], hidden)
tensor("embeddings.token_type_embeddings.weight", 2, hidden)
norm("embeddings")
for n in range(config["num_hidden_layers"]):
    p = f"encoder.layer.{n}."
    for name in ("query", "key", "value"):
        linear(p + "attention.self." + name, hidden, hidden)
    linear(p + "attention.output.dense", hidden, hidden)
    norm(p + "attention.output")
    linear(p + "intermediate.dense", hidden, intermediate)
    linear(p + "output.dense", intermediate, hidden)
    norm(p + "output")
linear("pooler.dense", hidden, hidden)
save_file(tensors, os.path.join(out, "model.safetensors"), metadata={"format": "pt"})
for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
    shutil.copyfile(os.path.join(source, name), os.path.join(out, name))


def write(name, value):
    path = os.path.join(out, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f)


write("config.json", config)
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
