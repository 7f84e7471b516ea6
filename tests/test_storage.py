"""Buffers of a function never share memory that both of them need."""

from __future__ import annotations

import re
from math import prod

import pytest
import tvm

import schedules
from schedules import Conv2dWorkload, competition
from schedules.fire_workload import VERSIONS
from schedules.hardware import core
from schedules.testing import SHAPES, Case, check_result

_EPILOGUE = ("bias", "relu")

# Here the padded input, all panels and the result of a fire module's squeeze have 192 elements.
_EQUAL = Conv2dWorkload(1, 8, 1, 3, 8, 1, 1, padding=(0, 3, 3, 0))
_EQUAL_FIRE = "fire/" + "+".join(
    [
        "conv2d/float32/n1_8x4x6/8x1x1/s1x1_p0x0x0x0_d1x1_g1",
        "conv2d/float32/n1_8x4x6/8x1x1/s1x1_p0x0x0x0_d1x1_g1",
        "conv2d/float32/n1_8x4x6/8x3x3/s1x1_p1x1x1x1_d1x1_g1",
    ]
)


def _require_own_sizes(module: tvm.IRModule) -> None:
    """That no buffer which is seen through a view is as large as another, see `Emitter`."""
    text = module.script()
    allocated = dict(re.findall(r"(\w+) = T\.alloc_buffer\(\(([\d, ]+)\)[,)]", text))
    sizes = {name: prod(map(int, re.findall(r"\d+", shape))) for name, shape in allocated.items()}
    viewed = set(re.findall(r"T\.decl_buffer\(.*data=(\w+)\.data", text)) & set(sizes)
    for name in viewed:
        assert [n for n, size in sizes.items() if size == sizes[name]] == [name]


@pytest.mark.parametrize("name", schedules.list())
@pytest.mark.parametrize("core_name", ["cortex-a17", "cortex-a53"])
def test_sizes_of_buffers(name, core_name):
    the_core, schedule = core(core_name), schedules.get(name)
    served = [shape for shape in (*SHAPES, _EQUAL) if schedule.supports(shape, the_core)]
    assert served
    for workload in served:
        config = schedule.default(workload, the_core)
        module, _ = schedules.conv2d_module(workload, name, config, the_core, _EPILOGUE)
        _require_own_sizes(module)


@pytest.mark.parametrize("share", ["channels", "pixels"])
def test_panels_as_large_as_the_padded_input(share):
    config = {"mr": 4, "nr": 8, "block": 1, "panel": "packed", "parts": 1, "tail": 0}
    the_core = core("cortex-a53")
    schedules.get("conv2d_gemm").validate(_EQUAL, the_core, {**config, "share": share})
    check_result(Case(_EQUAL, "conv2d_gemm", {**config, "share": share}, the_core))


@pytest.mark.parametrize("way", VERSIONS)
def test_a_fire_module_with_a_squeeze_as_large_as_its_panels(way):
    the_core = core("cortex-a53")
    workload = competition.from_key(_EQUAL_FIRE)
    config = competition.get(way).default(workload, the_core)
    _require_own_sizes(competition.build(workload, way, config, the_core, _EPILOGUE))
