"""The loop of a micro-kernel as a list of instructions, software-pipelined over steps of K.

One turn of the loop takes several steps.  While the products of a step run, the operands of the
next one are loaded: into registers of their own, or into those that the products no longer need.
Each class of operands (weights, pixels) goes round a fixed set of registers, so the turn is as many
steps as it takes until every set has come round.

What is built here is legal and readable: loads spread evenly over the products.  Which legal order
is best is searched by `python -m tuner order-search` and kept in `orders/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PRODUCT, LOAD, HINT, ADVANCE, COUNT = "product", "load", "hint", "advance", "count"
WEIGHTS, PIXELS = "weights", "pixels"

HINTS = (WEIGHTS, PIXELS, "ahead")
"""The operands of later turns, and one line at `{ahead}`."""

_LAG = 1  # operands that are loaded between the loads of one and its moves


@dataclass(frozen=True)
class Line:
    """One instruction of a turn.

    Attributes:
        text: its assembly.
        kind: PRODUCT, LOAD, HINT (a prefetch, or the step of its pointer), ADVANCE (of a pointer)
            or COUNT (of turns, and the branch).
        step: the step of the turn whose product it is, or whose operands it helps to load; the
            operands of step 0 are loaded before the loop, so loads are for steps 1 to `unroll`.
    """

    text: str
    kind: str
    step: int


@dataclass(frozen=True)
class Layout:
    """How a register tile goes round its registers.

    Attributes:
        unroll: steps of one turn.
        weights: registers that hold weights, in units of one load.
        pixels: 128-bit registers that hold pixels.
        late: operands of step 0, the last ones to be used, that are moved into place in the turn
            after the one that loads them: they can wait for their loads across its end.
        own: operands, as WEIGHTS or PIXELS and a number, that each step loads for itself, not for
            the next one: those whose registers are in use until its end. With them no operands are
            `late`.  Searched: it is worth it where registers are few for a tile.
        hints: what a turn has time to prefetch on an in-order core, of HINTS. Searched: with fewer
            products than these tiles have, loads that are hinted at cost more than they gain.
    """

    unroll: int
    weights: int
    pixels: int
    late: int = 0
    hints: tuple[str, ...] = ()
    own: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Operand:
    """How one operand gets into its register.

    Attributes:
        step: the step whose operand it is.
        loads: instructions that load it, or parts of it into integer registers.
        moves: those that move these parts into place.
        first_loads: the loads as they are before the loop, for step 0.
        free_after: products of the step before, after which its register is free; 0: all along.
        first_use: products of its own step before which it is not used.
    """

    step: int
    loads: Sequence[str]
    moves: Sequence[str]
    first_loads: Sequence[str]
    free_after: int
    first_use: int


def interleave(
    products: Sequence[Sequence[str]],
    operands: Sequence[Sequence[Operand]],
    hints: Sequence[str],
    advances: tuple[str, str],
    end: Sequence[str],
    late: int,
) -> tuple[Line, ...]:
    """The plain order of one turn.

    Args:
        products: of each step of the turn.
        operands: `operands[s]` are loaded during step s, for step s + 1 or for s itself.
        hints: prefetches of the turn; they stand first, where all pointers are as at its start.
        advances: the updates of the pointers to pixels, which follows the loads of each step's, and
            to weights, which follows all loads.
        end: what counts the turns, the branch last.
        late: see `Layout`.
    """
    last = len(products) - 1
    held_back = last_used(operands[last], late)
    lines = [Line(text, HINT, 0) for text in hints]
    unmoved = held_back  # loaded in the step before
    for step, texts in enumerate(products):
        own = [each for each in operands[step] if each.step == step]
        pending = [each for each in operands[step] if each.step > step]
        pending.sort(key=lambda each: each.free_after)
        # Where registers are short of time, loads come as soon as they may.
        spacing = 1 if own else max(len(texts) // max(len(pending), 1), 1)
        loaded: list[Operand] = []
        advance = Line(advances[0], ADVANCE, step + 1)
        for operand in unmoved:
            lines += _lines(operand.moves, step)
        for operand in own:
            lines += _lines((*operand.loads, *operand.moves), step)
        if own:
            lines.append(advance)
        for n, text in enumerate(texts, start=1):
            lines.append(Line(text, PRODUCT, step))
            if pending and n % spacing == 0 and pending[0].free_after <= n:
                loaded.append(pending.pop(0))
                lines += _lines(loaded[-1].loads, step + 1)
                if own or len(loaded) > _LAG:
                    lines += _lines(loaded.pop(0).moves, step + 1)
        for operand in pending:
            lines += _lines(operand.loads, step + 1)
        if not own:
            lines.append(advance)
        unmoved = loaded + pending
    lines.append(Line(advances[1], ADVANCE, last + 1))
    for operand in unmoved:
        if operand not in held_back:
            lines += _lines(operand.moves, last + 1)
    return (*lines, *(Line(text, COUNT, last + 1) for text in end))


def last_used(operands: Sequence[Operand], count: int) -> list[Operand]:
    """The `count` operands of a step that are used last."""
    return sorted(operands, key=lambda each: each.first_use)[len(operands) - count :]


def _lines(texts: Sequence[str], step: int) -> list[Line]:
    return [Line(text, LOAD, step) for text in texts]


def last_steps(lines: Sequence[Line], count: int) -> list[str]:
    """The first `count` steps of a turn, nothing being loaded for a step after them.

    What is left of a legal order when whole steps and their loads are left out is legal.
    """
    return [
        line.text for line in lines if line.step < count and line.kind in (PRODUCT, LOAD, ADVANCE)
    ]
