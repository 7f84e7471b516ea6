"""Grid search: every candidate in turn; with trials enough, the whole space is measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tuner.search.base import Strategy, strategy
from tuner.search.candidate import Candidate, Space

# Steps of this share of a list visit it evenly, wherever one stops (Weyl's sequence of the golden
# ratio: Knuth, The Art of Computer Programming, vol. 3, section 6.4).
_GOLDEN_SHARE = (math.sqrt(5) - 1) / 2


@strategy("grid")
class GridSearch(Strategy):
    """Walks through the candidates of all schedules alternately, from a place that the seed picks.

    It walks in long steps, so that the first trials are spread over all knobs instead of varying
    the last one only.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._walks: dict[str, list[Candidate]] = {}

    def choose(self, space: Space, n: int) -> list[Candidate]:
        key = space.workload.key
        if key not in self._walks:
            self._walks[key] = self._walk(space)
        return self.unseen(space, self._walks[key])[:n]

    def _walk(self, space: Space) -> list[Candidate]:
        """Return all candidates in the order of visit."""
        by_schedule: dict[str, list[Candidate]] = {}
        for candidate in space:
            by_schedule.setdefault(candidate.schedule, []).append(candidate)
        walks = [self._spread(candidates) for candidates in by_schedule.values()]
        longest = max(map(len, walks), default=0)
        return [walk[i] for i in range(longest) for walk in walks if i < len(walk)]

    def _spread(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return `candidates` in long steps around the list."""
        size = len(candidates)
        step = round(size * _GOLDEN_SHARE) or 1
        # A step without a common divisor reaches every place once.
        while math.gcd(step, size) != 1:
            step += 1
        start = self.rng.randrange(size)
        return [candidates[(start + i * step) % size] for i in range(size)]
