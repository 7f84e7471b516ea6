"""Runs scheduled convolutions on the machine the tests run on.

The loop nests, tilings and epilogues are the same for every instruction set, and the AArch64
micro-kernels are plain vector code, so LLVM builds them for any host. What only exists as ARM
assembly is replaced here, and checked on the emulated board (tests marked `board`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

import numpy as np
import tvm

import schedules
from schedules.hardware import core
from schedules.lowering import legalize, pipeline, schedule_pass
from schedules.microkernels import assembly_replaced_by
from schedules.testing.portable import PortableKernel
from tuner import reference

PORTABLE_CORE = core("cortex-a72")  # nearly all its micro-kernels are vector code, not assembly
TARGET = tvm.target.Target({"kind": "llvm"})


@contextmanager
def as_arm() -> Iterator[None]:
    """Builds for this machine as if it were an ARM board, so that the result can be run."""
    with ExitStack() as stack:
        stack.enter_context(assembly_replaced_by(PortableKernel))
        for module in (legalize, pipeline, schedule_pass):
            stack.enter_context(mock.patch.object(module, "core_of", lambda _: PORTABLE_CORE))
        yield


def random_arrays(workload: schedules.Conv2dWorkload, seed: int = 0):
    """(data, weight, bias) of `workload`, float32."""
    rng = np.random.default_rng(seed)
    shapes = (
        (workload.n, workload.ci, workload.h, workload.w),
        workload.weight_shape,
        (1, workload.co, 1, 1),
    )
    return tuple(rng.standard_normal(shape, dtype=np.float32) for shape in shapes)


def expected(workload, data, weight, bias, epilogue=("bias", "relu")) -> np.ndarray:
    """The result in float64."""
    value = reference.conv2d(
        data, weight, workload.stride, workload.padding, workload.dilation, workload.groups
    )
    if "bias" in epilogue:
        value = value + bias
    return np.maximum(value, 0) if "relu" in epilogue else value


def run(workload, schedule, config, arrays, epilogue=("bias", "relu")) -> np.ndarray:
    """The result of one config, computed on the host. Unwritten elements are NaN."""
    data, weight, bias = arrays
    with assembly_replaced_by(PortableKernel):
        module, pack = schedules.conv2d_module(workload, schedule, config, PORTABLE_CORE, epilogue)
    built = tvm.compile(module, target=TARGET)
    out = np.full((workload.n, workload.co, workload.oh, workload.ow), np.nan, np.float32)
    result = tvm.runtime.tensor(out)
    inputs = [data, pack(weight)] + ([bias] if "bias" in epilogue else [])
    built(*map(tvm.runtime.tensor, inputs), result)
    return result.numpy()


def assert_close(actual: np.ndarray, exact: np.ndarray) -> None:
    np.testing.assert_allclose(actual, exact, rtol=1e-4, atol=1e-4)
