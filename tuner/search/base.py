"""What a search strategy is."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tuner.search.candidate import Candidate, Space


@dataclass(frozen=True)
class Result:
    """A measured candidate.

    Attributes:
        cost_s: None when it failed (build, run or wrong answer).
        static: facts of its compiled code (`tuner.measure.static_facts`), where they are known.
    """

    space: Space
    candidate: Candidate
    cost_s: float | None
    static: Mapping[str, Any] | None = None


class Strategy(ABC):
    """Chooses what to measure next. One instance serves all workloads of a network.

    Everything it does must follow from `seed` and the results it was told of, in order:
    that makes a run repeatable, and resumable from the log alone.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self._seen: dict[str, set[Candidate]] = defaultdict(set)

    def propose(self, space: Space, n: int) -> list[Candidate]:
        """Return up to `n` new candidates; fewer when the space is nearly exhausted."""
        chosen = self.choose(space, n)
        self._seen[space.workload.key].update(chosen)
        return chosen

    def learn(self, results: Sequence[Result]) -> None:
        """Take in the results of a batch; called once a batch, in order of the trials."""
        for result in results:
            self._seen[result.space.workload.key].add(result.candidate)

    @abstractmethod
    def choose(self, space: Space, n: int) -> list[Candidate]:
        """Return up to `n` distinct candidates that are new (see `unseen`)."""

    def unseen(self, space: Space, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Leave out what was proposed or measured before."""
        seen = self._seen[space.workload.key]
        return [candidate for candidate in candidates if candidate not in seen]


_strategies: dict[str, type[Strategy]] = {}

_StrategyType = TypeVar("_StrategyType", bound=type[Strategy])


def strategy(name: str) -> Callable[[_StrategyType], _StrategyType]:
    """Register a strategy under the name that `--strategy` takes."""

    def register(cls: _StrategyType) -> _StrategyType:
        _strategies[name] = cls
        return cls

    return register


def names() -> list[str]:
    """Return the names of all strategies."""
    return sorted(_strategies)


def create(name: str, seed: int) -> Strategy:
    """Create the strategy registered as `name`."""
    return _strategies[name](seed)
