"""Options that several verbs share, and what they stand for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from schedules import hardware
from schedules.hardware import Board
from tuner import networks
from tuner.errors import UserError
from tuner.measure import TrackedBoard
from tuner.networks import Network
from tuner.networks.shapes import Shape

_Command = TypeVar("_Command", bound=Callable[..., Any])

_PORTS = 65536
_DURATION = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>[smh]?)")
_SHAPE = re.compile(r"[1-9]\d{0,8}([,x][1-9]\d{0,8})*")
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600}


def target_option(command: _Command) -> _Command:
    """Add `--target`."""
    return click.option(
        "--target",
        required=True,
        metavar="CORE|BOARD",
        help="What to tune for, e.g. cortex-a17 or rk3288; a core stands for its usual board.",
    )(command)


def network_argument(command: _Command) -> _Command:
    """Add the argument NETWORK and the options `--shape` and `--params`; see `load_network`."""
    command = click.option(
        "--params",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Parameters of an NNVM or MXNet graph in JSON.",
    )(command)
    command = click.option(
        "--shape",
        metavar="[NAME=]N,C,H,W",
        help="Shape of the input of a file that leaves it open, such as data=1,3,224,224.",
    )(command)
    return click.argument("network")(command)


def load_network(name: str, shape: str | None, params: Path | None) -> Network:
    """Return the network that NETWORK, `--shape` and `--params` name; see `networks.load`."""
    return networks.load(name, _parse_shape(shape), params)


def _parse_shape(text: str | None) -> Shape | None:
    """Return the extents that `--shape` names, None without it.

    Raises:
        UserError: it names none.
    """
    if text is None:
        return None
    name, _, extents = text.rpartition("=")
    if not _SHAPE.fullmatch(extents):
        raise UserError(f"{text!r} is no shape", "give it like data=1,3,224,224 or 1x3x224x224")
    shape = tuple(map(int, re.split("[,x]", extents)))
    return {name: shape} if name else shape


def address_options(command: _Command) -> _Command:
    """Add `--host` and `--port` of a board to connect to."""
    command = click.option(
        "--port", type=click.IntRange(1, 65535), help="Port of the board's TVM RPC server."
    )(command)
    return click.option(
        "--host", help="Address of a real board; without it the board is emulated here."
    )(command)


def tracker_options(command: _Command) -> _Command:
    """Add `--tracker` and `--key`."""
    command = click.option("--key", help="Name under which boards of this kind are registered.")(
        command
    )
    return click.option(
        "--tracker", metavar="HOST:PORT", help="TVM RPC tracker of a farm of boards."
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


def names_core(target: str) -> bool:
    """Whether `target` stands for any board with that core, and not for one board."""
    return target in hardware.cores()


def require_threads(board: Board, threads: int | None) -> None:
    """Raise a `UserError` if `board` has fewer cores than `threads`."""
    if threads is not None and threads > board.cores:
        raise UserError(
            f"{board.name} has {board.cores} cores, too few for {threads} threads",
            f"choose --threads {board.cores} or less",
        )


def require_whole_address(host: str | None, port: int | None) -> None:
    """Raise a `UserError` unless both or neither of `--host` and `--port` are given."""
    if (host is None) != (port is None):
        missing = "--port" if port is None else "--host"
        raise UserError(f"{missing} is missing", "give both --host and --port, or neither")


def require_log(path: Path) -> None:
    """Raise a `UserError` if there is no file at `path`."""
    if not path.exists():
        raise UserError(f"there is no log {path}", "python -m tuner NETWORK --target X writes one")


def parse_duration(text: str) -> float:
    """Return the seconds that `text` stands for: `90`, `90s`, `15m` or `1.5h`.

    Raises:
        UserError: it stands for no time, or for none that passes.
    """
    match = _DURATION.fullmatch(text.strip())
    seconds = float(match["number"]) * _UNITS_S[match["unit"]] if match else 0.0
    if not seconds > 0:
        raise UserError(f"{text!r} is no duration", "give seconds, or for example 15m or 1.5h")
    return seconds


def parse_tracker(tracker: str | None, key: str | None) -> TrackedBoard | None:
    """Return what `--tracker` and `--key` stand for, None without them.

    Raises:
        UserError: one of them is missing, or `tracker` is no HOST:PORT.
    """
    if (tracker is None) != (key is None):
        missing = "--key" if key is None else "--tracker"
        raise UserError(f"{missing} is missing", "give both --tracker and --key, or neither")
    if tracker is None or key is None:
        return None
    host, _, port = tracker.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < _PORTS:
        raise UserError(f"--tracker takes HOST:PORT, not {tracker!r}", "for example farm:9190")
    return TrackedBoard(host, int(port), key)
