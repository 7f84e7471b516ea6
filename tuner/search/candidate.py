"""What the search chooses from: every config of everything that competes for a workload."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import schedules
from schedules import FireWorkload, competition
from schedules.competition import Workload
from schedules.hardware import Core
from schedules.knobs import KnobSpace
from tuner.costmodel import estimate

# Places for the knobs of each schedule in the cost model's features.
_MAX_KNOBS = 8
# Facts of the loop nest on which the code of the inner loops hangs.
_TILE_FACTS = ("log2_mr", "log2_nr", "in_place", "winograd_m", "rows_a_tile", "log2_mr_expand")


@dataclass(frozen=True)
class Candidate:
    """A schedule (or a way to compute a fire module) with one choice of all its knobs."""

    schedule: str
    version: int
    config: Mapping[str, int | str]

    @cached_property
    def key(self) -> str:
        """Text that is equal for equal candidates."""
        return f"{self.schedule}@{self.version} {json.dumps(self.config, sort_keys=True)}"

    def __hash__(self) -> int:
        return hash(self.key)

    def distance(self, other: Candidate) -> int:
        """Count the knobs in which two candidates differ; all of them across schedules."""
        if self.schedule != other.schedule:
            return len(self.config)
        return sum(self.config[knob] != other.config[knob] for knob in self.config)


class Space:
    """The union of the knob spaces of all that competes for `workload` on `core`."""

    def __init__(self, workload: Workload, core: Core) -> None:
        self.workload = workload
        self._core = core
        self._spaces = [
            (schedule, schedule.space(workload, core))
            for schedule in competition.find(workload, core)
        ]
        self._nests: dict[Candidate, Mapping[str, float]] = {}
        self._plain: dict[Candidate, tuple[list[float], list[float]]] = {}

    def __len__(self) -> int:
        return sum(len(space) for _, space in self._spaces)

    def __iter__(self) -> Iterator[Candidate]:
        for schedule, space in self._spaces:
            for config in space:
                yield Candidate(schedule.name, schedule.version, config)

    def __contains__(self, candidate: object) -> bool:
        return isinstance(candidate, Candidate) and any(
            (schedule.name, schedule.version) == (candidate.schedule, candidate.version)
            and candidate.config in space
            for schedule, space in self._spaces
        )

    def knobs(self, schedule: str) -> Mapping[str, tuple[int | str, ...]]:
        """Return the values of each knob of `schedule`; not all combinations are candidates."""
        return self._space_of(schedule).knobs

    @property
    def schedules(self) -> list[str]:
        """Names of the schedules that compete, the best guess first."""
        return [schedule.name for schedule, _ in self._spaces]

    def defaults(self) -> list[Candidate]:
        """Return the hand-picked candidate of each schedule, that of the best guess first."""
        return [
            Candidate(s.name, s.version, s.default(self.workload, self._core))
            for s, _ in self._spaces
        ]

    def starts(self) -> list[Candidate]:
        """Return what a search begins with: `defaults`, then what else each schedule names."""
        named = [
            [Candidate(s.name, s.version, c) for c in s.starts(self.workload, self._core)]
            for s, _ in self._spaces
        ]
        return [each[0] for each in named] + [c for each in named for c in each[1:]]

    def sample(self, rng: random.Random, n: int) -> list[Candidate]:
        """Return `n` distinct candidates, or all: equally many of each schedule that has enough."""
        shares = _even_shares(n, [len(space) for _, space in self._spaces])
        drawn = [
            Candidate(schedule.name, schedule.version, config)
            for (schedule, space), share in zip(self._spaces, shares, strict=True)
            for config in space.sample(rng, share)
        ]
        rng.shuffle(drawn)
        return drawn

    def features(
        self, candidate: Candidate, static: Mapping[str, Any] | None = None
    ) -> list[float]:
        """Return the fixed-length description of `candidate` that the cost model reads.

        What the schedule knows of the loop nest, `static` facts of its code or of code like it
        (`tuner.measure.static_facts`; None: not known), then the knobs themselves: each schedule
        has places of its own for its knobs, and those of the other schedules are not-a-number,
        which is how XGBoost is told that a value is missing.
        """
        facts, knobs = self._plain_features(candidate)
        return [*facts, *estimate.features(static), *knobs]

    def least_s(self, candidate: Candidate, static: Mapping[str, Any] | None) -> float:
        """Return the seconds that `candidate` takes at least, see `estimate.least_s`."""
        facts = self._nest(candidate)
        if isinstance(self.workload, FireWorkload):
            return estimate.least_fire_s(self.workload, self._core, facts)
        return estimate.least_s(self.workload, self._core, facts, static)

    def tile(self, candidate: Candidate) -> tuple[float, ...]:
        """Return what shapes the inner loops of `candidate`: equal tiles have like code."""
        facts = self._nest(candidate)
        return tuple(facts.get(name, 0.0) for name in _TILE_FACTS)

    # Asked for over and over, of the same candidates.
    def _nest(self, candidate: Candidate) -> Mapping[str, float]:
        """What the schedule knows of the loop nest."""
        if candidate not in self._nests:
            schedule = competition.get(candidate.schedule)
            self._nests[candidate] = schedule.features(self.workload, self._core, candidate.config)
        return self._nests[candidate]

    def _plain_features(self, candidate: Candidate) -> tuple[list[float], list[float]]:
        """Facts of the loop nest, and knobs."""
        if candidate not in self._plain:
            name, config = candidate.schedule, candidate.config
            facts = schedules.features(self.workload, self._core, name, config)
            names = competition.names()
            knobs = [math.nan] * (_MAX_KNOBS * len(names))
            values = self._space_of(name).features(config)
            assert len(values) <= _MAX_KNOBS, f"{name} has more than {_MAX_KNOBS} knobs"
            start = _MAX_KNOBS * names.index(name)
            knobs[start : start + len(values)] = values
            self._plain[candidate] = facts, knobs
        return self._plain[candidate]

    def _space_of(self, name: str) -> KnobSpace:
        return next(space for schedule, space in self._spaces if schedule.name == name)


def _even_shares(n: int, sizes: Sequence[int]) -> list[int]:
    """Split `n` over lists of `sizes`; what a short one cannot give is taken from the others."""
    shares = [0] * len(sizes)
    places = sorted(range(len(sizes)), key=lambda place: sizes[place])
    for done, place in enumerate(places):
        shares[place] = min(sizes[place], -(-n // (len(sizes) - done)))
        n -= shares[place]
    return shares
