"""The weights of a BERT, read from its safetensors file and folded for a graph.

Whatever is computed here decides bytes of the export. So it is elementwise, or
a sum in a fixed order in float64: never a product of matrices, whose order of
summing is the machine's.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from model_dir import WEIGHTS, weights_file
from refused import Refused

# By config.json's hidden_act: the ONNX operator and attributes that compute what transformers computes.
ACTIVATIONS = {
    "gelu": ("Gelu", {}),
    "gelu_python": ("Gelu", {}),
    "relu": ("Relu", {}),
    "gelu_new": ("Gelu", {"approximate": "tanh"}),
    "gelu_pytorch_tanh": ("Gelu", {"approximate": "tanh"}),
}

# Tensors that a sentence vector does not need: the pooler above the first
# token, the heads of pre-training, and position buffers of old releases.
_NOT_NEEDED = re.compile(r"(bert\.)?pooler\.dense\.(weight|bias)|(bert\.)?embeddings\.(position_ids|token_type_ids)|cls\.(predictions|seq_relationship)\..*")


def completed(config: dict) -> dict:
    """config.json with what BertConfig takes where it leaves something out."""
    return {"layer_norm_eps": 1e-12, "hidden_act": "gelu"} | config


def shapes(c: dict) -> dict[str, tuple[int, ...]]:
    """Every tensor that a sentence vector needs, by name, with its shape."""
    h, i = c["hidden_size"], c["intermediate_size"]
    s = {
        "embeddings.word_embeddings.weight": (c["vocab_size"], h),
        "embeddings.position_embeddings.weight": (c["max_position_embeddings"], h),
        "embeddings.token_type_embeddings.weight": (c["type_vocab_size"], h),
        "embeddings.LayerNorm.weight": (h,),
        "embeddings.LayerNorm.bias": (h,),
    }
    for n in range(c["num_hidden_layers"]):
        p = f"encoder.layer.{n}."
        for name, out, into in (
            ("attention.self.query", h, h),
            ("attention.self.key", h, h),
            ("attention.self.value", h, h),
            ("attention.output.dense", h, h),
            ("intermediate.dense", i, h),
            ("output.dense", h, i),
        ):
            s[p + name + ".weight"], s[p + name + ".bias"] = (out, into), (out,)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            s[p + name + ".weight"], s[p + name + ".bias"] = (h,), (h,)
    return s


def why_not(config: dict, tensors: dict[str, tuple[int, ...]]) -> str:
    """Why bert_graph.py does not know the model, or "" where it does.

    config is what completed gives; tensors are the weights file's names and shapes. The
    answer is yes only where every setting and every tensor is accounted for.
    """
    if config.get("model_type") != "bert":
        return f"model_type is {config.get('model_type')!r}, not 'bert'"
    names = config.get("architectures")
    known = {"BertModel", "BertForMaskedLM", "BertForPreTraining"}
    if names is not None and not (isinstance(names, list) and len(names) == 1 and names[0] in known):
        return f"architectures is {names!r}, not one of {', '.join(sorted(known))}"
    for key in ("is_decoder", "add_cross_attention", "is_encoder_decoder"):
        if config.get(key):
            return f"{key} is set"
    if config.get("hidden_act") not in ACTIVATIONS:
        return f"hidden_act is {config.get('hidden_act')!r}"
    for key in ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings", "type_vocab_size"):
        v = config.get(key)
        if isinstance(v, bool) or not isinstance(v, int) or not 1 <= v <= 1 << 24:
            return f"{key} is {v!r}"
    eps = config.get("layer_norm_eps")
    if isinstance(eps, bool) or not isinstance(eps, (int, float)) or not 0 < eps < 1:
        return f"layer_norm_eps is {eps!r}"
    if config["num_hidden_layers"] > 512:
        return f"num_hidden_layers is {config['num_hidden_layers']}"
    if config["hidden_size"] % config["num_attention_heads"]:
        return f"hidden_size {config['hidden_size']} is no multiple of num_attention_heads {config['num_attention_heads']}"
    prefix, want = prefix_of(tensors), shapes(config)
    for name, shape in want.items():
        if prefix + name not in tensors:
            return f"the weights have no {prefix + name}"
        if tuple(tensors[prefix + name]) != shape:
            return f"{prefix + name} has the shape {tuple(tensors[prefix + name])}, not {shape}"
    for name in sorted(tensors):
        if not (name.startswith(prefix) and name[len(prefix) :] in want) and not _NOT_NEEDED.fullmatch(name):
            return f"the weights hold {name!r}, which the written-out graph does not use"
    return ""


def prefix_of(tensors) -> str:
    """Models saved with a head carry "bert." before each name."""
    return "bert." if "bert.embeddings.word_embeddings.weight" in tensors else ""


def tensor_shapes(dir: str) -> dict[str, tuple[int, ...]]:
    """Names, as they are now, and shapes in the weights file. Raises Refused where it is none."""
    with _open(weights_file(dir)) as f:
        return {now: tuple(f.get_slice(k).get_shape()) for now, k in _names(f).items()}


def tensors(dir: str, config: dict) -> dict[str, np.ndarray]:
    """What shapes() names, in float32, without the prefix."""
    path = weights_file(dir)
    with _open(path) as f:
        names = _names(f)
        prefix = prefix_of(names)
        return {name: _float32(f, path, names[prefix + name]) for name in shapes(config)}


def current_name(name: str) -> str:
    """A tensor's name now: TensorFlow's gamma and beta are weight and bias, as transformers reads them."""
    return re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", name))


def _names(f) -> dict[str, str]:
    """The names of the file's tensors, by their current names."""
    names = {}
    for name in f.keys():
        now = current_name(name)
        if now in names:
            raise Refused(WEIGHTS, f"both {names[now]} and {name}", f"one {now}", "take the file again from the model's release")
        names[now] = name
    return names


