"""Compares made files, run by ONNX Runtime, with bert_numpy.py over random texts, alone and padded.

It finds a graph that computes another model. The gate judges how exact the
numbers are: this decides no byte, and its bounds are wide.
"""

from __future__ import annotations

import numpy as np

import bert_numpy
from model_dir import Config
from refused import Failed
from variants import Variant

# The largest difference allowed, relative to the largest component that is
# wanted, or to 1 where that is less. float32 errs by some 1e-6, and float16 by
# some 1e-3; a bias or a mask left out is off by more than 1e-2.
BOUNDS = {"fp32": 2e-5, "fp16": 2e-2}

# The smallest cosine that an int8 sentence vector may have with the wanted one.
# all-MiniLM-L6-v2 has 0.998 here; with the smoothing of one weight left out 0.44,
# without the outliers of a layer 0.88 to 0.977. A bias of one layer left out may
# pass (0.92 to 0.994): the same code writes it in fp32, where the bound is close.
MIN_COSINE = 0.98

# Tokens of each text: the shortest that a tokenizer gives, and two that are padded to the next.
_LENGTHS = (2, 9, 33)


class SelfCheck:
    """Remembers what the forward in float64 gives, for all variants of one model."""

    def __init__(self, hf: dict, tensors: dict[str, np.ndarray], config: Config):
        """hf is config.json; tensors is what bert_weights.tensors gives."""
        self._hf, self._tensors, self._config = hf, tensors, config
        rng = np.random.Generator(np.random.PCG64(20240229))
        self._texts = [rng.integers(0, hf["vocab_size"], min(n, config.max_tokens)).tolist() for n in _LENGTHS]
        self._known: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def compare(self, model: bytes, v: Variant) -> None:
        """Raises Failed where the file gives other vectors."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # The graph as it is, and no time spent on making it fast.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        every = range(len(self._texts))
        for batch in [[n] for n in every] if v.tokens else [[0], list(every)]:
            self._batch(session, v, batch)

    def _batch(self, session, v: Variant, batch: list[int]) -> None:
        texts = [self._texts[n][: v.tokens] for n in batch]
        width = v.tokens or max(map(len, texts))
        # The mask drops these ids, so any will do.
        ids, mask = np.ones((len(texts), width), np.int64), np.zeros((len(texts), width), np.int64)
        for row, text in enumerate(texts):
            ids[row, : len(text)], mask[row, : len(text)] = text, 1
        got = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"input_ids": ids, "attention_mask": mask})))
        for row, (n, text) in enumerate(zip(batch, texts)):
            states, vector = self._want(n, text)
            if v.precision == "int8":
                _check_cosine(got["sentence_embedding"][row], vector, v, len(text))
                continue
            _check_difference("sentence_embedding", got["sentence_embedding"][row], vector, v, len(text))
            if "last_hidden_state" in got:
                _check_difference("last_hidden_state", got["last_hidden_state"][row, : len(text)], states, v, len(text))

    def _want(self, n: int, text: list[int]) -> tuple[np.ndarray, np.ndarray]:
        key = n, len(text)
        if key not in self._known:
            self._known[key] = bert_numpy.forward(self._hf, self._tensors, self._config, text)
        return self._known[key]


def _check_difference(output: str, got: np.ndarray, want: np.ndarray, v: Variant, tokens: int) -> None:
    bound = BOUNDS[v.precision] * max(1.0, float(np.abs(np.nan_to_num(want)).max()))
    # The gate names what is no number in both.
    off = np.where(np.isnan(got) & np.isnan(want), 0, np.abs(got - want))
    worst = float(np.nan_to_num(off, nan=np.inf).max())
    if got.shape != want.shape or not worst <= bound:
        raise Failed(f"the graph of {v.name}", f"{output} {worst:.2g} from a forward in float64 at {tokens} tokens", f"at most {bound:.2g}", "use --plain, and report this with the model's name")


def _check_cosine(got: np.ndarray, want: np.ndarray, v: Variant, tokens: int) -> None:
    got = got.astype(np.float64)
    lengths = np.linalg.norm(got), np.linalg.norm(want)
    # The gate names what is no number, or has no direction, in both.
    if got.shape == want.shape and (np.isnan(lengths).all() or not any(lengths)):
        return
    cosine = float(got @ want / (lengths[0] * lengths[1])) if got.shape == want.shape and all(lengths) else 0.0
    if not cosine >= MIN_COSINE:
        raise Failed(f"the graph of {v.name}", f"sentence_embedding with a cosine of {cosine:.4f} to a forward in float64 at {tokens} tokens", f"at least {MIN_COSINE}", "leave int8 out of the policy's variants, and report this with the model's name")
