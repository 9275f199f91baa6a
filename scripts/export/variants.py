"""The names of variants, and what each name asks for.

fp32, fp16 and int8 take any batch and length. fp32-static128 and fp16-static128
take one row of 128 tokens and no other; any number may stand there. It must not
know how a variant is made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from refused import Refused

NAMES = "fp32, fp16, int8, fp32-static<N> or fp16-static<N>, such as fp32-static128"

_NAME = re.compile(r"(?:(fp32|fp16)(?:-static([1-9][0-9]{0,5}))?|(int8))")


@dataclass(frozen=True)
class Variant:
    name: str
    precision: str  # fp32, fp16 or int8
    tokens: int | None  # the fixed length of a static variant


def parse(name: str) -> Variant:
    """Raises Refused for a name that asks for nothing that can be made."""
    m = _NAME.fullmatch(name)
    if m is None:
        hint = "correct the variant's name"
        if name.startswith("int8-static"):
            hint = "int8 is for the CPU, which takes any length: ask for int8"
        elif name in ("tf32", "fp32-gpu"):
            hint = "that is a way to run the fp32 file, not a file of its own: ask for fp32"
        raise Refused("--variant", repr(name), NAMES, hint)
    return Variant(name, m[1] or m[3], int(m[2]) if m[2] else None)


def fits(v: Variant, longest: int, why_plain: str) -> None:
    """Raises Refused where this model cannot have the variant.

    longest is the most tokens that the model takes; why_plain says why its
    forward is transformers' own, or is empty.
    """
    if why_plain and v.name != "fp32":
        raise Refused(
            "--variant",
            f"{v.name!r} for a forward that is transformers' own ({why_plain})",
            "fp32, the one variant of such a model: the others are made from the written-out forward",
            "ask for fp32 alone",
        )
    if v.tokens is not None and not 2 <= v.tokens <= longest:
        raise Refused("--variant", f"{v.name!r}", f"a length of 2 to {longest} tokens, which is what the model takes", "correct the number")
