"""Inputs, the float64 answer, and how far off a float32 one may be."""

from __future__ import annotations

import functools
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..workload import Conv2dWorkload
from .reference import conv2d

# Unit roundoff of float32.
_UNIT_ROUNDOFF = 2.0**-24
# Probabilistic bound of an inner product of n terms: |error| <= lambda sqrt(n) u |x|.|w|, except
# with probability 2 n exp(-lambda^2 / 2) (Higham & Mary 2019, SIAM J. Sci. Comput. 41(5), A2815,
# theorem 2.4 in its leading order). 8 makes that 3e-14 n: no false alarm in a million outputs.
_LAMBDA = 8.0
UNIT_ERROR = _LAMBDA * _UNIT_ROUNDOFF
"""A sum's bound over sqrt(terms) and the sum of magnitudes."""
# From one end of a tile of F(6, 3), the largest in use, to the other.
_REACH = 5


@dataclass(frozen=True)
class Problem:
    """Inputs of a convolution with its epilogue, the float64 answer and how far off one may be.

    Attributes:
        data: (N, CI, H, W) float32.
        weight: (CO, CI / groups, KH, KW) float32, not packed.
        constants: further arguments of the kernel: the bias (1, CO, 1, 1) float32, if it has one.
        expected, bound: (N, CO, OH, OW) float64; the bound is that of a plain sum of products.
    """

    data: np.ndarray
    weight: np.ndarray
    constants: tuple[np.ndarray, ...]
    expected: np.ndarray
    bound: np.ndarray

    def allowed(self, growth: float) -> np.ndarray:
        """How far off an algorithm may be whose error is `growth` times that of a plain sum.

        With a growth above 1 it mixes pixels, as Winograd's transforms do, and rounding of one
        reaches its neighbours, even an output that lies in the padding and should be zero. So the
        bound of a pixel is then that of the largest within `_REACH` rows and columns.
        """
        return widened(self.bound, growth)

    @property
    def weights(self) -> tuple[np.ndarray, ...]:
        """As a fire module has them."""
        return (self.weight,)

    @property
    def biases(self) -> tuple[np.ndarray, ...]:
        """The bias, if there is one."""
        return self.constants


def widened(bound: np.ndarray, growth: float) -> np.ndarray:
    """The bound of an algorithm with `growth`, of that of plain sums; see `Problem.allowed`."""
    if growth <= 1:
        return bound
    largest = bound
    for axis in (2, 3):
        around = [(0, 0)] * 4
        around[axis] = (_REACH, _REACH)
        windows = sliding_window_view(np.pad(largest, around), 2 * _REACH + 1, axis)
        largest = windows.max(axis=-1)
    return growth * largest


@functools.lru_cache(maxsize=64)
def problem(workload: Conv2dWorkload, epilogue: tuple[str, ...]) -> Problem:
    """Return the inputs that every candidate of `workload` is given, and their answer.

    Values are random: zeros would hide wrong indices, and some cores compute faster on them.
    """
    rng = np.random.default_rng(zlib.crc32(workload.key.encode()))
    data_shape = (workload.n, workload.ci, workload.h, workload.w)
    data, weight, bias = (
        rng.standard_normal(shape, dtype=np.float32)
        for shape in (data_shape, workload.weight_shape, (1, workload.co, 1, 1))
    )
    geometry = (workload.stride, workload.padding, workload.dilation, workload.groups)
    expected = conv2d(data, weight, *geometry)
    magnitude = conv2d(np.abs(data), np.abs(weight), *geometry)
    if "bias" in epilogue:
        expected += bias
        magnitude += np.abs(bias)
    if "relu" in epilogue:
        # ReLU moves no two numbers further apart, so the bound stays.
        expected = np.maximum(expected, 0)
    bound = _LAMBDA * np.sqrt(workload.k + 1) * _UNIT_ROUNDOFF * magnitude
    constants = (bias,) if "bias" in epilogue else ()
    return Problem(data, weight, constants, expected, bound)


class WrongAnswer(AssertionError):
    """An output that is off by more than its bound."""


@dataclass(frozen=True)
class Check:
    """The largest error of an output element, and the bound of that element."""

    max_err: float
    bound: float


def compare(output: np.ndarray, expected: np.ndarray, bound: np.ndarray) -> Check:
    """Compare `output` with `expected`, element by element.

    Raises:
        WrongAnswer: an element is off by more than `bound`, or not a number.
    """
    error = np.abs(output.astype(np.float64) - expected)
    not_finite = int(np.count_nonzero(~np.isfinite(error)))
    if not_finite:
        raise WrongAnswer(f"{not_finite} of {error.size} values are not numbers")
    wrong = int(np.count_nonzero(error > bound))
    if wrong:
        ratio = error / np.maximum(bound, np.finfo(float).tiny)
        worst = np.unravel_index(np.argmax(ratio), error.shape)
        raise WrongAnswer(
            f"{wrong} of {error.size} values are off, the worst by {error[worst]:.3g} "
            f"(allowed {bound[worst]:.3g}) at {tuple(map(int, worst))}"
        )
    largest = np.unravel_index(np.argmax(error), error.shape)
    return Check(float(error[largest]), float(bound[largest]))
