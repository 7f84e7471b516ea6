"""What our legalizations note on the blocks of a function, for the passes behind them."""

from __future__ import annotations

from tvm import tirx
from tvm.s_tir import SBlockRealize
from tvm.s_tir import Schedule as TensorSchedule


def has_blocks(func: tirx.PrimFunc) -> bool:
    """Whether `func` is made of blocks under a root, as a tensor expression is; some are not."""
    return isinstance(func.body, SBlockRealize) and func.body.block.name_hint == "root"


def annotation_of_unary(func: tirx.PrimFunc, key: str) -> str | None:
    """What is noted under `key` on the last block of a function of one input and one output."""
    if len(func.params) != 2 or not has_blocks(func):
        return None
    sch = TensorSchedule(func)
    blocks = sch.get_child_blocks(sch.get_sblock("root"))
    text = sch.get(blocks[-1]).annotations.get(key) if blocks else None
    return None if text is None else str(text)
