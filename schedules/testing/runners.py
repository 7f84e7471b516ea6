"""Where the convolution of a test is computed: on this machine, or wherever a `Runner` says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tvm

from ..building import conv2d_module
from ..hardware import Core
from ..knobs import Config
from ..microkernels import assembly_replaced_by
from ..workload import Conv2dWorkload
from .portable import PortableKernel
from .problems import Problem, problem


@dataclass(frozen=True)
class Case:
    """One convolution to compute.

    Attributes:
        workload: its shape facts.
        schedule: name of the schedule that computes it.
        config: a member of the schedule's space.
        core: what its code is made for.
        epilogue: what is fused behind it, see `schedules.conv2d_module`.
    """

    workload: Conv2dWorkload
    schedule: str
    config: Config
    core: Core
    epilogue: tuple[str, ...] = ("bias", "relu")

    @property
    def problem(self) -> Problem:
        """Inputs and answer."""
        return problem(self.workload, self.epilogue)


Runner = Callable[[Case], np.ndarray]
"""Computes (N, CO, OH, OW), float32, of which elements that were not written are NaN.

`run_on_host` is one, `tuner.measure.BoardRunner` another.
"""


def run_on_host(case: Case) -> np.ndarray:
    """The result of the loop nest made for the case's core, computed by this machine.

    Loops, tilings, packing and epilogues are the same for every instruction set. Micro-kernels that
    exist in the core's assembly only are replaced by portable ones of the same tile: they are
    themselves tested on the emulated boards.
    """
    task = case.problem
    with assembly_replaced_by(PortableKernel):
        module, pack = conv2d_module(
            case.workload, case.schedule, case.config, case.core, case.epilogue
        )
    built = tvm.compile(module, target=tvm.target.Target({"kind": "llvm"}))
    output = tvm.runtime.tensor(np.full(task.expected.shape, np.nan, np.float32))
    inputs = [task.data, pack(task.weight), *task.constants]
    built(*map(tvm.runtime.tensor, inputs), output)
    return output.numpy()
