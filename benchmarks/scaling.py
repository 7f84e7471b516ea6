"""`python -m benchmarks scaling`: the wall time of tuning, by workloads, boards and spaces."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import click
from tqdm import tqdm

from benchmarks.provenance import provenance
from benchmarks.rows import rounded
from schedules.hardware import Board
from tuner import networks, tasks
from tuner.board.launch import EmulatedBoard, Registration
from tuner.cli.open_boards import open_boards
from tuner.cli.options import resolve_board, target_option
from tuner.errors import UserError
from tuner.measure import Endpoint, Measurer, Outcome, TrackedBoard, Trial, describe, farm
from tuner.records import Log, Record
from tuner.report.tables import make_console, make_table
from tuner.task_search import TaskSearch
from tuner.tasks import Task
from tuner.tune import Options, tune

_HOST, _KEY = "127.0.0.1", "scaling"
_BOARDS = (1, 2, 4)
_FARM_WORKLOADS = 4
_START_TIMEOUT_S = 60

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Row:
    """One run of the tuner.

    Attributes:
        sweep: what is varied: "workloads", "boards" or "space".
        boards: registered at a tracker; None: one emulated board that takes several sessions.
        candidates: in the spaces of all workloads.
        wall_s: from the first trial to the last one learnt from.
        search_s: of these, those in which nothing is built or run: proposing, learning.
        build_s, run_s: mean of a trial, however many are under way at once.
    """

    sweep: str
    workloads: int
    boards: int | None
    candidates: int
    trials: int
    wall_s: float
    search_s: float
    build_s: float
    run_s: float

    @property
    def trials_a_second(self) -> float:
        """Of wall time."""
        return self.trials / self.wall_s

    def as_dict(self) -> dict[str, object]:
        """For `--json`; the keys are documented in docs/benchmarks.md."""
        return {**rounded(self), "trials_a_second": round(self.trials_a_second, 3)}


class _Stopwatch:
    """Stands between the tuner and its measurer, as observer too."""

    def __init__(self, measurer: Measurer, bar: tqdm) -> None:
        self._measurer, self._bar = measurer, bar
        self.measuring_s = 0.0
        self.records: list[Record] = []

    def measure(self, trials: Sequence[Trial]) -> Iterator[tuple[Trial, Outcome]]:
        begin = time.perf_counter()
        yield from self._measurer.measure(trials)
        self.measuring_s += time.perf_counter() - begin

    def on_record(self, search: TaskSearch, record: Record, is_new: bool) -> None:
        self.records.append(record)
        self._bar.update()


def run(
    sweep: str,
    chosen: Sequence[Task],
    board: Board,
    boards: int | None,
    trials: int,
    bar: tqdm,
) -> Row:
    """Tune the tasks with a log of their own, `trials` each."""
    searches = [TaskSearch(task, board.core) for task in chosen]
    options = Options("scaling", trials * len(searches), seed=0, strategy="xgb", least_gain=0)
    workers = os.cpu_count() or 1
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-"))
        log = stack.enter_context(Log(Path(folder) / "log.jsonl"))
        kind, endpoints = stack.enter_context(_endpoints(board, boards, workers))
        info = describe(endpoints[0], board)
        measurer = stack.enter_context(kind(board.core.name, endpoints, workers))
        watch = _Stopwatch(measurer, bar)
        begin = time.perf_counter()
        tune(searches, options, info, log, cast(Measurer, watch), watch)
        wall_s = time.perf_counter() - begin
    count = len(watch.records)
    return Row(
        sweep=sweep,
        workloads=len(searches),
        boards=boards,
        candidates=sum(len(search.space) for search in searches),
        trials=count,
        wall_s=wall_s,
        search_s=wall_s - watch.measuring_s,
        build_s=sum(record.build_s for record in watch.records) / count,
        run_s=sum(record.run_s for record in watch.records) / count,
    )


@contextlib.contextmanager
def _endpoints(
    board: Board, boards: int | None, workers: int
) -> Iterator[tuple[type[Measurer], Sequence[Endpoint]]]:
    if boards is None:
        with open_boards(board, None, None, 1, workers) as endpoints:
            yield Measurer, endpoints
        return
    with _tracker() as port, contextlib.ExitStack() as stack:
        registration = Registration(_HOST, port, _KEY)
        for _ in range(boards):
            stack.enter_context(EmulatedBoard(board, threads=1, registration=registration))
        tracked = TrackedBoard(_HOST, port, _KEY)
        yield farm.FarmMeasurer, _retry(lambda: farm.boards(tracked, boards))


@contextlib.contextmanager
def _tracker() -> Iterator[int]:
    """TVM's tracker, and its port."""
    with socket.socket() as free:
        free.bind((_HOST, 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tvm.exec.rpc_tracker", "--host", _HOST]
    command += ["--port", str(port), "--port-end", str(port + 1)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        _retry(TrackedBoard(_HOST, port, _KEY).require_tracker)
        yield port
    finally:
        # It serves from a process of its own, which would stay behind.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _retry(step: Callable[[], _Result]) -> _Result:
    """What `step` returns once it succeeds: trackers and boards take a moment to be there."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            return step()
        except UserError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def sweeps(found: Sequence[Task], board: Board) -> list[tuple[str, list[Task], int | None]]:
    """What is run: the sweep, its workloads and its boards.

    Args:
        found: at least one workload that can be tuned.
    """
    counts = sorted({1, max(1, len(found) // 4), len(found)})
    by_space = sorted(found, key=lambda task: len(TaskSearch(task, board.core).space))
    sizes = [by_space[0], by_space[len(by_space) // 2], by_space[-1]]
    return [
        *(("workloads", list(found[:count]), None) for count in counts),
        *(("boards", list(found[:_FARM_WORKLOADS]), boards) for boards in _BOARDS),
        *(("space", [task], None) for task in sizes),
    ]


@click.command("scaling")
@click.option("--network", default="squeezenet", show_default=True, help="A built-in network.")
@target_option
@click.option(
    "--trials",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Configs to measure, of each workload.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def scaling_verb(network: str, target: str, trials: int, as_json: bool) -> None:
    """Tune with more workloads, more boards at a tracker and larger spaces, and take the time.

    This is wall time of this computer, which emulates the boards too.
    """
    board = resolve_board(target)
    found = [
        task
        for task in tasks.extract(networks.get(network).module)
        if len(TaskSearch(task, board.core).space)
    ]
    plan = sweeps(found, board)
    total = sum(trials * len(chosen) for _, chosen, _ in plan)
    with tqdm(total=total, unit="trial", desc="scaling") as bar:
        rows = [run(*each[:2], board, each[2], trials, bar) for each in plan]
    if as_json:
        facts = {"network": network, "board": board.name, "host_cores": os.cpu_count()}
        document = {**facts, "trials_a_workload": trials, "rows": [row.as_dict() for row in rows]}
        print(json.dumps({**document, **provenance()}))
    else:
        sys.stderr.flush()
        _print_table(network, board, rows)


def _print_table(network: str, board: Board, rows: Sequence[Row]) -> None:
    cores = os.cpu_count()
    table = make_table(f"{network} on {board.name}, emulated; wall time of a host of {cores} cores")
    table.add_column("varied", no_wrap=True)
    counted = ("workloads", "boards", "configs", "trials")
    for column in (*counted, "wall", "trials/s", "search", "build + run"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        counts = (row.workloads, row.boards or "-", row.candidates, row.trials)
        times = (f"{row.wall_s:.1f} s", f"{row.trials_a_second:.2f}", f"{row.search_s:.1f} s")
        a_trial = f"{row.build_s:.1f} + {row.run_s:.1f} s"
        table.add_row(row.sweep, *map(str, counts), *times, a_trial)
    make_console().print(table)
