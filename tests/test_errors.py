"""How far results are from float64, against the bound that the tuner's checker allows."""

from __future__ import annotations

import host
import numpy as np
import pytest

import schedules
from schedules import Conv2dWorkload
from tuner.measure import checker

WORKLOADS = [
    Conv2dWorkload(1, 16, 13, 13, 24, 3, 3, padding=(1, 1, 1, 1)),
    Conv2dWorkload(1, 64, 27, 27, 32, 3, 3, padding=(1, 1, 1, 1)),
    Conv2dWorkload(1, 512, 7, 7, 16, 3, 3, padding=(1, 1, 1, 1)),
    Conv2dWorkload(1, 64, 13, 13, 24, 1, 1),
]


def _configs(schedule, workload) -> list:
    """The default, and for each value of a knob that changes the algorithm one config."""
    space = schedule.space(workload, host.PORTABLE_CORE)
    default = schedule.default(workload, host.PORTABLE_CORE)
    by_growth = {schedule.error_growth(config): config for config in space}
    return [default, *by_growth.values()]


@pytest.mark.parametrize("workload", WORKLOADS, ids=Conv2dWorkload.describe)
@pytest.mark.parametrize("name", schedules.list())
def test_errors_keep_well_within_the_bound(name, workload):
    schedule = schedules.get(name)
    if not schedule.supports(workload, host.PORTABLE_CORE):
        pytest.skip("another kind of convolution")
    problem = checker.problem(workload, ("bias", "relu"))
    arrays = (problem.data, problem.weight, *problem.constants)
    for config in _configs(schedule, workload):
        error = np.abs(host.run(workload, name, config, arrays) - problem.expected)
        assert np.max(error / problem.bound) <= schedule.error_growth(config) / 4
