"""The whole job: network -> tasks -> (propose, build, measure, check, record, learn) -> configs."""

from __future__ import annotations

import datetime
import importlib.metadata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Protocol

import tvm
from tvm.target import codegen

from tuner import budget, composition, search
from tuner.errors import UserError
from tuner.measure import BoardInfo, Measurer, Outcome, Trial
from tuner.records import Log, Record, trial_key
from tuner.search import Candidate, Result
from tuner.task_search import TaskSearch

# So many failures in a row, and no success, are the fault of the board or of this host.
_SUSPICIOUS_FAILURES = 8


@dataclass(frozen=True)
class Options:
    """What the user decides about a run.

    Attributes:
        network: its name.
        trials: configs to measure, for the whole network; None: no limit.
        seed, strategy: how they are chosen.
        time_s: wall seconds to search; None: no limit.
        least_gain: see `budget.Budget`; 0 spends all of the budget.
    """

    network: str
    trials: int | None
    seed: int
    strategy: str
    time_s: float | None = None
    least_gain: float = 0.01


class Observer(Protocol):
    """Is told how a run goes."""

    def on_record(self, search: TaskSearch, record: Record, is_new: bool) -> None:
        """Called for each trial, once its outcome is known."""


def tune(
    searches: Sequence[TaskSearch],
    options: Options,
    board: BoardInfo,
    log: Log,
    measurer: Measurer,
    observer: Observer,
) -> budget.End:
    """Spend the budget on `searches`, whose `best` it improves; every result goes to `log`.

    What the log already knows is not measured again but taken from there, so that a run that was
    interrupted goes the same way when it is repeated, only faster. What it knows beyond that, from
    a run with another seed or strategy, counts for `best` in the end.

    Returns:
        Why it ended.
    """
    strategy = search.create(options.strategy, options.seed)
    limit = budget.Budget(options.trials, options.time_s, options.least_gain)
    trials = _number(_batches(searches, limit, strategy))
    failed: list[Record] = []
    for batch in trials:
        known = len(log)
        records = _measure(batch, options, board, log, measurer, observer)
        limit.note(len(batch), measured=len(log) - known)
        failed = failed + records if all(record.error for record in records) else []
        if len(failed) >= _SUSPICIOUS_FAILURES:
            raise _nothing_works(failed, board)
        # In order of the trials, not of their ending: the result must not depend on timing.
        for (task_search, _), record in zip(batch, records, strict=True):
            task_search.take(record)
        strategy.learn(
            [
                Result(task_search.space, trial.candidate, record.cost_s, record.static)
                for (task_search, trial), record in zip(batch, records, strict=True)
            ]
        )
    if failed and not any(s.best for s in searches):
        raise _nothing_works(failed, board)
    for task_search in searches:
        task = task_search.task
        place = (task.workload.key, task.epilogue, board.fingerprint)
        for record in log.trials:
            if record.place == place and task_search.knows(record):
                task_search.improve(record)
    assert limit.end is not None
    return limit.end


def best_configs(
    searches: Sequence[TaskSearch], least_gain: float = 0.0
) -> dict[str, tuple[str, dict[str, int | str]]]:
    """Return the best config of each task, as `schedules.using` takes them.

    Args:
        least_gain: tasks whose best is not so much faster than the hand-picked config are left out.
    """
    return {
        s.best.workload: (s.best.schedule["name"], dict(s.best.config))
        for s in searches
        if s.best and s.gain >= least_gain
    }


_Proposal = list[tuple[TaskSearch, Candidate]]
_Batch = list[tuple[TaskSearch, Trial]]


def _batches(
    searches: Sequence[TaskSearch], limit: budget.Budget, strategy: search.Strategy
) -> Iterator[_Proposal]:
    """Yield what to measure next: hand-picked configs, those to try first, rounds of proposals."""
    for proposal in (*_hand_picked(searches), [(s, c) for s in searches for c in s.first]):
        yield proposal[: limit.allow(len(proposal))]
    while any(sizes := limit.next_round(_prospects(searches))):
        proposal = []
        for task_search, size in zip(searches, sizes, strict=True):
            candidates = strategy.propose(task_search.space, size) if size else []
            proposal += [(task_search, candidate) for candidate in candidates]
        if not proposal:
            limit.end = budget.End.SPACE
            return
        yield proposal


