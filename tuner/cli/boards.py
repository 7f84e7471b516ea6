"""`python -m tuner boards`: what `--target` takes."""

from __future__ import annotations

import click

from schedules import hardware
from tuner.report.tables import make_console, make_table


@click.command("boards")
def boards_verb() -> None:
    """List the boards and cores that --target takes."""
    table = make_table("Boards")
    table.add_column("board", no_wrap=True)
    table.add_column("core", no_wrap=True)
    for column in ("cores", "clock", "peak"):
        table.add_column(column, justify="right")
    table.add_column("what it is")
    for name in hardware.boards():
        board = hardware.board(name)
        peak = board.core.peak_flops_per_cycle * board.cores * board.clock_hz / 1e9
        table.add_row(
            name,
            board.core.name,
            str(board.cores),
            f"{board.clock_hz / 1e9:.1f} GHz",
            f"{peak:.1f} GFLOP/s",
            board.title,
        )
    console = make_console()
    console.print(table)
    for name in hardware.cores():
        console.print(f"--target {name} is {hardware.resolve(name).name}", highlight=False)
