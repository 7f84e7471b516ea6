"""The compiled functions that a network consists of, and the time of each by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tvm
from tvm import relax, tirx

from tuner.runs import Kernel

# Evicts all but the first argument, which the kernel before has just written in a network.
_COLD_WEIGHTS = "cache_flush_cpu_non_first_arg"


@dataclass(frozen=True)
class KernelCall:
    """A function of a lowered network.

    Attributes:
        name: as TVM calls it.
        arguments: shape and dtype of each tensor it takes; the last one is its output.
        count: calls in one inference.
    """

    name: str
    arguments: tuple[tuple[tuple[int, ...], str], ...]
    count: int


def calls(lowered: tvm.IRModule) -> list[KernelCall]:
    """Return the functions that the main of a lowered Relax module calls, in order.

    Functions of scalars or of dynamic shapes are left out: they cannot be run by themselves.
    """
    counts: Counter[tvm.ir.GlobalVar] = Counter()

    def visit(expression: relax.Expr) -> None:
        if isinstance(expression, relax.Call) and isinstance(expression.op, tvm.ir.GlobalVar):
            counts[expression.op] += 1

    relax.analysis.post_order_visit(lowered["main"].body, visit)
    found = []
    for variable, count in counts.items():
        arguments = _arguments(lowered[variable])
        if arguments is not None:
            found.append(KernelCall(variable.name_hint, arguments, count))
    return found


def _arguments(function: tirx.PrimFunc) -> tuple[tuple[tuple[int, ...], str], ...] | None:
    if not isinstance(function, tirx.PrimFunc):
        return None
    arguments = []
    for parameter in function.params:
        if not isinstance(parameter.ty, tirx.BufferType):
            return None
        if not all(isinstance(extent, tirx.IntImm) for extent in parameter.shape):
            return None
        arguments.append((tuple(int(extent) for extent in parameter.shape), str(parameter.dtype)))
    return tuple(arguments)


def measure(
    library: tvm.runtime.Module, device: tvm.runtime.Device, kernels: Sequence[KernelCall]
) -> tuple[Kernel, ...]:
    """Run each of `kernels` once on the board that `library` was loaded on, and time it."""
    return tuple(
        Kernel(kernel.name, kernel.arguments[-1][0], kernel.count, _time(library, device, kernel))
        for kernel in kernels
    )


def _time(library: tvm.runtime.Module, device: tvm.runtime.Device, kernel: KernelCall) -> float:
    rng = np.random.default_rng(0)
    tensors = [
        tvm.runtime.tensor(rng.standard_normal(shape).astype(dtype), device=device)
        for shape, dtype in kernel.arguments
    ]
    flush = _COLD_WEIGHTS if len(tensors) > 1 else ""
    timer = library.time_evaluator(kernel.name, device, number=1, repeat=1, f_preproc=flush)
    return timer(*tensors).mean
