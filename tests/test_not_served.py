"""What no schedule serves builds as TVM builds it: same operators, and never an error."""

from __future__ import annotations

import host
import numpy as np
import pytest
import tvm
from tvm import relax
from tvm_ffi import structural_equal

import schedules

ARM = schedules.target("cortex-a53")
BATCH = tvm.tirx.Var("n", "int64")


def _const(*shape: int, dtype: str = "float32") -> relax.Expr:
    return relax.const(np.random.default_rng(5).random(shape).astype(dtype))


def _module(shape, body, dtype: str = "float32") -> tvm.IRModule:
    builder = relax.BlockBuilder()
    data = relax.Var("data", relax.TensorType(shape, dtype))
    with builder.function("main", [data]):
        with builder.dataflow():
            output = builder.emit_output(body(builder, data))
        builder.emit_func_output(output)
    return builder.get()


nn, matmul = relax.op.nn, relax.op.matmul
MAP, ANY_BATCH, ANY_HEIGHT = (1, 4, 9, 9), (BATCH, 4, 9, 9), (1, 4, BATCH, 9)
F32, F16, I8 = "float32", "float16", "int8"


NOT_SERVED = {
    "conv of half floats": (MAP, F16, lambda x: nn.conv2d(x, _const(4, 4, 3, 3, dtype=F16))),
    "conv of integers": (
        MAP,
        I8,
        lambda x: nn.conv2d(x, _const(4, 4, 3, 3, dtype=I8), out_dtype="int32"),
    ),
    "NHWC": ((1, 9, 9, 4), F32, lambda x: nn.conv2d(x, _const(4, 4, 3, 3), data_layout="NHWC")),
    "HWIO": (MAP, F32, lambda x: nn.conv2d(x, _const(3, 3, 4, 4), kernel_layout="HWIO")),
    "conv of any batch": (ANY_BATCH, F32, lambda x: nn.conv2d(x, _const(4, 4, 3, 3))),
    "conv of any height": (ANY_HEIGHT, F32, lambda x: nn.conv2d(x, _const(4, 4, 3, 3), padding=1)),
    "pool of any batch": (ANY_BATCH, F32, lambda x: nn.max_pool2d(x, (3, 3), (2, 2))),
    "pool of any height": (ANY_HEIGHT, F32, lambda x: nn.max_pool2d(x, (3, 3), (2, 2))),
    "dilated pool": (MAP, F32, lambda x: nn.max_pool2d(x, (2, 2), dilation=(2, 2))),
    "pool of half floats": (MAP, F16, lambda x: nn.max_pool2d(x, (2, 2))),
    "dense of any batch": ((BATCH, 8), F32, lambda x: matmul(x, _const(8, 5))),
    "dense of half floats": ((2, 8), F16, lambda x: matmul(x, _const(8, 5, dtype=F16))),
    "dense of integers": ((2, 8), I8, lambda x: matmul(x, _const(8, 5, dtype=I8), "int32")),
    "product of three axes": ((2, 3, 8), F32, lambda x: matmul(x, _const(8, 5))),
    "product with a vector": ((2, 8), F32, lambda x: matmul(x, _const(8))),
    "weights in front": ((8, 3), F32, lambda x: matmul(_const(5, 8), x)),
    "transposed input": ((8, 3), F32, lambda x: relax.op.permute_dims(x)),
    "transposed convolution": (MAP, F32, lambda x: nn.conv2d_transpose(x, _const(4, 4, 3, 3))),
    "conv of one axis": ((1, 4, 9), F32, lambda x: nn.conv1d(x, _const(4, 4, 3))),
}


@pytest.mark.parametrize("name", NOT_SERVED)
def test_operators_become_what_tvm_makes_of_them(name):
    shape, dtype, body = NOT_SERVED[name]
    module = _module(shape, lambda builder, data: body(data), dtype)

    def legalized() -> tvm.IRModule:
        with ARM:
            return relax.transform.LegalizeOps()(module)

    with schedules.unregistered():
        theirs = legalized()
    assert structural_equal(legalized(), theirs)


@pytest.mark.parametrize("ours", [True, False], ids=["our pipeline", "TVM's pipeline"])
@pytest.mark.parametrize("name", NOT_SERVED)
def test_a_build_never_raises(name, ours):
    shape, dtype, body = NOT_SERVED[name]
    module = _module(shape, lambda builder, data: body(data), dtype)
    relax.build(module, ARM, **({"relax_pipeline": schedules.pipeline(ARM)} if ours else {}))


def _everything(builder: relax.BlockBuilder, data: relax.Expr) -> relax.Expr:
    """One operator of each kind that has a schedule on ARM."""
    value = builder.emit(nn.conv2d(data, _const(8, 4, 3, 3), padding=1))
    value = builder.emit(nn.relu(builder.emit(relax.op.add(value, _const(1, 8, 1, 1)))))
    value = builder.emit(nn.conv2d(value, _const(8, 1, 3, 3), groups=8))
    value = builder.emit(nn.conv2d(value, _const(8, 4, 1, 1), groups=2))
    value = builder.emit(nn.max_pool2d(value, (3, 3), (2, 2), padding=1))
    value = builder.emit(nn.adaptive_avg_pool2d(value, (1, 1)))
    value = builder.emit(relax.op.reshape(value, (1, 8)))
    weight = builder.emit(relax.op.permute_dims(_const(10, 8)))
    return builder.emit(nn.softmax(builder.emit(relax.op.matmul(value, weight))))


@pytest.mark.parametrize(
    "target", [host.TARGET, tvm.target.Target({"kind": "llvm", "mtriple": "riscv64-linux-gnu"})]
)
@pytest.mark.parametrize("fused", [True, False], ids=["schedules.pipeline", "TVM's pipeline"])
def test_other_targets_are_untouched_byte_for_byte(target, fused):
    module = _module((1, 4, 9, 9), _everything)

    def assembly(pipeline) -> str:
        options = {} if pipeline is None else {"relax_pipeline": pipeline}
        return relax.build(module, target, **options).mod.imports[0].inspect_source("asm")

    with schedules.unregistered():
        theirs = assembly(relax.get_default_pipeline(target) if fused else None)
    assert assembly(schedules.pipeline(target) if fused else None) == theirs
    assert len(theirs) > 10_000
