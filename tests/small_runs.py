"""Whole searches that take seconds: one small convolution, on a real emulated board."""

from __future__ import annotations

from pathlib import Path

from schedules import Conv2dWorkload, hardware
from tuner import search
from tuner.board.launch import EmulatedBoard
from tuner.measure import Measurer, describe, inject
from tuner.records import Log
from tuner.tasks import Task
from tuner.tune import Options, TaskSearch, tune

BOARD = hardware.board("rk3288")
_WORKLOAD = Conv2dWorkload(1, 8, 9, 9, 16, 3, 3, padding=(1, 1, 1, 1))
_TASK = Task(_WORKLOAD, ("layer",), ("bias", "relu"))
_WORKERS = 2


class Observer:
    """Counts trials that were measured, and that were known."""

    def __init__(self) -> None:
        self.new = self.known = 0

    def on_record(self, search: TaskSearch, record: object, is_new: bool) -> None:
        self.new += is_new
        self.known += not is_new


def run(log_path: Path, trials: int, faults: tuple[str, ...] | None = None):
    """Search; return the search and its observer.

    Args:
        faults: as `--inject` takes them; None: an ordinary measurer, without a guard.
    """
    searches, observer = [TaskSearch(_TASK, BOARD.core)], Observer()
    options = Options("small", trials, 0, search.names()[0], least_gain=0.0)
    with EmulatedBoard(BOARD) as board, Log(log_path) as log:
        info = describe(board, BOARD)
        if faults is None:
            measurer = Measurer(BOARD.core.name, [board] * _WORKERS, _WORKERS)
        else:
            plan = inject.parse(faults, seed=0)
            faulty = inject.FaultyBoard(board)
            measurer = inject.FaultyMeasurer(BOARD.core.name, faulty, BOARD, _WORKERS, plan)
        with measurer:
            tune(searches, options, info, log, measurer, observer)
    return searches[0], observer
