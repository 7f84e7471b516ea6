"""The whole network on the board: what is not shown by tests of the whole tuner."""

from contextlib import contextmanager

import numpy as np
import pytest

from tuner import network_run
from tuner.errors import UserError


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
    monkeypatch.setattr("tuner.measure.runner.session", session)
    network_run._run(None, "tuned", tmp_path / "tuned.so", np.zeros(1), limit_s=3)


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


def test_an_output_that_is_not_a_number_is_off():
    expected = np.ones(3)
    assert network_run.relative_error(expected, expected) == 0
    assert not network_run.relative_error(np.array([1, np.nan, 1]), expected) <= 1
