"""Concatenated convolutions write in place; any other concatenation stays what it was."""

from __future__ import annotations

import host
import numpy as np
import pytest
import tvm
from tvm import relax

import schedules
from tuner import reference

pytestmark = pytest.mark.usefixtures("host_is_arm")

SHAPE = (2, 6, 9, 13)
WEIGHTS = [
    np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    for seed, shape in enumerate([(10, 6, 1, 1), (7, 6, 3, 3)])
]


def _convolutions(builder, data):
    for weight in WEIGHTS:
        conv = relax.op.nn.conv2d(data, relax.const(weight), padding=weight.shape[2] // 2)
        yield builder.emit(relax.op.nn.relu(builder.emit(conv)))


def _exact(data):
    return [
        np.maximum(reference.conv2d(data, w, padding=(w.shape[2] // 2,) * 4), 0) for w in WEIGHTS
    ]


def _fire(builder, data):
    return relax.op.concat(list(_convolutions(builder, data)), axis=1)


def _twins(builder, data):
    first, _ = _convolutions(builder, data)
    second, _ = _convolutions(builder, data)
    return relax.op.concat([first, second], axis=1)


def _with_input(builder, data):
    return relax.op.concat([*_convolutions(builder, data), data], axis=1)


def _used_twice(builder, data):
    first, second = _convolutions(builder, data)
    joined = builder.emit(relax.op.concat([first, second], axis=1))
    return relax.op.concat([joined, builder.emit(relax.op.nn.relu(first))], axis=1)


def _along_rows(builder, data):
    first, _ = _convolutions(builder, data)
    head = builder.emit(relax.op.strided_slice(first, axes=[1], begin=[0], end=[6]))
    return relax.op.concat([head, data], axis=2)


CASES = {
    "fire": (_fire, lambda parts, x: np.concatenate(parts, axis=1), True),
    "twins": (_twins, lambda parts, x: np.concatenate([parts[0]] * 2, axis=1), True),
    "with_input": (_with_input, lambda parts, x: np.concatenate([*parts, x], axis=1), False),
    "used_twice": (
        _used_twice,
        lambda parts, x: np.concatenate([*parts, parts[0]], axis=1),
        False,
    ),
    "along_rows": (
        _along_rows,
        lambda parts, x: np.concatenate([parts[0][:, :6], x], axis=2),
        False,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_concatenations(name):
    body, numpy_body, in_place = CASES[name]
    builder = relax.BlockBuilder()
    variable = relax.Var("data", relax.TensorType(SHAPE, "float32"))
    with builder.function("main", [variable]):
        with builder.dataflow():
            output = builder.emit_output(body(builder, variable))
        builder.emit_func_output(output)
    module = builder.get()
    with host.TARGET:
        lowered = schedules.pipeline(host.TARGET)(module)
    names = [each.name_hint for each in lowered.get_global_vars()]
    assert any(each.startswith("conv2d_concat") for each in names) == in_place, names
    executable = relax.build(module, host.TARGET, relax_pipeline=schedules.pipeline(host.TARGET))
    data = np.random.default_rng(9).standard_normal(SHAPE, dtype=np.float32)
    machine = relax.VirtualMachine(executable, tvm.cpu())
    result = machine["main"](tvm.runtime.tensor(data)).numpy()
    host.assert_close(result, numpy_body(_exact(data), data))
