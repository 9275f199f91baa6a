"""BERT's encoder, pooling and normalisation, written out over its weights.

transformers' own forward brings masking helpers, position buffers and shape
arithmetic into the graph. This one holds the nodes the numbers need and no
other: positions and token type 0 are one table, the softmax scale lives in Wq,
the biases of key and value need no node, the mask is added, pooling is a
MatMul. On the CPU it takes 0.84 to 0.89 of the time of the plain export, and
nothing in it stands in CoreML's way.

It reads the weights from the file by itself, so that a comparison with
transformers' forward compares two readings. It must not know about ONNX.
"""

from __future__ import annotations

import math
import re

import torch
import torch.nn.functional as F
from torch import nn

# What a masked score gets. Large enough that exp() of it is 0 in float32, small
# enough for fp16, in which CoreML may compute.
MASKED = -10000.0

# By config.json's hidden_act: exactly what transformers computes.
_ACTIVATIONS = {
    "gelu": F.gelu,
    "gelu_python": F.gelu,
    "relu": F.relu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: F.gelu(x, approximate="tanh"),
}

# Tensors that a sentence vector does not need: the pooler above the first
# token, the heads of pre-training, and position buffers of old releases.
_NOT_NEEDED = re.compile(r"(bert\.)?pooler\.dense\.(weight|bias)|(bert\.)?embeddings\.(position_ids|token_type_ids)|cls\.(predictions|seq_relationship)\..*")


