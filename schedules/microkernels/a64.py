"""AArch64: `fmla v.4s, v.4s, v.s[lane]`, 32 vector registers.

What an order has to follow on a Cortex-A53 (Tencent/ncnn, developer guide, arm-a53-a55-dual-issue):

- a quad `fmla` fills both 64-bit NEON lanes; only an integer instruction pairs with it;
- a 128-bit load issues alone and takes two cycles, so a vector is loaded as two halves: `ldr d` for
  the low one, an integer `ldr x` (free behind an `fmla`) and `ins` for the high one, in that order,
  because `ldr d` clears the high half;
- a 64-bit vector load cannot issue some cycles after an `fmla` (`fma_load_gap` in the core's
  table), so the loads of an order form chains that many cycles apart: each in the shadow of the
  one before, where no `fmla` issued.
"""

from __future__ import annotations

from typing import ClassVar

from ..lowering.emit import LANES
from .body import HINTS, PIXELS, WEIGHTS, Layout
from .pipelined import Loading, PipelinedKernel

_SCRATCH = tuple(range(5, 16))  # x registers for halves on their way


class A64Kernel(PipelinedKernel):
    """Accumulators from v0 up, then the weights, then the pixels."""

    layouts: ClassVar = {
        (4, 4): Layout(4, 4, 4, 1),
        (4, 8): Layout(4, 4, 8, 2),
        (8, 4): Layout(4, 8, 4, 2),
        (4, 12): Layout(2, 2, 6, 2),
        (8, 8): Layout(2, 4, 4, 2, HINTS[:2]),
        (4, 16): Layout(2, 2, 8, 2),
        (8, 12): Layout(4, 4, 4, 2, HINTS, ((WEIGHTS, 1), (PIXELS, 2))),
        (12, 8): Layout(4, 4, 4, 2, HINTS),
    }
    tiles = tuple(layouts)
    triple = "aarch64-unknown-linux-gnu"
    pointer_bits = 64
    vector_register = "v"
    weights_a_load = 4
    skip_loop = ("cbz {steps}, 2f",)
    loop_end = ("subs {steps}, {steps}, #1", "b.ne 1b")

    def accumulator(self, i: int, j: int) -> int:
        return i * (self.nr // LANES) + j

    def clobbers(self) -> list[str]:
        first = self.mr * self.nr // LANES
        vectors = range(first, first + self.layout.weights + self.layout.pixels)
        scratch = () if self.form == "q" else _SCRATCH
        return [f"v{register}" for register in vectors] + [f"x{register}" for register in scratch]

    def _weights(self, step: int, unit: int) -> int:
        return self.mr * self.nr // LANES + super()._weights(step, unit)

    def _pixels(self, step: int, quad: int) -> int:
        return self.mr * self.nr // LANES + self.layout.weights + super()._pixels(step, quad)

    def product(self, i: int, j: int, weights: int, pixels: int) -> str:
        return f"fmla v{self.accumulator(i, j)}.4s, v{pixels}.4s, v{weights}.s[{i % LANES}]"

    def first_weights(self, register: int, offset: int) -> list[str]:
        return [f"ldr q{register}, [{{weights}}, #{offset}]"]

    def first_pixels(self, register: int, offset: int) -> list[str]:
        return [f"ldr q{register}, [{{pixels}}, #{offset}]"]

    def load_weights(self, register: int, offset: int) -> Loading:
        return self._load(register, "{weights}", offset)

    def load_pixels(self, register: int, offset: int) -> Loading:
        return self._load(register, "{pixels}", offset)

    def _load(self, register: int, pointer: str, offset: int) -> Loading:
        if self.form == "q":
            return [f"ldr q{register}, [{pointer}, #{offset}]"], []
        loads, moves = [f"ldr d{register}, [{pointer}, #{offset}]"], []
        if self.form == "xx":
            low = self._scratch()
            loads, moves = [f"ldr x{low}, [{pointer}, #{offset}]"], [f"fmov d{register}, x{low}"]
        high = self._scratch()
        loads.append(f"ldr x{high}, [{pointer}, #{offset + 8}]")
        return loads, [*moves, f"ins v{register}.d[1], x{high}"]

    def _scratch(self) -> int:
        self._moves += 1
        return _SCRATCH[self._moves % len(_SCRATCH)]

    def prefetch(self, pointer: str, offset: str) -> str:
        return f"prfm pldl1keep, [{pointer}, {offset}]"

    def add(self, pointer: str, operand: str) -> str:
        return f"add {pointer}, {pointer}, {operand}"
