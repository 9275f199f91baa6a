"""transformers' own forward as torch.onnx exports it: for models that bert_graph.py does not know, and for comparison."""

from __future__ import annotations

import canonical
import hf_forward
from graph import OPSET
from model_dir import Config


def load(dir: str, config: Config) -> tuple[hf_forward.Plain, tuple[str, ...]]:
    """The forward, and the names of its inputs: with token_type_ids where the model has more than one type of token."""
    model = hf_forward.load(dir)
    names = ("input_ids", "attention_mask")
    if hf_forward.takes_token_types(model):
        names += ("token_type_ids",)
    return hf_forward.Plain(model, config.pooling, config.normalize).float(), names


def export(module: hf_forward.Plain, names: tuple[str, ...], config: Config, version: str):
    """The ModelProto of the forward, for any batch and length."""
    import torch

    longest = max(config.positions or config.max_tokens, 3)
    # Neither 0 nor 1, which torch would take for fixed.
    shape = (2, min(9, longest))
    axes = {0: torch.export.Dim("batch", min=1, max=1 << 16), 1: torch.export.Dim("sequence", min=2, max=longest)}
    program = torch.onnx.export(
        module,
        # The values do not matter: torch follows shapes.
        tuple(torch.zeros(shape, dtype=torch.int64) if n == "token_type_ids" else torch.ones(shape, dtype=torch.int64) for n in names),
        None,
        input_names=list(names),
        output_names=["sentence_embedding"],
        opset_version=OPSET,
        dynamo=True,
        dynamic_shapes=tuple(axes for _ in names),
        external_data=False,
        verbose=False,
    )
    model = program.model_proto
    canonical.strip(model, "sentence_embedding", version)
    return model
