"""What the verbs that tune and that plan have in common: the options, and what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from tuner import search, starts, tasks
from tuner.cli.options import (
    address_options,
    load_network,
    network_argument,
    parse_duration,
    parse_tracker,
    require_threads,
    require_whole_address,
    resolve_board,
    target_option,
    tracker_options,
)
from tuner.errors import UserError
from tuner.measure import BoardInfo
from tuner.network_run import NetworkRun
from tuner.records import Record
from tuner.report.plan import Plan
from tuner.runs import Layer, Run
from tuner.task_search import TaskSearch
from tuner.tune import Options, now, versions

_DEFAULT_TRIALS = 192
_LOG_FOLDER = Path("tuner-logs")

_Command = TypeVar("_Command", bound=Callable[..., Any])

_OPTIONS = (
    network_argument,
    target_option,
    address_options,
    tracker_options,
    click.option(
        "--boards",
        type=click.IntRange(min=1),
        help="Boards of the tracker to use at once.  [default: those that are free]",
    ),
    click.option(
        "--trials",
        type=click.IntRange(min=1),
        help="Configs to measure, for the whole network.  "
        f"[default: {_DEFAULT_TRIALS}; with --time, no limit]",
    ),
    click.option(
        "--time",
        metavar="DURATION",
        help="Time to search, such as 90s, 15m or 2h.  [default: no limit]",
    ),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
    click.option(
        "--strategy",
        type=click.Choice(search.names()),
        default="xgb",
        show_default=True,
        help="How to choose what to measure.",
    ),
    click.option(
        "--threads",
        type=click.IntRange(min=1),
        help="Threads of the emulated board.  [default: one a core]",
    ),
    click.option(
        "--log",
        type=click.Path(path_type=Path),
        help="File of the results; an existing one is continued."
        "  [default: tuner-logs/NETWORK.BOARD.jsonl]",
    ),
    click.option(
        "--try-first",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Configs to measure before others, which `import-autotvm` wrote.",
    ),
)


def job_options(command: _Command) -> _Command:
    """Add the argument NETWORK and the options that `Settings` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class Settings:
    """The command line of a job."""

    network: str
    shape: str | None
    params: Path | None
    target: str
    host: str | None
    port: int | None
    tracker: str | None
    key: str | None
    boards: int | None
    trials: int | None
    time: str | None
    seed: int
    strategy: str
    threads: int | None
    log: Path | None
    try_first: Path | None = None


class Job:
    """What is to be tuned, for what, and how.

    Raises:
        UserError: the settings do not fit together, or name something that is not there.
    """

    def __init__(self, settings: Settings) -> None:
        require_whole_address(settings.host, settings.port)
        self.tracked = parse_tracker(settings.tracker, settings.key)
        if self.tracked is not None and settings.host is not None:
            raise UserError("--host and --tracker name two places", "give one of them")
        if self.tracked is None and settings.boards is not None:
            raise UserError("--boards is for a farm", "give --tracker and --key too")
        is_elsewhere = settings.host is not None or self.tracked is not None
        if is_elsewhere and settings.threads is not None:
            raise UserError(
                "--threads is for an emulated board that starts here",
                "leave it out, and set TVM_NUM_THREADS where the board's server starts",
            )
        time_s = None if settings.time is None else parse_duration(settings.time)
        self.board = resolve_board(settings.target)
        require_threads(self.board, settings.threads)
        self.network = load_network(settings.network, settings.shape, settings.params)
        self.searches = [
            TaskSearch(task, self.board.core) for task in tasks.extract(self.network.module)
        ]
        if not any(len(search.space) for search in self.searches):
            raise UserError(
                f"{self.network.title} has no convolution that could be tuned",
                "float32 convolutions in NCHW can be",
            )
        if settings.try_first is not None:
            self._try_first(settings.try_first)
        trials = settings.trials
        if trials is None and time_s is None:
            trials = _DEFAULT_TRIALS
        self.options = Options(self.network.name, trials, settings.seed, settings.strategy, time_s)
        self.log_path = settings.log or _LOG_FOLDER / f"{self.network.name}.{self.board.name}.jsonl"

    def _try_first(self, path: Path) -> None:
        if starts.give(starts.read(path), self.searches) == 0:
            raise UserError(
                f"{path} has no config for a convolution of {self.network.title} on "
                f"{self.board.core.name} that is not hand-picked anyway",
                "leave out --try-first, or import a log of this network",
            )

    def plan(self, info: BoardInfo, known: Sequence[Record], workers: int) -> Plan:
        """Return what is going to happen; `known` are the trials in the log."""
        return Plan(
            self.network.title,
            self.board,
            info,
            self.searches,
            self.options,
            workers,
            self.log_path,
            known,
        )

    def run(self, info: BoardInfo, builds: Mapping[str, NetworkRun] | None = None) -> Run:
        """Return the line of the log about this job, at its start or with its `builds`."""
        options = self.options
        return Run(
            time=now(),
            network=self.network.name,
            title=self.network.title,
            core=info.core,
            board=info.to_record(),
            layers=tuple(_layer(search) for search in self.searches),
            settings={
                "seed": options.seed,
                "strategy": options.strategy,
                "trials": options.trials,
                "time_s": options.time_s,
            },
            builds={n: build.to_record() for n, build in builds.items()} if builds else None,
            kernels=builds["tuned"].kernels if builds else (),
            versions=versions(),
        )


def _layer(search: TaskSearch) -> Layer:
    task, defaults = search.task, search.space.defaults()
    hand_picked = None
    if defaults:
        schedule = {"name": defaults[0].schedule, "version": defaults[0].version}
        hand_picked = {"schedule": schedule, "config": dict(defaults[0].config)}
    return Layer(task.workload.key, task.layers, task.epilogue, hand_picked)
