"""Gradient-boosted trees that order the candidates of a workload by speed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xgboost

# Few results are known (tens to hundreds), so trees are shallow and steps small.
_PARAMETERS = {
    "objective": "reg:squarederror",
    "max_depth": 4,
    "eta": 0.2,
    "min_child_weight": 0.5,
    # One thread sums in one order: the same results give the same model to the last bit.
    "nthread": 1,
    "verbosity": 0,
}
_ROUNDS = 60
# With so many results the trees' say is halved: of a few they learn by heart.
_HALF_TRUSTED = 16
# A failed candidate counts as so many times slower than the slowest.
_FAILED = 2.0


class Ranker:
    """Learns by which factor results miss an estimate, beside others of the same workload.

    Of a workload only the order matters: what all its results have in common is left out, so that
    layers of all sizes make one model.
    """

    def __init__(self, seed: int) -> None:
        self._parameters = {**_PARAMETERS, "seed": seed}
        self._features: dict[str, list[Sequence[float]]] = {}
        self._costs_s: dict[str, list[float | None]] = {}
        self._estimates_s: dict[str, list[float]] = {}
        self._model: xgboost.Booster | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether anything was learned yet."""
        return self._model is not None

    def add(
        self,
        workload: str,
        features: Sequence[float],
        cost_s: float | None,
        estimate_s: float = 1.0,
    ) -> None:
        """Take in one result; a failed candidate (None) ranks below every other.

        Args:
            estimate_s: what was to be expected without a model; a constant if nothing was.
        """
        self._features.setdefault(workload, []).append(features)
        self._costs_s.setdefault(workload, []).append(cost_s)
        self._estimates_s.setdefault(workload, []).append(estimate_s)

    def fit(self) -> None:
        """Train anew on all results; does nothing before there is a pair to learn from."""
        misses = [
            _misses(costs, self._estimates_s[workload]) for workload, costs in self._costs_s.items()
        ]
        if not any(len(set(group)) > 1 for group in misses):
            return
        rows = np.concatenate([np.asarray(rows) for rows in self._features.values()])
        data = xgboost.DMatrix(rows, label=np.concatenate(misses))
        self._model = xgboost.train(self._parameters, data, num_boost_round=_ROUNDS)

    def score(
        self, features: Sequence[Sequence[float]], estimates_s: Sequence[float] | None = None
    ) -> np.ndarray:
        """Return one number a row, higher for faster; rows of different workloads don't compare.

        Before `fit` has learned anything, the order is that of the estimates.
        """
        if not features:
            return np.zeros(0)
        estimates = np.zeros(len(features)) if estimates_s is None else np.log(estimates_s)
        if self._model is None:
            return -estimates
        results = sum(map(len, self._costs_s.values()))
        trust = results / (results + _HALF_TRUSTED)
        return -estimates - trust * self._model.predict(xgboost.DMatrix(np.asarray(features)))


def _misses(costs_s: Sequence[float | None], estimates_s: Sequence[float]) -> np.ndarray:
    """Log of cost over estimate of the results of one workload, 0 on average."""
    known = [cost for cost in costs_s if cost is not None]
    failed_s = _FAILED * max(known, default=1.0)
    misses = np.array(
        [
            math.log((failed_s if cost is None else cost) / estimate)
            for cost, estimate in zip(costs_s, estimates_s, strict=True)
        ]
    )
    return misses - misses.mean()
