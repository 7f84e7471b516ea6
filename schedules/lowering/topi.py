"""`tvm.topi.arm_cpu`, the module that TVM had until 0.19, filled with our convolutions.

Under TOPI's names: for each schedule, e.g. `conv2d_nchw_spatial_pack`, the compute of that name and
`schedule_conv2d_nchw_spatial_pack`. TOPI's computes took kernels that were packed before; ours take
no other, and `pack_conv2d_nchw_spatial_pack` packs them.

    with schedules.target("cortex-a17"):
        conv = topi.arm_cpu.conv2d_gemm(None, data, kernel, 1, 1, 1)
        module = topi.arm_cpu.schedule_conv2d_gemm(None, [conv])  # main(data, packed kernel, conv)
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable, Sequence

import numpy as np
import tvm.topi
from tvm import te
from tvm.target import Target

from ..hardware import Core
from ..knobs import Config
from ..registry import Schedule, get, list_schedules
from ..workload import Conv2dWorkload
from .convolution import ANNOTATION
from .schedule_pass import schedule_function
from .targets import core_of

_NAME = "tvm.topi.arm_cpu"
_Pair = int | Sequence[int]


def register() -> None:
    """Makes `tvm.topi.arm_cpu` importable. Doing it twice changes nothing."""
    if _NAME in sys.modules:
        return
    module = types.ModuleType(_NAME, __doc__)
    for name in list_schedules():
        for prefix, make in (("", _compute), ("schedule_", _schedule), ("pack_", _pack)):
            function = make(get(name))
            function.__name__ = function.__qualname__ = prefix + name
            function.__module__ = _NAME
            setattr(module, prefix + name, function)
    sys.modules[_NAME] = module
    tvm.topi.arm_cpu = module


def unregister() -> None:
    """Takes the module away again."""
    if sys.modules.pop(_NAME, None) is not None:
        del tvm.topi.arm_cpu


def _compute(schedule: Schedule) -> Callable:
    def compute(
        cfg: Config | None,
        data: te.Tensor,
        kernel: te.Tensor,
        strides: _Pair,
        padding: _Pair,
        dilation: _Pair,
        groups: int = 1,
    ) -> te.Tensor:
        """The convolution of `data` (NCHW) with `kernel` (OIHW), both float32.

        Args:
            cfg: knob values; None takes the hand-picked ones for the current target.
            kernel: only its shape counts: the result reads a placeholder of packed weights.
            padding: one size, (vertical, horizontal) or (top, left, bottom, right).

        Raises:
            ValueError: the schedule does not serve this, or has no such config.
        """
        workload = _workload(data, kernel, strides, padding, dilation, groups)
        config = _config(schedule, workload, cfg)
        packed = te.placeholder(schedule.packed_shape(workload, config), name="packed_kernel")
        return schedule.compute(data, packed, workload, config)

    return compute


def _config(schedule: Schedule, workload: Conv2dWorkload, cfg: Config | None) -> Config:
    """`cfg`, checked, or the hand-picked one."""
    core = _current_core()
    if cfg is None and schedule.supports(workload, core):
        return schedule.default(workload, core)
    schedule.validate(workload, core, cfg or {})
    return cfg or {}


def _schedule(schedule: Schedule) -> Callable:
    def schedule_outs(cfg: Config | None, outs: Sequence[te.Tensor]) -> tvm.IRModule:
        """The scheduled function `main(data, packed kernel, other inputs, output)`.

        Args:
            cfg: None, or the config that the convolution was computed with.
            outs: one tensor: the convolution, or elementwise operators behind it.

        Raises:
            ValueError: no convolution of this schedule and config is behind `outs`.
        """
        (out,) = outs
        inputs, chosen = _graph(out)
        if chosen is None or chosen["schedule"] != schedule.name:
            raise ValueError(f"{out.op.name} is no {schedule.name}: compute it with that first")
        if cfg is not None and dict(cfg) != chosen["config"]:
            raise ValueError(f"{out.op.name} was computed with {chosen['config']}, not {dict(cfg)}")
        func = te.create_prim_func([*inputs, out]).with_attr("global_symbol", "main")
        return tvm.IRModule({"main": schedule_function(func, _current_core())})

    return schedule_outs


def _pack(schedule: Schedule) -> Callable:
    def pack(cfg: Config, kernel: np.ndarray, groups: int = 1) -> np.ndarray:
        """`kernel` (OIHW) as the computed convolution reads it."""
        co, ci, kh, kw = kernel.shape
        return schedule.pack(
            kernel, Conv2dWorkload(1, ci * groups, kh, kw, co, kh, kw, groups=groups), cfg
        )

    return pack


def _current_core() -> Core:
    target = Target.current(allow_none=True)
    core = core_of(target)
    if core is None:
        raise ValueError(
            f"the current target is {target}, no ARM CPU: call this inside "
            "`with schedules.target(NAME):`"
        )
    return core


def _workload(data, kernel, strides, padding, dilation, groups: int) -> Conv2dWorkload:
    def pair(value: _Pair) -> tuple[int, int]:
        first, second = (value, value) if isinstance(value, int) else value
        return int(first), int(second)

    if isinstance(padding, int) or len(padding) == 2:
        padding = pair(padding) * 2
    top, left, bottom, right = map(int, padding)
    n, ci, h, w = (int(extent) for extent in data.shape)
    co, _, kh, kw = (int(extent) for extent in kernel.shape)
    return Conv2dWorkload(
        *(n, ci, h, w, co, kh, kw),
        stride=pair(strides),
        padding=(top, left, bottom, right),
        dilation=pair(dilation),
        groups=groups,
        dtype=str(data.dtype),
    )


def _graph(out: te.Tensor) -> tuple[list[te.Tensor], dict | None]:
    """The placeholders behind `out`: data, packed kernel, others; and what `annotated` noted."""
    tensors = _behind(out)
    for tensor in tensors:
        if ANNOTATION in tensor.op.attrs:
            first = [each for each in _behind(tensor) if isinstance(each.op, te.PlaceholderOp)]
            first.sort(key=lambda each: len(each.shape) == 3)  # as packed kernels have
            others = [
                each
                for each in tensors
                if isinstance(each.op, te.PlaceholderOp) and each not in first
            ]
            return [*first, *others], json.loads(str(tensor.op.attrs[ANNOTATION]))
    return [], None


def _behind(out: te.Tensor) -> list[te.Tensor]:
    """All tensors that `out` is computed from, inputs before what reads them, and itself."""
    found: list[te.Tensor] = []
    for tensor in out.op.input_tensors:
        found += [each for each in _behind(tensor) if each not in found]
    return [*found, out]
