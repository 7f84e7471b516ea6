"""The late pass: gives every function of a module that is built for ARM its schedule."""

from __future__ import annotations

import logging

import tvm
from tvm import tirx
from tvm.s_tir import Schedule as TensorSchedule

from ..registry import get
from .convolution import Convolution, find_annotated
from .epilogue import NotElementwise
from .generic import schedule_generic
from .targets import core_of

_log = logging.getLogger(__name__)


def schedule_function(func: tirx.PrimFunc, core) -> tirx.PrimFunc:
    """`func` with its loops arranged for `core`; unchanged where nothing is known to do better."""
    if func.attrs is not None and "tirx.is_scheduled" in func.attrs:
        return func
    sch = TensorSchedule(func)
    found = find_annotated(sch)
    if found is not None:
        try:
            conv = Convolution(func, sch, *found)
            get(conv.schedule_name).emit(conv, core, conv.config)
            return conv.finish()
        except NotElementwise as reason:
            _log.warning("a fused convolution keeps its plain loops: %s", reason)
    return schedule_generic(func)


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
