"""Gradient-boosted trees that order the candidates of a workload by speed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xgboost

# Few results are known (tens to hundreds), so trees are shallow and steps small.
_PARAMETERS = {
    "objective": "rank:pairwise",
    # Compare each result with several others of its workload, not only around the top.
    "lambdarank_pair_method": "mean",
    "lambdarank_num_pair_per_sample": 8,
    "max_depth": 5,
    "eta": 0.15,
    "min_child_weight": 0.1,
    # One thread sums in one order: the same results give the same model to the last bit.
    "nthread": 1,
    "verbosity": 0,
}
_ROUNDS = 80


class Ranker:
    """Learns from pairs of results of the same workload: times of different layers do not mix."""

    def __init__(self, seed: int) -> None:
        self._parameters = {**_PARAMETERS, "seed": seed}
        self._features: dict[str, list[Sequence[float]]] = {}
        self._costs_s: dict[str, list[float | None]] = {}
        self._model: xgboost.Booster | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether `score` can be called."""
        return self._model is not None

    def add(self, workload: str, features: Sequence[float], cost_s: float | None) -> None:
        """Take in one result; a failed candidate (None) ranks below every other."""
        self._features.setdefault(workload, []).append(features)
        self._costs_s.setdefault(workload, []).append(cost_s)

    def fit(self) -> None:
        """Train anew on all results; does nothing before there is a pair to learn from."""
        relevance = [_relevance(costs) for costs in self._costs_s.values()]
        if not any(len(set(group)) > 1 for group in relevance):
            return
        data = xgboost.DMatrix(
            np.concatenate([np.asarray(rows) for rows in self._features.values()]),
            label=np.concatenate(relevance),
        )
        data.set_group([len(group) for group in relevance])
        self._model = xgboost.train(self._parameters, data, num_boost_round=_ROUNDS)

    def score(self, features: Sequence[Sequence[float]]) -> np.ndarray:
        """Return one number a row, higher for faster; rows of different workloads don't compare."""
        assert self._model is not None, "fit first"
        if not features:
            return np.zeros(0)
        return self._model.predict(xgboost.DMatrix(np.asarray(features)))


def _relevance(costs_s: Sequence[float | None]) -> np.ndarray:
    """Map the costs of one workload to (0, 1], 1 for the fastest; failures to 0."""
    known = [cost for cost in costs_s if cost is not None]
    best = min(known, default=0.0)
    return np.array([0.0 if cost is None else best / cost for cost in costs_s])
