"""Search by a learned ranking: measure what the cost model puts first, and some surprises."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from tuner.costmodel.ranker import Ranker
from tuner.search.base import Result, Strategy, strategy
from tuner.search.candidate import Candidate, Space

# Spaces up to this size are ranked whole; of larger ones a sample of this size is.
_RANKED_CANDIDATES = 4096
# Share of every batch that is drawn at random: keeps the model from trusting itself too much.
_EXPLORED_SHARE = 0.15
# Two candidates of a batch differ in at least this many knobs, while there is a choice.
_MIN_DISTANCE = 2


@strategy("xgb")
class XgbSearch(Strategy):
    """Ranks candidates with gradient-boosted trees, refitted after every batch.

    The model is one for all workloads of the network: what it learns on one layer (features say
    which) orders the candidates of the next.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._ranker = Ranker(seed)

    def choose(self, space: Space, n: int) -> list[Candidate]:
        sampled = self.unseen(space, space.sample(self.rng, _RANKED_CANDIDATES))
        if not self._ranker.is_fitted:
            return sampled[:n]
        explored = sampled[: math.floor(n * _EXPLORED_SHARE + self.rng.random())]
        ranked = self._rank(space, sampled[len(explored) :])
        return explored + _spread(ranked, n - len(explored))

    def learn(self, results: Sequence[Result]) -> None:
        super().learn(results)
        for result in results:
            features = result.space.features(result.candidate)
            self._ranker.add(result.space.workload.key, features, result.cost_s)
        self._ranker.fit()

    def _rank(self, space: Space, candidates: list[Candidate]) -> list[Candidate]:
        """Sort by predicted speed, the fastest first; ties by key, so that order is stable."""
        scores = self._ranker.score([space.features(candidate) for candidate in candidates])
        order = sorted(range(len(candidates)), key=lambda i: (-scores[i], candidates[i].key))
        return [candidates[i] for i in order]


def _spread(ranked: Iterable[Candidate], n: int) -> list[Candidate]:
    """Take the first `n` of `ranked` that differ enough from each other, then fill up in order."""
    chosen: list[Candidate] = []
    passed_over: list[Candidate] = []
    for candidate in ranked:
        if len(chosen) == n:
            return chosen
        is_apart = all(candidate.distance(other) >= _MIN_DISTANCE for other in chosen)
        (chosen if is_apart else passed_over).append(candidate)
    return chosen + passed_over[: n - len(chosen)]
