"""A whole micro-kernel as a program of its own: its sums and its cycles under emulation.

The kernel's text is the one that is inlined into convolutions; here its operands are the arguments
of a function.  The program runs it with K of two lengths, so that the difference of the cycles is
that of some turns of the loop with all data in L1, and adds up the same products by itself.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from schedules.hardware import Board
from schedules.microkernels.base import NEAR_BYTES
from schedules.microkernels.pipelined import PipelinedKernel
from tuner.board import build, emulator, launch, objects, toolchain
from tuner.board.emulator import params
from tuner.errors import UserError

# Registers of the kernel's operands, apart from those it uses itself: of 32-bit kernels with far
# hints, none below r6.
_NAMES = ("steps", "weights", "pixels", "advance", "ahead", "stride", "far0", "far1", "far2")
_OPERANDS = {
    "aarch64": dict(
        zip(_NAMES, ("x0", "x1", "x2", "x3", "x16", "x17", "x18", "x19", "x20"), strict=True)
    ),
    "armv7": dict(
        zip(_NAMES, ("r12", "r7", "r10", "lr", "r8", "r9", "r4", "r5", "r0"), strict=True)
    ),
}
_FLAGS = {"armv7": ["-marm", "-mfpu=neon-vfpv4"], "aarch64": []}
_PAGE = 4096  # weights, and pixels, of either K fit into one, so that TLB misses do not differ
_SECONDS = 60
_HEADERS = Path(emulator.__file__).parent


@dataclass(frozen=True)
class Confirmation:
    """What the program printed.

    Attributes:
        cycles: of one turn of the loop.
        error: largest deviation of a sum from the one in double precision, relative to the sum of
            the products' magnitudes.
    """

    cycles: Fraction
    error: float


def concrete(isa: str, lines: Sequence[str]) -> list[str]:
    """Assembly with its operands in registers, as a disassembler shows it."""
    names = _OPERANDS[isa]
    return [_replaced(line, names) for line in lines]


def _replaced(line: str, names: dict[str, str]) -> str:
    for name, register in names.items():
        line = line.replace("{" + name + "}", register)
    return line


def confirm(board: Board, kernel: PipelinedKernel) -> Confirmation:
    """Runs `kernel` under QEMU with the model of `board`.

    Raises:
        UserError: QEMU or the cross compiler is missing.
    """
    isa = board.core.isa
    unroll = kernel.layout.unroll
    most_turns = _PAGE // (4 * unroll * max(kernel.mr, kernel.nr)) - 1
    turns = most_turns // 2
    lengths = [unroll * (turns + 1), unroll * (2 * turns + 1)]
    with tempfile.TemporaryDirectory(prefix="tuner-") as name:
        folder = Path(name)
        (folder / "kernel.S").write_text(_function(isa, kernel, lengths[0]))
        (folder / "main.c").write_text(_main(kernel, lengths))
        program = folder / "program"
        objects.run_compiler(
            [
                *(*toolchain.find(isa).compiler, *_FLAGS[isa], "-O1", "-static"),
                *(f"-I{_HEADERS}", str(folder / "kernel.S"), "-x", "c", str(folder / "main.c")),
                *("-o", str(program)),
            ],
            f"the program that runs {kernel.symbol(lengths[0])}",
        )
        table = folder / "board.txt"
        params.write(board, table)
        plugin = f"{build.emulator_plugin(progress=False)},params={table}"
        command = [str(launch.find_qemu(isa)), "-plugin", plugin, str(program)]
        done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=_SECONDS)
    if done.returncode:
        raise UserError(
            f"{kernel.symbol(lengths[0])} fails under QEMU: {done.stderr.strip() or 'no output'}",
            "please report this",
        )
    short, long, error = done.stdout.split()
    return Confirmation(Fraction(int(long) - int(short), turns), float(error))


def _function(isa: str, kernel: PipelinedKernel, k: int) -> str:
    """The kernel as a function: its declaration is in `_main`."""
    lines = concrete(isa, kernel.lines(k))
    registers = [kernel.accumulator(i, j) for i in range(kernel.mr) for j in range(kernel.nr // 4)]
    far = [
        f"mov {_OPERANDS[isa][f'far{n}']}, #{NEAR_BYTES + offset}"
        for n, offset in enumerate(kernel.far_hints)
    ]
    if isa == "aarch64":
        saved = [f"stp d{8 + 2 * n}, d{9 + 2 * n}, [sp, #{16 * n}]" for n in range(4)]
        text = [
            *("sub sp, sp, #80", *saved, "stp x19, x20, [sp, #64]"),
            *("mov x16, x4", "mov x17, #0", *far),
            *(f"movi v{register}.4s, #0" for register in registers),
            *lines,
            *(f"str q{register}, [x4], #16" for register in registers),
            *(line.replace("stp", "ldp") for line in saved),
            *("ldp x19, x20, [sp, #64]", "add sp, sp, #80", "ret"),
        ]
        head = [".text", ".global kernel", "kernel:"]
    else:
        text = [
            *("push {r4-r11, lr}", "vpush {d8-d15}"),
            *(
                "mov r12, r0",
                "mov r7, r1",
                "mov r10, r2",
                "mov lr, r3",
                "mov r8, r1",
                "mov r9, #0",
                *far,
            ),
            *(f"vmov.i32 q{register}, #0" for register in registers),
            *lines,
            "ldr r0, [sp, #100]",  # nine core and eight d registers were pushed
            *(f"vst1.32 {{d{2 * r}, d{2 * r + 1}}}, [r0]!" for r in registers),
            *("vpop {d8-d15}", "pop {r4-r11, pc}"),
        ]
        head = [".syntax unified", ".arm", ".fpu neon-vfpv4", ".text", ".global kernel", "kernel:"]
    return "\n".join([*head, *text, ""])


def _main(kernel: PipelinedKernel, lengths: Sequence[int]) -> str:
    """Sums of both lengths, each three times: the first run fills the cache."""
    steps = ", ".join(str(kernel.steps(k)) for k in lengths)
    return f"""
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include "guest_calls.h"
enum {{ MR = {kernel.mr}, NR = {kernel.nr}, K = {max(lengths)} }};
void kernel(long steps, const float *weights, const float *pixels, long advance, float *sums);
static float weights[K * MR] __attribute__((aligned({_PAGE})));
static float pixels[K * NR] __attribute__((aligned({_PAGE}))), sums[MR * NR];
static volatile long lengths[] = {{{", ".join(map(str, lengths))}}}, steps[] = {{{steps}}};
static uint64_t result[GUEST_RESULT_WORDS];
static uint32_t state = 1;
static float next(void) {{
  state = state * 1664525 + 1013904223;
  return (float)(state >> 8) / (1 << 23) - 1;
}}
int main(void) {{
  double worst = 0;
  for (int i = 0; i < K * MR; i++) weights[i] = next();
  for (int i = 0; i < K * NR; i++) pixels[i] = next();
  for (volatile int run = 0; run < 6; run++) {{
    guest_call(GUEST_BEGIN, 0, 0);
    kernel(steps[run / 3], weights, pixels, 4 * NR, sums);
    guest_call(GUEST_END, result, 0);
    if (run % 3 == 2) printf("%llu\\n", (unsigned long long)result[GUEST_CYCLES]);
    for (int i = 0; i < MR; i++)
      for (int j = 0; j < NR; j++) {{
        double sum = 0, size = 0;
        for (int k = 0; k < lengths[run / 3]; k++) {{
          double product = (double)weights[k * MR + i] * pixels[k * NR + j];
          sum += product;
          size += fabs(product);
        }}
        double error = fabs(sums[i * NR + j] - sum) / size;
        if (!(error <= worst)) worst = error; /* a NaN, too */
      }}
  }}
  printf("%g\\n", worst);
  return 0;
}}
"""
