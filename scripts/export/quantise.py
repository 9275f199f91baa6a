"""Weights as 8-bit integers that no x86 CPU multiplies wrongly.

ONNX Runtime multiplies inputs of 0 to 255 by weights of -127 to 127. On x86
CPUs without VNNI it adds the products of rows 2k and 2k+1 of a column in 16
bits (vpmaddubsw), which saturate at 32,767: without an error, and only there. Here
each pair's magnitudes add up to PAIR at most, so that 255 · 128 = 32,640 is the
largest sum there is, and every CPU computes the same integers. It costs a
column 0.3 bits. It must not know about ONNX.
"""

from __future__ import annotations

import numpy as np

from refused import Failed

PAIR = 128

# 2^0, 2^¼, 2^½ and 2^¾ as float32, written out: exp2 is not the same to the last digit everywhere.
_QUARTERS = np.array([1.0, 1.189207077026367, 1.4142135381698608, 1.6817928552627563], np.float32)
_MOST = 14 * len(_QUARTERS)  # steps of a quarter, either way


def columns(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[in, out] float32 as int8 and a float32 scale for each column, every pair of rows within PAIR."""
    size = np.abs(w)
    scale = np.maximum(size.max(axis=0), _pairs(size).max(axis=0)) / np.float32(127)
    q = _integers(w, scale)
    # Rounding up both of a pair adds 1 to 127. It is checked all the same.
    worst = int(_pairs(np.abs(q.astype(np.int32))).max())
    if worst > PAIR:
        raise Failed("8-bit weights", f"a pair of rows with the sum {worst}", f"at most {PAIR}", "report this with the model's name")
    return q, scale


def _pairs(size: np.ndarray) -> np.ndarray:
    """Rows 2k and 2k+1 added up, the last of an odd number with nothing: [in, out] → [⌈in/2⌉, out]"""
    if len(size) % 2:
        size = np.concatenate([size, np.zeros_like(size[:1])])
    return size[0::2] + size[1::2]


def rows(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[rows, columns] float32 as int8 and a float32 scale for each row, [rows, 1]. They are looked up, not multiplied."""
    scale = np.abs(table).max(axis=1, keepdims=True) / np.float32(127)
    return _integers(table, scale), scale


def _integers(w: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """w in steps of scale. A scale of 0, of zeros alone, becomes 1."""
    scale[scale == 0] = 1
    with np.errstate(invalid="ignore"):  # a weight that is no number has a scale that is none: the product shows it
        return np.clip(np.rint(np.nan_to_num(w / scale)), -127, 127).astype(np.int8)


def factors(peaks: np.ndarray, weights: list[np.ndarray], smoothing: float) -> np.ndarray:
    """What each input channel is divided by, and the weights' rows multiplied by, [in] float32.

    Channels of one input differ in size, and it has one scale for all of them.
    peaks is the largest magnitude of each channel, float64; weights all that are
    multiplied by it, [in, out]. With smoothing 1 all channels become equally
    large, with 0 all the rows; see SmoothQuant, arXiv:2211.10438. Quarters of
    powers of two: a last digit that differs between machines does not move them.
    """
    largest = np.max([np.abs(w).max(axis=1) for w in weights], axis=0).astype(np.float64)
    log = smoothing * np.log2(np.maximum(peaks, 1e-5)) - (1 - smoothing) * np.log2(np.maximum(largest, 1e-5))
    steps = np.nan_to_num(log, posinf=_MOST, neginf=-_MOST) * len(_QUARTERS)
    step = np.clip(np.rint(steps), -_MOST, _MOST).astype(np.int64)
    return np.ldexp(_QUARTERS[step % len(_QUARTERS)], step // len(_QUARTERS))


def outliers(peaks: np.ndarray, count: int) -> np.ndarray:
    """The channels with the largest peaks, count of them, in rising order. Of equal ones the first."""
    largest = np.argsort(-np.nan_to_num(peaks, nan=np.inf), kind="stable")[:count]
    return np.sort(largest)
