"""Every registered strategy, on a made-up space whose costs are known: no board needed."""

import itertools
import math
import random
from collections.abc import Iterator

import pytest

from schedules import Conv2dWorkload, FireWorkload, hardware
from tuner import search
from tuner.costmodel.ranker import Ranker
from tuner.search import Candidate, Result, Space

_KNOBS = {"mr": (1, 2, 4, 8), "nr": (2, 4, 8, 16), "block": (16, 32, 64, 128), "order": (0, 1)}


class _Space:
    """All combinations of `_KNOBS`; the cost is smooth in each knob, with some interaction."""

    def __init__(self, channels: int = 16) -> None:
        self.workload = Conv2dWorkload(1, channels, 14, 14, 32, 3, 3)
        self.candidates = [
            Candidate("made_up", 1, dict(zip(_KNOBS, values, strict=True)))
            for values in itertools.product(*_KNOBS.values())
        ]

    def __len__(self) -> int:
        return len(self.candidates)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.candidates)

    def knobs(self, schedule: str) -> dict[str, tuple[int, ...]]:
        return _KNOBS

    def sample(self, rng: random.Random, n: int) -> list[Candidate]:
        return rng.sample(self.candidates, min(n, len(self)))

    def features(self, candidate: Candidate, static=None) -> list[float]:
        return [math.log2(value + 1) for value in candidate.config.values()]

    def least_s(self, candidate: Candidate, static) -> float:
        return 1e-6

    def tile(self, candidate: Candidate) -> tuple[float, ...]:
        return (candidate.config["mr"], candidate.config["nr"])

    def cost_s(self, candidate: Candidate) -> float | None:
        mr, nr, block, order = candidate.config.values()
        if mr * nr > 64:
            return None
        fit = (
            (math.log2(mr) - 2) ** 2 + (math.log2(nr) - 3) ** 2 + 0.3 * (math.log2(block) - 6) ** 2
        )
        return 1e-3 * (1 + 0.4 * fit + 0.2 * order + 0.01 * mr * nr)


def _search(strategy, space, batches, size):
    """Run `batches` rounds; return all results in order."""
    results = []
    for _ in range(batches):
        chosen = strategy.propose(space, size)
        batch = [Result(space, candidate, space.cost_s(candidate)) for candidate in chosen]
        strategy.learn(batch)
        results += batch
    return results


@pytest.mark.parametrize("name", search.names())
def test_proposals_are_new_until_the_space_is_exhausted(name):
    space = _Space()
    results = _search(search.create(name, seed=0), space, batches=20, size=8)
    assert len(results) == len(space) == len({result.candidate for result in results})


@pytest.mark.parametrize("name", search.names())
def test_the_same_seed_proposes_the_same(name):
    runs = [_search(search.create(name, seed=7), _Space(), batches=4, size=6) for _ in range(2)]
    assert [r.candidate for r in runs[0]] == [r.candidate for r in runs[1]]
    other = _search(search.create(name, seed=8), _Space(), batches=4, size=6)
    assert [r.candidate for r in runs[0]] != [r.candidate for r in other]


@pytest.mark.parametrize("name", search.names())
def test_what_was_measured_elsewhere_is_not_proposed(name):
    space = _Space()
    strategy = search.create(name, seed=0)
    first = space.candidates[0]
    strategy.learn([Result(space, first, space.cost_s(first))])
    assert first not in strategy.propose(space, len(space))


@pytest.mark.parametrize("name", search.names())
def test_workloads_are_searched_side_by_side(name):
    strategy = search.create(name, seed=0)
    spaces = [_Space(16), _Space(24)]
    for space in spaces:
        assert len(_search(strategy, space, batches=2, size=5)) == 10


@pytest.mark.parametrize("name", search.names())
def test_failures_do_not_stop_a_search(name):
    space = _Space()
    strategy = search.create(name, seed=0)
    strategy.learn([Result(space, candidate, None) for candidate in space.candidates[:9]])
    assert len(strategy.propose(space, 5)) == 5


