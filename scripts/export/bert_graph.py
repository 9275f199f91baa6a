"""BERT's encoder, pooling and normalisation as an ONNX graph.

It holds the nodes that the numbers need and no other: positions and token type
0 are one table, the softmax's scale is in the query's weight, the biases of key
and value need no node, the mask is added, pooling is a MatMul. On the CPU it
takes 0.84 to 0.89 of the time of a plain export, and CoreML takes every node of
it.

A Products decides how the encoder looks words up and multiplies: a variant with
other arithmetic has its own subclass.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from bert_weights import FeedForward, Norm, Weights
from graph import Graph
from model_dir import Config

# What a masked score gets. Large enough that exp() of it is 0 in float32, small
# enough for float16, in which CoreML may compute.
MASKED = -10000.0


class Products:
    """How the encoder computes with its large weights: here as they are, in one floating-point type.

    A subclass that computes otherwise overrides embed, multiply, feed_forward,
    or some of them. Each adds nodes to the graph g and returns values of the
    type dtype. Weights come in float32, with the name that their constant has
    in the graph ("word", "layers.0.wq", …); a subclass that needs more
    constants for one weight puts a dotted suffix behind the name
    ("layers.0.wq.scale"), and none of the name itself where it is not used.
    """

    def __init__(self, dtype=np.float32):
        self.dtype = np.dtype(dtype)  # float32 or float16: of all that the encoder computes

    def const(self, g: Graph, name: str, array: np.ndarray) -> str:
        """A constant in the encoder's type."""
        with np.errstate(over="ignore"):  # values beyond float16 become inf, which the gate finds
            return g.const(name, array.astype(self.dtype))

    def embed(self, g: Graph, ids: str, name: str, table: np.ndarray) -> str:
        """ids int64 [batch, sequence], table [vocabulary, hidden] → [batch, sequence, hidden]"""
        return g.op("Gather", self.const(g, name, table), ids, axis=0)

    def multiply(self, g: Graph, x: str, weights: dict[str, np.ndarray]) -> list[str]:
        """x [batch, sequence, in] times each of the weights [in, out], by name → [batch, sequence, out] each.

        They come together, so that what is done to x is done once.
        """
        return [g.op("MatMul", x, self.const(g, name, w)) for name, w in weights.items()]

    def feed_forward(self, g: Graph, x: str, layer: str, w: FeedForward, activation: tuple[str, dict]) -> str:
        """x [batch, sequence, hidden] → activation(x·w1 + b1)·w2 + b2, of the same shape. layer is "layers.0."."""
        (y,) = self.multiply(g, x, {layer + "w1": w.w1})
        y = g.op(activation[0], g.op("Add", y, self.const(g, layer + "b1", w.b1)), **activation[1])
        (y,) = self.multiply(g, y, {layer + "w2": w.w2})
        return g.op("Add", y, self.const(g, layer + "b2", w.b2))


def build(w: Weights, config: Config, version: str, products: Products | None = None, tokens: int | None = None) -> onnx.ModelProto:
    """The model with the inputs input_ids and attention_mask, int64 [batch, sequence].

    Its outputs are float32. Without tokens batch and sequence are free, and the
    outputs are last_hidden_state [batch, sequence, hidden], which is first
    because tools that pool by themselves take the first, and sentence_embedding
    [batch, hidden]. With tokens the shape is [1, tokens], sentence_embedding is
    the one output, and no node computes a shape or casts an input.
    """
    return _Encoder(w, config, products or Products(), tokens).model(version)


