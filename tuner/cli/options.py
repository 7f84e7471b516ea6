"""Options that several verbs share, and what they stand for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from schedules import hardware
from schedules.hardware import Board
from tuner.errors import UserError

_Command = TypeVar("_Command", bound=Callable[..., Any])


def target_option(command: _Command) -> _Command:
    """Add `--target`."""
    return click.option(
        "--target",
        required=True,
        metavar="CORE|BOARD",
        help="What to tune for, e.g. cortex-a17 or rk3288; a core stands for its usual board.",
    )(command)


def address_options(command: _Command) -> _Command:
    """Add `--host` and `--port` of a board to connect to."""
    command = click.option(
        "--port", type=click.IntRange(1, 65535), help="Port of the board's TVM RPC server."
    )(command)
    return click.option(
        "--host", help="Address of a real board; without it the board is emulated here."
    )(command)


def resolve_board(target: str) -> Board:
    """Return the board that `target` names.

    Raises:
        UserError: there is no such core or board.
    """
    try:
        return hardware.resolve(target)
    except hardware.HardwareError as error:
        raise UserError(str(error)) from error


def require_whole_address(host: str | None, port: int | None) -> None:
    """Raise a `UserError` unless both or neither of `--host` and `--port` are given."""
    if (host is None) != (port is None):
        missing = "--port" if port is None else "--host"
        raise UserError(f"{missing} is missing", "give both --host and --port, or neither")
