"""A map that leaves one pixel behind its tiles, and maps of which only the means are wanted."""

from __future__ import annotations

import host
import numpy as np
import pytest
import tvm
from tvm import relax

import schedules
from schedules import Conv2dWorkload
from schedules.hardware import core
from schedules.testing import Case, check_result


@pytest.mark.parametrize("epilogue", [(), ("bias", "relu")])
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("channels", [(514, 20), (512, 16), (1024, 8)])
def test_one_pixel(channels, parts, epilogue):
    workload = Conv2dWorkload(2, channels[0], 7, 7, channels[1], 1, 1)
    config = {"mr": 4, "nr": 12, "block": 1, "share": "channels", "panel": "packed"}
    config |= {"parts": parts, "tail": 4}
    check_result(Case(workload, "conv2d_gemm", config, core("cortex-a53"), epilogue))


def test_panels_of_pixels_that_are_read_in_place():
    workload = Conv2dWorkload(1, 30, 13, 13, 132, 1, 1)
    config = {"mr": 4, "nr": 12, "block": 1, "share": "channels", "panel": "in_place"}
    config |= {"parts": 1, "tail": 4}
    check_result(Case(workload, "conv2d_gemm", config, core("cortex-a53")))


def _averaged(channels: int, batch: int, size: tuple[int, int], residual: bool) -> tuple:
    """(a module, its inputs, its result in float64) of a mean over relu(conv1x1(x) + ...).

    Added is a bias, or what another input holds, with every channel scaled before.
    """
    rng = np.random.default_rng(4)
    data = rng.standard_normal((batch, 64, *size), dtype=np.float32)
    other = rng.standard_normal((batch, channels, *size), dtype=np.float32)
    weight = rng.standard_normal((channels, 64, 1, 1), dtype=np.float32)
    vector = rng.standard_normal((1, channels, 1, 1), dtype=np.float32)
    builder = relax.BlockBuilder()
    variables = [
        relax.Var(name, relax.TensorType(each.shape, "float32"))
        for name, each in (("data", data), ("other", other))
    ]
    with builder.function("main", variables):
        with builder.dataflow():
            conv = relax.op.nn.conv2d(variables[0], relax.const(weight))
            if residual:
                total = relax.op.add(relax.op.multiply(conv, relax.const(vector)), variables[1])
            else:
                total = relax.op.add(conv, relax.const(vector))
            active = relax.op.nn.relu(total)
            result = builder.emit_output(relax.op.nn.adaptive_avg_pool2d(active, (1, 1)))
        builder.emit_func_output(result)
    maps = np.einsum("oc,nchw->nohw", weight[:, :, 0, 0].astype(np.float64), data)
    maps = maps * vector + other if residual else maps + vector
    expected = np.maximum(maps, 0).mean(axis=(2, 3), keepdims=True)
    return builder.get(), (data, other), expected


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(
    ("channels", "batch", "size"), [(256, 2, (13, 13)), (250, 1, (13, 13)), (20, 2, (1, 3))]
)
@pytest.mark.parametrize("share", ["channels", "pixels"])
def test_means(host_is_arm, share, channels, batch, size, residual):
    module, inputs, expected = _averaged(channels, batch, size, residual)
    workload = Conv2dWorkload(batch, 64, *size, channels, 1, 1)
    config = {"mr": 8, "nr": 12 if size[0] > 1 else 4, "block": 1, "share": share}
    config |= {"panel": "packed", "parts": 1, "tail": 0}
    if share == "channels" and size[0] > 1:
        config["tail"] = 4
    passes = schedules.pipeline(host.TARGET)
    with schedules.using({workload.key: ("conv2d_gemm", config)}):
        executable = relax.build(module, host.TARGET, relax_pipeline=passes)
        with host.TARGET:
            lowered = passes(module)
    machine = relax.VirtualMachine(executable, tvm.cpu())
    found = machine["main"](*map(tvm.runtime.tensor, inputs)).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    merged = "conv2d_adaptive_avg_pool2d" in [name.name_hint for name in lowered.get_global_vars()]
    assert merged == (share == "channels"), "only there a core has whole maps"