def _shapes(c: dict) -> dict[str, tuple[int, ...]]:
    """Every tensor the forward reads, by name, with its shape."""
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
    """Why this forward does not know the model, or "" where it does.

    config is config.json; tensors are the weights file's names and shapes. The
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
    if config.get("hidden_act", "gelu") not in _ACTIVATIONS:
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
    prefix, want = prefix_of(tensors), _shapes(config)
    for name, shape in want.items():
        if prefix + name not in tensors:
            return f"the weights have no {prefix + name}"
        if tuple(tensors[prefix + name]) != shape:
            return f"{prefix + name} has the shape {tuple(tensors[prefix + name])}, not {shape}"
    for name in sorted(tensors):
        if not (name.startswith(prefix) and name[len(prefix) :] in want) and not _NOT_NEEDED.fullmatch(name):
            return f"the weights hold {name!r}, which this forward does not use"
    return ""


def prefix_of(tensors) -> str:
    """Models saved with a head carry "bert." before each name."""
    return "bert." if "bert.embeddings.word_embeddings.weight" in tensors else ""


class _Layer(nn.Module):
    """One encoder layer; the weights are stored as MatMul wants them, [in, out]."""

    def __init__(self, take, config: dict, prefix: str):
        super().__init__()
        self.heads = config["num_attention_heads"]
        self.size = config["hidden_size"] // self.heads
        self.activation = _ACTIVATIONS[config.get("hidden_act", "gelu")]
        scale = 1.0 / math.sqrt(self.size)

        def linear(name: str, factor: float = 1.0):
            w, b = take(prefix + name + ".weight"), take(prefix + name + ".bias")
            return nn.Parameter((w * factor).t().contiguous()), nn.Parameter(b * factor)

        self.wq, self.bq = linear("attention.self.query", scale)
        # The key's bias adds q·bk to all scores of a query alike: softmax does not see it.
        self.wk, _ = linear("attention.self.key")
        # Attention weights sum to 1, so that the value's bias reaches the output as bv·Wo.
        self.wv, bv = linear("attention.self.value")
        self.wo, bo = linear("attention.output.dense")
        self.bo = nn.Parameter((bo.double() + bv.double() @ self.wo.double()).float())
        self.w1, self.b1 = linear("intermediate.dense")
        self.w2, self.b2 = linear("output.dense")
        self.ln1 = _layer_norm(take, config, prefix + "attention.output.LayerNorm")
        self.ln2 = _layer_norm(take, config, prefix + "output.LayerNorm")

    def times(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """x times the weight of that name: where a quantisation may be tried out."""
        return x @ getattr(self, name)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        # x [batch, sequence, hidden]; mask [batch, 1, 1, sequence], added to the scores
        b, s, h = x.shape
        q = (self.times(x, "wq") + self.bq).reshape(b, s, self.heads, self.size).permute(0, 2, 1, 3)
        k = self.times(x, "wk").reshape(b, s, self.heads, self.size).permute(0, 2, 3, 1)
        v = self.times(x, "wv").reshape(b, s, self.heads, self.size).permute(0, 2, 1, 3)
        p = torch.softmax(q @ k + mask, dim=-1)
        c = (p @ v).permute(0, 2, 1, 3).reshape(b, s, h)
        x = self.ln1(self.times(c, "wo") + self.bo + x)
        return self.ln2(self.times(self.activation(self.times(x, "w1") + self.b1), "w2") + self.b2 + x)


def _layer_norm(take, config: dict, name: str) -> nn.LayerNorm:
    norm = nn.LayerNorm(config["hidden_size"], eps=float(config["layer_norm_eps"]))
    norm.weight, norm.bias = nn.Parameter(take(name + ".weight")), nn.Parameter(take(name + ".bias"))
    return norm


class WrittenOut(nn.Module):
    """input_ids, attention_mask [batch, sequence] int64 → [batch, hidden] float32.

    With tokens the sequence has that length and no other, and the graph has no
    node that computes a shape or casts an input. half() makes the encoder
    compute in float16; pooling and normalisation stay in float32.
    """

    def __init__(self, config: dict, tensors: dict[str, torch.Tensor], pooling: str, normalize: bool, tokens: int | None = None):
        super().__init__()
        prefix = prefix_of(tensors)

        def take(name: str) -> torch.Tensor:
            # A copy: two modules must never share a tensor of the file.
            return tensors[prefix + name].detach().to(torch.float32, copy=True)

        self.pooling, self.normalize, self.tokens = pooling, normalize, tokens
        self.word = nn.Parameter(take("embeddings.word_embeddings.weight"))
        # Sentence vectors have one segment, so that token type 0 is a constant.
        table = take("embeddings.position_embeddings.weight") + take("embeddings.token_type_embeddings.weight")[0]
        self.position = nn.Parameter(table[:tokens].unsqueeze(0).contiguous())
        if tokens:
            self.kept = nn.Parameter(torch.tensor([[0.0], [1.0]]))  # row m is the mask's m as a float
        self.ln = _layer_norm(take, config, "embeddings.LayerNorm")
        self.layers = nn.ModuleList(_Layer(take, config, f"encoder.layer.{n}.") for n in range(config["num_hidden_layers"]))
        self.eval().requires_grad_(False)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        x, keep, drop = self.begin(input_ids, attention_mask)
        for layer in self.layers:
            x = layer(x, drop.unsqueeze(1))
        return self.end(x, keep, drop)

    def begin(self, input_ids: torch.Tensor, attention_mask: torch.Tensor):
        """What the layers are given: the embedded tokens, and the mask [batch, 1, sequence] as
        keep (1 keep, 0 drop) and as drop (0 keep, MASKED drop)."""
        x = F.embedding(input_ids, self.word)
        x = self.ln(x + (self.position if self.tokens else self.position[:, : input_ids.shape[1]]))
        if self.tokens:
            # CoreML takes no Cast of an input; looking the mask up is a Gather.
            keep = F.embedding(attention_mask, self.kept).permute(0, 2, 1)
        else:
            # Cast first: no provider but the CPU likes int64 arithmetic.
            keep = attention_mask.to(x.dtype).unsqueeze(1)
        return x, keep, (keep - 1.0) * -MASKED

    def end(self, x: torch.Tensor, keep: torch.Tensor, drop: torch.Tensor) -> torch.Tensor:
        if x.dtype == torch.float16:
            # The smallest float16 is larger than the 1e-12 that guards the division below.
            x, keep, drop = x.float(), keep.float(), drop.float()
        return _finish(self._pool(x, keep, drop), self.normalize)

    def _pool(self, x: torch.Tensor, keep: torch.Tensor, drop: torch.Tensor) -> torch.Tensor:
        if self.pooling == "cls":
            return x[:, 0]
        if self.pooling == "max":
            return (x + drop.permute(0, 2, 1)).amax(dim=1)
        # The masked sum is one MatMul.
        return (keep @ x).squeeze(1) / torch.maximum(keep.sum(-1), torch.tensor(1.0, dtype=x.dtype))


def _finish(v: torch.Tensor, normalize: bool) -> torch.Tensor:
    if not normalize:
        return v
    length = torch.sqrt((v * v).sum(1, keepdim=True))
    return v / torch.maximum(length, torch.tensor(1e-12, dtype=v.dtype))
