"""AArch64 on in-order cores (Cortex-A53): instructions in the order the core can pair.

What the order follows (Tencent/ncnn, docs/developer-guide/arm-a53-a55-dual-issue):

- a quad `fmla` fills both 64-bit NEON lanes; only an integer instruction pairs with it;
- a 128-bit load issues alone and takes two cycles, so a vector is loaded as two halves: `ldr d` for
  the low one, an integer `ldr x` (free behind an `fmla`) and `ins` for the high one;
- a 64-bit vector load cannot issue G cycles after an `fmla` (`fma_load_gap` in the core's table).
  Vector loads are therefore G cycles apart, each in the shadow of the one before, and only the
  first of a step waits; that cycle is filled with two `ins`.

A step of K with L vector loads and F `fmla` so takes F + L + 1 cycles. Loads of a step fetch the
operands of the next one; the last step loads nothing, so nothing behind the operands is read.
"""

from __future__ import annotations

from ..hardware import Core
from ..lowering.emit import LANES
from .inline_asm import InlineAsmKernel

_SCRATCH = tuple(range(5, 16))  # x registers for the high halves on their way


class A64InOrderKernel(InlineAsmKernel):
    """Accumulators from v0 up, then two sets of operands used in turn."""

    tiles = ((4, 4), (4, 8), (8, 4), (4, 12), (8, 8), (4, 16))
    triple = "aarch64-unknown-linux-gnu"
    pointer_bits = 64
    vector_register = "v"

    def __init__(self, core: Core, mr: int, nr: int) -> None:
        super().__init__(core, mr, nr)
        self._gap = max(core.figures["fma_load_gap"].value, 2)

    def symbol(self, k: int) -> str:
        return f"sgemm_a64_inorder_{self.mr}x{self.nr}_{'even' if k % 2 == 0 else 'odd'}"

    def steps(self, k: int) -> int:
        """Turns of the loop, which takes two steps a turn and leaves one or two for the end."""
        return (k - 1) // 2

    def advance(self, row_bytes: int) -> int:
        return row_bytes

    def accumulator(self, i: int, j: int) -> int:
        return i * (self.nr // LANES) + j

    def clobbers(self) -> list[str]:
        vectors = range(self._count, self._count + 2 * len(self._operands))
        return [f"v{register}" for register in vectors] + [f"x{scratch}" for scratch in _SCRATCH]

    @property
    def _count(self) -> int:
        return self.mr * self.nr // LANES

    @property
    def _operands(self) -> list[tuple[str, int]]:
        """(pointer, vector) of one step, in the order of their first use."""
        weights = [("weights", n) for n in range(self.mr // LANES)]
        pixels = [("pixels", n) for n in range(self.nr // LANES)]
        return [pixels[0], weights[0], *weights[1:], *pixels[1:]]

    def _vector(self, operand: tuple[str, int], parity: int) -> int:
        operands = self._operands
        return self._count + parity * len(operands) + operands.index(operand)

    def _scratch(self, operand: tuple[str, int], parity: int) -> int:
        return _SCRATCH[(parity * len(self._operands) + self._operands.index(operand)) % 11]

    def _insert(self, operand: tuple[str, int], parity: int) -> str:
        vector, scratch = self._vector(operand, parity), self._scratch(operand, parity)
        return f"ins v{vector}.d[1], x{scratch}"

    def _load_low(self, operand: tuple[str, int], parity: int) -> str:
        return f"ldr d{self._vector(operand, parity)}, [{{{operand[0]}}}, #{16 * operand[1]}]"

    def _load_high(self, operand: tuple[str, int], parity: int) -> str:
        return f"ldr x{self._scratch(operand, parity)}, [{{{operand[0]}}}, #{16 * operand[1] + 8}]"

    def _pointers(self) -> list[str]:
        return [
            f"add {{weights}}, {{weights}}, #{4 * self.mr}",
            "add {pixels}, {pixels}, {advance}",
        ]

    def _products(self, parity: int) -> list[str]:
        return [
            f"fmla v{self.accumulator(i, j)}.4s, v{self._vector(('pixels', j), parity)}.4s, "
            f"v{self._vector(('weights', i // LANES), parity)}.s[{i % LANES}]"
            for j in range(self.nr // LANES)
            for i in range(self.mr)
        ]

    def _first_operands(self) -> list[str]:
        """Loads the operands of step 0; the last two high halves stay in their x registers."""
        operands = self._operands
        whole = [
            f"ldr q{self._vector(operand, 0)}, [{{{operand[0]}}}, #{16 * operand[1]}]"
            for operand in operands[:-2]
        ]
        halves = [
            load(operand, 0)
            for operand in operands[-2:]
            for load in (self._load_low, self._load_high)
        ]
        return [*whole, *halves, *self._pointers()]

    def _step(self, parity: int, *, loads: bool, tail: tuple[str, ...] = ()) -> list[str]:
        """One step of K; the loads of the next one and `tail` go in the shadow of its products."""
        following = 1 - parity
        operands = self._operands
        shadow = [self._load_high(operand, following) for operand in operands] if loads else []
        after_loads = [*(self._pointers() if loads else []), *tail]
        lines = [self._insert(operand, parity) for operand in operands[-2:]]
        products = self._products(parity)
        pending = list(range(len(operands))) if loads else []
        for n, product in enumerate(products, start=1):
            lines.append(product)
            if shadow:
                lines.append(shadow.pop(0))
            if n % (self._gap - 1) == 0 and pending:
                lines += self._load_in_turn(pending.pop(0), following)
                shadow += [] if pending else after_loads
        if pending:  # a small tile has fewer products than its loads could hide behind
            for place in pending:
                lines += self._load_in_turn(place, following)
            shadow += after_loads
        return lines + shadow

    def _load_in_turn(self, place: int, parity: int) -> list[str]:
        """The load of a low half, and beside it the high half of the operand two loads before."""
        operands = self._operands
        load = self._load_low(operands[place], parity)
        return [load] + ([self._insert(operands[place - 2], parity)] if place >= 2 else [])

    def lines(self, k: int) -> list[str]:
        lines = [*self._first_operands(), "cbz {steps}, 2f", "1:"]
        lines += self._step(0, loads=True)
        lines += self._step(1, loads=True, tail=("subs {steps}, {steps}, #1",))
        lines += ["b.ne 1b", "2:"]
        if k % 2 == 0:
            lines += self._step(0, loads=True)
        return lines + self._step(1 - k % 2, loads=False)
