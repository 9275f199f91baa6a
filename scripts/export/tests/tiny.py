"""Tiny random models as sentence-transformers directories, for the tests."""

from __future__ import annotations

import json
import os

from model_dir import Config

# What the tests give as --config, beside a model: embedgate's reader is Go.
CONFIG = "read-by-embedgate.json"

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz", *("##" + c for c in "abcdefghijklmnopqrstuvwxyz"), "hello", "world", "river", "music", "protein", "engine"]
TEXTS = ["hello world", "river", "music of the protein engine in the world", "a", "hello hello hello zebra quartz, of every engine and river"]


def write(dir: str, name: str, value) -> None:
    path = os.path.join(dir, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f)


def edit(dir: str, name: str, **changes) -> None:
    """Changes keys of a JSON file; None takes a key out."""
    with open(os.path.join(dir, name), encoding="utf-8") as f:
        value = json.load(f)
    for k, v in changes.items():
        value.pop(k, None)
        if v is not None:
            value[k] = v
    write(dir, name, value)


def configs(dir: str, hidden: int = 48, pooling: str = "mean", normalize: bool = True, max_tokens: int = 24, positions: int = 40) -> None:
    """The files that sentence-transformers 2 to 4 wrote around a model, and what embedgate's reader makes of them."""
    kinds = ["Transformer", "Pooling"] + (["Normalize"] if normalize else [])
    write(dir, "modules.json", [{"idx": i, "name": str(i), "path": "" if i == 0 else f"{i}_{k}", "type": f"sentence_transformers.models.{k}"} for i, k in enumerate(kinds)])
    write(dir, "1_Pooling/config.json", {"word_embedding_dimension": hidden, "pooling_mode_cls_token": pooling == "cls", "pooling_mode_mean_tokens": pooling == "mean", "pooling_mode_max_tokens": pooling == "max", "pooling_mode_mean_sqrt_len_tokens": False})
    write(dir, "sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": False})
    write(dir, "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 40, "unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]", "model_input_names": ["input_ids", "attention_mask"]})
    write(dir, CONFIG, {"pooling": pooling, "normalize": normalize, "max_tokens": max_tokens, "dimension": hidden, "positions": positions})


def config_text(dir: str) -> str:
    """--config for a directory that configs wrote."""
    with open(os.path.join(dir, CONFIG), encoding="utf-8") as f:
        return f.read()


def config(dir: str) -> Config:
    return Config.parse(config_text(dir))


def bert_config(hidden: int = 48, **changes) -> dict:
    return {
        "model_type": "bert", "architectures": ["BertModel"], "vocab_size": len(WORDS), "hidden_size": hidden, "num_hidden_layers": 3, "num_attention_heads": 4,
        "intermediate_size": 72, "max_position_embeddings": 40, "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 3e-5, "pad_token_id": 0,
    } | changes


def shell(dir: str, **options) -> str:
    """A directory with every configuration and a weights file that nobody may come to read."""
    configs(dir, **options)
    write(dir, "config.json", bert_config())
    write(dir, "tokenizer.json", {"normalizer": None})
    with open(os.path.join(dir, "model.safetensors"), "wb") as f:
        f.write(b"not weights")
    return dir


def tokenizer(dir: str) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    t = Tokenizer(models.WordPiece({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    t.normalizer, t.pre_tokenizer = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    t.save(os.path.join(dir, "tokenizer.json"))


def model(dir: str, config: dict | None = None, seed: int = 1, **options) -> str:
    """A random BERT with weights. config is config.json, or None for that of bert_config."""
    import bert_weights
    import numpy as np
    from safetensors.numpy import save_file

    config = config or bert_config(options.get("hidden", 48))
    rng = np.random.Generator(np.random.PCG64(seed))
    tensors = {}
    for name, shape in bert_weights.shapes(config).items():
        # Fresh biases are 0 and fresh norms 1: nothing would notice one left out.
        tensors[name] = (name.endswith("LayerNorm.weight") + 0.1 * rng.standard_normal(shape)).astype(np.float32)
    write(dir, "config.json", config)
    save_file(tensors, os.path.join(dir, "model.safetensors"), metadata={"format": "pt"})
    configs(dir, **options)
    tokenizer(dir)
    return dir


def change_weights(dir: str, change) -> None:
    """Rewrites model.safetensors with the tensors that change returns, in numpy."""
    from safetensors.numpy import load_file, save_file

    path = os.path.join(dir, "model.safetensors")
    save_file(change(load_file(path)), path, metadata={"format": "pt"})
