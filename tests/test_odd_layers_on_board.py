"""Dense, grouped and pooling layers of odd sizes, in one Relax build, on each kind of board."""

from __future__ import annotations

import host
import numpy as np
import pytest
import tvm
from tvm import relax

import schedules
from schedules import hardware
from tuner import reference
from tuner.board import link

pytestmark = pytest.mark.board

GROUPED = {  # name: (weight, stride, padding, groups), one after the other from 12 channels
    "two groups": ((10, 6, 5, 5), 1, 2, 2),
    "five groups": ((35, 2, 3, 3), 1, 1, 5),
    "pointwise": ((14, 5, 1, 1), 2, 0, 7),
}
POOL = {"kernel": 3, "stride": 2, "padding": 1, "ceil_mode": False}


def _weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    shapes = {name: layer[0] for name, layer in GROUPED.items()}
    shapes |= {"dense": (1000, 37), "bias": (1000,)}
    return {
        name: rng.standard_normal(shape, dtype=np.float32) / 4 for name, shape in shapes.items()
    }


def _module(maps: np.ndarray, rows: np.ndarray) -> tvm.IRModule:
    weights = {name: relax.const(weight) for name, weight in _weights().items()}
    builder = relax.BlockBuilder()
    data = relax.Var("data", relax.TensorType(maps.shape, "float32"))
    vectors = relax.Var("rows", relax.TensorType(rows.shape, "float32"))
    with builder.function("main", [data, vectors]):
        with builder.dataflow():
            value = builder.emit(
                relax.op.nn.max_pool2d(data, POOL["kernel"], POOL["stride"], POOL["padding"])
            )
            for name, (_, stride, padding, groups) in GROUPED.items():
                conv = relax.op.nn.conv2d(
                    value, weights[name], strides=stride, padding=padding, groups=groups
                )
                value = builder.emit(relax.op.clip(builder.emit(conv), 0, 6))
            transposed = builder.emit(relax.op.permute_dims(weights["dense"]))
            product = builder.emit(relax.op.matmul(vectors, transposed))
            dense = builder.emit(relax.op.add(product, weights["bias"]))
            output = builder.emit_output(relax.Tuple([value, dense]))
        builder.emit_func_output(output)
    return builder.get()


def _expected(maps: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    weights = _weights()
    value = reference.max_pool2d(maps, **POOL)
    for name, (_, stride, padding, groups) in GROUPED.items():
        value = reference.conv2d(value, weights[name], (stride,) * 2, (padding,) * 4, groups=groups)
        value = np.clip(value, 0, 6)
    return value, rows.astype(np.float64) @ weights["dense"].T + weights["bias"]


@pytest.mark.parametrize("board_name", hardware.boards())
def test_odd_layers(board_name, running_board, tmp_path):
    board, target = hardware.board(board_name), schedules.target(board_name)
    rng = np.random.default_rng(8)
    maps = rng.standard_normal((2, 12, 23, 27), dtype=np.float32)
    rows = rng.standard_normal((3, 37), dtype=np.float32)
    built = relax.build(_module(maps, rows), target, relax_pipeline=schedules.pipeline(target))
    library = tmp_path / "layers.so"
    built.export_library(str(library), fcompile=link.fcompile(board.core.isa))
    session = running_board(board_name).connect(60)
    session.upload(str(library))
    device = session.cpu(0)
    machine = relax.VirtualMachine(session.load_module(library.name), device)
    machine.set_input("main", *(tvm.runtime.tensor(array, device) for array in (maps, rows)))
    machine.invoke_stateful("main")
    for output, exact in zip(machine.get_outputs("main"), _expected(maps, rows), strict=True):
        host.assert_close(output.numpy(), exact)