def _prospects(searches: Sequence[TaskSearch]) -> list[budget.Prospect]:
    """Return what further trials of each task may bring the network as it is best built so far."""
    layers = [s.best_layers for s in searches]
    weights, counts = composition.weights(layers), composition.counts(layers)
    return [s.prospect(*each) for s, *each in zip(searches, weights, counts, strict=True)]


def _hand_picked(searches: Sequence[TaskSearch]) -> tuple[_Proposal, _Proposal]:
    """Return the best guess of every task, and what else its search begins with."""
    starts = [(s, s.space.starts()) for s in searches]
    best_guesses = [(s, candidates[0]) for s, candidates in starts if candidates]
    others = [(s, candidate) for s, candidates in starts for candidate in candidates[1:]]
    return best_guesses, others


def _number(proposals: Iterator[_Proposal]) -> Iterator[_Batch]:
    """Number the trials of a run."""
    index = 0
    for proposal in filter(None, proposals):
        batch = []
        for task_search, candidate in proposal:
            batch.append((task_search, Trial(index, task_search.task, candidate)))
            index += 1
        yield batch


def _measure(
    batch: _Batch,
    options: Options,
    board: BoardInfo,
    log: Log,
    measurer: Measurer,
    observer: Observer,
) -> list[Record]:
    """Return the record of each trial of `batch`, from the log or from the board."""
    by_index = {trial.index: task_search for task_search, trial in batch}
    records: dict[int, Record] = {}
    for task_search, trial in batch:
        known = log.find(_key(trial, board))
        if known is not None and known.is_final:
            records[trial.index] = known
            observer.on_record(task_search, known, is_new=False)
    new_trials = [trial for _, trial in batch if trial.index not in records]
    for trial, outcome in measurer.measure(new_trials):
        record = _record(trial, outcome, options, board)
        log.append(record)
        records[trial.index] = record
        observer.on_record(by_index[trial.index], record, is_new=True)
    return [records[trial.index] for _, trial in batch]


def _nothing_works(failed: Sequence[Record], board: BoardInfo) -> UserError:
    error = failed[-1].error or {}
    return UserError(
        f"{len(failed)} trials in a row failed, the last one: "
        f"{error.get('kind')}: {error.get('text')}",
        f"run `python -m tuner doctor --target {board.name}`, and go on with another --log",
    )


def _key(trial: Trial, board: BoardInfo) -> str:
    candidate = trial.candidate
    schedule = {"name": candidate.schedule, "version": candidate.version}
    task = trial.task
    return trial_key(
        task.workload.key, task.epilogue, board.fingerprint, schedule, candidate.config
    )


def _record(trial: Trial, outcome: Outcome, options: Options, board: BoardInfo) -> Record:
    return Record(
        time=now(),
        network=options.network,
        workload=trial.task.workload.key,
        core=board.core,
        board=board.to_record(),
        schedule={"name": trial.candidate.schedule, "version": trial.candidate.version},
        config=dict(trial.candidate.config),
        epilogue=trial.task.epilogue,
        cycles=board.cycles(min(outcome.costs_s)) if outcome.costs_s else None,
        versions=versions(),
        **asdict(outcome),
    )


def now() -> str:
    """Return the time of day as the log has it."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


@cache
def versions() -> dict[str, str]:
    """Return what a measured time may depend on: the versions of TVM, LLVM and this project."""
    try:
        project = importlib.metadata.version("tvm-arm-schedules")
    except importlib.metadata.PackageNotFoundError:  # run from a checkout, not installed
        project = "unknown"
    llvm = str(codegen.llvm_version_major())
    return {"tvm": tvm.__version__, "llvm": llvm, "project": project}
