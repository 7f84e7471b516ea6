"""Boards for tests: one running board per board name, shared by the whole run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import host
import logs
import pytest

from schedules import hardware
from tuner.board.launch import EmulatedBoard

# One board per instruction set, for what does not depend on the core.
ISA_BOARDS = {"armv7": "rk3288", "aarch64": "rasp3b-64"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests come first: begun last, one worker would be alone with them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture
def host_is_arm() -> Iterator[None]:
    """Builds for this machine as if it were an ARM board, so that the result can be run."""
    with host.as_arm():
        yield


@pytest.fixture(scope="session")
def running_board() -> Iterator[Callable[[str], EmulatedBoard]]:
    """`running_board(name)` starts the board at its first use; all end with the run."""
    boards: dict[str, EmulatedBoard] = {}

    def start(name: str) -> EmulatedBoard:
        if name not in boards or not boards[name].running:
            boards[name] = EmulatedBoard(hardware.board(name))
        return boards[name]

    yield start
    for board in boards.values():
        board.stop()


@pytest.fixture(params=list(ISA_BOARDS))
def board(request, running_board) -> EmulatedBoard:
    """A running board of each instruction set in turn."""
    return running_board(ISA_BOARDS[request.param])


@pytest.fixture
def armv7_board(running_board) -> EmulatedBoard:
    """A running 32-bit board, for what one instruction set is enough to show."""
    return running_board(ISA_BOARDS["armv7"])


@pytest.fixture
def squeezenet_log(tmp_path) -> Path:
    """A log of SqueezeNet on the emulated rk3288, the network end to end included."""
    return logs.squeezenet(tmp_path / "squeezenet.jsonl")