def _open(path: str):
    import safetensors

    try:
        return safetensors.safe_open(path, framework="numpy")
    except (safetensors.SafetensorError, ValueError, OSError) as e:
        raise Refused(WEIGHTS, f"a file that safetensors cannot read ({str(e)[:160]})", "whole safetensors weights", "take the file again from the model's release") from None


def _float32(f, path: str, name: str) -> np.ndarray:
    kind = f.get_slice(name).get_dtype()
    if kind == "BF16":
        # numpy has no such type: these are the upper halves of float32 numbers.
        halves = _raw(path, name).view("<u2").astype(np.uint32) << np.uint32(16)
        return halves.view(np.float32).reshape(f.get_slice(name).get_shape())
    if kind not in ("F16", "F32", "F64"):
        raise Refused(WEIGHTS, f"{name} of the type {kind}", "F64, F32, F16 or BF16", "take the model's unquantised release")
    return np.ascontiguousarray(f.get_tensor(name), np.float32)


def _raw(path: str, name: str) -> np.ndarray:
    """The tensor's bytes. The file is one that safetensors has opened, so that its header is right."""
    import json

    with open(path, "rb") as f:
        size = int.from_bytes(f.read(8), "little")
        begin, end = json.loads(f.read(size))[name]["data_offsets"]
        f.seek(8 + size + begin)
        return np.frombuffer(f.read(end - begin), np.uint8)


@dataclass(frozen=True)
class Norm:
    """A layer normalisation over the last axis: float32 [hidden] each."""

    weight: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class FeedForward:
    """activation(x·w1 + b1)·w2 + b2; w1 is [hidden, intermediate], w2 [intermediate, hidden], all float32."""

    w1: np.ndarray
    b1: np.ndarray
    w2: np.ndarray
    b2: np.ndarray


@dataclass(frozen=True)
class Layer:
    """One encoder layer in float32; weights are [in, out], as MatMul wants them.

    The softmax's scale is in wq and bq. The key has no bias: it adds q·bk to all
    scores of a query alike, which softmax does not see. The value has none:
    attention weights sum to 1, so that it reaches the output as bv·wo, in bo.
    """

    wq: np.ndarray
    bq: np.ndarray
    wk: np.ndarray
    wv: np.ndarray
    wo: np.ndarray
    bo: np.ndarray
    ln1: Norm
    feed_forward: FeedForward
    ln2: Norm


@dataclass(frozen=True)
class Weights:
    """A whole encoder, folded."""

    word: np.ndarray  # float32 [vocabulary, hidden]
    position: np.ndarray  # float32 [positions, hidden], token type 0 added: sentence vectors have one segment
    ln: Norm
    layers: list[Layer]
    heads: int
    epsilon: float  # of every Norm
    activation: tuple[str, dict]  # a value of ACTIVATIONS


def fold(config: dict, held: dict[str, np.ndarray]) -> Weights:
    """held is what tensors gives."""

    def norm(name: str) -> Norm:
        return Norm(held[name + ".weight"], held[name + ".bias"])

    def layer(n: int) -> Layer:
        p = f"encoder.layer.{n}."
        weight = lambda name: np.ascontiguousarray(held[p + name + ".weight"].T)  # noqa: E731
        bias = lambda name: held[p + name + ".bias"]  # noqa: E731
        scale = np.float32(1.0 / math.sqrt(config["hidden_size"] // config["num_attention_heads"]))
        wo = weight("attention.output.dense")
        return Layer(
            wq=weight("attention.self.query") * scale,
            bq=bias("attention.self.query") * scale,
            wk=weight("attention.self.key"),
            wv=weight("attention.self.value"),
            wo=wo,
            bo=_added(bias("attention.output.dense"), bias("attention.self.value"), wo),
            ln1=norm(p + "attention.output.LayerNorm"),
            feed_forward=FeedForward(weight("intermediate.dense"), bias("intermediate.dense"), weight("output.dense"), bias("output.dense")),
            ln2=norm(p + "output.LayerNorm"),
        )

    with np.errstate(all="ignore"):  # a weight that is no number is judged by the gate, by name
        return Weights(
            word=held["embeddings.word_embeddings.weight"],
            position=held["embeddings.position_embeddings.weight"] + held["embeddings.token_type_embeddings.weight"][0],
            ln=norm("embeddings.LayerNorm"),
            layers=[layer(n) for n in range(config["num_hidden_layers"])],
            heads=config["num_attention_heads"],
            epsilon=float(config["layer_norm_eps"]),
            activation=ACTIVATIONS[config["hidden_act"]],
        )


def _added(b: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
    """b + v·w as float32, w [in, out]: products of float32 are exact in float64, and the sum goes in the order of the rows."""
    total = b.astype(np.float64)
    for x, row in zip(v.astype(np.float64), w):
        total += x * row.astype(np.float64)
    return total.astype(np.float32)
