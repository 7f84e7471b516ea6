"""The core model as a library: the same cycles as under QEMU, for every core."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from schedules import hardware
from tuner.board import build, emulator, launch, toolchain
from tuner.board.emulator import params
from tuner.board.emulator.static import CoreModel
from tuner.errors import UserError

HEADERS = Path(emulator.__file__).parent
FLAGS = {"armv7": ["-marm", "-mfpu=neon-vfpv4"], "aarch64": []}
# Loops over one register block of a GEMM, with every load from the same place.
LOOPS = {
    "aarch64": {
        "chain": ["fmla v8.4s, v0.4s, v1.4s", "fmla v8.4s, v0.4s, v1.4s"],
        "by_lane": [
            *("ldr q0, [x1]", "ldr q1, [x1, #16]"),
            *(f"fmla v{8 + 4 * j + i}.4s, v1.4s, v0.s[{i}]" for j in range(2) for i in range(4)),
        ],
        "pairs": [
            *("ldr d2, [x1]", "ldr x10, [x1, #8]", "fmla v8.4s, v3.4s, v0.s[0]"),
            *("fmla v9.4s, v3.4s, v0.s[1]", "ins v2.d[1], x10", "fmla v10.4s, v3.4s, v0.s[2]"),
            "prfm pldl1keep, [x1, #64]",
        ],
        "general": [
            "add x9, x9, x10, lsl #2",
            "mul x11, x9, x10",
            "ldr x12, [x1]",
            "str x12, [x1]",
        ],
    },
    "armv7": {
        "chain": ["vmla.f32 q8, q0, q1", "vmla.f32 q8, q0, q1"],
        "by_lane": [
            *("vld1.32 {d0, d1}, [r1]", "vld1.32 {d2, d3}, [r1]"),
            *(f"vmla.f32 q{8 + i}, q1, d{i // 2}[{i % 2}]" for i in range(4)),
        ],
        "general": ["add r2, r2, r3, lsl #2", "mul r12, r2, r3", "ldr r3, [r1]", "str r3, [r1]"],
    },
}
BRANCH = {"aarch64": ["subs x0, x0, #1", "b.ne 1b"], "armv7": ["subs r0, r0, #1", "bne 1b"]}
CLOBBERED = {
    "aarch64": '"x9", "x10", "x11", "x12", "memory", "cc"',
    "armv7": '"r2", "r3", "r12", "memory", "cc"',
}
MAIN = """
#define _GNU_SOURCE
#include <stdio.h>
#include "guest_calls.h"
static char data[256] __attribute__((aligned(64)));
static uint64_t result[GUEST_RESULT_WORDS];
static volatile long lengths[] = {3072, 3072, 6144};
%s
static void run(const char *name, void (*loop)(long)) {
  uint64_t cycles[3]; /* the first run fills the cache */
  for (volatile int i = 0; i < 3; i++) { /* volatile: the same code for all three */
    guest_call(GUEST_BEGIN, 0, 0);
    loop(lengths[i]);
    guest_call(GUEST_END, result, 0);
    cycles[i] = result[GUEST_CYCLES];
  }
  printf("%%s %%llu\\n", name, (unsigned long long)(cycles[2] - cycles[1]));
}
int main(void) { %s return 0; }
"""
ITERATIONS = 3072
END_EFFECT_CYCLES = 40  # phase, and one mispredicted branch more or less


def _program(isa: str) -> str:
    functions = ""
    register = {"aarch64": "x", "armv7": "r"}[isa]
    for name, lines in LOOPS[isa].items():
        text = "".join(f'    "{line}\\n"\n' for line in ["1:", *lines, *BRANCH[isa]])
        functions += (
            f"static void {name}(long n) {{\n"
            f'  register long count __asm__("{register}0") = n;\n'
            f'  register char *at __asm__("{register}1") = data;\n'
            f'  __asm__ volatile(\n{text}    : "+r"(count), "+r"(at) : : {CLOBBERED[isa]});\n}}\n'
        )
    calls = " ".join(f'run("{name}", {name});' for name in LOOPS[isa])
    return MAIN % (functions, calls)


def _emulated(board: hardware.Board, folder: Path) -> dict[str, int]:
    """Cycles of ITERATIONS iterations under QEMU: the difference of two runs."""
    isa = board.core.isa
    source, program, table = folder / "loops.c", folder / "loops", folder / "board.txt"
    source.write_text(_program(isa))
    command = [*toolchain.find(isa).compiler, *FLAGS[isa], "-x", "c", "-O1", "-static"]
    subprocess.run([*command, f"-I{HEADERS}", str(source), "-o", str(program)], check=True)
    params.write(board, table)
    plugin = f"{build.emulator_plugin(progress=False)},params={table}"
    command = [str(launch.find_qemu(isa)), "-plugin", plugin, str(program)]
    done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=60, check=True)
    rows = (line.split() for line in done.stdout.splitlines())
    return {name: int(cycles) for name, cycles in rows}


@pytest.mark.board
@pytest.mark.parametrize("name", hardware.boards())
def test_the_library_and_qemu_agree(name, tmp_path):
    board = hardware.board(name)
    try:
        emulated = _emulated(board, tmp_path)
    except UserError as error:
        pytest.skip(str(error))
    model = CoreModel(board, progress=False)
    for loop, lines in LOOPS[board.core.isa].items():
        timed = model.loop([*lines, *BRANCH[board.core.isa]])
        assert timed.undecoded == 0
        # The two runs may end in different phases of a loop that settles into several iterations.
        assert abs(timed.cycles * ITERATIONS - emulated[loop]) <= END_EFFECT_CYCLES, loop


@pytest.fixture
def a53() -> CoreModel:
    try:
        return CoreModel(hardware.board("rasp3b-64"), progress=False)
    except UserError as error:
        pytest.skip(str(error))


def test_a_chain_costs_the_latency_of_its_table(a53):
    latency = hardware.core("cortex-a53").figures["fma_addend_latency"].value
    timed = a53.loop([*LOOPS["aarch64"]["chain"], *BRANCH["aarch64"]])
    assert timed.instructions == 4
    assert timed.cycles == 2 * latency


def test_cores_do_not_disturb_each_other(a53):
    lines = [*LOOPS["aarch64"]["by_lane"], *BRANCH["aarch64"]]
    first = a53.loop(lines)
    CoreModel(hardware.board("rpi4"), progress=False).loop(lines)
    assert a53.loop(lines) == first


def test_limits_name_what_is_short(a53):
    chain, lanes = (
        a53.limits([*LOOPS["aarch64"][name], *BRANCH["aarch64"]]) for name in ("chain", "by_lane")
    )
    assert chain.steady == 8  # two results, one after the other
    assert 2 <= chain.resources == chain.arithmetic <= 3  # the FMAs alone, and the way back
    assert lanes.arithmetic >= 8
    assert lanes.memory >= 4  # two loads of two cycles each
    # It leaves the model as it was.
    timed = a53.loop([*LOOPS["aarch64"]["chain"], *BRANCH["aarch64"]])
    assert timed.cycles == chain.steady
    with pytest.raises(ValueError, match="without instructions"):
        a53.limits([])


def test_what_is_not_decoded_is_counted(a53):
    assert a53.knows("fmla v8.4s, v0.4s, v1.4s") and not a53.knows("frobnicate x0")
    assert a53.loop(["frobnicate x0", "b 1b"]).undecoded == 1


def test_an_empty_loop_is_refused(a53):
    with pytest.raises(ValueError, match="without instructions"):
        a53.loop([])
