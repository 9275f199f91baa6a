"""The int8 variant: how the encoder multiplies in 8-bit integers.

A weight is int8 with a scale for each column, its input uint8 with one scale
for the whole tensor, found at run time. That one scale is what large values
spoil, and they are few: channels that stay large are smoothed (divided, and the
weight's rows multiplied), and the few units of a feed-forward that rise far
above the rest are computed in float32 beside it. The word table is int8 with a
scale for each row.

On all-MiniLM-L6-v2 one or two of a layer's 1,536 units reach 25 where the rest
stay below 6; without OUTLIERS the mean loss of cosine is four times as large,
and 8, 16 or 32 of them make no difference. The smoothings are those, of 0.5 to
0.9, with which the calibration texts lose least. Smoothing the second weight of
the feed-forward makes it worse, and so costs nothing to leave out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

import bert_graph
import quantise
from bert_weights import FeedForward
from graph import Graph

INT8, ROWS = "int8", "int8-rows"

# By the first of the weights that share an input. w2 is missing: see above. So
# is wo, whose input, averages of values, has no large channels.
SMOOTHING = {"wq": 0.8, "w1": 0.7}

# Units of each feed-forward that are computed in float32; of a small one a quarter.
OUTLIERS = 16


@dataclass(frozen=True)
class Choice:
    """How one weight is computed with."""

    weight: str  # its name, "layers.0.w2"
    form: str  # INT8: multiplied, a scale for each column; ROWS: looked up, a scale for each row
    smoothing: float = 0.0  # 0: none
    outliers: tuple[int, ...] = ()  # units that are left in float32: columns of w1, rows of w2

    def entry(self) -> dict:
        """The choice as the manifest has it."""
        s: dict = {"weight": self.weight, "form": self.form}
        if self.smoothing:
            s["smoothing"] = self.smoothing
        if self.outliers:
            s["outliers"] = list(self.outliers)
        return s


class Int8Products(bert_graph.Products):
    def __init__(self, peaks: dict[str, np.ndarray]):
        """peaks is what calibrate.peaks gives."""
        super().__init__()
        self.peaks = peaks
        self.choices: list[Choice] = []  # in the order in which the graph multiplies

    def embed(self, g: Graph, ids: str, name: str, table: np.ndarray) -> str:
        self.choices.append(Choice(name, ROWS))
        integers, scales = quantise.rows(table)
        words = g.op("Gather", g.const(name + ".q", integers), ids, axis=0)
        scale = g.op("Gather", g.const(name + ".scale", scales), ids, axis=0)
        return g.op("Mul", g.op("Cast", words, to=TensorProto.FLOAT), scale)

    def multiply(self, g: Graph, x: str, weights: dict[str, np.ndarray]) -> list[str]:
        return self._multiply(g, x, weights, ())

    def feed_forward(self, g: Graph, x: str, layer: str, w: FeedForward, activation: tuple[str, dict]) -> str:
        units = len(w.b1)
        out = quantise.outliers(self.peaks[layer + "w2"], min(OUTLIERS, units // 4))
        rest = np.setdiff1d(np.arange(units), out)
        chosen = tuple(map(int, out))
        kind, attributes = activation

        (y,) = self._multiply(g, x, {layer + "w1": w.w1[:, rest]}, chosen)
        y = g.op(kind, g.op("Add", y, self.const(g, layer + "b1", w.b1[rest])), **attributes)
        (y,) = self._multiply(g, y, {layer + "w2": w.w2[rest]}, chosen)
        # Here, and not after the sum below, because it costs nothing there: it is fused into the product.
        y = g.op("Add", y, self.const(g, layer + "b2", w.b2))
        if not chosen:
            return y
        z = g.op("MatMul", x, self.const(g, layer + "w1.outliers", w.w1[:, out]))
        z = g.op(kind, g.op("Add", z, self.const(g, layer + "b1.outliers", w.b1[out])), **attributes)
        return g.op("Add", y, g.op("MatMul", z, self.const(g, layer + "w2.outliers", w.w2[out])))

    def _multiply(self, g: Graph, x: str, weights: dict[str, np.ndarray], outliers: tuple[int, ...]) -> list[str]:
        """The pattern that ONNX Runtime fuses: quantise, MatMulInteger, Cast, Mul."""
        first = next(iter(weights))
        smoothing = SMOOTHING.get(first.rpartition(".")[2], 0.0)
        if smoothing:
            by = quantise.factors(self.peaks[first], list(weights.values()), smoothing)
            weights = {name: w * by[:, None] for name, w in weights.items()}
            x = g.op("Mul", x, g.const(first + ".smooth", 1 / by))
        x, scale, zero = g.ops("DynamicQuantizeLinear", 3, x)
        out = []
        for name, w in weights.items():
            self.choices.append(Choice(name, INT8, smoothing, outliers))
            integers, scales = quantise.columns(w)
            y = g.op("MatMulInteger", x, g.const(name + ".q", integers), zero, g.const(name + ".zero", np.zeros(len(scales), np.int8)))
            out.append(g.op("Mul", g.op("Cast", y, to=TensorProto.FLOAT), g.op("Mul", scale, g.const(name + ".scale", scales))))
        return out
