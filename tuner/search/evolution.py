"""Search by evolution: the best candidates so far are crossed and changed a little; no model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tuner.search.base import Result, Strategy, strategy
from tuner.search.candidate import Candidate, Space

# The best results of a workload, of which parents are drawn.
_PARENTS = 8
# The better of two parents drawn is taken: a mild pressure, as few results are known.
_TOURNAMENT = 2
# Share of the children that have two parents, where there are two of one schedule.
_CROSSED_SHARE = 0.5
# Share of changed knobs that go to the next value up or down; the others go anywhere.
_STEP_SHARE = 0.7
# Share of every batch that is drawn at random: schedules and corners that have no parents.
_EXPLORED_SHARE = 0.2
# Children that are no candidates, or known ones, are drawn again up to so many times each.
_ATTEMPTS = 20


@strategy("evolution")
class EvolutionSearch(Strategy):
    """A steady-state genetic algorithm: each workload has a population, its best results."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._costs_s: dict[str, dict[Candidate, float]] = defaultdict(dict)

    def learn(self, results: Sequence[Result]) -> None:
        super().learn(results)
        for result in results:
            if result.cost_s is not None:
                self._costs_s[result.space.workload.key][result.candidate] = result.cost_s

    def choose(self, space: Space, n: int) -> list[Candidate]:
        costs_s = self._costs_s[space.workload.key]
        parents = sorted(costs_s, key=lambda c: (costs_s[c], c.key))[:_PARENTS]
        explored = int(n * _EXPLORED_SHARE + self.rng.random())
        chosen = self._children(space, parents, n - explored) if parents else []
        drawn = self.unseen(space, space.sample(self.rng, len(space)))
        return chosen + [c for c in drawn if c not in chosen][: n - len(chosen)]

    def _children(self, space: Space, parents: list[Candidate], n: int) -> list[Candidate]:
        """Return up to `n` distinct new candidates; `parents` are sorted, the fastest first."""
        children: list[Candidate] = []
        for _ in range(n * _ATTEMPTS):
            if len(children) == n:
                break
            child = self._child(space, parents)
            if child in space and child not in children and self.unseen(space, [child]):
                children.append(child)
        return children

    def _child(self, space: Space, parents: list[Candidate]) -> Candidate:
        """Return what may be a candidate: knobs exclude each other in ways not known here."""
        mother = self._select(parents)
        config = dict(mother.config)
        fathers = [parent for parent in parents if parent.schedule == mother.schedule]
        if self.rng.random() < _CROSSED_SHARE:
            father = self._select(fathers)
            for knob in config:
                config[knob] = self.rng.choice((mother, father)).config[knob]
        knobs = space.knobs(mother.schedule)
        if not knobs:  # nothing to change
            return mother
        # One knob is changed, and of the others on average one more.
        certain = self.rng.choice(list(knobs))
        for knob, values in knobs.items():
            if knob == certain or self.rng.random() * len(knobs) < 1:
                config[knob] = self._change(config[knob], values)
        return Candidate(mother.schedule, mother.version, config)

    def _select(self, parents: Sequence[Candidate]) -> Candidate:
        return parents[min(self.rng.randrange(len(parents)) for _ in range(_TOURNAMENT))]

    def _change(self, value: int | str, values: Sequence[int | str]) -> int | str:
        """Return a value of a knob, mostly a neighbour of its present one."""
        place = values.index(value)
        if self.rng.random() < _STEP_SHARE:
            near = place + self.rng.choice((-1, 1))
            return values[min(max(near, 0), len(values) - 1)]
        return self.rng.choice(values)
