"""`python -m tuner explain FILE.so`: the hot loops of a kernel library, read or run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tvm
from rich.console import Console

from schedules.hardware import Board
from tuner.board import disassembly, launch
from tuner.board.emulator.static import CoreModel
from tuner.errors import UserError
from tuner.measure import describe, session
from tuner.report.hot_loops import TimedLoop, print_hot_loops, print_static_loops
from tuner.report.units import format_cycles, format_time

_SESSION_LIMIT_S = 600.0
_COLD = "cache_flush_cpu_non_first_arg"


def read_file(console: Console, library: Path, board: Board, count: int, whole: bool) -> None:
    """Print the innermost loops of `library` with their cycles an iteration, without running it.

    Raises:
        UserError: it is no library for the board's instruction set, or holds no loop.
    """
    found = disassembly.innermost_loops(library, board.core.isa)
    if not found:
        raise UserError(
            f"{library} has no loop", "give the --shape of each argument: then the library is run"
        )
    model = CoreModel(board)
    timed = [
        TimedLoop(
            loop,
            float(model.loop(loop.lines).cycles),
            model.limits(loop.lines),
            tuple(line for line in loop.lines if not model.knows(line)),
        )
        for loop in found
    ]
    print_static_loops(console, library.name, board, timed, count, whole)


def run_file(
    console: Console,
    library: Path,
    board: Board,
    function: str,
    shapes: Sequence[str],
    threads: int,
    count: int,
    whole: bool,
) -> None:
    """Run a function of `library` once on random float32 tensors and print its hottest loops.

    Args:
        shapes: of all its arguments, the result included, as "1,64,55,55".

    Raises:
        UserError: a shape is none, or the function does not run with them.
    """
    arrays = [_random(index, shape) for index, shape in enumerate(shapes)]
    disassembly.require_isa(library, board.core.isa)
    with launch.EmulatedBoard(board, threads=threads, profile=True) as emulated:
        info = describe(emulated, board)
        try:
            with session(emulated, _SESSION_LIMIT_S) as remote:
                remote.upload(str(library))
                module = remote.load_module(library.name)
                device = remote.cpu(0)
                tensors = [tvm.runtime.tensor(array, device=device) for array in arrays]
                timer = module.time_evaluator(function, device, f_preproc=_COLD)
                cost_s = timer(*tensors).mean
        except UserError:
            raise
        except Exception as error:  # the RPC client raises what the server's error is called
            raise UserError(
                f"{function} of {library} does not run: {error}",
                "give the --shape of each argument in order, the result included",
            ) from error
        profile = emulated.read_profile()
    console.print(
        f"{function} of {library.name}: one call, caches empty but for the first argument: "
        f"{format_cycles(info.cycles(cost_s))} cycles, {format_time(cost_s)} on {threads} "
        f"thread(s) {info.label}",
        highlight=False,
        soft_wrap=True,
    )
    print_hot_loops(console, profile, count, whole)


def _random(index: int, text: str) -> np.ndarray:
    words = text.split(",")
    if not all(word.strip().isdecimal() and int(word) > 0 for word in words):
        raise UserError(f"--shape takes numbers, not {text!r}", "for example --shape 1,64,55,55")
    shape = tuple(int(word) for word in words)
    return np.random.default_rng(index).standard_normal(shape, dtype=np.float32)
