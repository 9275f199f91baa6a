"""How large the inputs of a BERT's weights become, measured on texts in numpy and float64.

What is measured decides bytes of the int8 variant, so it must come out the same
on every machine, where sums of a BLAS do not: their last digits depend on
the CPU. Only two things are taken from the peaks, and neither depends on last
digits: which units have the largest, ties by index; and a peak's logarithm, in
steps of a quarter (quantise.factors). In float64 machines differ by some 1e-14 of a value, so that
of the thousands of peaks of a model one lies that near to a step with a
probability of 1e-9. In float32 it would be a few per cent.
"""

from __future__ import annotations

import math

import numpy as np

from bert_weights import Norm, Weights

# Tokens that go through a layer together: enough for fast products, few enough for the caches.
_BATCH_TOKENS = 512


def _erf(x: np.ndarray) -> np.ndarray:
    """Abramowitz and Stegun 7.1.26, right to 1.5e-7. numpy has none, and math.erf takes numbers one by one."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    return np.copysign(1 - p * np.exp(-x * x), x)


def _activate(x: np.ndarray, activation: tuple[str, dict]) -> np.ndarray:
    kind, attributes = activation
    if kind == "Relu":
        return np.maximum(x, 0)
    if attributes:  # approximate="tanh"
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1 + _erf(x * math.sqrt(0.5)))


def peaks(w: Weights, rows: list[list[int]]) -> dict[str, np.ndarray]:
    """The largest magnitude of each channel of a weight's input over the texts, float64 [in].

    rows are the texts' token ids. The names are "layers.0.wq" (wk and wv have the
    same input), "layers.0.w1" and "layers.0.w2", and so on for each layer.
    """
    out: dict[str, np.ndarray] = {}
    with np.errstate(all="ignore"):  # a weight that is no number is judged by the gate, by name
        for texts in _batches(rows):
            _run(w, texts, out)
    return out


def _batches(rows: list[list[int]]):
    texts: list[list[int]] = []
    for row in rows:
        if texts and sum(map(len, texts)) + len(row) > _BATCH_TOKENS:
            yield texts
            texts = []
        texts.append(row)
    if texts:
        yield texts


def _run(w: Weights, texts: list[list[int]], out: dict[str, np.ndarray]) -> None:
    """Runs some texts through the encoder, their tokens in one matrix, and updates the peaks in out."""

    def record(name: str, x: np.ndarray) -> None:
        high = np.abs(x).max(0)
        out[name] = np.maximum(out.get(name, high), high)

    x = np.concatenate([w.word[row].astype(np.float64) + w.position[: len(row)] for row in texts])
    x = _norm(x, w.ln, w.epsilon)
    ends = np.cumsum([len(row) for row in texts])
    for n, layer in enumerate(w.layers):
        name = f"layers.{n}."
        record(name + "wq", x)
        q, k, v = (x @ m.astype(np.float64) for m in (layer.wq, layer.wk, layer.wv))
        q += layer.bq
        c = np.concatenate([_attention(q[a:b], k[a:b], v[a:b], w.heads) for a, b in zip([0, *ends], ends)])
        x = _norm(c @ layer.wo.astype(np.float64) + layer.bo + x, layer.ln1, w.epsilon)
        record(name + "w1", x)
        f = layer.feed_forward
        y = _activate(x @ f.w1.astype(np.float64) + f.b1, w.activation)
        record(name + "w2", y)
        if n + 1 < len(w.layers):
            x = _norm(y @ f.w2.astype(np.float64) + f.b2 + x, layer.ln2, w.epsilon)


def _attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, heads: int) -> np.ndarray:
    """One text: [tokens, hidden] each → [tokens, hidden]"""
    q, k, v = (m.reshape(len(m), heads, -1).transpose(1, 0, 2) for m in (q, k, v))
    scores = q @ k.transpose(0, 2, 1)
    a = np.exp(scores - scores.max(-1, keepdims=True))
    a /= a.sum(-1, keepdims=True)
    return (a @ v).transpose(1, 0, 2).reshape(q.shape[1], -1)


def _norm(x: np.ndarray, n: Norm, epsilon: float) -> np.ndarray:
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * n.weight + n.bias
