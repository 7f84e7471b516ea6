"""Max pooling in Relax builds: ours where it serves, TVM's elsewhere, right in both."""

from __future__ import annotations

import host
import numpy as np
import pytest
import tvm
from tvm import relax

import schedules

#        shape            kernel  stride  padding          ceil   served
CASES = [
    ((1, 3, 27, 27), (3, 3), (2, 2), (0, 0, 0, 0), True, True),
    ((2, 5, 13, 14), (2, 2), (2, 2), (0, 0, 0, 0), False, True),
    ((1, 4, 9, 11), (3, 3), (1, 1), (0, 0, 0, 0), False, True),
    ((1, 2, 20, 23), (4, 5), (3, 3), (0, 0, 0, 0), False, True),
    ((1, 3, 28, 28), (3, 3), (2, 2), (0, 0, 0, 0), True, True),  # the last window is partial
    ((1, 3, 112, 112), (3, 3), (2, 2), (1, 1, 1, 1), False, True),  # ResNet
    ((1, 3, 29, 33), (3, 2), (2, 2), (1, 0, 2, 1), False, True),
    ((1, 3, 9, 40), (2, 9), (4, 2), (1, 5, 0, 7), False, True),
    ((1, 3, 9, 40), (2, 3), (4, 5), (0, 2, 0, 2), True, True),  # rows that no window sees
    ((1, 3, 18, 18), (5, 5), (1, 1), (2, 2, 2, 2), False, True),
    ((1, 3, 7, 6), (3, 3), (2, 2), (0, 0, 0, 0), False, True),  # less than a vector wide
    ((1, 2, 3, 3), (3, 3), (1, 1), (1, 1, 1, 1), False, True),
    ((1, 2, 1, 1), (1, 1), (1, 1), (0, 0, 0, 0), False, True),
    ((1, 2, 6, 6), (2, 2), (2, 2), (2, 0, 0, 0), False, False),  # a window of padding only
]


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding", "ceil", "served"), CASES)
def test_max_pool(host_is_arm, shape, kernel, stride, padding, ceil, served):
    builder = relax.BlockBuilder()
    variable = relax.Var("data", relax.TensorType(shape, "float32"))
    with builder.function("main", [variable]):
        with builder.dataflow():
            pooled = relax.op.nn.max_pool2d(variable, kernel, stride, padding, ceil_mode=ceil)
            output = builder.emit_output(pooled)
        builder.emit_func_output(output)
    module = builder.get()
    data = np.random.default_rng(2).standard_normal(shape, dtype=np.float32)

    def run() -> np.ndarray:
        executable = relax.build(
            module, host.TARGET, relax_pipeline=schedules.pipeline(host.TARGET)
        )
        return relax.VirtualMachine(executable, tvm.cpu())["main"](tvm.runtime.tensor(data)).numpy()

    ours = run()
    with schedules.unregistered():
        expected = run()
    np.testing.assert_array_equal(ours, expected)
    with host.TARGET:
        lowered = relax.transform.LegalizeOps()(module)
    assert ("arm_max_pool" in lowered.script()) == served
