"""Weights as 8-bit integers: what a choice does to a graph.

A weight takes one of three forms.

int8         the input as 8-bit integers with one scale for the whole tensor, found
             at run time, and the weight with one scale a column: the fastest. An
             input whose channels differ much in size is smoothed first: divided
             channel by channel, and the weight's rows multiplied.
int8-blocks  input and weight as 8-bit integers with a scale for every 32 of a row:
             one large number spoils 31 neighbours and no more. Slower.
fp32         left as it is.

Which form a weight takes is somebody else's choice: int8_search.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from st_config import Failed

INT8, BLOCKS, FP32 = "int8", "int8-blocks", "fp32"
BLOCK = 32
DOMAIN = "com.microsoft"  # of MatMulNBits, ONNX Runtime's own


@dataclass(frozen=True)
class Choice:
    weight: str  # its name in the graph, "layers.0.w2"
    form: str
    smoothing: float = 0.0  # 0: none; see factors

    def said(self) -> dict:
        """The choice as the manifest has it."""
        s = {"weight": self.weight, "form": self.form}
        return s | {"smoothing": self.smoothing} if self.smoothing else s


def columns(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[in, out] float32 as int8 and a float32 scale for each column."""
    scale = np.abs(w).max(axis=0) / np.float32(127)
    scale[scale == 0] = 1
    return _integers(w / scale), scale.astype(np.float32)


def blocks(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[in, out] float32 as int8 [out, in/BLOCK, BLOCK] and float32 scales [out, in/BLOCK]."""
    cut = np.ascontiguousarray(w.T).reshape(w.shape[1], -1, BLOCK)
    scale = np.abs(cut).max(axis=2) / np.float32(127)
    scale[scale == 0] = 1
    return _integers(cut / scale[:, :, None]), scale.astype(np.float32)


def _integers(steps: np.ndarray) -> np.ndarray:
    # A weight that is no number has a scale that is none: the product tells of it.
    return np.clip(np.rint(np.nan_to_num(steps)), -127, 127).astype(np.int8)


def factors(peaks: np.ndarray, weights: list[np.ndarray], smoothing: float) -> np.ndarray:
    """What each input channel is divided by, [in] float32.

    peaks is the largest magnitude of each channel, weights all that are
    multiplied by it. Powers of two: they cost no rounding, and a last digit
    that differs between machines does not move them.
    """
    rows = np.max([np.abs(w).max(axis=1) for w in weights], axis=0).astype(np.float64)
    log = smoothing * np.log2(np.maximum(peaks, 1e-5)) - (1 - smoothing) * np.log2(np.maximum(rows, 1e-5))
    return np.exp2(np.clip(np.rint(log), -14, 14)).astype(np.float32)


def apply(model: onnx.ModelProto, choices: list[Choice], peaks: dict[str, np.ndarray]) -> None:
    """Gives each weight of the graph its form, in place.

    peaks has the channels' magnitudes by weight. Weights that are multiplied by
    the same value and have the same choice share its integers.
    """
    graph = model.graph
    held = {t.name: t for t in graph.initializer}
    chosen = {c.weight: c for c in choices}
    users: dict[str, list] = {}
    for n in graph.node:
        if n.op_type == "MatMul" and n.input[1] in chosen:
            users.setdefault(n.input[0], []).append(n)
    missing = set(chosen) - {n.input[1] for ns in users.values() for n in ns}
    if missing:
        raise Failed("exported graph", f"no MatMul by {sorted(missing)[0]!r}", "one for every weight of the encoder", "report this with the model's name")
    put, fresh = {}, []
    for value, nodes in users.items():
        for key in dict.fromkeys((chosen[n.input[1]].form, chosen[n.input[1]].smoothing) for n in nodes):
            same = [n for n in nodes if (chosen[n.input[1]].form, chosen[n.input[1]].smoothing) == key]
            made = {INT8: _int8, BLOCKS: _blocks, FP32: lambda *_: ([[n] for n in same], [])}[key[0]]
            replaced, tensors = made(value, same, held, key[1], peaks)
            put.update({n.output[0]: r for n, r in zip(same, replaced)})
            fresh += tensors
    nodes = [m for n in graph.node for m in put.get(n.output[0], [n])]
    nodes = [onnx.NodeProto.FromString(n.SerializeToString(deterministic=True)) for n in nodes]
    del graph.node[:]
    graph.node.extend(nodes)
    used = {i for n in nodes for i in n.input}
    for t in [t for t in graph.initializer if t.name not in used]:
        graph.initializer.remove(t)
    graph.initializer.extend(fresh)
    if any(n.domain == DOMAIN for n in nodes):
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))


def _int8(value, nodes, held, smoothing, peaks):
    """The pattern that ONNX Runtime fuses: quantise, MatMulInteger, Cast, Mul."""
    ws = [numpy_helper.to_array(held[n.input[1]]) for n in nodes]
    first = nodes[0].input[1]
    before, tensors, x = [], [], value
    if smoothing:
        by = factors(peaks[first], ws, smoothing)
        ws = [w * by[:, None] for w in ws]
        tensors.append(numpy_helper.from_array(1 / by, first + ".smooth"))
        x = first + ".smoothed"
        before.append(helper.make_node("Mul", [value, first + ".smooth"], [x]))
    q, scale, zero = (f"{first}.{s}" for s in ("input", "input_scale", "input_zero"))
    before.append(helper.make_node("DynamicQuantizeLinear", [x], [q, scale, zero]))
    out = []
    for n, w in zip(nodes, ws):
        name, y = n.input[1], n.output[0]
        integers, scales = columns(w)
        tensors += [numpy_helper.from_array(a, name + s) for a, s in ((integers, ".q"), (scales, ".scale"), (np.zeros(len(scales), np.int8), ".zero"))]
        out.append(before + [
            helper.make_node("MatMulInteger", [q, name + ".q", zero, name + ".zero"], [name + ".sum"]),
            helper.make_node("Cast", [name + ".sum"], [name + ".float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [scale, name + ".scale"], [name + ".scales"]),
            helper.make_node("Mul", [name + ".float", name + ".scales"], [y]),
        ])
        before = []
    return out, tensors


def _blocks(value, nodes, held, _smoothing, _peaks):
    out, tensors = [], []
    for n in nodes:
        name = n.input[1]
        w = numpy_helper.to_array(held[name])
        integers, scales = blocks(w)
        # Unsigned with 128 as zero, which is what the operator takes 8 bits for.
        tensors += [numpy_helper.from_array((integers.astype(np.int16) + 128).astype(np.uint8), name + ".q"), numpy_helper.from_array(scales, name + ".scale")]
        # accuracy_level 4: the input becomes integers too.
        out.append([helper.make_node("MatMulNBits", [value, name + ".q", name + ".scale"], list(n.output), domain=DOMAIN, K=w.shape[0], N=w.shape[1], bits=8, block_size=BLOCK, accuracy_level=4)])
    return out, tensors
