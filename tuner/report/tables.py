"""Terminal tables of the result: the layers and the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from schedules import FireWorkload
from schedules.hardware import Core
from tuner import composition
from tuner.measure import BoardInfo
from tuner.network_run import NetworkRun
from tuner.report.shares import time_by_kind
from tuner.report.units import format_cycles, format_time
from tuner.task_search import TaskSearch

_PLAIN_WIDTH = 100
# Result -> its row in the network's table.
ROW_TITLES = {
    "tvm_default": "TVM's default build",
    "hand_picked": "hand-picked configs",
    "tuned": "tuned",
}


def make_console(stderr: bool = False) -> Console:
    """Return a console as wide as the terminal; wide enough for the tables where there is none."""
    console = Console(stderr=stderr)
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    return console


def print_layers(
    console: Console, searches: Sequence[TaskSearch], core: Core, board: BoardInfo
) -> None:
    """Show each distinct layer before and after, one call each, with cold weights."""
    table = make_table(f"Layers, one call each, weights not in cache {board.label}")
    table.add_column("first layer")
    for column in ("count", "hand-picked", "tuned", "gain"):
        table.add_column(column, justify="right")
    table.add_column("schedule")
    table.add_column("of peak", justify="right")
    for search in searches:
        table.add_row(*_layer_cells(search, core, board))
    console.print(table)
    # Otherwise layers would count on one side of the arrow only.
    compared = [s for s in searches if s.default_layers.cost_s and s.best_layers.cost_s]
    before_s = composition.total_s([s.default_layers for s in compared])
    after_s = composition.total_s([s.best_layers for s in compared])
    console.print(
        f"Sum over all layers{_missing(compared, searches)}: {format_time(before_s)} -> "
        f"{format_time(after_s)} {board.label}",
        highlight=False,
    )
    if any(isinstance(s.task.workload, FireWorkload) for s in searches):
        console.print(
            "In the sum a fire module counts as measured whole, not once more as its three "
            "convolutions; in pieces (conv2d_in_pieces) these have their hand-picked configs.",
            highlight=False,
        )
    console.print(
        "Of peak: multiply-adds of the plain convolution against what all threads could do; "
        "Winograd needs fewer, so it can exceed 100%.",
        highlight=False,
    )


def _missing(summed: Sequence[TaskSearch], searches: Sequence[TaskSearch]) -> str:
    """Say how many convolutions are in a sum, unless it is all of them."""
    part, whole = (
        sum(s.task.count for s in some if not isinstance(s.task.workload, FireWorkload))
        for some in (summed, searches)
    )
    return "" if part == whole else f" ({part} of {whole} convolutions measured)"


def _layer_cells(search: TaskSearch, core: Core, board: BoardInfo) -> list[str]:
    task = search.task
    cells = [task.layers[0], str(task.count)]
    if search.default is None:
        return [*cells, "not measured", "-", "-", "-", "-"]
    before_s = search.default.cost_s
    cells.append(format_time(before_s) if before_s else "failed")
    if search.best is None or search.best.cost_s is None:
        return [*cells, "-", "-", "-", "-"]
    best_s = search.best.cost_s
    gain = f"{before_s / best_s:.2f}x" if before_s else "-"
    schedule = search.best.schedule["name"]
    peak = "-"
    if search.best.cycles is not None:
        flops_per_cycle = core.peak_flops_per_cycle * (board.threads or 1)
        peak = f"{task.workload.flops / search.best.cycles / flops_per_cycle:.0%}"
    return [*cells, format_time(best_s), gain, schedule, peak]


def print_network(
    console: Console,
    title: str,
    runs: Mapping[str, NetworkRun],
    searches: Sequence[TaskSearch],
    board: BoardInfo,
) -> None:
    """Show the builds of the whole network, end to end; speedups are over the first one."""
    threads = f", {board.threads} threads" if board.threads else ""
    table = make_table(f"{title} on {board.name}{threads}, end to end {board.label}")
    table.add_column("build")
    for column in ("cycles", "time", "speedup", "error"):
        table.add_column(column, justify="right")
    measured = {title: runs[name] for name, title in ROW_TITLES.items() if name in runs}
    base_s = next(iter(measured.values())).cost_s
    for row_title, run in measured.items():
        table.add_row(
            row_title,
            format_cycles(run.cycles),
            format_time(run.cost_s),
            f"{base_s / run.cost_s:.2f}x",
            f"{run.max_error:.1e}",
        )
    console.print(table)
    for line in _difference(runs["tuned"], searches, board):
        console.print(line, highlight=False)
    console.print(
        "Error: largest deviation from the float64 network, relative to its largest output.",
        highlight=False,
    )


def _difference(tuned: NetworkRun, searches: Sequence[TaskSearch], board: BoardInfo) -> list[str]:
    """Explain why the network takes another time than its convolutions do one by one."""
    timed = [s for s in searches if s.best_layers.cost_s]
    layers_s = composition.total_s([s.best_layers for s in timed])
    lines = [
        f"The tuned convolutions alone{_missing(timed, searches)} sum to {format_time(layers_s)} "
        f"{board.label}: each was timed by itself with its weights out of cache."
    ]
    left_out = sum(s.gain > 0 and s.task.workload.key not in tuned.tuned for s in timed)
    if left_out:
        lines.append(
            f"{left_out} of them have their hand-picked configs there: the network as a whole is "
            "faster so."
        )
    if tuned.kernels:
        by_kind = time_by_kind(tuned.kernels, tuned.cost_s)
        parts = ", ".join(f"{name} {format_time(cost_s)}" for name, cost_s in by_kind.items())
        lines.append(
            f"The network as it was built, in parts timed by themselves: {parts} {board.label}. "
            "Between them are the calls, and what was in cache for the one but not for the other."
        )
    return lines


def make_table(title: str) -> Table:
    """Return an empty table in the style of all of them."""
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