@pytest.mark.parametrize("name", ["evolution", "xgb"])
def test_what_learns_needs_fewer_trials_than_random(name):
    """Over several seeds; 32 of 128 candidates measured."""

    def mean_best(name):
        found = []
        for seed in range(6):
            results = _search(search.create(name, seed), _Space(), batches=4, size=8)
            found.append(min(r.cost_s for r in results if r.cost_s is not None))
        return sum(found) / len(found)

    assert mean_best(name) < mean_best("random")


def test_what_cannot_beat_the_best_is_not_measured_before_all_else():
    class Hopeless(_Space):
        """Half of the candidates are known to take longer than the best, from their code."""

        def least_s(self, candidate, static):
            return 1.0 if candidate.config["order"] else 1e-6

    space = Hopeless()
    results = _search(search.create("xgb", seed=0), space, batches=17, size=4)
    late = [result.candidate.config["order"] for result in results[4:]]
    # Once anything is measured, the best is known to be out of their reach.
    assert not any(late[: 64 - 4]) and all(late[64:])


def test_grid_spreads_its_first_trials_over_every_knob():
    space = _Space()
    first = search.create("grid", seed=0).propose(space, 16)
    for knob, values in _KNOBS.items():
        assert {candidate.config[knob] for candidate in first} == set(values)


_CONVOLUTION = Conv2dWorkload(1, 16, 14, 14, 24, 3, 3)
_FIRE = FireWorkload(
    Conv2dWorkload(1, 16, 14, 14, 8, 1, 1),
    Conv2dWorkload(1, 8, 14, 14, 16, 1, 1),
    Conv2dWorkload(1, 8, 14, 14, 16, 3, 3, padding=(1, 1, 1, 1)),
)


@pytest.mark.parametrize("name", search.names())
@pytest.mark.parametrize("core", hardware.cores())
@pytest.mark.parametrize("workload", [_CONVOLUTION, _FIRE], ids=["conv", "fire"])
def test_real_spaces_are_searched_whole(name, core, workload):
    """Schedules have knobs that exclude each other; proposals are candidates all the same."""
    space = Space(workload, hardware.core(core))
    strategy = search.create(name, seed=0)
    found = []
    while batch := strategy.propose(space, 16):
        found += batch
        strategy.learn([Result(space, c, 1e-3 + len(c.key) * 1e-6) for c in batch])
    assert len(found) == len(set(found)) == len(space)
    assert all(candidate in space for candidate in found)


@pytest.mark.parametrize("n", [0, 1, 7, 30, 1000])
def test_a_sample_is_spread_over_the_schedules(n):
    space = Space(Conv2dWorkload(1, 16, 14, 14, 24, 3, 3), hardware.core("cortex-a17"))
    drawn = space.sample(random.Random(0), n)
    assert len(drawn) == len(set(drawn)) == min(n, len(space))
    if n >= len(space.schedules):
        assert {candidate.schedule for candidate in drawn} == set(space.schedules)


def test_a_space_holds_its_candidates_only():
    space = Space(Conv2dWorkload(1, 16, 14, 14, 24, 3, 3), hardware.core("cortex-a17"))
    candidate = space.defaults()[0]
    knob, values = next(iter(space.knobs(candidate.schedule).items()))
    assert candidate in space
    assert candidate.config[knob] in values
    assert Candidate(candidate.schedule, 0, candidate.config) not in space
    assert Candidate("unknown", candidate.version, candidate.config) not in space
    assert Candidate(candidate.schedule, candidate.version, {knob: "odd"}) not in space


def test_the_ranker_orders_what_it_has_not_seen():
    space = _Space()
    ranker = Ranker(seed=0)
    shuffled = random.Random(0).sample(space.candidates, len(space))
    for candidate in shuffled[:64]:
        ranker.add("layer", space.features(candidate), space.cost_s(candidate))
    ranker.fit()
    rest = [c for c in shuffled[64:] if space.cost_s(c) is not None]
    scores = ranker.score([space.features(candidate) for candidate in rest])
    pairs = list(itertools.combinations(range(len(rest)), 2))
    right = sum(
        (scores[i] > scores[j]) == (space.cost_s(rest[i]) < space.cost_s(rest[j])) for i, j in pairs
    )
    assert right / len(pairs) > 0.8
