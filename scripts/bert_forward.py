"""What bert_graph.py computes, in torch: for int8_search.py, which tries quantisations out on it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from bert_weights import prefix_of

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
