"""The late pass: gives every function of a module that is built for ARM its schedule."""

from __future__ import annotations

import logging

import tvm
from tvm import tirx

from ..hardware import Core
from ..registry import get
from .annotations import has_blocks
from .convolution import Convolution, NotAConvolution
from .epilogue import NotElementwise
from .generic import schedule_generic
from .max_pool import schedule_max_pool
from .plane_mean import schedule_plane_mean
from .targets import core_of

_log = logging.getLogger(__name__)


def schedule_function(func: tirx.PrimFunc, core: Core) -> tirx.PrimFunc:
    """`func` with its loops arranged for `core`; unchanged where nothing is known to do better."""
    if func.attrs is not None and "tirx.is_scheduled" in func.attrs:
        return func
    if not has_blocks(func):  # arranged by whoever wrote it
        return func
    try:
        return emit(Convolution(func), core).finish()
    except NotAConvolution:
        pass
    except NotElementwise as reason:
        _log.warning("a fused convolution keeps its plain loops: %s", reason)
    return schedule_max_pool(func) or schedule_plane_mean(func) or schedule_generic(func)


def emit(conv: Convolution, core: Core) -> Convolution:
    """Writes the loop nest that the convolution's annotation asks for.

    Raises:
        ValueError: the annotation has a bad config, which only a direct call can have put there.
    """
    schedule = get(conv.schedule_name)
    schedule.validate(conv.workload, core, conv.config)
    schedule.emit(conv, core, conv.config)
    return conv


@tvm.transform.module_pass(opt_level=0, name="ScheduleForArm")
class ScheduleForArm:
    """Schedules the functions of a module whose target is an ARM CPU; leaves others alone."""

    def transform_module(self, mod: tvm.IRModule, _context) -> tvm.IRModule:
        changed = {}
        for name, func in mod.functions_items():
            if not isinstance(func, tirx.PrimFunc):
                continue
            target = (func.attrs or {}).get("target") or tvm.target.Target.current()
            core = core_of(target)
            if core is not None:
                changed[name] = schedule_function(func, core)
        for name, func in changed.items():
            mod[name] = func
        return mod
