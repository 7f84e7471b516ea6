"""`python -m tuner server-binary`: the one file that a real board needs."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from tuner.board import build
from tuner.cli.options import resolve_board, target_option
from tuner.errors import UserError

_EXECUTABLE = 0o755


@click.command("server-binary")
@target_option
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.",
)
def server_binary_verb(target: str, output: Path) -> None:
    """Write the RPC server for a real board: one static file that needs nothing else there."""
    board = resolve_board(target)
    _copy(build.server_binary(board.core.isa), output)
    size_mb = output.stat().st_size / 1e6
    click.echo(
        f"{output}: RPC server for {board.core.isa}, {size_mb:.1f} MB. Copy it to the board."
    )
    # It listens on every network there: say so, where the command is read.
    click.echo("Start it there (it runs any code that is sent to it: trusted networks only):")
    click.echo(f"  ./{output.name} --host 0.0.0.0 --port 9090")
    click.echo("Check it from here:")
    click.echo(f"  python -m tuner doctor --target {target} --host BOARD --port 9090")


def _copy(program: Path, output: Path) -> None:
    """Copy, executable, and complete or not at all: `output` may be in use."""
    unfinished = output.with_name(f"{output.name}.part")
    try:
        shutil.copyfile(program, unfinished)
        unfinished.chmod(_EXECUTABLE)
        unfinished.replace(output)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise UserError(
            f"cannot write {output}: {error.strerror or error}", "choose another -o"
        ) from error
