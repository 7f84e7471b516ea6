"""The whole network on the board: what is not shown by tests of the whole tuner."""

from contextlib import contextmanager

import numpy as np
import pytest

from schedules import hardware
from tuner import network_run
from tuner.board import launch
from tuner.errors import UserError
from tuner.measure import describe
from tuner.networks import Network
from tuner.networks.graph import Graph


def test_larger_networks_get_more_time():
    small, large = network_run.time_limit_s(10**6), network_run.time_limit_s(2 * 10**9)
    assert 60 < small < large


def _run(monkeypatch, tmp_path, *errors):
    """Run a build on a board whose sessions end with `errors`, one after the other."""
    left = list(errors)

    @contextmanager
    def session(endpoint, timeout_s):
        if error := left.pop(0):
            raise error
        yield

    monkeypatch.setattr(network_run, "session", session)
    monkeypatch.setattr("tuner.measure.connection.session", session)
    network_run.run_build(None, "tuned", tmp_path / "tuned.so", np.zeros(1), limit_s=3)


def test_a_build_that_takes_too_long_is_named(monkeypatch, tmp_path):
    with pytest.raises(UserError, match=r"the tuned build .* within 3 s"):
        _run(monkeypatch, tmp_path, TimeoutError())


def test_a_build_that_crashes_is_named(monkeypatch, tmp_path):
    with pytest.raises(UserError, match=r"the tuned build .* does not run: segmentation fault"):
        _run(monkeypatch, tmp_path, RuntimeError("segmentation fault"), None)


def test_a_board_that_is_gone_is_said_so(monkeypatch, tmp_path):
    gone = RuntimeError("connection reset"), RuntimeError("refused")
    with pytest.raises(UserError, match="the board does not answer any more: refused"):
        _run(monkeypatch, tmp_path, *gone)


@pytest.mark.board
def test_two_builds_with_the_same_configs_take_the_same_cycles():
    shape = (1, 3, 19, 19)
    graph = Graph("data", shape, seed=0)
    stem = graph.conv("data", "stem", 8, kernel=3, stride=2)
    pooled = graph.max_pool(stem, "pool", kernel=3, stride=2)
    graph.softmax(graph.global_average_pool(graph.conv(pooled, "last", 10, 1), "mean"), "prob")
    network = Network("small", "Small", graph.to_relax(), "data", shape, 0, graph.evaluate)
    board = hardware.board("rk3288")
    with launch.EmulatedBoard(board) as emulated:
        info = describe(emulated, board)
        runs = network_run.measure_builds(network, board, info, [emulated] * 2, [{}])
    # Nothing was tuned: both are builds with the hand-picked configs.
    assert runs["tuned"].cycles == runs["hand_picked"].cycles
    assert runs["tuned"].tuned == ()


def test_an_output_that_is_not_a_number_is_off():
    expected = np.ones(3)
    assert network_run.relative_error(expected, expected) == 0
    assert not network_run.relative_error(np.array([1, np.nan, 1]), expected) <= 1
