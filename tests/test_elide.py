"""Kernels without multiply-adds: the same cycles, and left alone where they could differ."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import tvm
from emulator_decoder import Decoder

import schedules
from schedules import Conv2dWorkload, hardware
from tuner.board import session as board_session
from tuner.board import toolchain
from tuner.board.elide import elide
from tuner.errors import UserError
from tuner.measure import checker, session
from tuner.measure.builder import compile_candidate

FLAGS = {"aarch64": [], "armv7": ["-marm", "-mfpu=neon-vfpv4", "-mfloat-abi=hard"]}
MULTIPLY_ADDS = {
    "aarch64": ["fmla v8.4s, v1.4s, v3.4s", "fmls v8.4s, v1.4s, v19.s[3]"],
    "armv7": ["vmla.f32 q8, q1, q9", "vfms.f32 q8, q1, q9", "vmls.f32 q8, q1, d15[1]"],
}
# As the disassembler in QEMU prints what they become; the model takes it for this multiply-add.
MOVES = {
    "a64": {"uzp2 v8.2d, v1.2d, v3.2d": "fmla v8.4s, v1.4s, v3.s[1]"},
    "a32": {
        "vext.64 q8, q1, q9, #0": "vmla.f32 q8, q1, q9",
        "vext.32 d16, d2, d15, #0": "vmla.f32 q8, q1, d15[1]",
    },
}
REFUSED = {
    "aarch64": {
        "fcmp s0, s1": "branch",
        "fcvtzs w0, s0": "branch",
        "fcmgt v0.4s, v1.4s, v2.4s; umov w0, v0.s[0]": "branch",
        "uzp2 v0.2d, v1.2d, v2.2d": "moves",
    },
    "armv7": {
        "vcmp.f32 s0, s1; vmrs apsr_nzcv, fpscr": "branch",
        "vcgt.f32 q0, q1, q2; vmov r0, s0": "branch",
        "vext.8 q0, q1, q2, #0": "moves",
    },
}
# Of each algorithm one; the hand-picked configs, some with loops longer than a block of QEMU's.
KERNELS = [
    ("conv2d_gemm", "conv2d/float32/n1_16x14x14/32x3x3/s1x1_p1x1x1x1_d1x1_g1"),
    ("conv2d_nchw_spatial_pack", "conv2d/float32/n1_16x14x14/32x3x3/s1x1_p1x1x1x1_d1x1_g1"),
    ("conv2d_winograd", "conv2d/float32/n1_16x14x14/32x3x3/s1x1_p1x1x1x1_d1x1_g1"),
    ("depthwise_conv2d", "conv2d/float32/n1_16x14x14/16x3x3/s1x1_p1x1x1x1_d1x1_g16"),
]


def _assemble(isa: str, lines: str, folder: Path) -> Path:
    """A library with one function of these instructions."""
    source, library = folder / "code.s", folder / "code.so"
    text = lines.replace("; ", "\n")
    source.write_text(
        f".text\n.global f\n.type f, %function\nf:\n{text}\nbx lr\n".replace(
            "bx lr", "ret" if isa == "aarch64" else "bx lr"
        )
    )
    try:
        command = [*toolchain.find(isa).compiler, *FLAGS[isa], "-shared", "-nostdlib"]
    except UserError as error:
        pytest.skip(str(error))
    subprocess.run([*command, "-x", "assembler", str(source), "-o", str(library)], check=True)
    return library


@pytest.mark.parametrize("isa", MULTIPLY_ADDS)
def test_every_multiply_add_becomes_a_move(isa, tmp_path):
    library = _assemble(isa, "; ".join(MULTIPLY_ADDS[isa]), tmp_path)
    output = tmp_path / "elided.so"
    assert elide(library, output).count == len(MULTIPLY_ADDS[isa])
    before, after = library.read_bytes(), output.read_bytes()
    assert len(before) == len(after)
    changed = {i // 4 for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new}
    assert len(changed) == len(MULTIPLY_ADDS[isa])
    # What stands for multiply-adds now cannot be told from what the compiler wrote.
    assert "moves" in elide(output, tmp_path / "twice.so").reason


@pytest.mark.parametrize(
    ("isa", "lines"), [(isa, text) for isa in REFUSED for text in REFUSED[isa]]
)
def test_a_library_that_could_behave_differently_is_left_alone(isa, lines, tmp_path):
    library = _assemble(isa, f"{MULTIPLY_ADDS[isa][0]}; {lines}", tmp_path)
    elision = elide(library, tmp_path / "elided.so")
    assert elision.count == 0 and REFUSED[isa][lines] in elision.reason
    assert not (tmp_path / "elided.so").exists()


@pytest.mark.parametrize("isa", MOVES)
def test_the_model_takes_the_move_for_the_multiply_add(isa, tmp_path):
    try:
        decoder = Decoder(tmp_path)
    except UserError as error:
        pytest.skip(str(error))
    for move, multiply_add in MOVES[isa].items():
        assert decoder.describe(isa, move) == decoder.describe(isa, multiply_add)
    assert "fma" not in decoder.describe("a32", "vext.8 q8, q1, q9, #4")


@pytest.mark.board
@pytest.mark.parametrize(("schedule", "key"), KERNELS)
@pytest.mark.parametrize("name", ["rasp3b", "rasp3b-64", "rk3288", "rpi4"])
def test_cycles_stay_the_same(name, schedule, key, running_board, tmp_path):
    core, workload = hardware.board(name).core, Conv2dWorkload.from_key(key)
    config = schedules.get(schedule).default(workload, core)
    full, elided = tmp_path / "full.so", tmp_path / "elided.so"
    compile_candidate(key, schedule, config, core.name, (), str(full))
    assert elide(full, elided).count
    runs = [_run(running_board(name), path, workload, schedule, config) for path in (full, elided)]
    assert runs[0][0] == runs[1][0]
    # The numbers differ: it was not the same code.
    assert not np.array_equal(runs[0][1], runs[1][1])


def _run(board, library, workload, schedule, config):
    """All counters of a timed run, and its output."""
    problem = checker.problem(workload, ())
    arrays = [problem.data, schedules.get(schedule).pack(problem.weight, workload, config)]
    arrays.append(np.zeros(problem.expected.shape, np.float32))
    with session(board, 60) as remote:
        remote.upload(str(library), "kernel.so")
        device, module = remote.cpu(0), remote.load_module("kernel.so")
        arguments = [tvm.runtime.tensor(array, device=device) for array in arrays]
        module.time_evaluator("main", device, number=1, repeat=1)(*arguments)
        return board_session.counters(remote), arguments[-1].numpy()
