"""An exported graph as the same bytes everywhere.

Takes out of a ModelProto whatever says where, when or by which build it was
made, orders what has no order, and refuses a graph that is not one file of
standard ONNX. It must not know which model it holds.
"""

from __future__ import annotations

import onnx
from onnx import helper

from refused import Failed

PRODUCER = "embedgate"


def strip(model: onnx.ModelProto, graph_name: str, version: str) -> None:
    """Removes metadata in place; names and nodes of the graph stay as they are."""
    graph = model.graph
    model.producer_name, model.producer_version = PRODUCER, version
    model.domain, model.model_version, model.doc_string = "", 0, ""
    graph.name = graph_name
    del model.metadata_props[:]
    _strip_graph(graph)
    used = {n.domain for g in _graphs(graph) for n in g.node} | {""}
    kept = sorted(((o.domain, o.version) for o in model.opset_import if o.domain in used))
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(d, v) for d, v in kept)


def check(model: onnx.ModelProto, opset: int, others: dict[str, int] | None = None) -> None:
    """Raises Failed unless this is valid ONNX in one file, of the default domain and of others: domain → version."""
    if model.functions:
        raise Failed("exported graph", f"{len(model.functions)} local functions", "a graph of standard nodes", "report this with the model's name")
    got = {o.domain: o.version for o in model.opset_import}
    if got != {"": opset} | (others or {}) or len(got) != len(model.opset_import):
        raise Failed("exported graph", f"opsets {got}", f"the default domain at {opset}, and {others or 'no other'}", "report this with the model's name")
    for g in _graphs(model.graph):
        for t in g.initializer:
            if t.external_data or t.data_location != onnx.TensorProto.DEFAULT:
                raise Failed("exported graph", f"{t.name} in an external file", "weights inside the file", "report this with the model's name")
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)


def text_of(model: onnx.ModelProto) -> bytes:
    """Everything in the model but the weights' numbers, for a search for what must not be in it."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    for g in _graphs(bare.graph):
        for t in g.initializer:
            t.ClearField("raw_data")
    return bare.SerializeToString(deterministic=True)


def _graphs(graph: onnx.GraphProto):
    yield graph
    for n in graph.node:
        for a in n.attribute:
            for g in ([a.g] if a.HasField("g") else []) + list(a.graphs):
                yield from _graphs(g)


def _strip_graph(graph: onnx.GraphProto) -> None:
    for g in _graphs(graph):
        g.doc_string = ""
        del g.metadata_props[:]
        del g.quantization_annotation[:]
        for n in g.node:
            n.doc_string = ""
            del n.metadata_props[:]
            attributes = sorted(n.attribute, key=lambda a: a.name)
            for a in attributes:
                a.doc_string = ""
            _replace(n.attribute, attributes)
        for item in (*g.initializer, *g.input, *g.output, *g.value_info):
            item.doc_string = ""
            del item.metadata_props[:]
        _replace(g.initializer, sorted(g.initializer, key=lambda t: t.name))
        _replace(g.value_info, sorted(g.value_info, key=lambda v: v.name))


def _replace(field, items) -> None:
    items = [type(i).FromString(i.SerializeToString(deterministic=True)) for i in items]
    del field[:]
    field.extend(items)
