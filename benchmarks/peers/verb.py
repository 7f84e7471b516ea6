"""`python -m benchmarks peers`: a network by our builds and by what a user would pick instead."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click

from benchmarks.peers.compare import Comparison, Row, compare, geometric_mean, require_libraries
from benchmarks.provenance import provenance
from tuner import networks
from tuner.board.emulator import params
from tuner.cli.options import resolve_board, target_option
from tuner.report.tables import make_console, make_table

_ALL = "all"


@click.command("peers")
@click.option("--network", required=True, help="A built-in network, or all of them: all.")
@target_option
@click.option("--library", "libraries", multiple=True, help="Only this library; repeatable.")
@click.option("--no-default", is_flag=True, help="Leave out TVM's own build, minutes to emulate.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def peers_verb(
    network: str, target: str, libraries: tuple[str, ...], no_default: bool, as_json: bool
) -> None:
    """Compare with TVM's own build and other inference libraries, one thread, float32.

    All run on the emulated board, with the same weights and the same input; outputs are checked.
    Libraries are downloaded at their first use.
    """
    board = resolve_board(target)
    chosen = require_libraries(libraries)
    names = networks.names() if network == _ALL else [network]
    known = [networks.get(name) for name in names]
    found = [compare(each, board, chosen, _say, not no_default) for each in known]
    if not as_json:
        _print_tables(found)
    elif network == _ALL:
        ratio = round(geometric_mean(found), 3)
        document = {"networks": [each.as_dict() for each in found], "ratio_to_best_peer": ratio}
        print(json.dumps({**document, **provenance()}))
    else:
        print(json.dumps({**found[0].as_dict(), **provenance()}))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _print_tables(found: Sequence[Comparison]) -> None:
    console = make_console()
    label = f"(emulated, timing model v{params.MODEL_VERSION})"
    for each in found:
        table = make_table(f"{each.network.title} on {each.board.name}, 1 thread {label}")
        table.add_column("build or library")
        for column in ("Mcycles", "ms", "of peak", "memory", "error", "ours is faster by"):
            table.add_column(column, justify="right")
        for row in each.rows:
            table.add_row(f"{row.title} {row.version}".rstrip(), *_cells(each, row))
        console.print(table)
        for row in each.rows:
            if row.missing:
                console.print(f"{row.title}: {row.missing}", highlight=False)
        console.print(
            f"Best peer over ours: {each.ratio_to_best_peer:.2f} ({each.best_peer.title}) {label}",
            highlight=False,
        )
    if len(found) > 1:
        console.print(
            f"Geometric mean over {len(found)} networks: {geometric_mean(found):.2f} {label}",
            highlight=False,
        )


def _cells(comparison: Comparison, row: Row) -> tuple[str, ...]:
    if row.cycles is None:
        return ("-",) * 6
    memory = "-" if row.held_bytes is None else f"{row.held_bytes / 2**20:.1f} MiB"
    faster = row.cycles / (comparison.ours.cycles or 1)
    return (
        f"{row.cycles / 1e6:.1f}",
        f"{comparison.ms(row):.1f}",
        f"{comparison.of_peak(row):.0%}",
        memory,
        f"{row.error:.1e}",
        f"{faster:.2f}x",
    )
