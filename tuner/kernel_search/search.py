"""The search of one micro-kernel's instruction order, and of what order is worth on a core."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from schedules.hardware import Board
from schedules.microkernels import kernel
from schedules.microkernels.pipelined import PipelinedKernel
from tuner.board.emulator.static import CoreModel
from tuner.kernel_search.annealing import anneal
from tuner.kernel_search.legality import Dependencies
from tuner.kernel_search.program import concrete


@dataclass(frozen=True)
class Found:
    """The best order of one tile.

    Attributes:
        kernel: with this order.
        order: of the lines of `kernel.body()`.
        cycles: of one turn of the loop in this order, in the core's model.
        plain_cycles: of one turn in the plain order.
    """

    kernel: PipelinedKernel
    order: list[int]
    cycles: Fraction
    plain_cycles: Fraction


def searchable(board: Board, mr: int, nr: int) -> PipelinedKernel | None:
    """The kernel of this tile if it has an order to search; in its plain order.

    Raises:
        ValueError: there is no such tile.
    """
    made = kernel(board.core, mr, nr)
    return made.in_order(None) if isinstance(made, PipelinedKernel) else None


def search(
    board: Board,
    plain: PipelinedKernel,
    evaluations: int,
    seed: int,
    on_step: Callable[[Fraction], None] = lambda best: None,
) -> Found:
    """Anneals the order of `plain`'s loop; the same for the same seed and number of evaluations.

    The cost is that of the core's model, limited to what kernels may count on: see
    `kernel_moves_per_cycle` in the core's table.
    """
    lines = concrete(board.core.isa, [line.text for line in plain.body()])
    model = CoreModel(board)
    strict = CoreModel(_limited(board)).prepare(lines)
    start = range(len(lines))
    order, _ = anneal(
        start,
        Dependencies(model, lines),
        lambda order: strict.time(order).cycles,
        evaluations,
        seed,
        on_step,
    )
    timed = model.prepare(lines)
    return Found(
        plain.in_order(order), order, timed.time(order).cycles, timed.time(start).cycles
    )


def random_orders(
    board: Board, plain: PipelinedKernel, count: int, seed: int
) -> tuple[Fraction, Fraction]:
    """Cycles of a turn in the best and the worst of `count` random legal orders."""
    lines = concrete(board.core.isa, [line.text for line in plain.body()])
    model = CoreModel(board)
    dependencies, timed = Dependencies(model, lines), model.prepare(lines)
    chance = random.Random(seed)
    order = list(range(len(lines)))
    cycles = []
    for _ in range(count):
        dependencies.shuffle(order, chance)
        cycles.append(timed.time(order).cycles)
    return min(cycles), max(cycles)


def _limited(board: Board) -> Board:
    figures = dict(board.core.figures)
    if "kernel_moves_per_cycle" in figures:
        figures["to_vector_per_cycle"] = figures["kernel_moves_per_cycle"]
    core = dataclasses.replace(board.core, figures=figures)
    return dataclasses.replace(board, name=f"{board.name}-limited", core=core)
