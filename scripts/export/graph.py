"""A small builder for ONNX graphs of the default domain and of ONNX Runtime's own.

Nodes and values are named by operator and number, in the order in which they
are added: the same calls give the same bytes. It must not know which model a
graph computes.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from canonical import PRODUCER

OPSET = 20
IR_VERSION = 10
DOMAIN = "com.microsoft"  # ONNX Runtime's own operators, at version 1


class Graph:
    """A graph under construction. A value is its name, a str."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, np.ndarray] = {}
        self._count: dict[str, int] = {}
        self._known: list[onnx.ValueInfoProto] = []

    def const(self, name: str, array) -> str:
        """The constant of that name. A name that is given twice must hold the same both times."""
        array = np.asarray(array, order="C")
        held = self._constants.setdefault(name, array)
        if held is not array and (held.dtype != array.dtype or held.shape != array.shape or held.tobytes() != array.tobytes()):
            raise ValueError(f"two constants have the name {name!r}")
        return name

    def ints(self, *values: int) -> str:
        """A constant int64 vector, such as axes or a shape, named by what it holds."""
        return self.const("ints_" + "_".join(map(str, values)), np.array(values, np.int64))

    def op(self, kind: str, *inputs: str, out: str = "", domain: str = "", **attributes) -> str:
        """Adds a node with one output, named out where that is given, and returns the output."""
        return self._add(kind, inputs, 1, [out] if out else [], domain, attributes)[0]

    def ops(self, kind: str, outputs: int, *inputs: str, domain: str = "", **attributes) -> list[str]:
        """Adds a node with several outputs and returns them."""
        return self._add(kind, inputs, outputs, [], domain, attributes)

    def shape(self, value: str, dtype, dims: list[int | str]) -> str:
        """Says the shape of a value, where onnx cannot infer it, and returns the value."""
        self._known.append(helper.make_tensor_value_info(value, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), dims))
        return value

    def name_output(self, value: str, name: str) -> None:
        """Gives the value, which a node made, the name of an output of the graph."""
        for n in self._nodes:
            for field in (n.input, n.output):
                for j, v in enumerate(field):
                    if v == value:
                        field[j] = name

    def _add(self, kind: str, inputs, outputs: int, names: list[str], domain: str, attributes: dict) -> list[str]:
        number = self._count.get(kind, 0)
        self._count[kind] = number + 1
        name = f"{kind.lower()}_{number}"
        names = names or [f"t_{name}" + (f"_{j}" if j else "") for j in range(outputs)]
        self._nodes.append(helper.make_node(kind, list(inputs), names, name=name, domain=domain, **attributes))
        return names

    def model(self, name: str, version: str, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
        """The finished graph, with the type and shape of every value, which ONNX Runtime's fusions need."""
        constants = [numpy_helper.from_array(self._constants[n], n) for n in sorted(self._constants)]
        graph = helper.make_graph(self._nodes, name, inputs, outputs, constants, value_info=self._known)
        opsets = [helper.make_opsetid("", OPSET)]
        if any(n.domain == DOMAIN for n in self._nodes):
            opsets.append(helper.make_opsetid(DOMAIN, 1))
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name=PRODUCER, producer_version=version)
        model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        values = sorted(model.graph.value_info, key=lambda v: v.name)
        values = [onnx.ValueInfoProto.FromString(v.SerializeToString(deterministic=True)) for v in values]
        del model.graph.value_info[:]
        model.graph.value_info.extend(values)
        return model
