"""`python -m tuner export`: a tuned network as a folder to deploy."""

from __future__ import annotations

from pathlib import Path

import click

from tuner import export
from tuner.board import build
from tuner.cli.options import (
    load_network,
    network_argument,
    require_log,
    resolve_board,
    target_option,
)


@click.command("export")
@network_argument
@target_option
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder to write.",
)
@click.option(
    "--log",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Build with the fastest configs of this log.  [default: the records that ship with this]",
)
@click.option(
    "--runner/--no-runner",
    default=True,
    show_default=True,
    help="Add `run`, a static program for the board: no Python, TVM or libc is needed there.",
)
def export_verb(
    network: str,
    shape: str | None,
    params: Path | None,
    target: str,
    output: Path,
    log: Path | None,
    runner: bool,
) -> None:
    """Write NETWORK, compiled for a board, with programs that run it there and from here."""
    board = resolve_board(target)
    found = load_network(network, shape, params)
    if log is None:
        choice = export.shipped(found, board)
    else:
        require_log(log)
        choice = export.from_log(log, found.name, board)
    program = build.network_runner(board.core.isa) if runner else None
    manifest = export.write(output, found, board, choice, program)
    size_mb = (output / manifest["library"]).stat().st_size / 1e6
    click.echo(
        f"{output}: {found.title} for {board.name}, {size_mb:.1f} MB, configs of {choice.origin}"
    )
    if runner:
        click.echo("Copy the folder to the board and run it there:")
        click.echo(f"  ./{output.name}/run --check")
    click.echo("Run it on a board that runs a TVM RPC server:")
    click.echo(f"  python {output / 'run.py'} --host BOARD --port 9090 --check")
