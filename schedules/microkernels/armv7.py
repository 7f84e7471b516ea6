"""ARMv7: `vmla.f32 q, q, d[lane]`, which LLVM never selects by itself."""

from __future__ import annotations

from ..lowering.emit import LANES
from .inline_asm import InlineAsmKernel


class Armv7Kernel(InlineAsmKernel):
    """16 quad registers: accumulators from q15 down, weights and pixels from q0 up.

    Only d0 to d15 can be read by lane, so the weights come first.
    """

    tiles = ((4, 4), (8, 4), (4, 8), (12, 4), (6, 8), (4, 12))
    triple = "armv7a-unknown-linux-gnueabihf"
    pointer_bits = 32
    vector_register = "q"

    def symbol(self, k: int) -> str:
        return f"sgemm_armv7_vmla_{self.mr}x{self.nr}"

    def steps(self, k: int) -> int:
        return k

    def advance(self, row_bytes: int) -> int:
        """What is left of a row after all of its loads but the last (see `_load`)."""
        return row_bytes - (self.nr - 1) // 8 * 32

    def accumulator(self, i: int, j: int) -> int:
        return 15 - (i * (self.nr // LANES) + j)

    def clobbers(self) -> list[str]:
        return [f"q{register}" for register in range(16 - self.mr * self.nr // LANES)]

    def lines(self, k: int) -> list[str]:
        weights = (self.mr + 1) // 2  # d registers
        first = -(-weights // 2)  # q register of the pixels
        quads = range(first, first + self.nr // LANES)
        return [
            "1:",
            *_load(range(weights), "{weights}", "!"),
            *_load(range(2 * quads[0], 2 * quads[-1] + 2), "{pixels}", ", {advance}"),
            "subs {steps}, {steps}, #1",
            *(
                f"vmla.f32 q{self.accumulator(i, j)}, q{quad}, d{i // 2}[{i % 2}]"
                for j, quad in enumerate(quads)
                for i in range(self.mr)
            ),
            "bne 1b",
        ]


def _load(registers: range, pointer: str, last_advance: str) -> list[str]:
    """Loads consecutive d registers and advances the pointer.

    `vld1` takes four registers at most, so a long row is read in pieces: each advances by what it
    reads, the last one by `last_advance`.
    """
    names = [f"d{register}" for register in registers]
    pieces = [", ".join(names[at : at + 4]) for at in range(0, len(names), 4)]
    return [
        *(f"vld1.32 {{{piece}}}, [{pointer}]!" for piece in pieces[:-1]),
        f"vld1.32 {{{pieces[-1]}}}, [{pointer}]{last_advance}",
    ]
