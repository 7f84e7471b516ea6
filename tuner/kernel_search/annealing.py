"""Simulated annealing over legal orders (Kirkpatrick, Gelatt and Vecchi 1983)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from fractions import Fraction

from tuner.kernel_search.legality import Dependencies

_NEAR = 4  # instructions; half of the moves go no further
_PAIRS = 1 / 2  # share of the moves that take two neighbours along: what issues together
_TWO_MOVES = 1 / 3  # share of the steps that move two instructions


def anneal(
    start: Sequence[int],
    dependencies: Dependencies,
    cost: Callable[[Sequence[int]], Fraction],
    evaluations: int,
    seed: int,
    temperature: float,
    on_step: Callable[[Fraction], None] = lambda best: None,
) -> tuple[list[int], Fraction]:
    """The best order found from `start`, and its cost in cycles; the same for the same seed.

    A step takes one or two instructions out and puts them back at another legal place.

    Args:
        temperature: in cycles, at the start; it falls to 0 in even steps.
    """
    chance = random.Random(seed)
    order, best = list(start), list(start)
    current = best_cost = cost(order)
    for step in range(evaluations):
        changed = list(order)
        for _ in range(2 if chance.random() < _TWO_MOVES else 1):
            _move(changed, dependencies, chance)
        changed_cost = cost(changed)
        allowed = temperature * (1 - step / evaluations) * chance.random()
        if changed_cost <= current + Fraction(allowed):
            order, current = changed, changed_cost
            if current < best_cost:
                best, best_cost = list(order), current
        on_step(best_cost)
    return best, best_cost


def _move(order: list[int], dependencies: Dependencies, chance: random.Random) -> None:
    """Moves one or two neighbours a random number of places, as far as is legal."""
    length = 2 if chance.random() < _PAIRS else 1
    first = chance.randrange(len(order) - length)
    distance = chance.randint(1, _NEAR if chance.random() < 1 / 2 else len(order))
    moved = order[first : first + length]
    to = first
    if chance.random() < 1 / 2:
        while to > max(first - distance, 0) and all(
            dependencies.may_swap(order[to - 1], each) for each in moved
        ):
            to -= 1
    else:
        last = len(order) - length
        while to < min(first + distance, last) and all(
            dependencies.may_swap(each, order[to + length]) for each in moved
        ):
            to += 1
    del order[first : first + length]
    order[to:to] = moved
