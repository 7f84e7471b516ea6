"""Is the answer right? Every result is compared with float64 before its time counts."""

from __future__ import annotations

import numpy as np

from schedules import Config, FireWorkload, competition
from schedules.competition import Workload
from schedules.hardware import Core
from schedules.testing import problems
from schedules.testing.fire_problems import FireProblem, fire_problem
from schedules.testing.problems import Check, WrongAnswer, compare
from tuner.measure.errors import TrialError

__all__ = ["Check", "Problem", "check", "problem"]

Problem = problems.Problem | FireProblem


def problem(workload: Workload, epilogue: tuple[str, ...]) -> Problem:
    """Return the inputs that every candidate of `workload` is given, and their answer."""
    if isinstance(workload, FireWorkload):
        return fire_problem(workload, epilogue)
    return problems.problem(workload, epilogue)


def constants(
    workload: Workload, schedule: str, config: Config, core: Core, problem: Problem
) -> list[np.ndarray]:
    """Return what a candidate takes between input and output: its weights, packed, and biases."""
    return competition.constants(workload, schedule, config, core, problem.weights, problem.biases)


def check(output: np.ndarray, expected: np.ndarray, bound: np.ndarray) -> Check:
    """Compare `output` with `expected`, element by element.

    Raises:
        TrialError: an element is off by more than `bound`, or not a number.
    """
    try:
        return compare(output, expected, bound)
    except WrongAnswer as reason:
        raise TrialError("wrong answer", str(reason)) from reason
