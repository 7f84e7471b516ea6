"""`tvm.topi.arm_cpu`: the schedules under TOPI's names, called directly."""

from __future__ import annotations

import host
import numpy as np
import pytest
import tvm
from tvm import te

import schedules
from schedules.microkernels import assembly_replaced_by
from schedules.testing.portable import PortableKernel
from tuner import reference

TARGET = schedules.target(host.PORTABLE_CORE.name)
SHAPES = {
    "dense_pack": ((1, 20, 1, 1), (30, 20, 1, 1), 1),
    "depthwise_conv2d": ((1, 8, 13, 13), (8, 1, 3, 3), 8),
    "conv2d_gemm_streamed": ((1, 8, 47, 47), (60, 8, 3, 3), 1),
    "conv2d_grouped": ((1, 8, 13, 13), (12, 4, 3, 3), 2),
}
PLAIN = ((1, 8, 13, 13), (12, 8, 3, 3), 1)


def _compute(name: str, config=None):
    data_shape, kernel_shape, groups = SHAPES.get(name, PLAIN)
    data, kernel = te.placeholder(data_shape, name="data"), te.placeholder(kernel_shape)
    padding = kernel_shape[2] // 2
    compute = getattr(tvm.topi.arm_cpu, name)
    with TARGET:
        return compute(config, data, kernel, 1, padding, (1, 1), groups=groups)


@pytest.mark.parametrize("name", schedules.list())
def test_compute_schedule_and_pack(name):
    data_shape, kernel_shape, groups = SHAPES.get(name, PLAIN)
    rng = np.random.default_rng(1)
    data, kernel = (
        rng.standard_normal(shape, dtype=np.float32) for shape in (data_shape, kernel_shape)
    )
    padding = (kernel_shape[2] // 2,) * 4
    workload = schedules.Conv2dWorkload(
        *data_shape, kernel_shape[0], *kernel_shape[2:], padding=padding, groups=groups
    )
    config = schedules.get(name).default(workload, host.PORTABLE_CORE)
    conv = _compute(name)
    doubled = te.compute(conv.shape, lambda *at: conv(*at) * 2.0, name="doubled")
    with assembly_replaced_by(PortableKernel), TARGET:
        module = getattr(tvm.topi.arm_cpu, f"schedule_{name}")(config, [doubled])
    assert "tirx.is_scheduled" in module["main"].attrs
    packed = getattr(tvm.topi.arm_cpu, f"pack_{name}")(config, kernel, groups)
    out = tvm.runtime.tensor(np.full([int(size) for size in conv.shape], np.nan, np.float32))
    inputs = map(tvm.runtime.tensor, (data, packed))
    tvm.compile(module, target=host.TARGET)(*inputs, out)
    exact = 2 * reference.conv2d(data, kernel, padding=padding, groups=groups)
    host.assert_close(out.numpy(), exact)


BAD = {
    "another value": ({"mr": 5}, "knob 'mr' is 5: legal are 4, 6, 8, 12"),
    "unknown": ({"nm": 4}, "no knob is called 'nm' .*: legal are '?mr"),
    "not together": ({"panel": "in_place"}, "knob '.*' is .*, which does not go with "),
}


def _gemm_default() -> dict:
    workload = schedules.Conv2dWorkload(1, 8, 13, 13, 12, 3, 3, padding=(1, 1, 1, 1))
    return dict(schedules.get("conv2d_gemm").default(workload, host.PORTABLE_CORE))


@pytest.mark.parametrize("case", BAD)
def test_a_bad_config_names_knob_value_and_legal_values(case):
    changes, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        _compute("conv2d_gemm", {**_gemm_default(), **changes})
    workload = schedules.Conv2dWorkload(1, 8, 13, 13, 12, 3, 3, padding=(1, 1, 1, 1))
    config = {**_gemm_default(), **changes}
    with pytest.raises(ValueError, match=message):
        schedules.conv2d_module(workload, "conv2d_gemm", config, host.PORTABLE_CORE)


def test_a_missing_knob_is_named():
    with pytest.raises(ValueError, match="knob 'nr' has no value: legal are 4, 8, 12, 16"):
        _compute("conv2d_gemm", {"mr": 4})


def test_a_workload_that_is_not_served_names_the_schedules_that_serve_it():
    data, kernel = te.placeholder((1, 8, 13, 13)), te.placeholder((12, 4, 3, 3))
    with TARGET, pytest.raises(ValueError, match=r"conv2d_grouped.* would serve it"):
        tvm.topi.arm_cpu.conv2d_gemm(None, data, kernel, 1, 1, 1, groups=2)


def test_another_target_is_named():
    data, kernel = te.placeholder(PLAIN[0]), te.placeholder(PLAIN[1])
    with host.TARGET, pytest.raises(ValueError, match="no ARM CPU"):
        tvm.topi.arm_cpu.conv2d_gemm(None, data, kernel, 1, 1, 1)


def test_a_tensor_of_another_schedule_is_refused():
    conv = _compute("conv2d_gemm")
    with TARGET, pytest.raises(ValueError, match="is no conv2d_winograd"):
        tvm.topi.arm_cpu.schedule_conv2d_winograd(None, [conv])
    with TARGET, pytest.raises(ValueError, match="was computed with"):
        tvm.topi.arm_cpu.schedule_conv2d_gemm({"mr": 4}, [conv])
