"""Whole searches that take seconds: one small convolution, on a real emulated board."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from unittest import mock

from schedules import Conv2dWorkload, hardware
from tuner import search
from tuner.board.launch import EmulatedBoard
from tuner.measure import Measurer, describe, inject, pipeline
from tuner.measure.builder import Built, compile_candidate
from tuner.records import Log
from tuner.task_search import TaskSearch
from tuner.tasks import Task
from tuner.tune import Options, tune

BOARD = hardware.board("rk3288")
_WORKLOAD = Conv2dWorkload(1, 16, 20, 20, 24, 1, 1)
_TASK = Task(_WORKLOAD, ("layer",), ("bias", "relu"))
_WORKERS = 2


class _Builder:
    """Compiles in this process, and a candidate once: most of these searches are alike."""

    _compiled = tempfile.TemporaryDirectory(prefix="small-runs-")

    def __init__(self, core_name: str, workers: int) -> None:
        self._core_name = core_name

    def build(self, workload, schedule, config, epilogue, library) -> Built:
        name = "_".join(map(str, (schedule, *config.values())))
        kept, unfinished = Path(self._compiled.name) / name, library.with_suffix(".kept")
        if not kept.exists():
            arguments = (workload.key, schedule, config, self._core_name, epilogue)
            compile_candidate(*arguments, str(unfinished))
            unfinished.replace(kept)
        shutil.copyfile(kept, library)
        return Built(0.0, None)

    def close(self) -> None:
        pass


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
    with (
        mock.patch.object(pipeline, "Builder", _Builder),
        EmulatedBoard(BOARD) as board,
        Log(log_path) as log,
    ):
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
