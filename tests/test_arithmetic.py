"""What the host computes for QEMU: the same bits as QEMU's own arithmetic, and the same cycles."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tvm

import schedules
from schedules import Conv2dWorkload, hardware
from tuner.board import arithmetic, build, emulator, launch, toolchain
from tuner.board import session as board_session
from tuner.board.emulator import params
from tuner.errors import UserError
from tuner.measure import checker, session
from tuner.measure.builder import compile_candidate

SOURCES = Path(arithmetic.__file__).parent
EMULATOR = Path(emulator.__file__).parent
DATA = Path(__file__).parent / "data/arithmetic"
FLAGS = {"aarch64": [], "armv7": ["-marm", "-mfpu=neon-vfpv4", "-mfloat-abi=hard"]}
BOARDS = {"aarch64": "rpi4", "armv7": "rk3288"}
MARK = "code begins here"
ISA_NUMBERS = {"aarch64": 0, "armv7": 1}  # decode.h
# As the disassembler in QEMU prints them.
OPERATIONS = {
    "aarch64": [
        *(f"{name} v8.4s, v1.4s, v31.4s" for name in ("fmla", "fmls", "fadd", "fsub", "fmul")),
        *(f"fmla v8.4s, v1.4s, v{m}.s[{m % 4}]" for m in (0, 15, 30)),
        *("fmul v8.4s, v1.4s, v17.s[1]", "fmls v8.4s, v1.4s, v19.s[3]"),
    ],
    "armv7": [
        *(f"v{name}.f32 q8, q1, q15" for name in ("mla", "mls", "fma", "fms", "add", "sub", "mul")),
        *(f"v{name}.f32 q8, q1, d{m}[{m % 2}]" for name in ("mla", "mul") for m in (0, 7, 14)),
        "vmls.f32 q8, q1, d15[1]",
    ],
}
OTHERS = {
    "aarch64": [
        *("fmla v8.2s, v1.2s, v3.2s", "fmla v8.2d, v1.2d, v3.2d", "fmla v8.2d, v1.2d, v3.d[1]"),
        *("fmulx v8.4s, v1.4s, v3.4s", "fmax v8.4s, v1.4s, v3.4s", "mla v8.4s, v1.4s, v3.4s"),
        *("fmadd s8, s1, s3, s4", "fadd s8, s1, s3", "faddp v8.4s, v1.4s, v3.4s", "nop"),
        *("fmulx v8.4s, v1.4s, v3.s[1]", "mul v8.4s, v1.4s, v3.s[1]", "fabd v8.4s, v1.4s, v3.4s"),
    ],
    "armv7": [
        *("vmla.f32 d8, d1, d9", "vmla.f32 d8, d1, d9[0]", "vmla.i32 q8, q1, q9"),
        *("vmla.i32 q8, q1, d9[0]", "vmlal.s32 q8, d1, d9", "vadd.i32 q8, q1, q9"),
        *("vmla.f32 s8, s1, s9", "vmax.f32 q8, q1, q9", "vpadd.f32 d8, d1, d9", "nop"),
        *("vmul.i32 q8, q1, q9", "vabd.f32 q8, q1, q9", "vceq.f32 q8, q1, q9"),
    ],
}
# Of each algorithm one; the hand-picked configs, some with loops longer than a block of QEMU's.
KERNELS = [
    ("conv2d_gemm", "conv2d/float32/n1_16x14x14/32x3x3/s1x1_p1x1x1x1_d1x1_g1"),
    ("conv2d_nchw_spatial_pack", "conv2d/float32/n1_16x14x14/32x3x3/s1x1_p1x1x1x1_d1x1_g1"),
    ("conv2d_winograd", "conv2d/float32/n1_16x14x14/32x3x3/s1x1_p1x1x1x1_d1x1_g1"),
    ("depthwise_conv2d", "conv2d/float32/n1_16x14x14/16x3x3/s1x1_p1x1x1x1_d1x1_g16"),
]


class Operation(ctypes.Structure):
    """struct operation of operation.h"""

    _fields_ = tuple(
        (name, ctypes.c_uint8)
        for name in ("kind", "by_element", "is_a32", "element", "d", "n", "m")
    )


class PlacedOperation(ctypes.Structure):
    """struct placed_operation of compute.h"""

    _fields_ = (
        *((name, ctypes.c_uint8) for name in ("kind", "by_element", "is_last")),
        *((name, ctypes.c_uint16) for name in ("d", "n", "m")),
    )


def _host_library(folder: Path, *flags: str) -> ctypes.CDLL:
    try:
        compiler = toolchain.find_host().compiler
    except UserError as error:
        pytest.skip(str(error))
    library = folder / "arithmetic.so"
    sources = [SOURCES / name for name in ("operation.c", "exact.c", "compute.c")]
    command = [*compiler, "-std=gnu11", "-O3", "-ffp-contract=off", "-fPIC", "-shared", *flags]
    subprocess.run([*command, f"-I{EMULATOR}", *sources, "-lm", "-o", library], check=True)
    return ctypes.CDLL(str(library))


@pytest.fixture(scope="module")
def host_library(tmp_path_factory) -> ctypes.CDLL:
    return _host_library(tmp_path_factory.mktemp("arithmetic"))


def _encodings(isa: str, lines: list[str], folder: Path) -> list[int]:
    source, library = folder / "code.s", folder / "code.so"
    source.write_text("\n".join([".text", f'.ascii "{MARK}"', *lines, ""]))
    try:
        compiler = toolchain.find(isa).compiler
    except UserError as error:
        pytest.skip(str(error))
    command = [*compiler, *FLAGS[isa], "-shared", "-nostdlib", "-x", "assembler"]
    subprocess.run([*command, source, "-o", library], check=True)
    data = library.read_bytes()
    return np.frombuffer(data, "<u4", len(lines), data.index(MARK.encode()) + len(MARK)).tolist()


@pytest.mark.parametrize("isa", OPERATIONS)
def test_encodings_are_known(isa, host_library, tmp_path):
    text, operation = ctypes.create_string_buffer(64), Operation()
    for line, word in zip(OPERATIONS[isa], _encodings(isa, OPERATIONS[isa], tmp_path), strict=True):
        assert host_library.operation_of(ISA_NUMBERS[isa], word, ctypes.byref(operation)), line
        host_library.operation_text(ctypes.byref(operation), text)
        assert text.value.decode() == line


@pytest.mark.parametrize("isa", OTHERS)
def test_others_are_left_to_qemu(isa, host_library, tmp_path):
    operation = Operation()
    for line, word in zip(OTHERS[isa], _encodings(isa, OTHERS[isa], tmp_path), strict=True):
        assert not host_library.operation_of(ISA_NUMBERS[isa], word, ctypes.byref(operation)), line


@pytest.mark.parametrize("is_a32", [0, 1])
def test_a_host_without_vector_extensions_computes_the_same(is_a32, host_library, tmp_path):
    plain = _host_library(tmp_path, "-DNO_FAST")
    kinds = range(0 if is_a32 else 2, 7)
    shape = (500, 3, 4)  # of vectors: d, n, m
    rng = np.random.default_rng(is_a32)
    numbers = rng.integers(0, 1 << 32, shape, dtype=np.uint32)
    numbers[:250] = rng.standard_normal((250, 3, 4)).astype(np.float32).view(np.uint32)
    results = []
    for library in (host_library, plain):
        library.compute_on.restype = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
        compute = library.compute_on(is_a32)
        mine = numbers.copy()
        for i, vectors in enumerate(mine):
            for kind in kinds:
                operation = PlacedOperation(kind, i % 2, 1, 0, 16, 32)
                compute(vectors.ctypes.data, ctypes.addressof(operation))
        results.append(mine)
    np.testing.assert_array_equal(*results)
    assert (results[0] != numbers).any()


@pytest.mark.board
@pytest.mark.parametrize("isa", BOARDS)
def test_results_have_the_bits_of_qemu(isa, tmp_path):
    """Also NaNs, infinities, signed zeros, and numbers around the smallest normal one."""
    try:
        command = [*toolchain.find(isa).compiler, *FLAGS[isa], "-O2", "-static", f"-I{EMULATOR}"]
        qemu, plugin = launch.find_qemu(isa), build.emulator_plugin(progress=False)
    except UserError as error:
        pytest.skip(str(error))
    program = tmp_path / "operations"
    subprocess.run([*command, "-x", "c", DATA / "operations.c", "-o", program], check=True)
    params.write(hardware.board(BOARDS[isa]), tmp_path / "board.txt")
    results = {}
    for who in ("host", "qemu"):
        option = f"{plugin},params={tmp_path / 'board.txt'},arithmetic={who}"
        done = subprocess.run(
            [qemu, "-plugin", option, program], capture_output=True, text=True, check=True
        )
        results[who] = done.stdout.splitlines()
        replaced, _, count, _ = done.stderr.split()
        assert int(replaced) == (int(count) if who == "host" else 0)
    assert len(results["qemu"]) > 30000
    for mine, theirs in zip(results["host"], results["qemu"], strict=True):
        assert mine == theirs


@pytest.mark.board
@pytest.mark.parametrize("name", ["rasp3b", "rasp3b-64", "rk3288", "rpi4"])
def test_cycles_and_numbers_stay_the_same(name, running_board, tmp_path):
    core = hardware.board(name).core
    try:
        boards = [
            launch.EmulatedBoard(hardware.board(name), progress=False, arithmetic=who)
            for who in ("qemu", "none")
        ]
    except UserError as error:
        pytest.skip(str(error))
    with boards[0], boards[1]:
        for schedule, key in KERNELS:
            workload, library = Conv2dWorkload.from_key(key), tmp_path / f"{schedule}.so"
            config = schedules.get(schedule).default(workload, core)
            compile_candidate(key, schedule, config, core.name, ("relu",), str(library))
            host, qemu, idle = (
                _run(each, library, workload, schedule, config)
                for each in (running_board(name), *boards)
            )
            assert host[0] == qemu[0] == idle[0], schedule
            np.testing.assert_array_equal(host[1], qemu[1])
            # Else nothing was replaced, and QEMU computes on all three.
            assert not np.array_equal(idle[1], qemu[1])


def _run(board, library, workload, schedule, config):
    """All counters of a timed run, and its output."""
    problem = checker.problem(workload, ("relu",))
    arrays = [problem.data, schedules.get(schedule).pack(problem.weights[0], workload, config)]
    arrays += [*problem.biases, np.zeros(problem.expected.shape, np.float32)]
    with session(board, 60) as remote:
        remote.upload(str(library), "kernel.so")
        device, module = remote.cpu(0), remote.load_module("kernel.so")
        arguments = [tvm.runtime.tensor(array, device=device) for array in arrays]
        module.time_evaluator("main", device, number=1, repeat=1)(*arguments)
        return board_session.counters(remote), arguments[-1].numpy()
