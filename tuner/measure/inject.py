"""Faults on demand: what a real board, its network and its supply do, done to an emulated one.

They are real where they can be: connections go through a proxy that closes or slows them, and the
board's process is killed. A clock that is lowered scales all times the board reports; a wrong
answer is a right one with an element changed.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tvm.rpc

from schedules.hardware import Board
from tuner.board.launch import EmulatedBoard
from tuner.errors import UserError
from tuner.measure.boards import Endpoint
from tuner.measure.checker import Problem
from tuner.measure.health import ClockGuard
from tuner.measure.pipeline import Measurer, Outcome, Trial
from tuner.measure.proxy import Proxy
from tuner.measure.runner import Run

_logger = logging.getLogger(__name__)

_KINDS = ("clock", "lost", "wrong", "slow", "reboot")
# What a rate draws from: a wrong answer is final, so the result would not be that of a sound board.
_PASSING = ("clock", "lost", "slow", "reboot")
_CLOCK = 0.5
_SPEC = re.compile(
    r"(?P<kind>clock|lost|wrong|slow|reboot)(=(?P<value>[0-9.]+))?"
    r"@(?P<unit>batch|trial)(?P<number>[1-9]\d*)(?P<stays>\+?)"
)
_RATE = re.compile(r"faults=(?P<percent>\d+(\.\d+)?)%")
# A proxy cuts a connection in the middle of an upload.
_CUT_BYTES = 5000
_SLOW_BYTES_PER_S = 100_000
# An emulated board has nothing to cool.
_COOL_DOWN_S = 0.1


@dataclass(frozen=True)
class Fault:
    """One fault, that comes once unless it `stays`.

    Attributes:
        kind: of `_KINDS`.
        clock: share of the usual clock that is left; 1 for other kinds.
        unit, number: "batch" or "trial", counted from 1, at which it comes.
        stays: a lowered clock stays low from then on.
    """

    kind: str
    clock: float
    unit: str
    number: int
    stays: bool = False


@dataclass(frozen=True)
class Plan:
    """What is going to go wrong: `faults`, and any of them with a probability for each trial."""

    faults: tuple[Fault, ...]
    rate: float = 0.0
    seed: int = 0

    def due(self, batch: int, trial: int, is_first: bool) -> list[Fault]:
        """Return the faults of a trial, both counted from 1; `is_first` in its batch."""
        due = [
            fault
            for fault in self.faults
            if (fault.unit == "trial" and fault.number == trial)
            or (fault.unit == "batch" and fault.number == batch and (is_first or _is_long(fault)))
        ]
        chance = random.Random(f"{self.seed}/{trial}")
        if chance.random() < self.rate:
            due.append(Fault(chance.choice(_PASSING), _CLOCK, "trial", trial))
        return due


def _is_long(fault: Fault) -> bool:
    return fault.kind == "slow"


def parse(specs: Sequence[str], seed: int) -> Plan:
    """Return the faults that `--inject` names.

    Raises:
        UserError: one of `specs` is none.
    """
    faults, rate = [], 0.0
    for spec in specs:
        wanted, share = _SPEC.fullmatch(spec), _RATE.fullmatch(spec)
        if share and float(share["percent"]) <= 100:
            rate = float(share["percent"]) / 100
        elif wanted and _fits(wanted):
            value = float(wanted["value"]) if wanted["value"] else 1.0
            faults.append(
                Fault(
                    wanted["kind"],
                    value,
                    wanted["unit"],
                    int(wanted["number"]),
                    bool(wanted["stays"]),
                )
            )
        else:
            raise UserError(
                f"--inject {spec!r} is no fault",
                "give for example clock=0.5@batch3, lost@batch2, wrong@trial5, slow@batch1, "
                "reboot@batch4 or faults=10%",
            )
    return Plan(tuple(faults), rate, seed)


def _fits(wanted: re.Match[str]) -> bool:
    """Whether a clock, and nothing else, has a value below 1 and may stay."""
    if wanted["kind"] != "clock":
        return wanted["value"] is None and not wanted["stays"]
    return re.fullmatch(r"0?\.\d*[1-9]\d*", wanted["value"] or "") is not None


class FaultyBoard:
    """An emulated board with a clock that can be lowered, and a plug that can be pulled."""

    def __init__(self, board: EmulatedBoard) -> None:
        self._board = board
        # Who connects while it reboots waits, as one would for a real board.
        self._power = threading.RLock()
        self.clock = 1.0
        self.stays_low = False

    def connect(self, timeout_s: float) -> tvm.rpc.RPCSession:
        """Open a session, on which times are those of the clock as it is then."""
        with self._power:
            return self._scaled(self._board.connect(timeout_s))

    def connect_through(self, proxy: Proxy, timeout_s: float) -> tvm.rpc.RPCSession:
        """The same by way of a proxy."""
        remote = tvm.rpc.connect("127.0.0.1", proxy.port, session_timeout=timeout_s)
        return self._scaled(remote)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._board.pid

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self._board.host, self._board.port

    def reboot(self) -> None:
        """Kill it and start it again."""
        with self._power:
            self._board.reboot()

    def cool_down(self, seconds: float) -> None:
        """Wait; the clock is the usual one again unless its fault stays."""
        time.sleep(seconds)
        if not self.stays_low:
            self.clock = 1.0

    def _scaled(self, remote: tvm.rpc.RPCSession) -> Any:
        return remote if self.clock == 1.0 else _SlowSession(remote, self.clock)


class _SlowSession:
    """An RPC session whose modules take longer."""

    def __init__(self, remote: tvm.rpc.RPCSession, clock: float) -> None:
        self._remote, self._clock = remote, clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._remote, name)

    def load_module(self, path: str) -> Any:
        return _SlowModule(self._remote.load_module(path), self._clock)


class _SlowModule:
    def __init__(self, module: tvm.runtime.Module, clock: float) -> None:
        self._module, self._clock = module, clock

    def time_evaluator(self, *arguments: Any, **options: Any) -> Any:
        evaluator = self._module.time_evaluator(*arguments, **options)

        def timed(*inputs: Any) -> tvm.runtime.module.BenchmarkResult:
            times = [seconds / self._clock for seconds in evaluator(*inputs).results]
            return tvm.runtime.module.BenchmarkResult(times)

        return timed


class FaultyMeasurer(Measurer):
    """Measures as `Measurer` does, on a board to which the faults of a plan happen."""

    def __init__(
        self, core_name: str, faulty: FaultyBoard, board: Board, workers: int, plan: Plan
    ) -> None:
        guard = ClockGuard([faulty], board, _COOL_DOWN_S, faulty.cool_down)
        super().__init__(core_name, [faulty] * workers, workers, guard)
        self._faulty, self._plan = faulty, plan
        self._batch = self._first = 0
        self._over: set[Fault] = set()
        self._turn = threading.Lock()

    def measure(self, trials: Sequence[Trial]) -> Iterator[tuple[Trial, Outcome]]:
        """Count the batch, known or new, and measure it."""
        self._batch += 1
        self._first = min((trial.index for trial in trials), default=0)
        yield from super().measure(trials)

    def _run_once(self, board: Endpoint, trial: Trial, library: Path, problem: Problem) -> Run:
        due = self._due(trial)
        for fault in due:
            _logger.warning("injected in trial %d: %s", trial.index + 1, fault.kind)
            if fault.kind == "clock":
                self._faulty.clock, self._faulty.stays_low = fault.clock, fault.stays
        kinds = {fault.kind for fault in due}
        if not kinds & {"lost", "slow", "reboot"}:
            run = super()._run_once(board, trial, library, problem)
        else:
            run = self._run_by_detour(kinds, trial, library, problem)
        return _spoiled(run) if "wrong" in kinds else run

    def _run_by_detour(self, kinds: set[str], trial: Trial, library: Path, problem: Problem) -> Run:
        rate = _SLOW_BYTES_PER_S if "slow" in kinds else 0
        cut_bytes = _CUT_BYTES if kinds & {"lost", "reboot"} else 0
        pid = self._faulty.pid if "reboot" in kinds else 0
        try:
            with Proxy(self._faulty.address, rate, cut_bytes, pid) as proxy:
                detour = _Detour(self._faulty, proxy)
                return super()._run_once(detour, trial, library, problem)
        finally:
            if "reboot" in kinds:
                self._faulty.reboot()

    def _due(self, trial: Trial) -> list[Fault]:
        """Return what has to go wrong in this run, which does not come again but for `slow`."""
        faults = self._plan.due(self._batch, trial.index + 1, trial.index == self._first)
        with self._turn:
            due = [fault for fault in faults if fault not in self._over]
            self._over.update(fault for fault in due if not _is_long(fault))
        return due


@dataclass(frozen=True)
class _Detour:
    """The way to a board through a proxy."""

    board: FaultyBoard
    proxy: Proxy

    def connect(self, timeout_s: float) -> tvm.rpc.RPCSession:
        return self.board.connect_through(self.proxy, timeout_s)


def _spoiled(run: Run) -> Run:
    output = run.output.copy()
    output.flat[0] += 1 + abs(output.flat[0])
    return replace(run, output=output)
