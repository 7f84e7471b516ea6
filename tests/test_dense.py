"""Fully connected layers in Relax builds: ours where the weights are known, right everywhere."""

from __future__ import annotations

import host
import numpy as np
import pytest
import tvm
from tvm import relax

import schedules

pytestmark = pytest.mark.usefixtures("host_is_arm")


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape, dtype=np.float32)


def _layer(rows, k: int, outputs: int, *, epilogue=(), transposed=True, constant=True):
    """A module that computes `epilogue(x @ w.T)`, or `x @ w` with w (k, outputs)."""
    builder = relax.BlockBuilder()
    data = relax.Var("data", relax.TensorType((rows, k), "float32"))
    shape = (outputs, k) if transposed else (k, outputs)
    weight = relax.Var("weight", relax.TensorType(shape, "float32"))
    with builder.function("main", [data] if constant else [data, weight]):
        with builder.dataflow():
            matrix = relax.const(_random(*shape)) if constant else weight
            if transposed:
                matrix = builder.emit(relax.op.permute_dims(matrix))
            value = builder.emit(relax.op.matmul(data, matrix))
            if "bias" in epilogue:
                value = builder.emit(relax.op.add(value, relax.const(_random(outputs))))
            if "relu" in epilogue:
                value = builder.emit(relax.op.nn.relu(value))
            output = builder.emit_output(value)
        builder.emit_func_output(output)
    return builder.get()


def _names(module: tvm.IRModule) -> list[str]:
    with host.TARGET:
        lowered = schedules.pipeline(host.TARGET)(module)
    return [name.name_hint for name in lowered.get_global_vars()]


def _require_right(module, *arrays, expected, fused=True) -> None:
    options = {"relax_pipeline": schedules.pipeline(host.TARGET)} if fused else {}
    built = relax.build(module, host.TARGET, **options)
    machine = relax.VirtualMachine(built, tvm.cpu())
    host.assert_close(machine["main"](*map(tvm.runtime.tensor, arrays)).numpy(), expected)


@pytest.mark.parametrize("fused", [True, False], ids=["our pipeline", "TVM's pipeline"])
@pytest.mark.parametrize("transposed", [True, False], ids=["linear", "matmul"])
@pytest.mark.parametrize(("rows", "k", "outputs"), [(1, 37, 1000), (3, 64, 10), (5, 3, 1)])
def test_constant_weights(rows, k, outputs, transposed, fused):
    data = _random(rows, k)
    layer = _layer(rows, k, outputs, epilogue=("bias", "relu"), transposed=transposed)
    weight = _random(outputs, k).T if transposed else _random(k, outputs)
    exact = np.maximum(data.astype("float64") @ weight + _random(outputs), 0)
    _require_right(layer, data, expected=exact, fused=fused)


def test_bias_and_relu_are_fused_and_nothing_is_packed_at_run_time():
    names = _names(_layer(1, 32, 24, epilogue=("bias", "relu")))
    assert [name for name in names if name != "main"] == ["fused_dense_pack_add_relu"]


def test_any_schedule_may_be_chosen():
    workload = schedules.Conv2dWorkload(3, 32, 1, 1, 24, 1, 1)
    config = schedules.get("conv2d_gemm").default(workload, host.PORTABLE_CORE)
    layer, data = _layer(3, 32, 24, epilogue=("bias", "relu")), _random(3, 32)
    with schedules.using({workload.key: ("conv2d_gemm", config)}):
        assert any("conv2d_gemm" in name for name in _names(layer))
        exact = np.maximum(data.astype("float64") @ _random(24, 32).T + _random(24), 0)
        _require_right(layer, data, expected=exact)


@pytest.mark.parametrize("rows", [4, "n"], ids=["known", "symbolic"])
def test_weights_that_are_inputs_are_left_to_tvm(rows):
    size = tvm.tirx.Var("n", "int64") if rows == "n" else rows
    layer = _layer(size, 8, 6, constant=False)
    assert not any("dense_pack" in name for name in _names(layer))
    data, weight = _random(4, 8), _random(6, 8)
    _require_right(layer, data, weight, expected=data.astype("float64") @ weight.T)


def test_a_symbolic_number_of_rows_is_left_to_tvm():
    layer, data = _layer(tvm.tirx.Var("n", "int64"), 8, 6), _random(3, 8)
    assert not any("dense_pack" in name for name in _names(layer))
    _require_right(layer, data, expected=data.astype("float64") @ _random(6, 8).T)
