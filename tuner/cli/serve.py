"""`python -m tuner serve`: an emulated board that any TVM RPC client can use."""

from __future__ import annotations

import click

from tuner.board import launch
from tuner.cli.options import parse_tracker, resolve_board, tracker_options

_DEFAULT_PORT = 9090


@click.command("serve")
@click.argument("board")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help=f"Port to listen on; 0 picks a free one.  [default: {_DEFAULT_PORT}, with a tracker 0]",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. Whoever can reach it can run code here.",
)
@tracker_options
def serve_verb(
    board: str, port: int | None, host: str, tracker: str | None, key: str | None
) -> None:
    """Start the emulated BOARD as a TVM RPC server, until Ctrl-C."""
    farm = parse_tracker(tracker, key)
    resolved = resolve_board(board)
    if farm is None:
        launch.serve(resolved, host, _DEFAULT_PORT if port is None else port)
        return
    farm.require_tracker()
    # Clients ask the tracker for the port: boards beside each other need not agree on theirs.
    registration = launch.Registration(farm.host, farm.port, farm.key)
    launch.serve(resolved, host, port or 0, registration)
