"""The model time of every call that a network makes, within one inference on an emulated board."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tvm

from tuner import network_run
from tuner.board import build, runtime_sources, toolchain
from tuner.board.launch import EmulatedBoard
from tuner.board.objects import Unit
from tuner.errors import UserError
from tuner.measure import BoardInfo, session

_SOURCE = Path(__file__).parent / "board" / "call_clock.cc"
_GUEST_CALLS = Path(build.__file__).parent / "emulator"  # guest_calls.h
_FLAGS = ("-O2", "-fPIC", "-ffreestanding", "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden")
_MAX_CALLS, _NAME_BYTES = 4096, 128  # call_clock.cc
_BUILTIN = "vm.builtin."


@dataclass(frozen=True)
class Call:
    """One call of a kernel.

    Attributes:
        kernel: its name in the library.
        cycles: from before to after the call, the pipeline drained at both.
    """

    kernel: str
    cycles: int


@dataclass(frozen=True)
class CallTimes:
    """One warm inference.

    Attributes:
        cycles: of the whole inference where it was measured without the clock too, else of the
            kernels alone.
        calls: of kernels, in order; what the virtual machine calls of its own is left out.
        output: what the network returned.
    """

    cycles: int
    calls: tuple[Call, ...]
    output: np.ndarray

    @property
    def between(self) -> int:
        """Cycles of the inference that are in no kernel: the virtual machine, memory for tensors.

        What the clock does to the caches makes it a little too small.
        """
        return self.cycles - sum(call.cycles for call in self.calls)


def measure(
    board: EmulatedBoard,
    info: BoardInfo,
    name: str,
    library: Path,
    data: np.ndarray,
    limit_s: float,
    undisturbed: bool = True,
) -> CallTimes:
    """Time each call of `library`'s main in a warm inference with `data`.

    Args:
        name: of the build, for messages.
        limit_s: wall time of the session.
        undisturbed: run the network without the clock too, for the time of the whole: the clock
            takes some thousand cycles a call.

    Raises:
        UserError: the build does not run to its end, or the board is gone.
    """
    with (
        network_run.errors_named(board, name, limit_s),
        session(board, limit_s) as remote,
    ):
        device = remote.cpu(0)
        _, vm = network_run.load(remote, library, data)
        evaluator = vm.time_evaluator("invoke_stateful", device, number=1, repeat=1)
        whole_s = evaluator("main").mean if undisturbed else None
        remote.upload(str(_clock_library(board.board.core.isa)), "call_clock.so")
        clock = remote.load_module("call_clock.so")
        clock["install"](vm.module, clock)
        evaluator("main")
        calls = _read(clock, device)
        output = vm.get_outputs("main").numpy()
    kernels = tuple(call for call in calls if not call.kernel.startswith(_BUILTIN))
    cycles = sum(call.cycles for call in kernels)
    if whole_s is not None:
        cycles = info.cycles(whole_s) or 0  # emulated boards know their clock
    return CallTimes(cycles, kernels, output)


def _read(clock: Any, device: tvm.runtime.Device) -> list[Call]:
    count = int(clock["count"]())
    if not 0 < count <= _MAX_CALLS:
        raise UserError(f"the network makes {count} calls; 1 to {_MAX_CALLS} can be timed")
    times = tvm.runtime.empty((count, 2), "int64", device)
    names = tvm.runtime.empty((count, _NAME_BYTES), "int8", device)
    clock["read"](times, names)
    return [
        Call(bytes(name.astype(np.uint8)).rstrip(b"\0").decode(), int(end - begin))
        for (begin, end), name in zip(times.numpy(), names.numpy(), strict=True)
    ]


def _clock_library(isa: str) -> Path:
    tools = toolchain.find(isa)
    include = (_GUEST_CALLS, *runtime_sources.find().include)
    return build.build_program(
        "call_clock.so",
        [Unit("call_clock", (_SOURCE,), include=include, flags=_FLAGS)],
        tools,
        link=lambda objects, output: [*tools.linker, "-shared", *objects, "-o", output],
        title=f"building the clock of calls for {isa}",
        progress=True,
    )
