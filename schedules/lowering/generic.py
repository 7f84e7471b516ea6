"""Everything that is no convolution of ours: cores share the outer loops, inner loops are vectors.

Pools, concatenations, softmax and unfused elementwise operators have no schedule of their own; left
alone they would run on one core, one element at a time, and take longer than all convolutions.
"""

from __future__ import annotations

import logging

import tvm
from tvm import tirx
from tvm.s_tir import Schedule as TensorSchedule

from .emit import LANES

_log = logging.getLogger(__name__)
_WORTH_A_FORK = 4096  # elements; below, waking the other cores costs more than it saves


def schedule_generic(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """`func` with parallel outer and vectorized inner loops, or unchanged where that is not legal."""
    sch = TensorSchedule(func)
    try:
        for block in sch.get_child_blocks(sch.get_sblock("root")):
            _inline_padding(sch, block)
        for block in sch.get_child_blocks(sch.get_sblock("root")):
            _spread(sch, block)
    except (tvm.TVMError, ValueError) as reason:
        _log.debug("a function keeps its plain loops: %s", reason)
        return func
    return sch.mod["main"].with_attrs(dict(func.attrs))


def _inline_padding(sch: TensorSchedule, block) -> None:
    """A padded copy that only feeds the next block is read through instead of stored."""
    if sch.get(block).name_hint == "pad_temp" and sch.get_consumers(block):
        sch.compute_inline(block)


def _spread(sch: TensorSchedule, block) -> None:
    loops = sch.get_loops(block)
    kinds = [int(iter_var.iter_type) for iter_var in sch.get(block).iter_vars]
    extents = [sch.get(loop).extent for loop in loops]
    if len(loops) != len(kinds) or not all(isinstance(e, tirx.IntImm) for e in extents):
        return
    spatial = [loop for loop, kind in zip(loops, kinds, strict=True) if kind == 0]
    if not spatial or loops[: len(spatial)] != spatial:
        return  # a reduction outside a spatial loop: leave it
    elements = 1
    for extent in extents:
        elements *= int(extent)
    if elements < _WORTH_A_FORK:
        return
    reduces = len(spatial) < len(loops)
    inner = int(sch.get(spatial[-1]).extent)
    if not reduces and len(spatial) > 1 and inner >= LANES:
        outer, vector = sch.split(spatial[-1], [None, LANES])
        sch.vectorize(vector)
        spatial = [*spatial[:-1], outer]
    head = spatial[: max(1, min(3, len(spatial) - 1))]
    sch.parallel(sch.fuse(*head))
