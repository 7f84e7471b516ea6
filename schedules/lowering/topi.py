"""`tvm.topi.arm_cpu`, the module that TVM had until 0.19, filled with our convolutions."""

from __future__ import annotations

import sys
import types

import tvm.topi

from ..registry import get, list_schedules
from .schedule_pass import schedule_function

_NAME = "tvm.topi.arm_cpu"


def register() -> None:
    """Makes `tvm.topi.arm_cpu` importable. Doing it twice changes nothing."""
    if _NAME in sys.modules:
        return
    module = types.ModuleType(_NAME, "Convolution schedules for ARM CPUs (tvm-arm-schedules).")
    members = {
        "schedule_function": schedule_function,
        **{name: get(name) for name in list_schedules()},
    }
    for name, member in members.items():
        setattr(module, name, member)
    sys.modules[_NAME] = module
    tvm.topi.arm_cpu = module


def unregister() -> None:
    """Takes the module away again."""
    if sys.modules.pop(_NAME, None) is not None:
        del tvm.topi.arm_cpu
