"""Which A64 and A32 instructions `tuner.board.elide` has to tell apart, by their encodings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Word = np.uint32


@dataclass(frozen=True)
class Form:
    """Instructions `word & mask == value`; as a move, they are `move | word & kept`."""

    mask: int
    value: int
    move: int = 0
    kept: int = 0

    def of(self, words: np.ndarray) -> np.ndarray:
        """Which of `words` are of this form: (n,) bool."""
        return (words & Word(self.mask)) == Word(self.value)


@dataclass(frozen=True)
class InstructionSet:
    """Encodings as in the Arm ARM, sections C7.2 (A64), F6.1 and F5.1 (A32).

    Attributes:
        machine: e_machine of its ELF files.
        code: name of the mapping symbols at which its code begins.
        multiply_adds: what is replaced: fmla, fmls; vmla, vmls, vfma, vfms, of 32-bit floats.
        move: what it is replaced with.
        decisions: what lets a number decide a branch or an address: comparisons that set the
            flags, conversions to a general register.
        half_decisions: vector comparisons and conversions, which do so through a move
        to_general: from a vector to a general register. By itself such a move is part of integer
            code, or copies data.
        call: call of a function, the distance in its low bits.
        call_bits, call_from: how many bits these are, and from where the distance counts.
        ends_block: branches, after which QEMU begins another block of code.
        operations: at most so many operations QEMU makes of an instruction, with those by which a
            plugin may watch it; the last form that fits counts, the first one fits all.
    """

    machine: int
    code: str
    multiply_adds: tuple[Form, ...]
    move: Form
    decisions: tuple[Form, ...]
    half_decisions: tuple[Form, ...]
    to_general: tuple[Form, ...]
    call: Form
    call_bits: int
    call_from: int
    ends_block: tuple[Form, ...]
    operations: tuple[tuple[Form, int], ...]


A64 = InstructionSet(
    machine=183,
    code="$x",
    multiply_adds=(
        Form(0xFF60FC00, 0x4E20CC00, 0x4EC05800, 0x001F03FF),  # fmla v8.4s, v1.4s, v0.4s
        Form(0xFFC0B400, 0x4F801000, 0x4EC05800, 0x001F03FF),  # fmla v8.4s, v1.4s, v0.s[0]
    ),
    move=Form(0xFFE0FC00, 0x4EC05800),
    decisions=(
        Form(0xFF20FC00, 0x1E202000),  # fcmp
        Form(0xFF200C00, 0x1E200400),  # fccmp
        *(Form(0x7F27FC00, 0x1E200000 | n << 16) for n in (0, 1, 4, 5)),  # fcvtzs w0, s0
        *(Form(0x7F270000, 0x1E000000 | n << 16) for n in (0, 1)),  # fcvtzs w0, s0, #1
    ),
    half_decisions=(
        Form(0x8F20F400, 0x0E20E400),  # fcmeq, fcmge, fcmgt, facge, facgt
        *(Form(0x8FBFFC00, 0x0EA00800 | n << 12) for n in (12, 13, 14)),  # with 0: fcmgt, fcmle
        Form(0x8F3FEC00, 0x0E21A800),  # fcvtns, fcvtms, fcvtps, fcvtzs
        Form(0x8FBFFC00, 0x0E21C800),  # fcvtas
    ),
    to_general=(
        Form(0x7F27FC00, 0x1E260000),  # fmov w0, s0
        Form(0xBFE0FC00, 0x0E003C00),  # umov
        Form(0xBFE0FC00, 0x0E002C00),  # smov
    ),
    call=Form(0xFC000000, 0x94000000),
    call_bits=26,
    call_from=0,
    ends_block=(
        Form(0x7C000000, 0x14000000),  # b, bl
        Form(0xFE000000, 0x54000000),  # b.ne
        Form(0x7C000000, 0x34000000),  # cbz, tbz
        Form(0xFE000000, 0xD6000000),  # br, blr, ret
    ),
    operations=(
        (Form(0, 0), 34),
        (Form(0x0E000000, 0x0E000000), 90),  # vectors
        (Form(0x1F000000, 0x1F000000), 40),  # fmadd s0, s1, s2, s3
        (Form(0x9FF80400, 0x0F000400), 30),  # movi v0.4s, #0
        (Form(0xBFE0FC00, 0x0EA01C00), 30),  # mov v0.16b, v1.16b
        (Form(0xBF20F400, 0x0E20D400), 50),  # fadd v0.4s, v1.4s, v2.4s
        (Form(0xBF60FC00, 0x0E20CC00), 45),  # fmla v8.4s, v1.4s, v0.4s
        (Form(0xBFC0B400, 0x0F801000), 45),  # fmla v8.4s, v1.4s, v0.s[0]
        (Form(0x0A000000, 0x08000000), 70),  # loads and stores
        (Form(0x0E000000, 0x08000000), 60),  # of general registers
        (Form(0x3A000000, 0x28000000), 75),  # ldp, stp
        (Form(0x3E000000, 0x2C000000), 110),  # of vectors
        (Form(0xBE000000, 0x0C000000), 1600),  # ld1 to ld4 of several registers
        (Form(0xBF20F000, 0x0C007000), 100),  # ld1 {v0.4s}, [x0]
        (Form(0xBF000000, 0x0D000000), 110),  # ld1r, ld1 {v0.s}[1]
    ),
)
A32 = InstructionSet(
    machine=40,
    code="$a",
    multiply_adds=(
        Form(0xFF900F50, 0xF2000D50, 0xF2B00040, 0x004FF0AF),  # vmla.f32 q8, q1, q0
        Form(0xFF900F50, 0xF2000C50, 0xF2B00040, 0x004FF0AF),  # vfma.f32 q8, q1, q0
        Form(0xFFB00B50, 0xF3A00140, 0xF2B00000, 0x004FF08F),  # vmla.f32 q8, q1, d0[0]
    ),
    move=Form(0xFFB00F10, 0xF2B00000),
    decisions=(
        Form(0x0FFF0FFF, 0x0EF10A10),  # vmrs apsr_nzcv, fpscr, without which vcmp decides nothing
    ),
    half_decisions=(
        Form(0xFE800F00, 0xF2000E00),  # vceq.f32, vcge.f32, vcgt.f32, vacge.f32, vacgt.f32
        *(Form(0xFFB30F90, 0xF3B10400 | n << 7) for n in range(5)),  # with 0: vcgt.f32, vcle.f32
        Form(0xFFB30E10, 0xF3B30600),  # vcvt.s32.f32 q0, q0
        Form(0x0FBE0E50, 0x0EBC0A40),  # vcvt.s32.f32 s0, s0
    ),
    to_general=(
        Form(0x0FF00F7F, 0x0E100A10),  # vmov r0, s0
        Form(0x0F100F1F, 0x0E100B10),  # vmov.32 r0, d0[0]
        Form(0x0FF00ED0, 0x0C500A10),  # vmov r0, r1, d0
    ),
    call=Form(0x0F000000, 0x0B000000),
    call_bits=24,
    call_from=8,
    ends_block=(
        Form(0x0E000000, 0x0A000000),  # b, bl
        Form(0x0FFFFFD0, 0x012FFF10),  # bx, blx
    ),
    operations=(
        (Form(0, 0), 40),
        (Form(0x0E000000, 0x08000000), 450),  # ldm, push
        (Form(0x0C000000, 0x04000000), 50),  # ldr
        (Form(0x0E000000, 0x0C000000), 500),  # vldm, vpush
        (Form(0x0E0000F8, 0x0C000000), 110),  # of up to three registers
        (Form(0x0F200000, 0x0D000000), 60),  # vldr
        (Form(0x0E000000, 0x0E000000), 100),  # scalar floats
        (Form(0xFE000000, 0xF2000000), 90),  # vectors
        (Form(0xFEB80090, 0xF2800010), 30),  # vmov.i32 q0, #0
        (Form(0xFFB00F10, 0xF2200110), 30),  # vmov q0, q1
        (Form(0xFE800F00, 0xF2000D00), 45),  # vadd.f32, vmla.f32
        (Form(0xFEB00A50, 0xF2A00040), 55),  # vmla.f32 q8, q1, d0[0]
        (Form(0xFF000000, 0xF4000000), 700),  # vld1 to vld4
        (Form(0xFF800F00, 0xF4000700), 60),  # vld1.32 {d0}, [r0]
        (Form(0xFF800F00, 0xF4000A00), 80),  # vld1.32 {d0, d1}, [r0]
        (Form(0xFF800F00, 0xF4000200), 120),  # vld1.32 {d0, d1, d2, d3}, [r0]
        (Form(0xFF800000, 0xF4800000), 110),  # vld1.32 {d0[0]}, [r0]
        (Form(0xFF000000, 0xF5000000), 40),  # pld
    ),
)
