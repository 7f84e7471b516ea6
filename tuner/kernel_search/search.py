"""The search of one micro-kernel's instruction order, and of what order is worth on a core."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from schedules.hardware import Board, Instruction
from schedules.microkernels import kernel
from schedules.microkernels.pipelined import PipelinedKernel
from tuner.board.emulator.static import CoreModel
from tuner.kernel_search.annealing import anneal
from tuner.kernel_search.legality import Dependencies
from tuner.kernel_search.paced import paced
from tuner.kernel_search.program import concrete

# Share of the loads counted as late: small, so that an order is first of all fast from L1.
_MISSES = Fraction(1, 16)
# Temperatures to begin with, in cycles: less where much would only be lost.
_FAR_FROM_GOOD, _NEARLY_GOOD = 1.0, 0.3


@dataclass(frozen=True)
class Found:
    """The best order of one tile.

    Attributes:
        kernel: with this order.
        order: of the lines of `kernel.body()`.
        cost: what the search made small.
        cycles: of one turn of the loop in this order, in the core's model.
        plain_cycles: of one turn in the plain order.
    """

    kernel: PipelinedKernel
    order: list[int]
    cost: Fraction
    cycles: Fraction
    plain_cycles: Fraction


class Cost:
    """What an order costs: cycles of one turn of the loop, mostly with all data in L1.

    In the core's model, limited to what kernels may count on (`kernel_moves_per_cycle` in its
    table). A few loads meet a line that is not in L1 yet; how well an order hides that is taken
    from a model whose loads all take as long as an L2 hit.
    """

    def __init__(self, board: Board, lines: Sequence[str]) -> None:
        self._from_l1 = CoreModel(_limited(board, 0)).prepare(lines)
        extra = board.figures["l2_cycles"].value
        self._from_l2 = CoreModel(_limited(board, extra)).prepare(lines)

    def __call__(self, order: Sequence[int]) -> Fraction:
        near, far = self._from_l1.time(order).cycles, self._from_l2.time(order).cycles
        return near + _MISSES * (far - near)


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

    Half of the evaluations begin with the plain order, half with a paced one.
    """
    lines = loop_lines(plain)
    model, cost = CoreModel(board), Cost(board, lines)
    dependencies = Dependencies(model, lines)
    in_plain_order = list(range(len(lines)))
    starts = [
        (in_plain_order, _FAR_FROM_GOOD),
        (paced(board.core, plain.body(), dependencies), _NEARLY_GOOD),
    ]
    found: list[tuple[list[int], Fraction]] = []

    def on_either(best: Fraction) -> None:
        on_step(min([best, *(cost for _, cost in found)]))

    for n, (start, temperature) in enumerate(starts):
        share = evaluations * (n + 1) // len(starts) - evaluations * n // len(starts)
        found.append(anneal(start, dependencies, cost, share, seed, temperature, on_either))
    order, least = min(found, key=lambda each: each[1])
    timed = model.prepare(lines)
    return Found(
        plain.in_order(order),
        order,
        least,
        timed.time(order).cycles,
        timed.time(in_plain_order).cycles,
    )


def loop_lines(plain: PipelinedKernel) -> list[str]:
    """One turn of the loop in its plain order, operands in registers."""
    return concrete(plain.core.isa, [line.text for line in plain.body()])


def random_orders(
    board: Board, plain: PipelinedKernel, count: int, seed: int
) -> tuple[Fraction, Fraction]:
    """Cycles of a turn in the best and the worst of `count` random legal orders."""
    lines = loop_lines(plain)
    model = CoreModel(board)
    dependencies, timed = Dependencies(model, lines), model.prepare(lines)
    chance = random.Random(seed)
    order = list(range(len(lines)))
    cycles = []
    for _ in range(count):
        dependencies.shuffle(order, chance)
        cycles.append(timed.time(order).cycles)
    return min(cycles), max(cycles)


def _limited(board: Board, extra_cycles: int) -> Board:
    """`board` with what kernels may count on, and loads that take some cycles more."""
    figures = dict(board.core.figures)
    if "kernel_moves_per_cycle" in figures:
        figures["to_vector_per_cycle"] = figures["kernel_moves_per_cycle"]
    core = dataclasses.replace(
        board.core,
        figures=figures,
        timing=_later(board.core.timing, extra_cycles),
        quad_timing=_later(board.core.quad_timing, extra_cycles),
    )
    return dataclasses.replace(board, name=f"{board.name}-limited{extra_cycles}", core=core)


def _later(timing: Mapping[str, Instruction], cycles: int) -> dict[str, Instruction]:
    loads = {
        name: dataclasses.replace(each, latency=each.latency + cycles)
        for name, each in timing.items()
        if name in ("load", "vload")
    }
    return {**timing, **loads}
