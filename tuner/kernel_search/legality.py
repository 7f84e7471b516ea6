"""Which orders of some instructions compute the same: their dependencies."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

from tuner.board.emulator.static import CoreModel

_SWAPS_A_PLACE = 100  # of a random order


class Dependencies:
    """Of instructions that are correct in the order given; the last one, a branch, stays last."""

    def __init__(self, model: CoreModel, lines: Sequence[str]) -> None:
        """Raises ValueError if the model does not know an instruction."""
        self._count = len(lines)
        self._branch = len(lines) - 1
        operands = [model.operands(line) for line in lines]
        # must_follow[j]: those before j that j has to stay behind.
        self._must_follow = [
            {
                i
                for i in range(j)
                if operands[i][1] & (operands[j][0] | operands[j][1])
                or operands[i][0] & operands[j][1]
            }
            for j in range(self._count)
        ]
        # Those of them whose result j reads; the others only have to issue no later.
        self._reads_from = [
            {i for i in before if operands[i][1] & operands[j][0]}
            for j, before in enumerate(self._must_follow)
        ]

    def may_swap(self, first: int, second: int) -> bool:
        """Whether `first`, directly before `second`, may come directly behind it."""
        return second != self._branch and first not in self._must_follow[second]

    def earliest(self, instruction: int, issued: Mapping[int, int], waits: Sequence[int]) -> float:
        """The first cycle in which it may issue.

        Args:
            issued: the cycle of every instruction that has issued.
            waits: cycles from the issue of each until its result can be read.

        Returns:
            Infinity while it has to wait for one that has not issued.
        """
        before, read = self._must_follow[instruction], self._reads_from[instruction]
        if not before <= issued.keys():
            return math.inf
        return max((issued[i] + (waits[i] if i in read else 0) for i in before), default=0)

    def shuffle(self, order: list[int], chance: random.Random) -> None:
        """Turns a legal order into a random one: many swaps of neighbours that may be swapped."""
        for _ in range(_SWAPS_A_PLACE * len(order)):
            at = chance.randrange(len(order) - 1)
            if self.may_swap(order[at], order[at + 1]):
                order[at], order[at + 1] = order[at + 1], order[at]

    def is_legal(self, order: Sequence[int]) -> bool:
        """Whether `order` has every instruction once, behind all that it depends on."""
        if sorted(order) != list(range(self._count)) or order[-1] != self._branch:
            return False
        place = {instruction: at for at, instruction in enumerate(order)}
        return all(
            place[i] < place[j]
            for j, those_before in enumerate(self._must_follow)
            for i in those_before
        )
