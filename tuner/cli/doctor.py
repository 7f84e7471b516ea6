"""`python -m tuner doctor`: walk the whole path once and name the step that fails."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import click

from schedules import Conv2dWorkload
from schedules.hardware import Board
from tuner.board import build, launch, toolchain
from tuner.cli.options import (
    address_options,
    require_whole_address,
    resolve_board,
    target_option,
)
from tuner.errors import UserError
from tuner.measure import BoardInfo, Endpoint, RemoteBoard, checker, describe
from tuner.measure.builder import compile_candidate
from tuner.measure.errors import TrialError
from tuner.measure.runner import Run, run_candidate
from tuner.report.units import format_cycles, format_time
from tuner.search import Candidate, Space

# Small, with odd sizes: its tiles have tails.
_WORKLOAD = Conv2dWorkload(1, 16, 13, 13, 20, 3, 3, padding=(1, 1, 1, 1))
_EPILOGUE = ("bias", "relu")
_EXIT_BROKEN = 2


@click.command("doctor")
@target_option
@address_options
def doctor_verb(target: str, host: str | None, port: int | None) -> None:
    """Check every step between this host and a measured time; print the fix for what fails."""
    require_whole_address(host, port)
    board = resolve_board(target)
    with ExitStack() as stack:
        walk = _Walk(board, stack)
        for title, step in walk.steps(None if host is None or port is None else (host, port)):
            try:
                detail = step()
            except UserError as error:
                click.echo(f"FAIL  {title}: {' '.join(str(error).split())}")
                sys.exit(_EXIT_BROKEN)
            except TrialError as error:
                text = " ".join(error.text.split())
                click.echo(f"FAIL  {title}: {error.kind}: {text}; this is a bug, please report it")
                sys.exit(_EXIT_BROKEN)
            click.echo(f"ok    {title}: {detail}")


class _Walk:
    """The steps in order; each leaves behind what the next ones need."""

    def __init__(self, board: Board, stack: ExitStack) -> None:
        self._board = board
        self._stack = stack
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tuner-"))
        self._library = Path(folder) / "doctor.so"
        self._candidate: Candidate = Space(_WORKLOAD, board.core).defaults()[0]
        self._endpoint: Endpoint
        self._info: BoardInfo
        self._run: Run

    def steps(self, address: tuple[str, int] | None) -> Iterator[tuple[str, Callable[[], str]]]:
        """Yield the title and the function of each step; the function returns what it found."""
        yield "ARM compiler", self._find_compiler
        if address is None:
            yield "QEMU", self._find_qemu
            yield "RPC server", self._build_server
            yield "emulator", self._build_emulator
            yield "board starts", self._start_board
        else:
            self._endpoint = RemoteBoard(*address)
        yield "RPC answers", self._describe
        yield "kernel compiles", self._compile
        yield "kernel runs", self._run_kernel
        yield "answer is right", self._check
        yield "time", self._time

    def _find_compiler(self) -> str:
        return shlex.join(toolchain.find(self._board.core.isa).compiler)

    def _find_qemu(self) -> str:
        return str(launch.find_qemu(self._board.core.isa))

    def _build_server(self) -> str:
        return str(build.server_binary(self._board.core.isa))

    def _build_emulator(self) -> str:
        return str(build.emulator_plugin())

    def _start_board(self) -> str:
        emulated = self._stack.enter_context(launch.EmulatedBoard(self._board))
        self._endpoint = emulated
        return f"{self._board.name} at {emulated.host}:{emulated.port}"

    def _describe(self) -> str:
        self._info = describe(self._endpoint, self._board)
        return f"{self._info.name}, {self._info.core}, {self._info.label}"

    def _compile(self) -> str:
        candidate = self._candidate
        config = dict(candidate.config)
        core_name = self._board.core.name
        compile_candidate(
            _WORKLOAD.key, candidate.schedule, config, core_name, _EPILOGUE, str(self._library)
        )
        return f"{_WORKLOAD.describe()} with {candidate.schedule}"

    def _run_kernel(self) -> str:
        candidate = self._candidate
        problem = checker.problem(_WORKLOAD, _EPILOGUE)
        self._run = run_candidate(
            self._endpoint,
            self._library,
            _WORKLOAD,
            candidate.schedule,
            candidate.config,
            problem,
        )
        sent_kb = self._library.stat().st_size / 1e3
        return f"{sent_kb:.0f} kB sent, {problem.expected.size} values back"

    def _check(self) -> str:
        problem = checker.problem(_WORKLOAD, _EPILOGUE)
        result = checker.check(self._run.output, problem.expected, problem.bound)
        return f"off by {result.max_err:.1e} at most, {result.bound:.1e} allowed"

    def _time(self) -> str:
        cost_s = min(self._run.costs_s)
        cycles = format_cycles(self._info.cycles(cost_s))
        return f"{format_time(cost_s)}, {cycles} cycles {self._info.label}"
