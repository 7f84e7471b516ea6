"""Runs `python -m benchmarks` in this process, with boards that do not exist."""

from __future__ import annotations

import sys

import pytest

from benchmarks import __main__ as command
from tuner.measure import BoardInfo


class NoBoard:
    """Stands for `EmulatedBoard` where a test says itself what is measured."""

    def __init__(self, board, threads=None, **_):
        self.board, self.threads = board, threads

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def describe(emulated, board) -> BoardInfo:
    """What such a board says of itself."""
    threads = emulated.threads
    return BoardInfo(board.name, board.core.name, True, 2, board.clock_hz, threads)


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of `python -m benchmarks ARGUMENTS`."""
    code = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["benchmarks", *arguments])
        try:
            command.main()
        except SystemExit as end:
            code = int(end.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err
