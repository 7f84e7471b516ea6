"""The whole network on the board: what is not shown by tests of the whole tuner."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tuner import network_run
from tuner.errors import UserError


def test_larger_networks_get_more_time():
    small, large = network_run.time_limit_s(10**6), network_run.time_limit_s(2 * 10**9)
    assert 60 < small < large


def test_a_build_that_takes_too_long_is_named(monkeypatch):
    @contextmanager
    def session(endpoint, timeout_s):
        raise TimeoutError
        yield

    monkeypatch.setattr(network_run, "session", session)
    with pytest.raises(UserError, match="the tuned build .* within 3 s"):
        network_run.run_library(None, Path("tuned.so"), np.zeros(1), limit_s=3)


def test_an_output_that_is_not_a_number_is_off():
    expected = np.ones(3)
    assert network_run.relative_error(expected, expected) == 0
    assert not network_run.relative_error(np.array([1, np.nan, 1]), expected) <= 1
