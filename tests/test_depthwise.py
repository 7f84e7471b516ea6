"""What the code of a depthwise tile loads; that its results are right is in test_conformance.py."""

from __future__ import annotations

import re

import host
import numpy as np
import pytest
import tvm

import schedules
from schedules import Conv2dWorkload
from schedules.hardware import core, cores

PLANE = Conv2dWorkload(1, 8, 14, 14, 8, 3, 3, padding=(1, 1, 1, 1), groups=8)
VECTORS = 4  # that cover a row of 14 pixels
_LOAD = re.compile(r"\tld(u?r|p)\tq.*")
_PRODUCT = re.compile(r"\t(fmla|fmul)\tv.*\.s\[|\t(vmla|vmul)\.f32\tq.*, d\d+\[")


def _assembly(core_name: str, config) -> str:
    module, _ = schedules.conv2d_module(PLANE, "depthwise_conv2d", config, core(core_name))
    built = tvm.compile(module, target=schedules.target(core_name))
    return built.mod.inspect_source("asm")


@pytest.mark.parametrize("core_name", [name for name in cores() if core(name).isa == "aarch64"])
def test_a_plane_in_one_tile_loads_each_vector_once_and_keeps_it_in_registers(core_name):
    loads = [found[0] for found in _LOAD.finditer(_assembly(core_name, {"vh": 14, "vw": 14}))]
    vectors = sum(2 if "\tldp\t" in line else 1 for line in loads)
    # The last vector of a row overlaps, so the one that begins a pixel before it is loaded too.
    assert 14 * VECTORS <= vectors <= 14 * (VECTORS + 1) + 6, "weights, constants, few reloads"


@pytest.mark.parametrize("core_name", cores())
def test_weights_are_taken_by_lane(core_name):
    config = {"vh": 14, "vw": 8}
    products = _PRODUCT.findall(_assembly(core_name, config))
    rows = 3 * 14 - 2  # the border is not multiplied
    vectors = sum(len(range(0, config["vw"], 4)) for _ in range(0, 14, config["vw"]))
    assert len(products) == rows * 3 * vectors


@pytest.mark.parametrize(
    "kernel, padding", [(5, (2, 2, 2, 2)), (7, (3, 0, 1, 5)), (3, (1, 0, 1, 0))]
)
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_tiles_at_the_border_and_inside(kernel, padding, stride):
    workload = Conv2dWorkload(
        2, 3, 31, 45, 3, kernel, kernel, stride=(stride, stride), padding=padding, groups=3
    )
    arrays = host.random_arrays(workload)
    for config in ({"vh": 2, "vw": 4}, {"vh": 1, "vw": 8}):
        result = host.run(workload, "depthwise_conv2d", config, arrays)
        host.assert_close(result, host.expected(workload, *arrays))


def test_infinities_at_the_border_stay_where_they_are():
    data, weight, bias = host.random_arrays(PLANE)
    data[:, :, 0, 0] = np.inf
    config = schedules.get("depthwise_conv2d").default(PLANE, host.PORTABLE_CORE)
    result = host.run(PLANE, "depthwise_conv2d", config, (data, np.abs(weight), bias))
    assert np.isinf(result[:, :, :2, :2]).all()
    assert np.isfinite(result[:, :, 2:]).all() and np.isfinite(result[:, :, :, 2:]).all()
