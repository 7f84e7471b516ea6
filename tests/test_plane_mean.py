"""Global average pooling in Relax builds: ours where it serves, TVM's elsewhere, right in both."""

from __future__ import annotations

import host
import numpy as np
import pytest
import tvm
from tvm import relax

import schedules

#        shape           output  served
CASES = [
    ((1, 1000, 13, 13), (1, 1), True),  # SqueezeNet
    ((1, 512, 7, 7), (1, 1), True),  # ResNet
    ((2, 3, 4, 5), (1, 1), True),
    ((1, 5, 3, 3), (1, 1), True),  # vectors for half of the sums only
    ((1, 5, 1, 3), (1, 1), True),  # less than a vector
    ((1, 2, 1, 1), (1, 1), True),
    ((1, 2, 4, 4), (1, 1), True),
    ((1, 3, 8, 8), (2, 2), False),
]


@pytest.mark.parametrize(("shape", "output", "served"), CASES)
def test_means_of_planes(host_is_arm, shape, output, served):
    builder = relax.BlockBuilder()
    variable = relax.Var("data", relax.TensorType(shape, "float32"))
    with builder.function("main", [variable]):
        with builder.dataflow():
            result = builder.emit_output(relax.op.nn.adaptive_avg_pool2d(variable, output))
        builder.emit_func_output(result)
    module = builder.get()
    data = np.random.default_rng(3).standard_normal(shape, dtype=np.float32)
    executable = relax.build(module, host.TARGET, relax_pipeline=schedules.pipeline(host.TARGET))
    found = relax.VirtualMachine(executable, tvm.cpu())["main"](tvm.runtime.tensor(data)).numpy()
    n, c, h, _ = shape
    windows = data.astype(np.float64).reshape(n, c, output[0], h // output[0], output[1], -1)
    np.testing.assert_allclose(found, windows.mean(axis=(3, 5)), rtol=0, atol=1e-6)
    with host.TARGET:
        lowered = relax.transform.LegalizeOps()(module)
    assert ("arm_plane_mean" in lowered.script()) == served
