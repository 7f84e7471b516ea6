"""Where the convolution of a test is computed: on this machine, or wherever a `Runner` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import tvm

from ..building import conv2d_module
from ..hardware import Core
from ..knobs import Config
from ..microkernels import assembly_replaced_by
from ..workload import Conv2dWorkload
from .portable import PortableKernel
from .problem import Problem


class Runner(Protocol):
    """Computes one convolution; `run_on_host` is one, `tuner.measure.BoardRunner` another."""

    def __call__(
        self,
        workload: Conv2dWorkload,
        schedule: str,
        config: Config,
        core: Core,
        problem: Problem,
        epilogue: Sequence[str],
    ) -> np.ndarray:
        """The result (N, CO, OH, OW), float32; elements that were not written are NaN."""


def run_on_host(
    workload: Conv2dWorkload,
    schedule: str,
    config: Config,
    core: Core,
    problem: Problem,
    epilogue: Sequence[str],
) -> np.ndarray:
    """The result of the loop nest made for `core`, computed by this machine.

    Loops, tilings, packing and epilogues are the same for every instruction set. Micro-kernels that
    exist in the core's assembly only are replaced by portable ones of the same tile: they are
    themselves tested on the emulated boards.
    """
    with assembly_replaced_by(PortableKernel):
        module, pack = conv2d_module(workload, schedule, config, core, epilogue)
    built = tvm.compile(module, target=tvm.target.Target({"kind": "llvm"}))
    output = tvm.runtime.tensor(np.full(problem.expected.shape, np.nan, np.float32))
    inputs = [problem.data, pack(problem.weight), *problem.constants]
    built(*map(tvm.runtime.tensor, inputs), output)
    return output.numpy()
