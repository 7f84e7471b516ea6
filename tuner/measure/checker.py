"""Is the answer right? Every result is compared with float64 before its time counts."""

from __future__ import annotations

import numpy as np

from schedules.testing.problems import Check, Problem, WrongAnswer, compare, problem
from tuner.measure.errors import TrialError

__all__ = ["Check", "Problem", "check", "problem"]


def check(output: np.ndarray, expected: np.ndarray, bound: np.ndarray) -> Check:
    """Compare `output` with `expected`, element by element.

    Raises:
        TrialError: an element is off by more than `bound`, or not a number.
    """
    try:
        return compare(output, expected, bound)
    except WrongAnswer as reason:
        raise TrialError("wrong answer", str(reason)) from reason
