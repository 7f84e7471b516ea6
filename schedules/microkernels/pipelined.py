"""Micro-kernels whose loop is software-pipelined: what all instruction sets have in common."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from ..hardware import Core
from ..lowering.emit import LANES
from . import orders
from .base import NEAR_BYTES
from .body import (
    PIXELS,
    PRODUCT,
    WEIGHTS,
    Layout,
    Line,
    Operand,
    interleave,
    last_steps,
    last_used,
)
from .inline_asm import InlineAsmKernel

FORMS = ("q", "dx", "xx")
"""How 128 bits come into a vector register: q, by vector loads alone; dx, by a 64-bit vector load
and an integer load that is moved into the other half; xx, by two integer loads and two moves."""

_LINE_BYTES = 64

Loading = tuple[list[str], list[str]]
"""The loads of an operand, and the moves into place of what they put into integer registers."""


def load_form(core: Core) -> str:
    """The form that suits `core`.

    Where a 128-bit load issues alone and nothing else could hide it, halves are faster.  Moving
    both halves needs two moves in one cycle, which no measurement has shown: a table may say so.
    """
    if core.pipeline == "out-of-order" or core.figures["lone_load_bytes"].value < 16:
        return "q"
    return "xx" if core.figures["kernel_moves_per_cycle"].value > 1 else "dx"


class PipelinedKernel(InlineAsmKernel):
    """The operands of step 0 are loaded before the loop; each step loads those of the next one.

    The last steps are written out behind the loop and load nothing that does not exist: nothing
    behind the operands is read.
    """

    layouts: ClassVar[dict[tuple[int, int], Layout]]
    weights_a_load: ClassVar[int]  # weights that one load unit of `Layout.weights` holds
    skip_loop: ClassVar[tuple[str, ...]]  # jumps to 2: if {steps} is 0
    loop_end: ClassVar[tuple[str, ...]]

    def __init__(self, core: Core, mr: int, nr: int) -> None:
        super().__init__(core, mr, nr)
        self.form = load_form(core)
        self.layout = self.layouts[mr, nr]
        self._loads = self._moves = 0  # so far, of the turn that is written
        self._order = orders.order(core.name, mr, nr, self.body())

    @abstractmethod
    def product(self, i: int, j: int, weights: int, pixels: int) -> str:
        """Row `i`, pixels 4j to 4j + 3; from the registers that hold them."""

    @abstractmethod
    def first_weights(self, register: int, offset: int) -> list[str]:
        """Loads weights before the loop, from byte `offset`."""

    @abstractmethod
    def first_pixels(self, register: int, offset: int) -> list[str]: ...

    @abstractmethod
    def load_weights(self, register: int, offset: int) -> Loading:
        """The same within the loop, in the core's load form."""

    @abstractmethod
    def load_pixels(self, register: int, offset: int) -> Loading: ...

    @abstractmethod
    def add(self, pointer: str, operand: str) -> str: ...

    @abstractmethod
    def prefetch(self, pointer: str, offset: str) -> str:
        """`offset`: bytes from the pointer, a constant (`#256`) or a register."""

    def symbol(self, k: int) -> str:
        return f"{self.name}_end{self._end(k)}"

    @property
    def name(self) -> str:
        """Core and tile, for symbols and files."""
        return f"sgemm_{self.core.name.replace('-', '_')}_{self.mr}x{self.nr}"

    def steps(self, k: int) -> int:
        """Turns of the loop; what is left of K, one turn at most, is written out."""
        return (k - 1) // self.layout.unroll

    def _end(self, k: int) -> int:
        return k - self.layout.unroll * self.steps(k)

    def advance(self, row_bytes: int) -> int:
        return row_bytes

    @property
    def _quads(self) -> int:
        return self.nr // LANES

    @property
    def _weight_loads(self) -> int:
        return self.mr // self.weights_a_load

    def _weights(self, step: int, unit: int) -> int:
        return (step * self._weight_loads + unit) % self.layout.weights

    def _pixels(self, step: int, quad: int) -> int:
        return (step * self._quads + quad) % self.layout.pixels

    def _products(self, step: int) -> list[str]:
        return [
            self.product(i, j, self._weights(step, i // self.weights_a_load), self._pixels(step, j))
            for j in range(self._quads)
            for i in range(self.mr)
        ]

    def _operands(self, step: int) -> list[Operand]:
        """What is loaded during `step`: `Layout.own` for itself, the rest for the next one."""
        places = [(WEIGHTS, n) for n in range(self._weight_loads)]
        places += [(PIXELS, n) for n in range(self._quads)]
        rest = [place for place in places if place not in self._own]
        if self._own:
            rest.sort(key=lambda place: self._free_after(step, step + 1, *place))
        return [
            *(self._operand(step, step, *place) for place in places if place in self._own),
            *(self._operand(step, step + 1, *place) for place in rest),
        ]

    @property
    def _own(self) -> tuple[tuple[str, int], ...]:
        """None where a load is one instruction: it needs no time in an integer register before."""
        return () if self.form == "q" else self.layout.own

    @property
    def _late(self) -> int:
        return 0 if self._own else self.layout.late

    def _operand(self, during: int, step: int, kind: str, n: int) -> Operand:
        """The n-th load of weights or pixels of `step`, in step `during`."""
        load: Callable[[int], Loading]
        if kind == WEIGHTS:
            first_use = n * self.weights_a_load
            offsets = 4 * ((step - 1) * self.mr + first_use), 4 * first_use
            load = partial(self.load_weights, self._weights(step, n))
        else:
            first_use = n * self.mr
            offsets = 16 * n, 16 * n
            load = partial(self.load_pixels, self._pixels(step, n))
        free_after = self._free_after(during, step, kind, n)
        before = self._loads, self._moves
        first_loads, _ = load(offsets[1])  # before the loop, with the same scratch registers
        self._loads, self._moves = before
        loads, moves = load(offsets[0])
        return Operand(step, loads, moves, first_loads, free_after, first_use)

    def _free_after(self, during: int, step: int, kind: str, n: int) -> int:
        """Products of step `during` that read what was in an operand's register before."""
        if kind == WEIGHTS:
            old_step, old = divmod(
                step * self._weight_loads + n - self.layout.weights, self._weight_loads
            )
            last_use = (self._quads - 1) * self.mr + (old + 1) * self.weights_a_load
        else:
            old_step, old = divmod(step * self._quads + n - self.layout.pixels, self._quads)
            last_use = (old + 1) * self.mr
        return last_use if old_step == during else 0

    def body(self) -> tuple[Line, ...]:
        """One turn of the loop in its plain order; deterministic."""
        steps = range(self.layout.unroll)
        return interleave(
            [self._products(step) for step in steps],
            self._turn_operands(),
            self.hints(),
            (
                self.add("{pixels}", "{advance}"),
                self.add("{weights}", f"#{4 * self.mr * self.layout.unroll}"),
            ),
            self.loop_end,
            self._late,
        )

    @property
    def hinted(self) -> tuple[str, ...]:
        """What a turn prefetches. An out-of-order core waits for pixels, from L2, by itself."""
        return self.layout.hints if self.core.pipeline == "in-order" else ("weights", "ahead")

    @property
    def has_ahead(self) -> bool:
        return "ahead" in self.hinted

    @property
    def far_hints(self) -> tuple[int, ...]:
        """Where integer registers hold halves of operands on their way, none may be left."""
        if "weights" not in self.hinted or not self.has_far_registers:
            return ()
        return self._lines_a_turn(self.mr)

    @property
    def has_far_registers(self) -> bool:
        """Whether registers are left for `{far0}` and so on."""
        return True

    def _lines_a_turn(self, rows: int) -> tuple[int, ...]:
        """Offsets of the cache lines that the operands of a turn fill."""
        return tuple(range(0, 4 * rows * self.layout.unroll, _LINE_BYTES))

    def hints(self) -> list[str]:
        """The prefetches of a turn."""
        far = [f"{{far{n}}}" for n in range(len(self.far_hints))]
        near = {
            name: [f"#{NEAR_BYTES + at}" for at in self._lines_a_turn(rows)]
            for name, rows in (("weights", self.mr), ("pixels", self.nr))
        }
        lines = []
        if "weights" in self.hinted:
            lines += [self.prefetch("{weights}", offset) for offset in far or near["weights"]]
        if "pixels" in self.hinted:
            lines += [self.prefetch("{pixels}", offset) for offset in near["pixels"]]
        if self.has_ahead:
            lines += [self.prefetch("{ahead}", "#0"), self.add("{ahead}", "{stride}")]
        return lines

    def _turn_operands(self) -> list[list[Operand]]:
        self._loads = self._moves = 0
        return [self._operands(step) for step in range(self.layout.unroll)]

    def in_order(self, order: Sequence[int] | None) -> PipelinedKernel:
        """The same kernel with its loop in another order of the lines of `body`; None: as there.

        Not checked for legality.
        """
        other = copy.copy(self)
        other._order = None if order is None else list(order)
        return other

    def turn(self) -> tuple[Line, ...]:
        """One turn of the loop: in the stored order, if there is one for this core and tile."""
        body = self.body()
        return body if self._order is None else tuple(body[index] for index in self._order)

    def _first_operands(self) -> list[str]:
        """Loads the operands of step 0, but for what the loop loads or moves itself."""
        late = last_used(self._turn_operands()[-1], self._late)
        lines = []
        for unit in range(self._weight_loads):
            if (WEIGHTS, unit) not in self._own:
                offset = 4 * unit * self.weights_a_load
                lines += self.first_weights(self._weights(0, unit), offset)
        for quad in range(self._quads):
            if (PIXELS, quad) not in self._own:
                lines += self.first_pixels(self._pixels(0, quad), 16 * quad)
        return [
            *lines,
            *(text for operand in late for text in operand.first_loads),
            self.add("{weights}", f"#{4 * self.mr}"),
            *([] if self._own else [self.add("{pixels}", "{advance}")]),
        ]

    def loop(self) -> list[str]:
        """The assembly of one turn, the branch last."""
        return [line.text for line in self.turn()]

    def lines(self, k: int) -> list[str]:
        return [
            *self._first_operands(),
            *self.skip_loop,
            "1:",
            *self.loop(),
            "2:",
            *last_steps(self.turn(), self._end(k)),
        ]

    def products_a_turn(self) -> int:
        """4-lane multiply-accumulates of one turn of the loop."""
        return sum(line.kind == PRODUCT for line in self.body())
