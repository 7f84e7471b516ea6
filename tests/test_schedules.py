"""The registry of schedules; what each schedule promises is in test_conformance.py."""

from __future__ import annotations

import host
import pytest
from hypothesis import given

import schedules
from schedules.hardware import core
from schedules.testing import SHAPES, workloads


def test_every_name_gets_its_schedule():
    names = schedules.list()
    assert names == sorted(names)
    assert [schedules.get(name).name for name in names] == names


@given(workload=workloads())
def test_find_gives_all_that_serve_the_fittest_first(workload):
    the_core = core("cortex-a53")
    found = schedules.find(workload, the_core)
    serving = {
        name for name in schedules.list() if schedules.get(name).supports(workload, the_core)
    }
    assert {each.name for each in found} == serving
    fitness = [each.fitness(workload, the_core) for each in found]
    assert fitness == sorted(fitness, reverse=True)


def test_feature_vectors_have_one_length_for_all_schedules():
    lengths = set()
    for workload in SHAPES:
        for schedule in schedules.find(workload, host.PORTABLE_CORE):
            config = schedule.default(workload, host.PORTABLE_CORE)
            lengths.add(
                len(schedules.features(workload, host.PORTABLE_CORE, schedule.name, config))
            )
    assert len(lengths) == 1


def test_an_unknown_schedule_suggests_the_closest():
    with pytest.raises(KeyError, match="did you mean conv2d_gemm"):
        schedules.get("conv2d_gem")


def test_two_schedules_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two schedules are called conv2d_gemm"):
        schedules.schedule("conv2d_gemm", version=1)(type(schedules.get("conv2d_gemm")))
