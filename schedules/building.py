"""One convolution or fire module as a TVM module: what the tuner measures and tests check."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tvm
from tvm import te, tirx
from tvm.s_tir import SBlockRealize

from .conv2d.fire_ways import get_way, hand_picked_parts
from .fire_workload import IN_PIECES, ONE_FUNCTION, FireWorkload
from .hardware import Core
from .knobs import Config
from .lowering import fire as lowering
from .lowering.schedule_pass import schedule_function
from .registry import Schedule, get
from .workload import Conv2dWorkload

# Buffers of TIR's blocks, virtual threads, layouts of a GPU's shared memory: `lowering` emits none
# of these. Statements without effect LLVM removes as well. A test compares the machine code.
_NEEDLESS = (
    *("s_tir.CompactBufferAllocation", "s_tir.InjectVirtualThread", "s_tir.InjectPermutedLayout"),
    "tirx.RemoveNoOp",
)


def needless_passes(module: tvm.IRModule) -> list[str]:
    """Passes of TVM's that take time and change nothing in the code of `module`.

    For `disabled_pass` of a `tvm.transform.PassContext`. What `schedules.lowering` emits has no
    blocks, and accesses its buffers through views.
    """
    is_emitted = all(not isinstance(f.body, SBlockRealize) for f in module.functions.values())
    return list(_NEEDLESS) if is_emitted else []


def conv2d_module(
    workload: Conv2dWorkload,
    schedule: str,
    config: Config,
    core: Core,
    epilogue: Sequence[str] = ("bias", "relu"),
) -> tuple[tvm.IRModule, Callable[[np.ndarray], np.ndarray]]:
    """A module with the scheduled function `main`, and the packing of its weights.

    `main(data, weight, [bias,] output)`: data (N, CI, H, W), weight as the returned function packs
    it from OIHW, bias (1, CO, 1, 1) if "bias" is in `epilogue`, output (N, CO, OH, OW); float32.

    Args:
        epilogue: what is fused behind the convolution, in order: "bias", "relu".

    Raises:
        KeyError: no schedule has that name; the message suggests one.
        ValueError: a bad config or a workload that the schedule does not serve (see
            `Schedule.validate`), or an unknown epilogue.
    """
    chosen = get(schedule)
    chosen.validate(workload, core, config)
    func = _function(workload, chosen, config, epilogue)
    func = func.with_attr("global_symbol", "main")
    module = tvm.IRModule({"main": schedule_function(func, core)})
    return module, lambda weights: chosen.pack(weights, workload, config)


def fire_module(
    workload: FireWorkload,
    way: str,
    config: Config,
    core: Core,
    epilogue: Sequence[str] = ("bias", "relu"),
) -> tvm.IRModule:
    """A module with the function `main`, which computes a whole fire module, channels of 1x1 first.

    `main(data, *constants, output)`: data (N, CI, H, W), constants as `fire_constants` returns
    them, output (N, CO of both, OH, OW); float32. Convolutions that `config` does not speak of have
    their hand-picked configs, whatever is recorded.

    Args:
        way: a name in `fire_workload.VERSIONS`.
        epilogue: what is fused behind each of the three, see `conv2d_module`.

    Raises:
        ValueError: a bad config, or a module that the way does not serve.
    """
    get_way(way).validate(workload, core, config)
    parts = zip(workload.parts, hand_picked_parts(workload, core), strict=True)
    funcs = [_function(part, *choice, epilogue) for part, choice in parts]
    shape = (workload.n, workload.co, workload.expand1x1.oh, workload.expand1x1.ow)
    output = tirx.decl_buffer(shape, "float32", "output")
    if way == IN_PIECES:
        func = lowering.in_pieces(workload, funcs, output, core)
    else:
        squeeze, one, three = (lowering.Part.with_zeros(func) for func in funcs)
        func, _ = lowering.fuse(workload, (squeeze, one, three), True, output, core, config)
    attributes = {"global_symbol": "main", "tirx.is_scheduled": True, "tirx.noalias": True}
    return tvm.IRModule({"main": func.with_attrs(attributes)})


def fire_constants(
    workload: FireWorkload,
    way: str,
    config: Config,
    core: Core,
    weights: Sequence[np.ndarray],
    biases: Sequence[np.ndarray],
) -> list[np.ndarray]:
    """What `main` of `fire_module` takes between input and output.

    Args:
        weights: OIHW, of squeeze, expanding 1x1 and expanding 3x3.
        biases: (1, CO, 1, 1) of the same; empty where the epilogue has none.
    """
    constants = []
    knobs = ("mr_squeeze", "mr_expand", None)
    choices = hand_picked_parts(workload, core)
    for place, (part, (schedule, own), knob) in enumerate(
        zip(workload.parts, choices, knobs, strict=True)
    ):
        if way == ONE_FUNCTION and knob is not None:
            own = {**own, "mr": config[knob]}
        constants += [schedule.pack(weights[place], part, own), *biases[place : place + 1]]
    return constants


def _function(
    workload: Conv2dWorkload, schedule: Schedule, config: Config, epilogue: Sequence[str]
) -> tirx.PrimFunc:
    """The convolution with its epilogue, not scheduled."""
    data = te.placeholder((workload.n, workload.ci, workload.h, workload.w), name="data")
    weight = te.placeholder(schedule.packed_shape(workload, config), name="weight")
    arguments = [data, weight]
    value = schedule.compute(data, weight, workload, config)
    for step in epilogue:
        if step == "bias":
            bias = te.placeholder((1, workload.co, 1, 1), name="bias")
            arguments.append(bias)
            value = _add_bias(value, bias)
        elif step == "relu":
            value = _relu(value)
        else:
            raise ValueError(f"no epilogue is called {step!r}: there are 'bias' and 'relu'")
    return te.create_prim_func([*arguments, value])


def _add_bias(value: te.Tensor, bias: te.Tensor) -> te.Tensor:
    return te.compute(
        value.shape, lambda n, c, y, x: value[n, c, y, x] + bias[0, c, 0, 0], name="add_bias"
    )


def _relu(value: te.Tensor) -> te.Tensor:
    zero = tirx.const(0.0, "float32")
    return te.compute(
        value.shape, lambda n, c, y, x: tirx.max(value[n, c, y, x], zero), name="relu"
    )
