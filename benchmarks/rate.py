"""`python -m benchmarks rate`: how many candidates a second are built, run and checked."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import click
from tqdm import tqdm

from benchmarks.provenance import provenance
from benchmarks.rows import rounded
from schedules.hardware import Board
from tuner import networks, tasks
from tuner.cli.open_boards import open_boards
from tuner.cli.options import resolve_board, target_option
from tuner.errors import UserError
from tuner.measure import Measurer, Trial
from tuner.report.tables import make_console, make_table
from tuner.task_search import TaskSearch
from tuner.tasks import Task

# Convolutions of 30 million multiply-accumulates, more or less.
_LEAST_MMAC, _MOST_MMAC = 20, 40


@dataclass(frozen=True)
class Row:
    """Candidates of one workload.

    Attributes:
        name: of the first layer that computes it, and how many more do.
        failed: of the candidates; they count as measured.
        build_s, run_s: mean wall time of a candidate, several being under way at once.
    """

    workload: str
    name: str
    macs: int
    candidates: int
    failed: int
    wall_s: float
    build_s: float
    run_s: float

    @property
    def candidates_a_second(self) -> float:
        """Of wall time."""
        return self.candidates / self.wall_s

    def as_dict(self) -> dict[str, object]:
        """For `--json`; the keys are documented in docs/benchmarks.md."""
        return {**rounded(self), "candidates_a_second": round(self.candidates_a_second, 2)}


def measure(measurer: Measurer, task: Task, board: Board, count: int, seed: int, bar: tqdm) -> Row:
    """Measure `count` candidates of `task`, drawn from its whole space."""
    space = list(TaskSearch(task, board.core).space)
    chosen = random.Random(seed).sample(space, min(count, len(space)))
    begin, outcomes = time.perf_counter(), []
    for _, outcome in measurer.measure([Trial(i, task, each) for i, each in enumerate(chosen)]):
        outcomes.append(outcome)
        bar.update()
    return Row(
        workload=task.workload.key,
        name=task.name,
        macs=task.workload.macs,
        candidates=len(outcomes),
        failed=sum(outcome.error is not None for outcome in outcomes),
        wall_s=time.perf_counter() - begin,
        build_s=sum(outcome.build_s for outcome in outcomes) / len(outcomes),
        run_s=sum(outcome.run_s for outcome in outcomes) / len(outcomes),
    )


def find_tasks(network: str, board: Board) -> list[Task]:
    """The convolutions of `network` that have candidates and about 30 MMAC.

    Raises:
        UserError: there are none.
    """
    found = [
        task
        for task in tasks.extract(networks.get(network).module)
        if _LEAST_MMAC <= task.workload.macs / 1e6 <= _MOST_MMAC
        and len(TaskSearch(task, board.core).space)
    ]
    if not found:
        raise UserError(
            f"{network} has no convolution of {_LEAST_MMAC} to {_MOST_MMAC} MMAC",
            "choose another --network",
        )
    return found


@click.command("rate")
@click.option("--network", default="squeezenet", show_default=True, help="A built-in network.")
@target_option
@click.option(
    "--candidates",
    type=click.IntRange(1),
    default=48,
    show_default=True,
    help="To measure, of each workload.",
)
@click.option("--seed", default=0, show_default=True, help="Draws them.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def rate_verb(network: str, target: str, candidates: int, seed: int, as_json: bool) -> None:
    """Measure random candidates of each convolution of 20 to 40 MMAC, and take the time.

    This is wall time of this computer, which emulates the board too.
    """
    board, cores = resolve_board(target), os.cpu_count() or 1
    chosen = find_tasks(network, board)
    with (
        open_boards(board, None, None, 1, cores) as endpoints,
        Measurer(board.core.name, endpoints, cores) as measurer,
        tqdm(total=candidates * len(chosen), unit="candidate", desc="rate") as bar,
    ):
        # The processes that compile import TVM with their first candidate.
        first = Trial(0, chosen[0], next(iter(TaskSearch(chosen[0], board.core).space)))
        list(measurer.measure([first] * cores))
        rows = [measure(measurer, task, board, candidates, seed, bar) for task in chosen]
    if as_json:
        facts = {"network": network, "board": board.name, "host_cores": cores, "seed": seed}
        print(json.dumps({**facts, "rows": [row.as_dict() for row in rows], **provenance()}))
    else:
        sys.stderr.flush()
        _print_table(network, board, rows)


def _print_table(network: str, board: Board, rows: Sequence[Row]) -> None:
    cores = os.cpu_count()
    table = make_table(f"{network} on {board.name}, emulated; wall time of a host of {cores} cores")
    table.add_column("layer", no_wrap=True)
    for column in ("MMAC", "candidates", "failed", "a second", "build", "run"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.name,
            f"{row.macs / 1e6:.1f}",
            str(row.candidates),
            str(row.failed),
            f"{row.candidates_a_second:.2f}",
            f"{row.build_s:.2f} s",
            f"{row.run_s:.2f} s",
        )
    make_console().print(table)
