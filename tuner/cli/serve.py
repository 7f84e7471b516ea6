"""`python -m tuner serve`: an emulated board that any TVM RPC client can use."""

from __future__ import annotations

import contextlib
import sys

import click

from schedules.hardware import Board
from tuner.board import launch
from tuner.cli.options import parse_tracker, resolve_board, tracker_options
from tuner.errors import UserError

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
        _serve(resolved, host, _DEFAULT_PORT if port is None else port)
        return
    farm.require_tracker()
    # Clients ask the tracker for the port: boards beside each other need not agree on theirs.
    registration = launch.Registration(farm.host, farm.port, farm.key)
    _serve(resolved, host, port or 0, registration)


def _serve(
    board: Board, host: str, port: int, registration: launch.Registration | None = None
) -> None:
    """Run a board in the foreground, for other programs to connect to, until Ctrl-C."""
    if not host.startswith(launch.LOOPBACK):
        print(
            f"warning: RPC runs any code it is sent, and whoever reaches {host} can send some",
            file=sys.stderr,
        )
    with launch.EmulatedBoard(board, port=port, host=host, registration=registration) as running:
        offered = (
            f", as {registration.key} of the tracker {registration.host}:{registration.port}"
            if registration
            else ""
        )
        print(
            f"{board.name} (emulated) listens on {running.host}:{running.port}{offered}; "
            "stop it with Ctrl-C",
            flush=True,
        )
        with contextlib.suppress(KeyboardInterrupt):
            running.wait()
            raise UserError(
                f"the emulated board {board.name} ended: {running.log[-200:].strip()}",
                "start it again",
            )
