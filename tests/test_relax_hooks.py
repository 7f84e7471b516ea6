"""`import schedules` and nothing else: what Relax builds for ARM, and what it leaves alone."""

from __future__ import annotations

import subprocess
import sys

import host
import numpy as np
import pytest
import tvm
from tvm import relax
from tvm.tirx.compilation_pipeline import PIPELINE_MAP

import schedules
from schedules.lowering import legalize
from tuner import reference

SHAPE = (1, 8, 13, 13)


def _network(body, *, weight_is_input=False) -> tvm.IRModule:
    """A module whose main convolves (8 -> 12, 3x3, padded) and then applies `body`."""
    rng = np.random.default_rng(3)
    weight = rng.standard_normal((12, SHAPE[1], 3, 3), dtype=np.float32)
    builder = relax.BlockBuilder()
    data = relax.Var("data", relax.TensorType(SHAPE, "float32"))
    weight_var = relax.Var("weight", relax.TensorType(weight.shape, "float32"))
    inputs = [data, weight_var] if weight_is_input else [data]
    with builder.function("main", inputs):
        with builder.dataflow():
            kernel = weight_var if weight_is_input else relax.const(weight)
            conv = builder.emit(relax.op.nn.conv2d(data, kernel, padding=1))
            output = builder.emit_output(body(builder, data, conv))
        builder.emit_func_output(output)
    return builder.get()


def _weight() -> np.ndarray:
    return np.random.default_rng(3).standard_normal((12, SHAPE[1], 3, 3), dtype=np.float32)


def _inputs() -> np.ndarray:
    return np.random.default_rng(4).standard_normal(SHAPE, dtype=np.float32)


def _run(module: tvm.IRModule, *arrays: np.ndarray, pipeline=True) -> np.ndarray:
    options = {"relax_pipeline": schedules.pipeline(host.TARGET)} if pipeline else {}
    executable = relax.build(module, host.TARGET, **options)
    machine = relax.VirtualMachine(executable, tvm.cpu())
    return machine["main"](*map(tvm.runtime.tensor, arrays)).numpy()


def _bias():
    return np.arange(12, dtype=np.float32).reshape(1, 12, 1, 1) / 10


EPILOGUES = {
    "none": (lambda b, data, conv: conv, lambda y, x: y),
    "bias": (
        lambda b, data, conv: b.emit(relax.op.add(conv, relax.const(_bias()))),
        lambda y, x: y + _bias(),
    ),
    "relu6": (
        lambda b, data, conv: b.emit(relax.op.clip(conv, 0, 6)),
        lambda y, x: np.clip(y, 0, 6),
    ),
    "sigmoid": (
        lambda b, data, conv: b.emit(relax.op.sigmoid(conv)),
        lambda y, x: 1 / (1 + np.exp(-y)),
    ),
    "leaky_relu": (
        lambda b, data, conv: b.emit(relax.op.nn.leakyrelu(conv, 0.1)),
        lambda y, x: np.where(y > 0, y, 0.1 * y),
    ),
    "residual": (
        lambda b, data, conv: b.emit(
            relax.op.nn.relu(b.emit(relax.op.add(conv, b.emit(_repeated(data)))))
        ),
        lambda y, x: np.maximum(y + np.concatenate([x, x[:, :4]], axis=1), 0),
    ),
    "used_twice": (
        lambda b, data, conv: b.emit(relax.op.add(conv, b.emit(relax.op.nn.relu(conv)))),
        lambda y, x: y + np.maximum(y, 0),
    ),
    "transposed": (
        lambda b, data, conv: b.emit(relax.op.permute_dims(conv, (0, 2, 3, 1))),
        lambda y, x: y.transpose(0, 2, 3, 1),
    ),
}


SCALARS = {
    "constant of no axes": ((), False),
    "constant of one axis": ((1,), False),
    "input of four axes": ((1, 1, 1, 1), True),
}


@pytest.mark.parametrize("name", SCALARS)
def test_one_number_behind_a_convolution(host_is_arm, name):
    shape, is_input = SCALARS[name]
    number = np.full(shape, 2.5, np.float32)
    builder = relax.BlockBuilder()
    data = relax.Var("data", relax.TensorType(SHAPE, "float32"))
    variable = relax.Var("number", relax.TensorType(shape, "float32"))
    with builder.function("main", [data, variable] if is_input else [data]):
        with builder.dataflow():
            conv = builder.emit(relax.op.nn.conv2d(data, relax.const(_weight()), padding=1))
            operand = variable if is_input else relax.const(number)
            output = builder.emit_output(relax.op.multiply(conv, operand))
        builder.emit_func_output(output)
    exact = reference.conv2d(_inputs(), _weight(), padding=(1, 1, 1, 1)) * 2.5
    arrays = (_inputs(), number) if is_input else (_inputs(),)
    host.assert_close(_run(builder.get(), *arrays), exact)


