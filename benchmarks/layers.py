"""`python -m benchmarks layers`: where a network's time goes, beside TVM's own build."""

from __future__ import annotations

import json
from pathlib import Path

import click

from benchmarks.layer_times import Result, measure
from benchmarks.provenance import provenance
from schedules.hardware import Board
from schedules.selection import has_shipped
from tuner import networks, records
from tuner.cli.best import best
from tuner.cli.options import require_threads, resolve_board, target_option
from tuner.errors import UserError
from tuner.measure import BoardInfo
from tuner.network_run import Configs
from tuner.report.tables import make_console, make_table
from tuner.report.units import format_time


def _configs(
    tuned: bool, log: Path | None, board: Board, threads: int
) -> tuple[Configs | None, str]:
    if log is None and tuned and has_shipped(board.core, threads):
        return None, "tuned configs"
    if log is None and tuned:
        return None, f"hand-picked configs (no tuned ones of {threads} thread(s) are shipped)"
    if log is None:
        return {}, "hand-picked configs"
    if not log.exists():
        raise UserError(f"there is no log {log}", "python -m tuner NETWORK --target X writes one")
    of_core = [record for record in records.read(log) if record.core == board.core.name]
    found = {
        record.workload: (record.schedule["name"], dict(record.config)) for record in best(of_core)
    }
    if not found:
        raise UserError(
            f"the log {log} has no result of a {board.core.name}", "name another --log or --target"
        )
    return found, f"configs of {log.name}"


@click.command("layers")
@click.option("--network", required=True, help="A built-in network, e.g. squeezenet.")
@target_option
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Cores of the emulated board; TVM's own build uses one in any case.",
)
@click.option("--tuned", is_flag=True, help="The shipped tuned records, not hand-picked configs.")
@click.option(
    "--log",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The fastest configs of this log of the tuner.",
)
@click.option("--no-default", is_flag=True, help="Leave out TVM's own build, which takes minutes.")
@click.option("--pooling-apart", is_flag=True, help="Leave poolings functions of their own.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def layers_verb(
    network: str,
    target: str,
    threads: int,
    tuned: bool,
    log: Path | None,
    no_default: bool,
    pooling_apart: bool,
    as_json: bool,
) -> None:
    """Show each layer of a network: schedule, cycles, share of the peak, gain over TVM's build.

    All layers are timed within one inference with warm caches, on the emulated board.
    """
    board = resolve_board(target)
    require_threads(board, threads)
    configs, title = _configs(tuned, log, board, threads)
    result = measure(
        networks.get(network), board, threads, configs, title, not no_default, not pooling_apart
    )
    if as_json:
        print(json.dumps({**result.as_dict(), **provenance()}))
    else:
        _print_table(result)


def _print_table(result: Result) -> None:
    info, ours = result.info, result.ours
    label = f"(emulated, timing model v{info.model})"
    table = make_table(
        f"{result.network.title} on {result.board.name}, {_threads(info)}, "
        f"{result.configs}, million cycles {label}"
    )
    table.add_column("layer")
    table.add_column("schedule or operator")
    for column in ("Mcycles", "of all", "of peak", "TVM's", "gain"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in result.rows:
        peak = result.of_peak(row.macs, row.cycles)
        table.add_row(
            row.title, row.how, *_numbers(row.cycles, ours.cycles, peak, row.default_cycles)
        )
    table.add_row("between kernels", "virtual machine", *_numbers(ours.between, ours.cycles))
    table.add_section()
    peak = result.of_peak(sum(row.macs for row in result.rows), ours.cycles)
    default = result.default.cycles if result.default else None
    table.add_row("network", "", *_numbers(ours.cycles, ours.cycles, peak, default))
    console = make_console()
    console.print(table)
    time = format_time(ours.cycles / (info.clock_hz or 1))
    for line in (
        f"One inference: {time} at the board's clock {label}; largest error {result.error:.1e} of "
        "the largest output.",
        "Of peak: multiply-adds of the plain algorithm against what the cores could do; Winograd "
        "needs fewer.",
    ):
        console.print(line, highlight=False)


def _threads(info: BoardInfo) -> str:
    return "1 thread" if info.threads == 1 else f"{info.threads} threads"


def _numbers(
    cycles: int, all_cycles: int, peak: float | None = None, default: int | None = None
) -> tuple[str, ...]:
    return (
        f"{cycles / 1e6:.2f}",
        f"{cycles / all_cycles:.1%}",
        "-" if peak is None else f"{peak:.0%}",
        "-" if default is None else f"{default / 1e6:.1f}",
        "-" if default is None else f"{default / cycles:.1f}x",
    )
