"""One convolution as a module of its own: what the tuner measures and tests check."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tvm
from tvm import te, tirx

from .hardware import Core
from .knobs import Config
from .lowering.schedule_pass import schedule_function
from .registry import get
from .workload import Conv2dWorkload


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
    data = te.placeholder((workload.n, workload.ci, workload.h, workload.w), name="data")
    weight = te.placeholder(chosen.packed_shape(workload, config), name="weight")
    arguments = [data, weight]
    value = chosen.compute(data, weight, workload, config)
    for step in epilogue:
        if step == "bias":
            bias = te.placeholder((1, workload.co, 1, 1), name="bias")
            arguments.append(bias)
            value = _add_bias(value, bias)
        elif step == "relu":
            value = _relu(value)
        else:
            raise ValueError(f"no epilogue is called {step!r}: there are 'bias' and 'relu'")
    func = te.create_prim_func([*arguments, value]).with_attr("global_symbol", "main")
    module = tvm.IRModule({"main": schedule_function(func, core)})
    return module, lambda weights: chosen.pack(weights, workload, config)


def _add_bias(value: te.Tensor, bias: te.Tensor) -> te.Tensor:
    return te.compute(
        value.shape, lambda n, c, y, x: value[n, c, y, x] + bias[0, c, 0, 0], name="add_bias"
    )


def _relu(value: te.Tensor) -> te.Tensor:
    zero = tirx.const(0.0, "float32")
    return te.compute(
        value.shape, lambda n, c, y, x: tirx.max(value[n, c, y, x], zero), name="relu"
    )