def test_another_output_layout_is_left_to_tvm():
    builder = relax.BlockBuilder()
    data = relax.Var("data", relax.TensorType(SHAPE, "float32"))
    weight = relax.const(_weight())
    with builder.function("main", [data]):
        call = builder.emit(relax.op.nn.conv2d(data, weight, padding=1, out_layout="NHWC"))
        builder.emit_func_output(call)
    binding = builder.get()["main"].body.blocks[0].bindings[0]
    assert legalize.workload_of(binding.value) is None


def test_plain_loops_are_left_as_they_are():
    buffer = tvm.tirx.decl_buffer((8,), "float32", "out")
    i = tvm.tirx.Var("i", "int32")
    store = tvm.tirx.BufferStore(buffer, tvm.tirx.const(1.0, "float32"), [i])
    zero, eight = tvm.tirx.const(0, "int32"), tvm.tirx.const(8, "int32")
    loop = tvm.tirx.For(i, zero, eight, tvm.tirx.ForKind.SERIAL, store)
    func = tvm.tirx.PrimFunc([buffer], loop).with_attr("global_symbol", "main")
    tvm.compile(tvm.IRModule({"main": func}), target=schedules.target("cortex-a17"))


def _repeated(data):
    """12 channels made from the input's 8: a second operand that is no constant."""
    head = relax.op.strided_slice(data, axes=[1], begin=[0], end=[4])
    return relax.op.concat([data, head], axis=1)


@pytest.mark.parametrize("pipeline", [True, False], ids=["fused", "default pipeline"])
@pytest.mark.parametrize("name", EPILOGUES)
def test_what_stands_behind_a_convolution(host_is_arm, name, pipeline):
    body, numpy_body = EPILOGUES[name]
    data = _inputs()
    exact = numpy_body(reference.conv2d(data, _weight(), padding=(1, 1, 1, 1)), data)
    host.assert_close(_run(_network(body), data, pipeline=pipeline), exact)


def _batch_norm(builder, conv):
    """In Relax's inference form, and in float64: 12 channels, then a ReLU6."""
    scale, shift, mean, variance = (
        np.random.default_rng(seed).uniform(0.5, 2, 12).astype(np.float32) for seed in range(4)
    )
    norm = relax.op.nn.batch_norm(
        conv, *map(relax.const, (scale, shift, mean, variance)), axis=1, training=False
    )
    value = builder.emit(relax.TupleGetItem(builder.emit(norm), 0))

    def exact(y):
        scale64, shift64, mean64, variance64 = (
            each.astype(np.float64).reshape(12, 1, 1) for each in (scale, shift, mean, variance)
        )
        return np.clip((y - mean64) / np.sqrt(variance64 + 1e-5) * scale64 + shift64, 0, 6)

    return builder.emit(relax.op.clip(value, 0, 6)), exact


def test_a_batch_norm_is_folded_and_fused(host_is_arm, caplog):
    functions = []

    def body(builder, data, conv):
        output, exact = _batch_norm(builder, conv)
        functions.append(exact)
        return output

    module = relax.transform.DecomposeOpsForInference()(_network(body))
    with host.TARGET:
        lowered = schedules.pipeline(host.TARGET)(module)
    names = [each.name_hint for each in lowered.get_global_vars() if each.name_hint != "main"]
    assert len(names) == 1, names
    exact = functions[0](reference.conv2d(_inputs(), _weight(), padding=(1, 1, 1, 1)))
    host.assert_close(_run(module, _inputs()), exact)
    assert not caplog.records, "it did not keep its plain loops"


@pytest.mark.parametrize("name", [name for name in EPILOGUES if name != "transposed"])
def test_an_epilogue_costs_no_kernel_of_its_own(host_is_arm, name):
    with host.TARGET:
        lowered = schedules.pipeline(host.TARGET)(_network(EPILOGUES[name][0]))
    names = [each.name_hint for each in lowered.get_global_vars() if each.name_hint != "main"]
    # The residual case also makes its second operand, from the input.
    assert sum("conv2d" in each for each in names) == 1
    assert all("conv2d" in each or "concat" in each or "slice" in each for each in names), names


