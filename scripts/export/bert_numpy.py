"""BERT's forward in numpy and float64, one text at a time, for an export to be compared with.

It takes the tensors as the file has them and folds nothing, so that a mistake
in folding or in the graph shows. Its sums are BLAS's: it decides no byte.
"""

from __future__ import annotations

import math

import numpy as np

from model_dir import Config

_erf = np.frompyfunc(math.erf, 1, 1)


def _gelu(x):
    return x * 0.5 * (1 + _erf(x / math.sqrt(2)).astype(np.float64))


def _gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


_ACTIVATIONS = {
    "gelu": _gelu,
    "gelu_python": _gelu,
    "relu": lambda x: np.maximum(x, 0),
    "gelu_new": _gelu_tanh,
    "gelu_pytorch_tanh": _gelu_tanh,
}


def forward(hf: dict, tensors: dict[str, np.ndarray], config: Config, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """The token vectors [len(ids), hidden] and the sentence vector [hidden] of one text, float64.

    hf is config.json; tensors is what bert_weights.tensors gives.
    """

    def get(name: str) -> np.ndarray:
        return tensors[name].astype(np.float64)

    def linear(x, name: str):
        return x @ get(name + ".weight").T + get(name + ".bias")

    def norm(x, name: str):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + hf["layer_norm_eps"]) * get(name + ".weight") + get(name + ".bias")

    n, heads = len(ids), hf["num_attention_heads"]
    size = hf["hidden_size"] // heads
    with np.errstate(all="ignore"):  # a weight that is no number is judged by the gate, by name
        x = tensors["embeddings.word_embeddings.weight"][ids].astype(np.float64)
        x = x + tensors["embeddings.position_embeddings.weight"][:n] + tensors["embeddings.token_type_embeddings.weight"][0]
        x = norm(x, "embeddings.LayerNorm")
        for layer in range(hf["num_hidden_layers"]):
            p = f"encoder.layer.{layer}."
            q, k, v = (linear(x, p + f"attention.self.{w}").reshape(n, heads, size).transpose(1, 0, 2) for w in ("query", "key", "value"))
            scores = q @ k.transpose(0, 2, 1) / math.sqrt(size)
            a = np.exp(scores - scores.max(-1, keepdims=True))
            c = (a / a.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(n, -1)
            x = norm(linear(c, p + "attention.output.dense") + x, p + "attention.output.LayerNorm")
            y = _ACTIVATIONS[hf.get("hidden_act", "gelu")](linear(x, p + "intermediate.dense"))
            x = norm(linear(y, p + "output.dense") + x, p + "output.LayerNorm")
        v = {"mean": lambda: x.mean(0), "cls": lambda: x[0], "max": lambda: x.max(0)}[config.pooling]()
        return x, v / max(math.sqrt(float(v @ v)), 1e-12) if config.normalize else v
