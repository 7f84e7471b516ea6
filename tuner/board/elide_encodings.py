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
)
