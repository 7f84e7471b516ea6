"""Searching a stored space: how many trials until a candidate is nearly as fast as the best."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.search.spaces import StoredSpace
from schedules import hardware
from tuner import search
from tuner.errors import UserError
from tuner.search import Candidate, Result, Space, Strategy
from tuner.search.xgb import XgbSearch

# A candidate counts as found when it reaches this share of the best one's speed.
NEAR = 0.95
# Trials between two fits of the model.
_BATCH = 4


class Replay:
    """A stored space to be searched.

    Raises:
        UserError: it is of other schedules than these.
    """

    def __init__(self, stored: StoredSpace) -> None:
        self.space = Space(stored.workload, hardware.core(stored.about["core"]))
        self._by_candidate = {each.candidate: each for each in stored.measured}
        missing = [each for each in self.space if each not in self._by_candidate]
        if missing:
            raise UserError(
                f"{stored.about['name']}: the stored space lacks {missing[0].key}, it is of other "
                "schedules than these",
                "measure it again: python -m benchmarks search --measure",
            )
        self._clock_hz = stored.about["board"]["clock_hz"]
        self._near_cycles = stored.best_cycles / NEAR

    @property
    def near_count(self) -> int:
        """How many candidates are nearly as fast as the best."""
        return sum(self._is_near(each) for each in self._by_candidate)

    @property
    def hopeless_count(self) -> int:
        """How many are known to be slower than the best from their code and loop nest alone."""
        best_s = self._near_cycles * NEAR / self._clock_hz
        measured = self._by_candidate.values()
        return sum(self.space.least_s(each.candidate, each.static) > best_s for each in measured)

    def trials(self, way: Way, seed: int) -> int:
        """Return how many trials it took to find one of these."""
        order = self.order(way, seed)
        return next(done for done, each in enumerate(order, start=1) if self._is_near(each))

    def best_cycles(self, way: Way, seed: int, trials: int) -> int:
        """Return the cycles of the fastest of the first `trials`."""
        first = itertools.islice(self.order(way, seed), trials)
        found = [self._by_candidate[candidate].cycles for candidate in first]
        return min(cycles for cycles in found if cycles is not None)

    def order(self, way: Way, seed: int) -> Iterator[Candidate]:
        """Yield the candidates in the order in which they are measured."""
        strategy = way.create(seed)
        batch = self.space.starts() if way.hand_picked else strategy.propose(self.space, _BATCH)
        while batch:
            yield from batch
            strategy.learn([self._result(candidate) for candidate in batch])
            batch = strategy.propose(self.space, _BATCH)

    def _is_near(self, candidate: Candidate) -> bool:
        cycles = self._by_candidate[candidate].cycles
        return cycles is not None and cycles <= self._near_cycles

    def _result(self, candidate: Candidate) -> Result:
        known = self._by_candidate[candidate]
        cost_s = None if known.cycles is None else known.cycles / self._clock_hz
        return Result(self.space, candidate, cost_s, known.static)


@dataclass(frozen=True)
class Way:
    """A way to search.

    Attributes:
        name: for people.
        create: makes the strategy of a seed.
        hand_picked: whether it starts from the hand-picked configs, as the tuner does.
    """

    name: str
    create: Callable[[int], Strategy]
    hand_picked: bool = False


def _without_code(seed: int) -> Strategy:
    return XgbSearch(seed, reads_code=False)


def _registered(name: str) -> Callable[[int], Strategy]:
    return lambda seed: search.create(name, seed)


RANDOM, BLIND, XGB = "random", "blind xgb", "xgb"
TUNER = Way("tuner", _registered("xgb"), hand_picked=True)
WAYS = (
    Way(RANDOM, _registered("random")),
    Way("evolution", _registered("evolution")),
    Way(BLIND, _without_code),
    Way(XGB, _registered("xgb")),
    TUNER,
)


@dataclass(frozen=True)
class Row:
    """A space, searched in all ways.

    Attributes:
        near_count, hopeless_count: see `Replay`.
        trials: medians over the seeds.
    """

    stored: StoredSpace
    near_count: int
    hopeless_count: int
    trials: Mapping[str, float]


def replay(stored: StoredSpace, seeds: int, ways: Sequence[Way] = WAYS) -> Row:
    """Search a space in several ways, from `seeds` seeds each."""
    replayed = Replay(stored)
    trials = {
        way.name: statistics.median(replayed.trials(way, seed) for seed in range(seeds))
        for way in ways
    }
    return Row(stored, replayed.near_count, replayed.hopeless_count, trials)


def means(rows: Sequence[Row]) -> dict[str, float]:
    """Geometric mean of the trials of each way over all spaces."""
    return {
        name: statistics.geometric_mean(row.trials[name] for row in rows) for name in rows[0].trials
    }
