"""The boards of a command: emulated ones started here, or a real one reached over the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from schedules.hardware import Board
from tuner.board import launch
from tuner.measure import Endpoint, RemoteBoard


@contextmanager
def open_boards(
    board: Board, host: str | None, port: int | None, threads: int | None, wanted: int
) -> Iterator[list[Endpoint]]:
    """Yield the boards to measure on, one for each trial that may run at the same time.

    A real board measures one at a time. An emulated one takes `wanted` sessions side by side:
    model time does not depend on what else goes on.
    """
    if host is not None and port is not None:
        yield [RemoteBoard(host, port)]
        return
    with launch.EmulatedBoard(board, threads=threads) as emulated:
        yield [emulated] * wanted
