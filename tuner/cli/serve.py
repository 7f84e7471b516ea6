"""`python -m tuner serve`: an emulated board that any TVM RPC client can use."""

from __future__ import annotations

import click

from tuner.board import launch
from tuner.cli.options import resolve_board


@click.command("serve")
@click.argument("board")
@click.option("--port", type=click.IntRange(1, 65535), required=True, help="Port to listen on.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. Whoever can reach it can run code here.",
)
def serve_verb(board: str, port: int, host: str) -> None:
    """Start the emulated BOARD as a TVM RPC server, until Ctrl-C."""
    launch.serve(resolve_board(board), host, port)
