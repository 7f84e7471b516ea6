"""Trials go where they promise most, and end when they promise next to nothing."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.budget import Budget, End, Prospect, expected_gain_s, share

_COSTS = st.lists(st.floats(min_value=1e-6, max_value=10), max_size=12)
_PROSPECTS = st.lists(
    st.builds(
        Prospect,
        st.integers(min_value=1, max_value=4),
        _COSTS,
        st.integers(min_value=0, max_value=60),
        st.integers(min_value=0, max_value=50),
    ),
    min_size=1,
    max_size=20,
)


def _prospect(cost_s: float, trials: int = 3, capacity: int = 1000, layers: int = 1) -> Prospect:
    return Prospect(layers, [cost_s], trials, capacity)


@given(st.integers(min_value=0, max_value=300), _PROSPECTS)
def test_all_trials_are_given_but_for_what_no_task_can_take(trials, prospects):
    shares = share(trials, prospects)
    assert all(0 <= got <= p.capacity for got, p in zip(shares, prospects, strict=True))
    assert sum(shares) == min(trials, sum(p.capacity for p in prospects))


def test_shares_follow_the_time_that_can_be_gained():
    assert share(100, [_prospect(3.0, 0), _prospect(1.0, 0)]) == [75, 25]
    assert share(100, [_prospect(1.0, 0, layers=3), _prospect(1.0, 0)]) == [75, 25]


def test_a_task_with_many_trials_waits_for_the_others():
    assert share(10, [_prospect(1.0, trials=100), _prospect(1.0, trials=0)]) == [0, 10]


def test_trials_that_take_longer_have_to_promise_more():
    dear = Prospect(1, [3.0], 0, 1000, price=3)
    assert share(100, [dear, _prospect(1.0, 0)]) == [50, 50]


def test_what_a_small_space_leaves_goes_to_the_others():
    assert share(40, [_prospect(1.0, capacity=5), _prospect(1.0)]) == [5, 35]


def test_a_task_in_which_nothing_works_yet_is_not_forgotten():
    broken = Prospect(1, [], 3, 1000)
    assert share(20, [_prospect(1.0), broken]) == [10, 10]


@pytest.mark.parametrize("trials", [0, 1, 2])
def test_fewer_trials_than_tasks(trials):
    assert sum(share(trials, [_prospect(1.0)] * 3)) == trials


def test_the_expected_gain_is_what_the_other_half_of_the_trials_brought():
    rng = random.Random(0)
    costs = [1.0, 1.02, 1.03, 1.05, 1.2, 1.5]
    halves = [[c for c in costs if rng.random() < 0.5] for _ in range(20_000)]
    missed = sum(min(half, default=max(costs)) for half in halves) / len(halves) - min(costs)
    assert expected_gain_s(costs) == pytest.approx(missed, abs=2e-3)


@given(_COSTS)
def test_the_expected_gain_does_not_hang_on_luck(costs):
    gain_s = expected_gain_s(costs)
    assert 0 <= gain_s <= 0.1 * min(costs, default=0.0)
    assert gain_s == pytest.approx(expected_gain_s(costs[::-1]))


def test_many_equals_promise_nothing():
    assert expected_gain_s([2.0] * 9) == 0


def _spend(budget: Budget, prospects: list[Prospect]) -> int:
    """Make rounds that change nothing until the budget ends; return the trials."""
    spent = 0
    while sizes := [size for size in budget.next_round(prospects) if size]:
        spent += sum(sizes)
        budget.note(sum(sizes), measured=sum(sizes))
    return spent


def test_it_ends_with_its_trials():
    budget = Budget(100, None, least_gain=0.01)
    assert _spend(budget, [_prospect(1.0)]) == 100
    assert budget.end is End.TRIALS


def test_it_ends_when_more_promises_too_little():
    dry = Prospect(1, [1.0] * 20, 20, 1000)
    budget = Budget(100, None, least_gain=0.01)
    assert _spend(budget, [dry]) == 0
    assert budget.end is End.DRY
    # Together with one that promises a tenth of its time it goes on, for that one.
    budget = Budget(100, None, least_gain=0.01)
    assert budget.next_round([dry, _prospect(1.0)]) == [0, 16]


def test_who_wants_all_trials_gets_them():
    budget = Budget(100, None, least_gain=0.0)
    assert _spend(budget, [Prospect(1, [1.0] * 20, 20, 1000)]) == 100


def test_it_ends_when_every_candidate_was_tried():
    budget = Budget(100, None, least_gain=0.01)
    assert _spend(budget, [_prospect(1.0, capacity=0)]) == 0
    assert budget.end is End.SPACE


def test_it_ends_with_the_time_and_begins_no_round_that_does_not_fit():
    now = [0.0]
    budget = Budget(None, 60.0, least_gain=0.0, clock=lambda: now[0])
    spent = 0
    while size := sum(budget.next_round([_prospect(1.0)])):
        now[0] += 2.0 * size
        budget.note(size, measured=size)
        spent += size
    assert budget.end is End.TIME
    assert now[0] <= 60.0
    assert spent == 30


def test_results_from_the_log_do_not_count_as_fast_trials():
    now = [0.0]
    budget = Budget(None, 60.0, least_gain=0.0, clock=lambda: now[0])
    budget.note(500, measured=0)
    now[0] += 32.0
    budget.note(16, measured=16)
    # A trial takes two seconds, whatever 500 known ones took.
    assert budget.allow(50) == 14


def test_more_trials_begin_like_fewer():
    few, many = Budget(40, None, 0.01), Budget(400, None, 0.01)
    prospects = [_prospect(3.0), _prospect(1.0)]
    for _ in range(2):
        assert few.next_round(prospects) == many.next_round(prospects)
        few.note(16, 16)
        many.note(16, 16)
