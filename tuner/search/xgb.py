"""Search by a learned ranking: measure what the cost model puts first, and some surprises."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tuner.costmodel.known_code import KnownCode
from tuner.costmodel.ranker import Ranker
from tuner.search.base import Result, Strategy, strategy
from tuner.search.candidate import Candidate, Space

# Spaces up to this size are ranked whole; of larger ones a sample of this size is.
_RANKED_CANDIDATES = 4096
# Share of every batch that is drawn at random: keeps the model from trusting itself too much.
_EXPLORED_SHARE = 0.15


@strategy("xgb")
class XgbSearch(Strategy):
    """Ranks candidates with gradient-boosted trees, refitted after every batch.

    The trees correct an estimate: the least time that a candidate's compiled code leaves it, or the
    code of the most alike candidate that was compiled. One whose least time is above the best
    measured time is hopeless: it is not proposed before all others were.

    The model is one for all workloads of the network: what it learns on one layer (features say
    which) orders the candidates of the next.

    Args:
        reads_code: without it there are neither estimates nor features of compiled code.
    """

    def __init__(self, seed: int, reads_code: bool = True) -> None:
        super().__init__(seed)
        self._ranker = Ranker(seed)
        self._code = KnownCode() if reads_code else None
        self._best_s: dict[str, float] = defaultdict(lambda: math.inf)

    def choose(self, space: Space, n: int) -> list[Candidate]:
        sampled = self.unseen(space, space.sample(self.rng, _RANKED_CANDIDATES))
        described = {candidate: self._describe(space, candidate) for candidate in sampled}
        best_s = self._best_s[space.workload.key]
        hopeful = [each for each in sampled if described[each][1] <= best_s]
        explored = hopeful[: math.floor(n * _EXPLORED_SHARE + self.rng.random())]
        rest = hopeful[len(explored) :]
        features, estimates_s = (
            zip(*(described[c] for c in rest), strict=True) if rest else ((), ())
        )
        scores = self._ranker.score(features, estimates_s)
        # Sorting keeps the order of the sample among equals.
        ranked = [rest[i] for i in sorted(range(len(rest)), key=lambda i: -scores[i])]
        hopeless = [each for each in sampled if described[each][1] > best_s]
        return [*explored, *ranked, *hopeless][:n]

    def learn(self, results: Sequence[Result]) -> None:
        super().learn(results)
        for result in results:
            workload, candidate = result.space.workload.key, result.candidate
            if self._code is not None:
                self._code.add(result.space, candidate, result.static)
            if result.cost_s is not None:
                self._best_s[workload] = min(result.cost_s, self._best_s[workload])
            features, estimate_s = self._describe(result.space, candidate)
            self._ranker.add(workload, features, result.cost_s, estimate_s)
        self._ranker.fit()

    def _describe(self, space: Space, candidate: Candidate) -> tuple[list[float], float]:
        """What the model reads, and the estimate in seconds that it corrects."""
        if self._code is None:
            return space.features(candidate), _NO_ESTIMATE_S
        static: Mapping[str, Any] | None = self._code.nearest(space, candidate)
        return space.features(candidate, static), space.least_s(candidate, static)


# The same for all, and shorter than anything that was ever measured.
_NO_ESTIMATE_S = 1e-12
