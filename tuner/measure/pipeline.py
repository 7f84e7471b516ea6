"""Many trials at once: while one candidate is built another one runs."""

from __future__ import annotations

import queue
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import schedules
from tuner.measure import checker
from tuner.measure.boards import Endpoint
from tuner.measure.builder import Builder, Built
from tuner.measure.errors import TrialError
from tuner.measure.runner import run_candidate
from tuner.search.candidate import Candidate
from tuner.tasks import Task


@dataclass(frozen=True)
class Trial:
    """A candidate to measure; `index` counts the trials of a run, whatever their outcome."""

    index: int
    task: Task
    candidate: Candidate


@dataclass(frozen=True)
class Outcome:
    """What came of a trial; the fields are those of `records.Record`."""

    costs_s: tuple[float, ...] = ()
    error: dict[str, str] | None = None
    check: dict[str, Any] | None = None
    build_s: float = 0.0
    run_s: float = 0.0
    static: dict[str, Any] | None = None


class Measurer:
    """Builds, runs and checks candidates; use as a context manager.

    Args:
        core_name: what to compile for.
        endpoints: boards of one kind. Each runs one candidate at a time, and as many candidates
            are under way as there are `workers`: on one real board, the others are being built.
    """

    def __init__(self, core_name: str, endpoints: Sequence[Endpoint], workers: int) -> None:
        self._builder = Builder(core_name, workers)
        self._threads = ThreadPoolExecutor(workers)
        self._free_boards: queue.Queue[Endpoint] = queue.Queue()
        for endpoint in endpoints:
            self._free_boards.put(endpoint)
        self._folder = tempfile.TemporaryDirectory(prefix="tuner-")

    def __enter__(self) -> Measurer:
        return self

    def __exit__(self, *exception: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._builder.close()
        self._folder.cleanup()

    def measure(self, trials: Sequence[Trial]) -> Iterator[tuple[Trial, Outcome]]:
        """Yield each trial with its outcome, as they finish: in no particular order."""
        futures = {self._threads.submit(self._measure_one, trial): trial for trial in trials}
        for future in as_completed(futures):
            yield futures[future], future.result()

    def _measure_one(self, trial: Trial) -> Outcome:
        workload, candidate = trial.task.workload, trial.candidate
        config = dict(candidate.config)
        library = Path(self._folder.name) / f"trial{trial.index}.so"
        built, run_s = Built(0.0, None), 0.0
        try:
            built = self._builder.build(
                workload, candidate.schedule, config, trial.task.epilogue, library
            )
            problem = checker.problem(workload, trial.task.epilogue)
            board = self._free_boards.get()
            start = time.monotonic()
            try:
                run = run_candidate(board, library, workload, candidate.schedule, config, problem)
            finally:
                run_s = time.monotonic() - start
                self._free_boards.put(board)
            growth = schedules.get(candidate.schedule).error_growth(config)
            check = checker.check(run.output, problem.expected, problem.allowed(growth))
        except TrialError as error:
            failure = {"kind": error.kind, "text": error.text}
            return Outcome((), failure, None, built.seconds, run_s, built.static)
        finally:
            library.unlink(missing_ok=True)
        return Outcome(run.costs_s, None, asdict(check), built.seconds, run_s, built.static)
