"""transformers' own forward with sentence-transformers' pooling on top.

It is the reference that the written-out forward is compared with, and the plain
export of every architecture that the written-out forward does not know. Weights
come from safetensors only, code from the installed library only.
"""

from __future__ import annotations

import inspect
import re

import torch
import torch.nn.functional as F
from torch import nn

from model_dir import WEIGHTS, weights_file
from refused import Refused

# Weights that may be absent from the file: no sentence vector reads them.
_MAY_BE_MISSING = re.compile(r"(.*\.)?pooler\..*|(.*\.)?embeddings\.(position_ids|token_type_ids)")


def load(dir: str, dtype: torch.dtype = torch.float32, **options):
    """The transformers model, every weight of it from the file, whatever type config.json says to load."""
    from transformers import AutoModel

    weights_file(dir)
    try:
        model, info = AutoModel.from_pretrained(
            dir,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported below, by name; transformers' own error names none
            **options,
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, AttributeError) as e:
        raise Refused("model", f"a directory that transformers cannot load ({type(e).__name__}: {str(e)[:300]})", "a model that the pinned transformers knows", "check config.json and model.safetensors against the model's release") from e
    # transformers fills an absent tensor with random numbers and only warns.
    missing = sorted(k for k in info.get("missing_keys", ()) if not _MAY_BE_MISSING.fullmatch(k))
    if missing:
        raise Refused(WEIGHTS, f"no tensor {missing[0]!r} ({len(missing)} missing)", f"every weight of {type(model).__name__}", "take config.json and the weights from the same release")
    wrong = sorted(map(str, info.get("mismatched_keys", ())))
    if wrong:
        raise Refused(WEIGHTS, f"a tensor of another shape: {wrong[0]}", "the shapes that config.json says", "take config.json and the weights from the same release")
    return model.eval().requires_grad_(False)


def takes_token_types(model) -> bool:
    """Whether the forward reads token_type_ids: it names them and has more than one kind."""
    return "token_type_ids" in inspect.signature(model.forward).parameters and getattr(model.config, "type_vocab_size", 0) > 1


class Plain(nn.Module):
    """input_ids, attention_mask[, token_type_ids] [batch, sequence] int64 → [batch, hidden] float32."""

    def __init__(self, model, pooling: str, normalize: bool):
        super().__init__()
        self.model, self.pooling, self.normalize = model, pooling, normalize
        self.eval()

    def forward(self, input_ids, attention_mask, token_type_ids=None):
        extra = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        x = self.model(input_ids=input_ids, attention_mask=attention_mask, **extra).last_hidden_state
        keep = attention_mask.unsqueeze(-1)
        if self.pooling == "cls":
            v = x[:, 0]
        elif self.pooling == "max":
            v = x.masked_fill(keep == 0, float("-inf")).amax(dim=1)
        else:
            keep = keep.to(x.dtype)
            v = (x * keep).sum(1) / keep.sum(1).clamp(min=1e-9)
        return F.normalize(v, p=2, dim=1) if self.normalize else v