def test_weights_that_are_inputs_are_packed_at_run_time(host_is_arm):
    module = _network(EPILOGUES["none"][0], weight_is_input=True)
    data = _inputs()
    exact = reference.conv2d(data, _weight(), padding=(1, 1, 1, 1))
    host.assert_close(_run(module, data, _weight()), exact)


def test_constant_weights_are_packed_at_compile_time(host_is_arm):
    with host.TARGET:
        lowered = schedules.pipeline(host.TARGET)(_network(EPILOGUES["bias"][0]))
    names = [name.name_hint for name in lowered.get_global_vars()]
    assert not any("pack_weight" in name for name in names)
    assert any("conv2d" in name and "add" in name for name in names), "the bias is fused"


OPERATORS = [override.operator for override in legalize.OVERRIDES]


def _hooks() -> dict:
    """All that `register` changes in TVM."""
    return {
        "lowering": PIPELINE_MAP["s_tir"],
        "arm_cpu": getattr(tvm.topi, "arm_cpu", None),
        "module": sys.modules.get("tvm.topi.arm_cpu"),
        **{name: tvm.ir.Op.get(name).get_attr("FLegalize") for name in OPERATORS},
    }


def test_unregister_restores_exactly_what_a_fresh_tvm_has():
    code = (
        "import sys, tvm; from tvm import relax;"
        "from tvm.tirx.compilation_pipeline import PIPELINE_MAP;"
        f"names = {OPERATORS};"
        "hooks = lambda: [PIPELINE_MAP['s_tir'], hasattr(tvm.topi, 'arm_cpu'),"
        " 'tvm.topi.arm_cpu' in sys.modules,"
        " *(tvm.ir.Op.get(name).get_attr('FLegalize') for name in names)];"
        "before = hooks();"
        "import schedules; ours = hooks(); schedules.unregister(); after = hooks();"
        "same = [a == b or a.same_as(b) for a, b in zip(before, after)];"
        "assert all(same), same;"
        "assert not any(a == b for a, b in zip(before, ours))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_register_is_idempotent_and_unregister_may_be_repeated():
    ours = _hooks()
    schedules.register()
    assert _hooks() == ours
    with schedules.unregistered():
        theirs = _hooks()
        with schedules.unregistered():
            assert _hooks() == theirs
        assert _hooks() == theirs
        assert not any(theirs[name] == hook for name, hook in ours.items())
    assert _hooks().keys() == ours.keys()
    assert all(_hooks()[name] is not None for name in ours)


def test_a_choice_is_used_and_a_foreign_one_is_not():
    workload = schedules.Conv2dWorkload(1, 8, 13, 13, 12, 3, 3, padding=(1, 1, 1, 1))
    gemm = schedules.get("conv2d_gemm")
    config = gemm.space(workload, host.PORTABLE_CORE).configs[3]
    with schedules.using({workload.key: ("conv2d_gemm", config)}):
        assert schedules.choose(workload, host.PORTABLE_CORE) == (gemm, config)
    with schedules.using({workload.key: ("conv2d_gemm", {"mr": 5})}):
        chosen, config = schedules.choose(workload, host.PORTABLE_CORE)
        assert config == chosen.default(workload, host.PORTABLE_CORE)


@pytest.mark.parametrize("name", schedules.hardware.cores())
def test_targets_and_cores_name_each_other(name):
    from schedules.lowering.targets import core_of

    assert core_of(schedules.target(name)).name == name
    assert core_of(tvm.target.Target(f"arm/{name}")).name == name


def test_targets_say_on_how_many_threads_a_build_runs():
    from schedules.lowering.targets import threads_of

    assert threads_of(schedules.target("rk3288")) == 4
    assert threads_of(schedules.target("rk3288", 1)) == 1
    assert threads_of(host.TARGET) is None
    assert threads_of(None) is None


def test_targets_of_other_makers():
    from schedules.lowering.targets import core_of

    assert core_of(host.TARGET) is None
    assert core_of(tvm.target.Target("arm/rasp4b64")).isa == "aarch64"
    unknown = {"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "neoverse-n1"}
    assert core_of(tvm.target.Target(unknown)).name == "cortex-a72"
    short = {"kind": "llvm", "mtriple": "arm-linux-gnueabihf", "mattr": ["+neon"]}
    assert core_of(tvm.target.Target({**short, "mcpu": "cortex-a17"})).name == "cortex-a17"
    assert core_of(tvm.target.Target({**short, "mcpu": "arm926ej-s"})) is None
    assert core_of(tvm.target.Target("cuda")) is None
