"""Runs `python -m benchmarks` in this process, with boards that do not exist."""

from __future__ import annotations

import sys

import pytest

from benchmarks import __main__ as command
from tuner.board.emulator import params
from tuner.measure import BoardInfo
from tuner.networks import Network
from tuner.networks.graph import Graph

_SHAPE = (1, 3, 19, 19)


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
    return BoardInfo(
        board.name, board.core.name, True, params.MODEL_VERSION, board.clock_hz, threads
    )


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


def small_network(name: str = "small") -> Network:
    """Every kind of layer: a fire module, a depthwise layer, a residual block, a classifier."""
    graph = Graph("data", _SHAPE, seed=0)
    stem = graph.conv("data", "stem", 8, kernel=3, stride=2)
    pooled = graph.max_pool(stem, "pool", kernel=3, stride=2)
    squeezed = graph.conv(pooled, "fire_squeeze", 4, kernel=1)
    left = graph.conv(squeezed, "fire_left", 8, kernel=1)
    right = graph.conv(squeezed, "fire_right", 8, kernel=3, padding=1)
    fire = graph.concat((left, right), "fire_concat")
    thin = graph.depthwise(fire, "thin", kernel=3, stride=1, padding=1)
    residual = graph.conv(thin, "residual", 16, kernel=3, padding=1, relu=False)
    total = graph.add((residual, fire), "sum")
    scores = graph.dense(graph.global_average_pool(total, "mean"), "classes", 10)
    graph.softmax(scores, "prob")
    return Network(name, "Small", graph.to_relax(), "data", _SHAPE, 0, graph.evaluate)
