"""The boards of a command: emulated ones started here, or a real one reached over the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from schedules.hardware import Board

from tuner.board import launch
from tuner.measure import Endpoint, RemoteBoard


@contextmanager
def open_boards(
    board: Board, host: str | None, port: int | None, threads: int | None, wanted: int
) -> Iterator[list[Endpoint]]:
    """Yield the boards to measure on.

    Emulated boards take turns with nobody, so `wanted` of them run side by side: model time does
    not depend on what else the host does. A real board is one.
    """
    if host is not None and port is not None:
        yield [RemoteBoard(host, port)]
        return
    with ExitStack() as stack:
        yield [
            stack.enter_context(launch.EmulatedBoard(board, threads=threads)) for _ in range(wanted)
        ]
