"""Builds of single workloads: what is left out of them changes nothing."""

from __future__ import annotations

import pytest
import tvm

import schedules
from schedules import competition
from schedules.building import needless_passes
from schedules.hardware import core
from schedules.testing import SHAPES
from tuner.search import Space


def _assembly(module: tvm.IRModule, core_name: str, without: list[str]) -> str:
    with tvm.transform.PassContext(disabled_pass=without):
        built = tvm.compile(module, target=schedules.target(core_name))
    return built.mod.inspect_source("asm")


@pytest.mark.parametrize("name", schedules.list())
@pytest.mark.parametrize("core_name", ["cortex-a17", "cortex-a72"])
def test_a_pass_that_is_left_out_would_have_changed_nothing(name, core_name):
    the_core, schedule = core(core_name), schedules.get(name)
    served = [shape for shape in SHAPES if schedule.supports(shape, the_core)]
    for workload in served[:2]:
        config = schedule.default(workload, the_core)
        module, _ = schedules.conv2d_module(workload, name, config, the_core)
        needless = needless_passes(module)
        assert needless
        assert _assembly(module, core_name, needless) == _assembly(module, core_name, [])


def test_the_same_of_a_fire_module():
    key = "fire/" + "+".join(
        [
            "conv2d/float32/n1_20x13x13/18x1x1/s1x1_p0x0x0x0_d1x1_g1",
            "conv2d/float32/n1_18x13x13/10x1x1/s1x1_p0x0x0x0_d1x1_g1",
            "conv2d/float32/n1_18x13x13/14x3x3/s1x1_p1x1x1x1_d1x1_g1",
        ]
    )
    workload, the_core = competition.from_key(key), core("cortex-a17")
    for candidate in Space(workload, the_core).defaults():
        module = competition.build(
            workload, candidate.schedule, dict(candidate.config), the_core, ("bias", "relu")
        )
        needless = needless_passes(module)
        assert _assembly(module, "cortex-a17", needless) == _assembly(module, "cortex-a17", [])


def test_blocks_are_left_to_tvm():
    data = tvm.te.placeholder((8,), name="data")
    doubled = tvm.te.compute((8,), lambda i: data[i] * 2, name="doubled")
    func = tvm.te.create_prim_func([data, doubled])
    assert needless_passes(tvm.IRModule({"main": func})) == []
