"""A sentence-transformers directory: its weights file, its config.json, and what embedgate read of the rest.

Pooling, normalisation and the longest text are decided by embedgate's own
reader (export/stmodel), which refuses what cannot be reproduced and gives the
scripts its result. No script reads them again. config.json is loaded for what
the reader does not decide: the sizes and settings of the forward.

Needs the standard library only, and must not know what ONNX is.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields

from refused import Refused

# A configuration file is a few kilobytes.
MAX_CONFIG_BYTES = 4 << 20

# The one file that weights are read from.
WEIGHTS = "model.safetensors"

# The poolings that embedgate knows, by sentence-transformers' own names.
POOLINGS = ("mean", "cls", "max")


@dataclass(frozen=True)
class Config:
    """From token vectors to one vector, and how long a text may be."""

    pooling: str  # one of POOLINGS
    normalize: bool  # whether the vector is scaled to length 1
    max_tokens: int  # special tokens included; never more than the model has positions for
    dimension: int  # components of the vector
    positions: int  # tokens that the position table has room for; 0 where the model has no table

    @staticmethod
    def parse(text: str) -> Config:
        """Reads the JSON object that embedgate gives, or raises Refused: nothing is assumed."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        kinds = {f.name: {"str": str, "bool": bool, "int": int}[f.type] for f in fields(Config)}
        right = isinstance(value, dict) and value.keys() == kinds.keys() and all(type(value[k]) is kind for k, kind in kinds.items())
        if not right or value["pooling"] not in POOLINGS or min(value["max_tokens"], value["dimension"], value["positions"] + 1) < 1:
            example = '{"pooling":"mean","normalize":true,"max_tokens":256,"dimension":384,"positions":512}'
            raise Refused("--config", repr(text)[:200], "what embedgate read of the model's configuration, such as " + example, "run embedgate export, which gives it")
        return Config(**value)


def load_config(dir: str) -> dict:
    """config.json as it stands. embedgate's reader has accepted it before any script runs."""
    name, advice = "config.json", "take the file from the model's own release"
    if not os.path.isdir(dir):
        raise Refused("model directory", f"{dir!r}, which is no directory", "a sentence-transformers model directory", "give the folder that holds modules.json")
    try:
        with open(os.path.join(dir, name), "rb") as f:
            raw = f.read(MAX_CONFIG_BYTES + 1)
    except OSError as e:
        raise Refused(name, e.strerror or "an error while reading", "a readable file", "check the file and its permissions") from None
    if len(raw) > MAX_CONFIG_BYTES:
        raise Refused(name, f"more than {MAX_CONFIG_BYTES} bytes", f"at most {MAX_CONFIG_BYTES} bytes", advice)
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as e:
        raise Refused(name, f"malformed JSON ({type(e).__name__}: {str(e)[:100]})", "JSON", advice) from None
    if not isinstance(value, dict):
        raise Refused(name, f"a JSON {type(value).__name__}", "a JSON object", advice)
    return value


def weights_file(dir: str) -> str:
    """The one weights file, or Refused: never a pickle, never shards."""
    path = os.path.join(dir, WEIGHTS)
    if os.path.isfile(path):
        return path
    names = sorted(os.listdir(dir))
    if WEIGHTS + ".index.json" in names:
        raise Refused("weights", f"{WEIGHTS}.index.json, weights in several files", f"one {WEIGHTS}", "load and save the model once with a larger max_shard_size")
    pickles = [n for n in names if n.endswith((".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack"))]
    got = f"only {', '.join(pickles[:3])}, which embedgate never opens" if pickles else "none"
    raise Refused("weights", got, f"{WEIGHTS} in the model directory", "take a release of the model that has safetensors weights (a pickle can run code when it is read)")
