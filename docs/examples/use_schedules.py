"""Build a Relax module for a Cortex-A17, run it on the emulated RK3288, compare with numpy."""

import tempfile
from pathlib import Path

import numpy as np
import tvm
from tvm import relax

import schedules
from tuner.board import launch, link

# Any Relax module will do; this one is a convolution with bias and ReLU.
rng = np.random.default_rng(0)
weight = rng.standard_normal((32, 16, 1, 1), dtype=np.float32)
bias = rng.standard_normal((1, 32, 1, 1), dtype=np.float32)
builder = relax.BlockBuilder()
data = relax.Var("data", relax.TensorType((1, 16, 27, 27), "float32"))
with builder.function("main", [data]):
    with builder.dataflow():
        conv = builder.emit(relax.op.nn.conv2d(data, relax.const(weight)))
        output = builder.emit(relax.op.nn.relu(builder.emit(relax.op.add(conv, relax.const(bias)))))
        output = builder.emit_output(output)
    builder.emit_func_output(output)

# This is all that a build needs: a target, and the pipeline that fuses.
board = schedules.hardware.board("rk3288")
target = schedules.target(board.name)
executable = relax.build(builder.get(), target, relax_pipeline=schedules.pipeline(target))

image = rng.standard_normal((1, 16, 27, 27), dtype=np.float32)
with tempfile.TemporaryDirectory() as folder, launch.EmulatedBoard(board) as emulated:
    library = Path(folder) / "network.so"
    executable.export_library(str(library), fcompile=link.fcompile(board.core.isa))
    session = emulated.connect(60)
    session.upload(str(library))
    device = session.cpu(0)
    machine = relax.VirtualMachine(session.load_module(library.name), device)
    machine.set_input("main", tvm.runtime.tensor(image, device=device))
    seconds = machine.time_evaluator("invoke_stateful", device, number=1)("main").mean
    result = machine.get_outputs("main").numpy()

exact = np.einsum("nchw,oc->nohw", image.astype(float), weight[:, :, 0, 0].astype(float)) + bias
error = np.abs(result - np.maximum(exact, 0)).max()
print(f"{seconds * 1e6:.0f} us on {board.name} (emulated), largest error {error:.1e}")
assert error < 1e-4
