"""Random search: the baseline every other strategy has to beat."""

from __future__ import annotations

from tuner.search.base import Strategy, strategy
from tuner.search.candidate import Candidate, Space


@strategy("random")
class RandomSearch(Strategy):
    """Draws candidates evenly from all schedules."""

    def choose(self, space: Space, n: int) -> list[Candidate]:
        return self.unseen(space, space.sample(self.rng, len(space)))[:n]
