"""ARMv7: `vmla.f32 q, q, d[lane]`, which LLVM never selects by itself; 16 vector registers.

On a Cortex-A53 every second 64 bits go through integer registers, as on AArch64 (`a64.py`): `ldrd`
is free behind a `vmla`, and `vmov d, r, r` pairs with the `vldr` of another register.  That they do
is concluded from the same pairs in AArch64 code; no measurement of the 32-bit ones is known.  Other
cores have time for every load behind a `vmla` of two or four cycles, so there they all are `vldr`.
"""

from __future__ import annotations

from typing import ClassVar

from ..lowering.emit import LANES
from .body import HINTS, PIXELS, WEIGHTS, Layout
from .pipelined import Loading, PipelinedKernel

# Pairs of r registers for halves on their way.  Left for LLVM: the frame pointer r11, the base
# pointer r6, and r7, r10, r12, lr, which hold the kernel's operands; r8 and r9 too where it fetches
# ahead. All are taken then: for another operand there is none.
_SCRATCH = ((0, 1), (2, 3), (4, 5), (8, 9))


class A32Kernel(PipelinedKernel):
    """Accumulators from q15 down, weights from d0 up, as only d0 to d15 can be read by lane."""

    layouts: ClassVar = {
        (4, 4): Layout(4, 8, 4),
        (8, 4): Layout(4, 8, 4, 2),
        (4, 8): Layout(4, 4, 4, 1, HINTS),
        (12, 4): Layout(2, 6, 1),
        (6, 8): Layout(4, 4, 2, 2, HINTS, ((WEIGHTS, 2), (PIXELS, 1))),
        (4, 12): Layout(2, 2, 3, 1),
    }
    tiles = tuple(layouts)
    triple = "armv7a-unknown-linux-gnueabihf"
    pointer_bits = 32
    vector_register = "q"
    weights_a_load = 2
    skip_loop = ("cmp {steps}, #0", "beq 2f")
    loop_end = ("subs {steps}, {steps}, #1", "bne 1b")

    def accumulator(self, i: int, j: int) -> int:
        return 15 - (i * (self.nr // LANES) + j)

    @property
    def _pixel_base(self) -> int:
        return (self.layout.weights + 1) // 2

    def clobbers(self) -> list[str]:
        vectors = range(self._pixel_base + self.layout.pixels)
        scratch = () if self.form == "q" else [r for pair in self._scratch for r in pair]
        return [f"q{register}" for register in vectors] + [f"r{register}" for register in scratch]

    @property
    def _scratch(self) -> tuple[tuple[int, int], ...]:
        return _SCRATCH[:3] if self.has_ahead else _SCRATCH

    def _pixels(self, step: int, quad: int) -> int:
        return self._pixel_base + super()._pixels(step, quad)

    def product(self, i: int, j: int, weights: int, pixels: int) -> str:
        return f"vmla.f32 q{self.accumulator(i, j)}, q{pixels}, d{weights}[{i % 2}]"

    def first_weights(self, register: int, offset: int) -> list[str]:
        return [f"vldr d{register}, [{{weights}}, #{offset}]"]

    def first_pixels(self, register: int, offset: int) -> list[str]:
        return [
            f"vldr d{2 * register + half}, [{{pixels}}, #{offset + 8 * half}]" for half in (0, 1)
        ]

    def load_weights(self, register: int, offset: int) -> Loading:
        return self._load(register, "{weights}", offset)

    def load_pixels(self, register: int, offset: int) -> Loading:
        low_loads, low_moves = self._load(2 * register, "{pixels}", offset)
        loads, moves = self._load(2 * register + 1, "{pixels}", offset + 8)
        return low_loads + loads, low_moves + moves

    def _load(self, register: int, pointer: str, offset: int) -> Loading:
        """Loads a d register."""
        self._loads += 1
        if self.form == "q" or (self.form == "dx" and self._loads % 2):
            return [f"vldr d{register}, [{pointer}, #{offset}]"], []
        self._moves += 1
        low, high = self._scratch[self._moves % len(self._scratch)]
        return (
            [f"ldrd r{low}, r{high}, [{pointer}, #{offset}]"],
            [f"vmov d{register}, r{low}, r{high}"],
        )

    @property
    def has_far_registers(self) -> bool:
        return self.form == "q"

    def prefetch(self, pointer: str, offset: str) -> str:
        return f"pld [{pointer}, {offset}]"

    def add(self, pointer: str, operand: str) -> str:
        return f"add {pointer}, {pointer}, {operand}"


class A32InOrderKernel(A32Kernel):
    """With a tile for what is left of small maps behind 6x8.

    An out-of-order core has no need of it: tiles of 4 or 8 rows, which have one, are as fast there.
    """

    layouts: ClassVar = {**A32Kernel.layouts, (6, 4): Layout(2, 6, 2)}
    tiles = tuple(layouts)
