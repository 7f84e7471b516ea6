"""The plan: what is going to be tuned, for what board, within what budget, in what time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from schedules import FireWorkload
from schedules.hardware import Board
from tuner import tasks
from tuner.measure import BoardInfo
from tuner.records import Record
from tuner.report.tables import make_table
from tuner.report.units import format_duration
from tuner.task_search import TaskSearch
from tuner.tune import Options

# Wall seconds of this host, where the log has no results to go by: means of a search of
# SqueezeNet for the rk3288 (two cores of a PC).
_BUILD_S = 0.28
_SESSION_S = 0.05
_EMULATED_S_PER_MAC = 1.0e-8
# The three builds of the network, and TVM's default code on the board, which runs twice.
_NETWORK_BUILDS_S = 25.0
_DEFAULT_EMULATED_S_PER_MAC = 2.8e-7
_DEFAULT_CYCLES_PER_MAC = 9
# With fewer results than this the log does not tell how long a trial takes.
_TELLING = 8


@dataclass(frozen=True)
class Plan:
    """A job as it is going to be run.

    Attributes:
        title: the network, for people.
        board, info: the board by its table, and as it is going to be used.
        searches: the distinct convolutions and fire modules.
        options: budget, seed, strategy.
        workers: trials under way at a time.
        log: where results go.
        known: what the log knows already.
    """

    title: str
    board: Board
    info: BoardInfo
    searches: Sequence[TaskSearch]
    options: Options
    workers: int
    log: Path
    known: Sequence[Record]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all convolutions."""
        return tasks.total_macs(search.task for search in self.searches)

    @property
    def modules(self) -> list[TaskSearch]:
        """The distinct fire modules, whose convolutions are searched besides."""
        return [s for s in self.searches if isinstance(s.task.workload, FireWorkload)]

    @property
    def convolutions(self) -> list[TaskSearch]:
        """The distinct convolutions."""
        return [s for s in self.searches if not isinstance(s.task.workload, FireWorkload)]

    @property
    def results(self) -> int:
        """Results of these convolutions on this board in the log."""
        workloads = {search.task.workload.key for search in self.searches}
        fingerprint = self.info.fingerprint
        return len(
            {
                record.key
                for record in self.known
                if record.workload in workloads and record.board["fingerprint"] == fingerprint
            }
        )

    @property
    def search_s(self) -> float:
        """Wall seconds the search is expected to take at most."""
        options, candidates = self.options, sum(len(search.space) for search in self.searches)
        trials = candidates if options.trials is None else min(options.trials, candidates)
        expected_s = max(0, trials - self.results) * self.trial_s
        return expected_s if options.time_s is None else min(expected_s, options.time_s)

    @property
    def trial_s(self) -> float:
        """Wall seconds from one trial to the next: as the log has them, else as they use to be."""
        if len(self.known) >= _TELLING:
            count = len(self.known)
            build_s = sum(record.build_s for record in self.known) / count
            run_s = sum(record.run_s for record in self.known) / count
        else:
            # Trials go where the work is, for their price.
            going = [(s.task, s.task.macs / s.task.price) for s in self.searches]
            whole = sum(share for _, share in going)
            macs = sum(task.workload.macs * share for task, share in going) / whole
            build_s = _BUILD_S * sum(task.price * share for task, share in going) / whole
            run_s = _SESSION_S
            run_s += macs * _EMULATED_S_PER_MAC if self.info.emulated else 0.0
        if self.info.emulated:
            return (build_s + run_s) / self.workers
        return max(build_s / self.workers, run_s)  # a real board takes one at a time

    @property
    def network_s(self) -> float:
        """Wall seconds that measuring the whole network three ways takes at the end."""
        if self.info.emulated:
            return _NETWORK_BUILDS_S + self.macs * _DEFAULT_EMULATED_S_PER_MAC
        one_core_s = self.macs * _DEFAULT_CYCLES_PER_MAC / self.board.clock_hz
        return _NETWORK_BUILDS_S + 2 * one_core_s

    def to_json(self) -> dict[str, Any]:
        """Return the plan as `plan --json` prints it."""
        options = self.options
        return {
            "network": options.network,
            "board": self.info.name,
            "emulated": self.info.emulated,
            "model": self.info.model,
            "threads": self.info.threads,
            "layers": [_task_json(search) for search in self.convolutions],
            "modules": [_task_json(search) for search in self.modules],
            "trials": options.trials,
            "time_s": options.time_s,
            "seed": options.seed,
            "strategy": options.strategy,
            "log": str(self.log),
            "results": self.results,
            "expected_search_s": round(self.search_s),
            "expected_network_s": round(self.network_s),
        }


def _task_json(search: TaskSearch) -> dict[str, Any]:
    return {
        "workload": search.task.workload.key,
        "names": list(search.task.layers),
        "macs": search.task.macs,
        "candidates": len(search.space),
    }


def print_plan(console: Console, plan: Plan) -> None:
    """Show `plan`: the convolutions and fire modules as a table, the rest a line each."""
    table = make_table(f"Plan: {plan.title} on {plan.info.name} {plan.info.label}")
    for column in ("first layer", "convolution"):
        table.add_column(column)
    for column in ("count", "MMAC", "of all", "candidates"):
        table.add_column(column, justify="right")
    for search in plan.searches:
        task = search.task
        table.add_row(
            task.layers[0],
            task.workload.describe(),
            str(task.count),
            f"{task.macs / 1e6:.1f}",
            f"{task.macs / plan.macs:.0%}",
            f"{len(search.space):,}",
        )
    console.print(table)
    for line in _lines(plan):
        console.print(line, highlight=False)


def _lines(plan: Plan) -> list[str]:
    searches, options = plan.searches, plan.options
    layers, modules = (
        (sum(search.task.count for search in some), len(some))
        for some in (plan.convolutions, plan.modules)
    )
    schedules = {name for search in searches for name in search.space.schedules}
    epilogues = {" + ".join(search.task.epilogue) or "nothing" for search in searches}
    first = sum(len(search.first) for search in searches)
    limits = [] if options.trials is None else [f"{options.trials} trials"]
    limits += [] if options.time_s is None else [format_duration(options.time_s)]
    return [
        f"{layers[0]} convolutions, {layers[1]} distinct, {plan.macs / 1e6:.1f} MMAC",
        *(
            [
                f"among them {modules[0]} fire modules of three, {modules[1]} distinct, which are "
                "searched as a whole, too"
            ]
            if modules[0]
            else []
        ),
        f"in the same kernel: {' or '.join(sorted(epilogues))}",
        f"schedules that compete: {', '.join(sorted(schedules))}",
        *([f"tried first: {first} imported configs"] if first else []),
        f"board: {_describe_board(plan)}",
        f"budget: at most {' or '.join(limits)}, strategy {options.strategy}, seed "
        f"{options.seed}; ends early when more promises less than {options.least_gain:.0%}",
        f"expected: {format_duration(plan.search_s)} to search, {plan.workers} at a time, and "
        f"{format_duration(plan.network_s)} for the whole network",
        f"log: {plan.log}, {plan.results} results of these convolutions on this board",
    ]


def _describe_board(plan: Plan) -> str:
    board, info = plan.board, plan.info
    kind = f"emulated, timing model v{info.model}" if info.emulated else "real"
    threads = f", {info.threads} threads" if info.threads else ""
    peak = board.core.peak_flops_per_cycle * (info.threads or board.cores) * board.clock_hz / 1e9
    return (
        f"{board.title}, {board.core.name} at {board.clock_hz / 1e9:.1f} GHz{threads}, at most "
        f"{peak:.1f} GFLOP/s ({kind})"
    )
