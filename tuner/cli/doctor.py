"""`python -m tuner doctor`: walk the whole path once and name the step that fails."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click

import schedules
from schedules import Conv2dWorkload
from schedules.hardware import Board
from tuner.board import build, launch, runtime_sources, toolchain
from tuner.cli.options import (
    address_options,
    names_core,
    parse_tracker,
    require_whole_address,
    resolve_board,
    target_option,
    tracker_options,
)
from tuner.errors import UserError
from tuner.measure import BoardInfo, Endpoint, RemoteBoard, TrackedBoard, checker, describe
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
@tracker_options
def doctor_verb(
    target: str, host: str | None, port: int | None, tracker: str | None, key: str | None
) -> None:
    """Check every step between this host and a measured time; print the fix for what fails."""
    endpoint = _remote_endpoint(host, port, tracker, key)
    board = resolve_board(target)
    with ExitStack() as stack:
        for title, step in _Walk(board, names_core(target), stack, endpoint).steps():
            try:
                detail = step()
            except UserError as error:
                click.echo(f"FAIL  {title}: {' '.join(str(error).split())}")
                sys.exit(_EXIT_BROKEN)
            except TrialError as error:
                text = " ".join(error.text.split())
                fix = (
                    "this is a bug, please report it"
                    if endpoint is None
                    else f"see that the board is a {board.name}, and start there what "
                    f"`python -m tuner server-binary --target {board.name}` writes"
                )
                click.echo(f"FAIL  {title}: {error.kind}: {text}; {fix}")
                sys.exit(_EXIT_BROKEN)
            click.echo(f"ok    {title}: {detail}")


def _remote_endpoint(
    host: str | None, port: int | None, tracker: str | None, key: str | None
) -> RemoteBoard | TrackedBoard | None:
    """Return the board that the options name; None: an emulated one."""
    require_whole_address(host, port)
    farm = parse_tracker(tracker, key)
    if farm is not None and host is not None:
        raise UserError("--host and --tracker are two ways to a board", "leave one of them out")
    return farm if host is None or port is None else RemoteBoard(host, port)


class _Walk:
    """The steps in order; each leaves behind what the next ones need."""

    def __init__(
        self,
        board: Board,
        any_of_core: bool,
        stack: ExitStack,
        remote: RemoteBoard | TrackedBoard | None,
    ) -> None:
        self._board = board
        self._any_of_core = any_of_core
        self._stack = stack
        self._remote = remote
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tuner-"))
        self._library = Path(folder) / "doctor.so"
        self._candidate: Candidate = Space(_WORKLOAD, board.core).defaults()[0]
        self._endpoint: Endpoint
        self._info: BoardInfo
        self._run: Run

    def steps(self) -> Iterator[tuple[str, Callable[[], str]]]:
        """Yield the title and the function of each step; the function returns what it found."""
        yield "TVM", lambda: runtime_sources.find().version
        yield "ARM compiler", self._find_compiler
        if self._remote is None:
            yield "QEMU", self._find_qemu
            yield "RPC server", self._build_server
            yield "emulator", self._build_emulator
            yield "board starts", self._start_board
        else:
            self._endpoint = self._remote
        if isinstance(self._remote, TrackedBoard):
            yield "tracker", partial(self._ask_tracker, self._remote)
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

    def _ask_tracker(self, farm: TrackedBoard) -> str:
        count = farm.count()
        return f"{count} board{'' if count == 1 else 's'} of the key {farm.key!r} at {farm.address}"

    def _describe(self) -> str:
        self._info = describe(self._endpoint, self._board, self._any_of_core)
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
        constants = checker.constants(
            _WORKLOAD, candidate.schedule, candidate.config, self._board.core, problem
        )
        self._run = run_candidate(self._endpoint, self._library, _WORKLOAD, constants, problem)
        sent_kb = self._library.stat().st_size / 1e3
        return f"{sent_kb:.0f} kB sent, {self._run.output.size} values back"

    def _check(self) -> str:
        problem = checker.problem(_WORKLOAD, _EPILOGUE)
        growth = schedules.get(self._candidate.schedule).error_growth(self._candidate.config)
        result = checker.check(self._run.output, problem.expected, problem.allowed(growth))
        return f"off by {result.max_err:.1e} at most, {result.bound:.1e} allowed"

    def _time(self) -> str:
        cost_s = min(self._run.costs_s)
        cycles = format_cycles(self._info.cycles(cost_s))
        return f"{format_time(cost_s)}, {cycles} cycles {self._info.label}"
