"""Many trials at once: while one candidate is built another one runs."""

from __future__ import annotations

import logging
import queue
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from schedules import competition, hardware
from tuner.measure import checker, connection
from tuner.measure.boards import Endpoint
from tuner.measure.builder import Builder, Built
from tuner.measure.errors import TrialError
from tuner.measure.health import ClockGuard
from tuner.measure.runner import Run, Watch, run_candidate
from tuner.search.candidate import Candidate
from tuner.tasks import Task

_logger = logging.getLogger(__name__)

# Slower than any network that is well, in so many trials in a row that took long enough to tell.
_SLOW_BYTES_PER_S, _TELLING_S, _SLOW_TRIALS = 3e5, 0.3, 3


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
        guard: throws away what was measured under a lowered clock; outcomes come a batch at a time.
        watch: see `runner.run_candidate`.
    """

    def __init__(
        self,
        core_name: str,
        endpoints: Sequence[Endpoint],
        workers: int,
        guard: ClockGuard | None = None,
        watch: Watch = nullcontext,
    ) -> None:
        self._core = hardware.core(core_name)
        self._guard = guard
        self._slow_trials = 0
        self._watch = watch
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
        if self._guard is None or not trials:
            yield from self._measure_all(trials)
        else:
            yield from self._guard.approved(lambda: self._measure_all(trials))

    def _measure_all(self, trials: Sequence[Trial]) -> Iterator[tuple[Trial, Outcome]]:
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
                run = connection.persist(
                    board, lambda: self._run_once(board, trial, library, problem)
                )
                if self._guard is not None:
                    self._guard.look(board)
            finally:
                run_s = time.monotonic() - start
                self._free_boards.put(board)
            growth = competition.error_growth(workload, candidate.schedule, config, self._core)
            check = checker.check(run.output, problem.expected, problem.allowed(growth))
        except TrialError as error:
            failure = {"kind": error.kind, "text": error.text}
            return Outcome((), failure, None, built.seconds, run_s, built.static)
        finally:
            library.unlink(missing_ok=True)
        return Outcome(run.costs_s, None, asdict(check), built.seconds, run_s, built.static)

    def _run_once(
        self, board: Endpoint, trial: Trial, library: Path, problem: checker.Problem
    ) -> Run:
        """Run a candidate that was built; raises as `run_candidate` does."""
        constants = checker.constants(
            trial.task.workload,
            trial.candidate.schedule,
            dict(trial.candidate.config),
            self._core,
            problem,
        )
        run = run_candidate(board, library, trial.task.workload, constants, problem, self._watch)
        if self._guard is not None:  # else the board is on this host, and slow when that is busy
            self._note_network(run)
        return run

    def _note_network(self, run: Run) -> None:
        """Warn of a slow network, once."""
        if run.sent_s > _TELLING_S:
            rate = run.sent_bytes / run.sent_s
            self._slow_trials = self._slow_trials + 1 if rate < _SLOW_BYTES_PER_S else 0
            if self._slow_trials == _SLOW_TRIALS:
                _logger.warning(
                    "the network to the board is slow, %.0f kB/s: trials take longer, their times "
                    "are as they were",
                    rate / 1e3,
                )
