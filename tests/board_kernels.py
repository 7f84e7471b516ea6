"""Kernels for tests of the board: compiled once per run and instruction set."""

from __future__ import annotations

import contextlib
import functools
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import tvm
from tvm import relax, s_tir, te

from schedules import hardware
from tuner.board import link, toolchain
from tuner.board.launch import EmulatedBoard
from tuner.board.session import close

MATMUL = (64, 96, 80)  # rows, depth, columns

# Functions of TVM's calling convention that do what a broken kernel may do.
BROKEN = r"""
struct Any { int type; unsigned padding; long long value; };
#define KERNEL(name) \
  extern "C" int __tvm_ffi_##name(void *, const Any *arguments, int, Any *result)
KERNEL(add_one) { result->type = 1; result->value = arguments[0].value + 1; return 0; }
KERNEL(crash) { *(volatile int *)4 = 1; return 0; }
KERNEL(endless) { for (volatile int i = 0;; i = i + 1) {} }
"""
_NEEDS_FROBNICATE = r"""
extern "C" int frobnicate();
extern "C" int __tvm_ffi_call(void *, const void *, int, void *) { return frobnicate(); }
"""


@functools.cache
def _folder() -> Path:
    holder = tempfile.TemporaryDirectory(prefix="board-kernels-")
    _folder.holder = holder  # removed when the interpreter ends
    return Path(holder.name)


def target(isa: str, **changes) -> tvm.target.Target:
    """TVM's target of an instruction set; a change to None removes the entry."""
    core = {"armv7": "cortex-a17", "aarch64": "cortex-a53"}[isa]
    entries = {**hardware.core(core).llvm, **changes}
    return tvm.target.Target({key: value for key, value in entries.items() if value is not None})


@functools.cache
def matmul(isa: str) -> Path:
    """`main(A, B, C)`: C = tanh(A @ B), rows in parallel; tanh needs libm's expf."""
    return _export(_matmul_module(), isa, target(isa), "matmul")


@functools.cache
def soft_float_matmul() -> Path:
    """The same for armv7, with the float ABI forgotten."""
    return _export(_matmul_module(), "armv7", target("armv7", **{"mfloat-abi": None}), "soft")


def _matmul_module() -> tvm.IRModule:
    rows, depth, columns = MATMUL
    a = te.placeholder((rows, depth), name="A")
    b = te.placeholder((depth, columns), name="B")
    k = te.reduce_axis((0, depth))
    product = te.compute((rows, columns), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), "product")
    result = te.compute((rows, columns), lambda i, j: te.tanh(product[i, j]), "result")
    function = te.create_prim_func([a, b, result]).with_attr("global_symbol", "main")
    schedule = s_tir.Schedule(tvm.IRModule({"main": function}))
    block = schedule.get_sblock("product")
    i, j, inner = schedule.get_loops(block)
    outer_j, vector = schedule.split(j, [None, 4])
    schedule.reorder(i, outer_j, inner, vector)
    schedule.vectorize(vector)
    schedule.parallel(i)
    return schedule.mod


def matmul_arrays(seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs and the expected output."""
    rows, depth, columns = MATMUL
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((rows, depth), dtype="float32") * 0.1
    b = rng.standard_normal((depth, columns), dtype="float32")
    return a, b, np.tanh(a.astype("float64") @ b.astype("float64"))


@functools.cache
def network(isa: str) -> Path:
    """A small Relax network: conv 3x3, relu, mean, softmax."""
    weight, _ = network_weights()
    builder = relax.BlockBuilder()
    data = relax.Var("data", relax.TensorType((1, 3, 16, 16), "float32"))
    with builder.function("main", [data]):
        with builder.dataflow():
            value = builder.emit(relax.op.nn.conv2d(data, relax.const(weight), padding=1))
            value = builder.emit(relax.op.nn.relu(value))
            value = builder.emit(relax.op.mean(value, axis=[2, 3]))
            value = builder.emit_output(relax.op.nn.softmax(value))
        builder.emit_func_output(value)
    return _export(builder.get(), isa, target(isa), "network")


def network_weights() -> tuple[np.ndarray, np.ndarray]:
    """The network's weight, OIHW, and an input, NCHW."""
    rng = np.random.default_rng(0)
    return (
        rng.standard_normal((8, 3, 3, 3), dtype="float32"),
        rng.standard_normal((1, 3, 16, 16), dtype="float32"),
    )


def network_expected() -> np.ndarray:
    """The network's output on its input, in float64."""
    weight, data = (array.astype("float64") for array in network_weights())
    padded = np.pad(data, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    conv = np.einsum("nchwij,ocij->nohw", windows, weight)
    mean = np.maximum(conv, 0).mean((2, 3))
    exponentials = np.exp(mean - mean.max())
    return exponentials / exponentials.sum()


@functools.cache
def broken(isa: str) -> Path:
    """Functions add_one, crash and endless."""
    return _compile(BROKEN, isa, "broken")


@functools.cache
def needs_frobnicate(isa: str) -> Path:
    """A kernel that calls a function no server has."""
    return _compile(_NEEDS_FROBNICATE, isa, "needs_frobnicate")


def _export(module: tvm.IRModule, isa: str, machine: tvm.target.Target, name: str) -> Path:
    path = _folder() / f"{name}_{isa}.so"
    tvm.compile(module, target=machine).export_library(str(path), fcompile=link.fcompile(isa))
    return path


def _compile(source: str, isa: str, name: str) -> Path:
    path = _folder() / f"{name}_{isa}.so"
    compiler = toolchain.find(isa).compiler
    flags = ["-O1", "-shared", "-fPIC", "-nostdlib", "-x", "c++", "-", "-o", str(path)]
    subprocess.run([*compiler, *flags], input=source, text=True, check=True)
    return path


@contextlib.contextmanager
def session_with(board: EmulatedBoard, library: Path | None = None, timeout_s: float = 30):
    """(session, loaded module or None), closed at the end whatever objects are still alive."""
    session = board.connect(timeout_s=timeout_s)
    try:
        module = None
        if library is not None:
            session.upload(str(library))
            module = session.load_module(library.name)
        yield session, module
    finally:
        with contextlib.suppress(Exception):  # it is dead already, which some tests are about
            close(session)


def on_board(session, *arrays: np.ndarray) -> list:
    """Copies of arrays in the board's memory."""
    return [tvm.runtime.tensor(array, session.cpu(0)) for array in arrays]
