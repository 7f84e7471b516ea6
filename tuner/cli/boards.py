"""`python -m tuner boards`: what `--target` takes."""

from __future__ import annotations

import click
from rich.table import Table

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
    console.print(_cores_table())


def _cores_table() -> Table:
    """What a core's name stands for, and what TVM compiles for it."""
    table = make_table("Cores: as a --target, the usual board of the core")
    table.add_column("core", no_wrap=True)
    table.add_column("board", no_wrap=True)
    table.add_column("peak", justify="right", no_wrap=True)
    table.add_column("LLVM target")
    for name in hardware.cores():
        core = hardware.core(name)
        table.add_row(
            name, core.usual_board, f"{core.peak_flops_per_cycle} FLOP/cycle", _llvm_target(core)
        )
    return table


def _llvm_target(core: hardware.Core) -> str:
    """In the words of `llc`, e.g. `aarch64-linux-gnu -mcpu=cortex-a53 -mattr=+neon`."""
    facts = core.llvm
    words = [facts["mtriple"], f"-mcpu={facts['mcpu']}", f"-mattr={','.join(facts['mattr'])}"]
    if "mfloat-abi" in facts:
        words.append(f"-float-abi={facts['mfloat-abi']}")
    return " ".join(words)
