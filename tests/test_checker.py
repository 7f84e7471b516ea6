"""Wrong answers are found, right ones of float32 pass."""

import numpy as np
import pytest

from schedules import Conv2dWorkload
from schedules.testing import problems
from tuner import reference
from tuner.measure import checker
from tuner.measure.errors import TrialError

_WORKLOAD = Conv2dWorkload(1, 64, 9, 9, 16, 3, 3, padding=(1, 1, 1, 1))
_EPILOGUE = ("bias", "relu")


@pytest.fixture(scope="module")
def problem():
    return checker.problem(_WORKLOAD, _EPILOGUE)


def _float32_answer(problem):
    """The convolution summed in float32, one product after the other: the worst order."""
    padded = np.pad(problem.data, ((0, 0), (0, 0), (1, 1), (1, 1)))
    out = np.zeros(problem.expected.shape, np.float32)
    for channel in range(_WORKLOAD.ci):
        for row in range(3):
            for column in range(3):
                window = padded[:, channel : channel + 1, row : row + 9, column : column + 9]
                weight = problem.weight[:, channel, row, column].reshape(1, -1, 1, 1)
                out += (window * weight).astype(np.float32)
    return np.maximum(out + problem.constants[0], np.float32(0))


def test_float32_passes(problem):
    result = checker.check(_float32_answer(problem), problem.expected, problem.bound)
    assert result.max_err <= result.bound


def test_the_largest_error_is_told_with_its_bound(problem):
    # Half of the bound everywhere, so that the largest error lies where the bound is largest.
    output = problem.expected + problem.bound / 2
    result = checker.check(output, problem.expected, problem.bound)
    assert result.bound == problem.bound.max()
    assert result.max_err == pytest.approx(result.bound / 2, rel=1e-6)


def test_the_inputs_follow_from_the_workload(problem):
    problems.problem.cache_clear()
    again = checker.problem(_WORKLOAD, _EPILOGUE)
    assert again is not problem
    assert np.array_equal(again.data, problem.data)
    assert np.array_equal(again.expected, problem.expected)


def test_a_convolution_without_bias_has_no_constants():
    assert checker.problem(_WORKLOAD, ()).constants == ()


@pytest.mark.parametrize("size", [0.01, 1.0, -1.0])
def test_one_wrong_element_is_found(problem, size):
    output = problem.expected.astype(np.float32)
    output[0, 3, 4, 5] += size
    with pytest.raises(TrialError, match=r"1 of 1296 values are off.* at \(0, 3, 4, 5\)"):
        checker.check(output, problem.expected, problem.bound)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_found(problem, value):
    output = problem.expected.astype(np.float32)
    output[0, 0, 0, 0] = value
    with pytest.raises(TrialError, match="1 of 1296 values are not numbers") as raised:
        checker.check(output, problem.expected, problem.bound)
    assert raised.value.kind == "wrong answer"


def test_a_missing_product_is_found(problem):
    """A kernel that leaves out the last input channel is wrong by far more than rounding."""
    data, weight = problem.data.copy(), problem.weight
    data[:, -1] = 0
    partial = reference.conv2d(data, weight, padding=(1, 1, 1, 1)) + problem.constants[0]
    with pytest.raises(TrialError):
        checker.check(np.maximum(partial, 0), problem.expected, problem.bound)