class _Encoder:
    def __init__(self, w: Weights, config: Config, products: Products, tokens: int | None):
        self.w, self.config, self.products, self.tokens = w, config, products, tokens
        self.hidden = w.word.shape[1]
        self.g = Graph()

    def model(self, version: str) -> onnx.ModelProto:
        g, batch, sequence = self.g, self.tokens and 1 or "batch", self.tokens or "sequence"
        keep, drop = self._mask()
        x = self._embeddings()
        scores = g.op("Unsqueeze", drop, g.ints(1))
        for n in range(len(self.w.layers)):
            x = self._layer(n, x, scores)
        outputs = [helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, [batch, self.hidden])]
        if self.products.dtype != np.float32:
            # The smallest float16 is larger than the 1e-12 that guards the last division.
            x, keep, drop = (g.op("Cast", v, to=TensorProto.FLOAT) if v else v for v in (x, *self._used(keep, drop)))
        if not self.tokens:
            g.name_output(x, "last_hidden_state")
            x = "last_hidden_state"
            outputs.insert(0, helper.make_tensor_value_info(x, TensorProto.FLOAT, [batch, sequence, self.hidden]))
        self._finish(self._pool(x, keep, drop))
        inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, [batch, sequence]) for n in ("input_ids", "attention_mask")]
        return g.model("sentence_embedding", version, inputs, outputs)

    def _used(self, keep: str, drop: str) -> tuple[str, str]:
        """keep and drop where the pooling reads them, else ""."""
        return {"mean": (keep, ""), "max": ("", drop), "cls": ("", "")}[self.config.pooling]

    def _scalar(self, name: str, value: float, dtype=np.float32) -> str:
        return self.g.const(name if dtype == np.float32 else name + ".half", np.array(value, dtype))

    def _mask(self) -> tuple[str, str]:
        """The mask [batch, 1, sequence] as keep (1 keep, 0 drop) and as drop (0 keep, MASKED drop), in the encoder's type."""
        g, dtype = self.g, self.products.dtype
        if self.tokens:
            # CoreML takes no Cast of an input; looking the mask up is a Gather.
            table = g.const("kept", np.array([[0], [1]], dtype))
            keep = g.op("Transpose", g.op("Gather", table, "attention_mask", axis=0), perm=[0, 2, 1])
        else:
            # Cast first: no provider but the CPU likes int64 arithmetic.
            keep = g.op("Unsqueeze", g.op("Cast", "attention_mask", to=helper.np_dtype_to_tensor_dtype(dtype)), g.ints(1))
        drop = g.op("Mul", g.op("Sub", keep, self._scalar("one", 1, dtype)), self._scalar("masked", -MASKED, dtype))
        return keep, drop

    def _embeddings(self) -> str:
        g = self.g
        x = self.products.embed(g, "input_ids", "word", self.w.word)
        position = self.products.const(g, "position", self.w.position[: self.tokens][None])
        if not self.tokens:
            length = g.op("Shape", "input_ids", start=1, end=2)
            position = g.shape(g.op("Slice", position, g.ints(0), length, g.ints(1)), self.products.dtype, [1, "sequence", self.hidden])
        return self._norm(g.op("Add", x, position), "ln", self.w.ln)

    def _norm(self, x: str, name: str, n: Norm) -> str:
        weight, bias = self.products.const(self.g, name + ".weight", n.weight), self.products.const(self.g, name + ".bias", n.bias)
        return self.g.op("LayerNormalization", x, weight, bias, axis=-1, epsilon=self.w.epsilon)

    def _layer(self, n: int, x: str, scores: str) -> str:
        """x [batch, sequence, hidden]; scores [batch, 1, 1, sequence], added to those of attention."""
        g, p, w, name = self.g, self.products, self.w.layers[n], f"layers.{n}."
        size = self.hidden // self.w.heads
        # 0 is "as the input". A fixed shape says its numbers, which every provider takes.
        begin = (1, self.tokens) if self.tokens else (0, 0)
        split, joined = g.ints(*begin, self.w.heads, size), g.ints(*begin, self.hidden)

        def heads(v: str, perm: list[int]) -> str:
            return g.op("Transpose", g.op("Reshape", v, split), perm=perm)

        q, k, v = p.multiply(g, x, {name + "wq": w.wq, name + "wk": w.wk, name + "wv": w.wv})
        q = heads(g.op("Add", q, p.const(g, name + "bq", w.bq)), [0, 2, 1, 3])
        k, v = heads(k, [0, 2, 3, 1]), heads(v, [0, 2, 1, 3])
        attention = g.op("Softmax", g.op("Add", g.op("MatMul", q, k), scores), axis=-1)
        c = g.op("Reshape", g.op("Transpose", g.op("MatMul", attention, v), perm=[0, 2, 1, 3]), joined)
        (y,) = p.multiply(g, c, {name + "wo": w.wo})
        x = self._norm(g.op("Add", g.op("Add", y, p.const(g, name + "bo", w.bo)), x), name + "ln1", w.ln1)
        y = p.feed_forward(g, x, name, w.feed_forward, self.w.activation)
        return self._norm(g.op("Add", y, x), name + "ln2", w.ln2)

    def _pool(self, x: str, keep: str, drop: str) -> str:
        """Float32 [batch, sequence, hidden] → [batch, hidden]"""
        g = self.g
        if self.config.pooling == "cls":
            return g.op("Gather", x, g.const("first", np.array(0, np.int64)), axis=1)
        if self.config.pooling == "max":
            return g.op("ReduceMax", g.op("Add", x, g.op("Transpose", drop, perm=[0, 2, 1])), g.ints(1), keepdims=0)
        # The masked sum is one MatMul.
        total = g.op("Squeeze", g.op("MatMul", keep, x), g.ints(1))
        count = g.op("ReduceSum", keep, g.ints(-1), keepdims=0)
        return g.op("Div", total, g.op("Max", count, self._scalar("one", 1)))

    def _finish(self, v: str) -> None:
        g = self.g
        if not self.config.normalize:
            g.name_output(v, "sentence_embedding")
            return
        length = g.op("Sqrt", g.op("ReduceSum", g.op("Mul", v, v), g.ints(1), keepdims=1))
        g.op("Div", v, g.op("Max", length, self._scalar("tiny", 1e-12)), out="sentence_embedding")
