"""`python -m benchmarks imagenet`: the classic benchmark of a board, three measurements a network.

After `rasp_imagenet_bench.py` of NNVM (dmlc/nnvm, examples/benchmark, 2017): the same options and
measurements. What it did not do is done here: the output is compared with float64, and the clock of
the board is checked.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import tvm
from tqdm import tqdm

from benchmarks import builds
from benchmarks.provenance import provenance
from schedules.hardware import Board
from tuner import network_run, networks
from tuner.cli.open_boards import open_boards
from tuner.cli.options import (
    address_options,
    require_threads,
    require_whole_address,
    resolve_board,
)
from tuner.errors import UserError
from tuner.measure import BoardInfo, Endpoint, describe, session
from tuner.networks import Network
from tuner.networks.graph import Graph
from tuner.report.tables import make_console, make_table

_ALL = "all"
_OLD_NAMES = {"resnet": "resnet18"}
_MEASUREMENTS = 3
_PAUSE_S = 45.0  # as the original: a small board has to cool down
_LIMIT_S = 3600.0
# How much slower or faster the same work may be afterwards until the clock counts as changed.
_CLOCK_TOLERANCE = 0.05


@dataclass(frozen=True)
class Row:
    """One network.

    Attributes:
        ms: mean of each measurement.
        error: largest deviation of the output from float64, relative to its largest value.
        clock_change: of the time of a fixed piece of work, from before to after: 0.1 = 10 % slower.
    """

    network: str
    ms: list[float]
    error: float
    clock_change: float

    @property
    def clock_is_steady(self) -> bool:
        """Whether the measurements can be trusted in this respect."""
        return abs(self.clock_change) <= _CLOCK_TOLERANCE


def measure(
    endpoint: Endpoint,
    info: BoardInfo,
    network: Network,
    board: Board,
    tuned: bool,
    num_iter: int,
    opt_level: int,
    pause_s: float,
    bar: tqdm,
) -> Row:
    """Measure `network` three times, `num_iter` inferences each.

    Raises:
        UserError: the output is wrong, or the board is lost.
    """
    data = network.random_input()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, ExitStack() as stack:
        yardstick, library = Path(folder) / "yardstick.so", Path(folder) / "network.so"
        fixed = _yardstick()
        builds.build(fixed, board, {}, yardstick, info.threads)
        with tvm.transform.PassContext(opt_level=opt_level):
            builds.build(network, board, None if tuned else {}, library, info.threads)
        stack.enter_context(network_run.errors_named(endpoint, network.name, _LIMIT_S))
        remote = stack.enter_context(session(endpoint, _LIMIT_S))
        before = _run(remote, yardstick, fixed.random_input(), 1, 1, 0, None)[0][0]
        seconds, output = _run(remote, library, data, num_iter, _MEASUREMENTS, pause_s, bar)
        after = _run(remote, yardstick, fixed.random_input(), 1, 1, 0, None)[0][0]
    error = network_run.relative_error(output, network.reference(data))
    network_run.require_equal(network.name, "the float64 network", error)
    return Row(network.name, [each * 1e3 for each in seconds], error, after / before - 1)


def _yardstick() -> Network:
    """A convolution that takes some milliseconds: always the same work."""
    shape = (1, 32, 28, 28)
    graph = Graph("data", shape, seed=0)
    graph.conv("data", "conv", 64, kernel=3, padding=1)
    return Network("yardstick", "Yardstick", graph.to_relax(), "data", shape, 0, graph.evaluate)


def _run(
    remote: tvm.rpc.RPCSession,
    library: Path,
    data: np.ndarray,
    number: int,
    measurements: int,
    pause_s: float,
    bar: tqdm | None,
) -> tuple[list[float], np.ndarray]:
    """Return the seconds of an inference, measurement by measurement, and the output."""
    _, vm = network_run.load(remote, library, data)
    evaluator = vm.time_evaluator("invoke_stateful", remote.cpu(0), number=number, repeat=1)
    seconds = []
    for i in range(measurements):
        if i:
            time.sleep(pause_s)
        seconds.append(evaluator("main").mean)
        if bar is not None:
            bar.update()
    return seconds, vm.get_outputs("main").numpy()


@click.command("imagenet")
@click.option(
    "--model",
    required=True,
    metavar="|".join(("mobilenet", "resnet18", "squeezenet", "squeezenet1.0", _ALL)),
    help="A built-in network, or all.",
)
@click.option(
    "--target",
    default="rasp3b",
    show_default=True,
    metavar="CORE|BOARD",
    help="The board, or the core that stands for its usual board.",
)
@address_options
@click.option(
    *("--num-iter",),
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Inferences a measurement; on the emulated board all are equal, so one is run.",
)
@click.option("--opt-level", type=click.IntRange(0, 3), default=3, show_default=True, help="TVM's.")
@click.option("--threads", type=click.IntRange(min=1), help="Cores of the emulated board.")
@click.option("--tuned", is_flag=True, help="The shipped tuned records, not hand-picked configs.")
@click.option(
    *("--pause",),
    type=click.FloatRange(min=0),
    default=_PAUSE_S,
    show_default=True,
    help="Seconds between two measurements of a real board.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def imagenet_verb(
    model: str,
    target: str,
    host: str | None,
    port: int | None,
    num_iter: int,
    opt_level: int,
    threads: int | None,
    tuned: bool,
    pause: float,
    as_json: bool,
) -> None:
    """Measure inference of ImageNet networks, batch 1, on a board, three times.

    Without --host the board is emulated here.
    """
    board = resolve_board(target)
    require_whole_address(host, port)
    require_threads(board, threads)
    if host is not None and threads is not None:
        raise UserError(
            "--threads is for the emulated board", "set TVM_NUM_THREADS where the server starts"
        )
    names = networks.names() if model == _ALL else [_OLD_NAMES.get(model, model)]
    known = [networks.get(name) for name in names]
    pause_s = pause if host is not None else 0.0
    with (
        open_boards(board, host, port, threads, wanted=1) as endpoints,
        tqdm(total=_MEASUREMENTS * len(known), unit="measurement", desc="imagenet") as bar,
    ):
        info = describe(endpoints[0], board)
        rows = [
            measure(endpoints[0], info, each, board, tuned, num_iter, opt_level, pause_s, bar)
            for each in known
        ]
    if as_json:
        measured = [{**asdict(row), "mean_ms": _mean(row)} for row in rows]
        facts = {"board": info.name, "core": info.core, "threads": info.threads}
        document = {**facts, "rows": measured}
        real = {} if info.emulated else {"emulated": False, "model": None}
        print(json.dumps({**document, **provenance(), **real}))
    else:
        _print_table(info, rows)


def _mean(row: Row) -> float:
    return sum(row.ms) / len(row.ms)


def _print_table(info: BoardInfo, rows: Sequence[Row]) -> None:
    threads = f", {info.threads} threads" if info.threads else ""
    table = make_table(f"ms for one inference on {info.name}{threads} {info.label}")
    table.add_column("device")
    table.add_column("network")
    for column in ("1st", "2nd", "3rd", "mean", "error", "clock"):
        table.add_column(column, justify="right")
    for row in rows:
        clock = "steady" if row.clock_is_steady else f"changed: {row.clock_change:+.0%}"
        times = [f"{ms:.2f}" for ms in (*row.ms, _mean(row))]
        table.add_row(info.name, row.network, *times, f"{row.error:.1e}", clock)
    console = make_console()
    console.print(table)
    if not all(row.clock_is_steady for row in rows):
        console.print(
            "The clock of the board changed: cool it, set the performance governor, and measure "
            "again.",
            highlight=False,
        )
