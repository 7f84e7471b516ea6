"""Everything that is no convolution of ours: outer loops over the cores, inner ones to LLVM.

Pools, concatenations, softmax and unfused elementwise operators have no schedule of their own; left
alone they would run on one core, one element at a time, and take longer than all convolutions.
"""

from __future__ import annotations

import logging
import math

from tvm import tirx
from tvm.s_tir import Schedule as TensorSchedule

_log = logging.getLogger(__name__)

_WORTH_A_FORK = 4096  # elements; below, waking the other cores costs more than it saves
_ENOUGH_TASKS = 32  # outer iterations that keep a handful of cores evenly busy
_SMALL_WINDOW = 16  # a reduction this short (a 3x3 or 4x4 pooling window) is written out
_SPATIAL = 0  # tirx.IterVar.DataPar


def schedule_generic(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """`func` with its loops spread over the cores, or unchanged where that is not legal."""
    sch = TensorSchedule(func)
    try:
        for block in sch.get_child_blocks(sch.get_sblock("root")):
            if _only_feeds_window(sch, block):
                sch.compute_inline(block)
        for block in sch.get_child_blocks(sch.get_sblock("root")):
            _spread(sch, block)
    except (RuntimeError, ValueError) as reason:  # tvm.s_tir.ScheduleError is a RuntimeError
        _log.debug("a function keeps its plain loops: %s", reason)
        return func
    return sch.mod["main"].with_attrs(func.attrs)


def _only_feeds_window(sch: TensorSchedule, block) -> bool:
    """A padded copy in front of a pooling window: it is read through instead of stored."""
    return sch.get(block).name_hint == "pad_temp" and len(sch.get_consumers(block)) == 1


def _spread(sch: TensorSchedule, block) -> None:
    """Makes the outer spatial loops one parallel loop and writes out a short reduction."""
    loops = sch.get_loops(block)
    extents = [sch.get(loop).extent for loop in loops]
    iter_vars = sch.get(block).iter_vars
    if len(loops) != len(iter_vars) or not all(isinstance(e, tirx.IntImm) for e in extents):
        return
    sizes = [int(extent) for extent in extents]
    spatial = sum(int(iter_var.iter_type) == _SPATIAL for iter_var in iter_vars)
    in_order = all(int(iter_var.iter_type) == _SPATIAL for iter_var in iter_vars[:spatial])
    if not spatial or not in_order or math.prod(sizes) < _WORTH_A_FORK:
        return
    window = loops[spatial:]
    if window and math.prod(sizes[spatial:]) <= _SMALL_WINDOW:
        for loop in window:
            sch.unroll(loop)
    shared = 1
    while shared < spatial and math.prod(sizes[:shared]) < _ENOUGH_TASKS:
        shared += 1
    if not window and spatial - shared > 1:
        sch.fuse(*loops[shared:spatial])  # one long row for LLVM's vectorizer
    sch.parallel(sch.fuse(*loops[:shared]))
